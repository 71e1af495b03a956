"""The one path by which a tool is called: whatever happens, what comes back is an observation.

Known, allowed, valid, run within its time, plain JSON, bounded. A tool that is missing, refuses,
raises, hangs, floods or returns nonsense is told of, never raised; only cancellation passes.
Further stages (authority, approval, cache, audit …) are put around the run without a change here.
"""

import asyncio
import difflib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, runtime_checkable

from agent_engine.errors import RetryableError, ToolError
from agent_engine.ports import Clock, Tool, ToolContext, ToolSource, ToolSpec, ToolTraits
from agent_engine.tools.shorten import cut_text, one_line, plain_json, shortened
from agent_engine.tools.validate import fitting_arguments
from agent_engine.types import AgentObservation, JsonObject, Source

logger = logging.getLogger(__name__)

TOOL_RESULT: Final = "tool_result"
ERROR: Final = "error"
_MAX_NAMES_SHOWN: Final = 12
_MAX_ERROR_CHARS: Final = 2_000
_MAX_FILES: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One call, with arguments that fit the tool."""

    tool: Tool
    arguments: JsonObject
    context: ToolContext


class Proceed(Protocol):
    """What is left of the path."""

    async def __call__(self, call: ToolCall) -> JsonObject:
        """Go on with the call and return the tool's result."""
        ...


class Stage(Protocol):
    """Something around every call of a tool."""

    async def __call__(self, call: ToolCall, proceed: Proceed) -> JsonObject:
        """Let the call proceed, or answer for it. Raises ToolError to refuse."""
        ...


@runtime_checkable
class Describes(Protocol):
    """A tool that has words of its own for what came of a call."""

    def describe(self, arguments: JsonObject, result: JsonObject) -> str:
        """Say what came of it in one line for people; empty for no words."""
        ...


Redact = Callable[[str], str]
"""Takes out of a text what nobody may see; applied to every string a tool returned."""


def nothing_secret(text: str) -> str:
    """Leave the text as it is."""
    return text


class ToolCaller:
    """Calls an installation's tools for its agents."""

    def __init__(
        self,
        tools: Sequence[Tool],
        clock: Clock,
        *,
        sources: Sequence[ToolSource] = (),
        stages: Sequence[Stage] = (),
        redact: Redact = nothing_secret,
    ) -> None:
        self._tools = {tool.name: tool for tool in tools}
        if len(self._tools) != len(tools):
            raise ValueError("two tools have the same name")
        self._sources = tuple(sources)
        self._clock = clock
        self._redact = redact
        self._proceed: Proceed = _run
        for stage in reversed(stages):
            self._proceed = _around(stage, self._proceed)

    def tool(self, name: str) -> Tool | None:
        """Return the tool of this name; None when there is none."""
        source = self._source(name)
        return self._tools.get(name) if source is None else source.tool(name)

    def traits(self, name: str) -> ToolTraits | None:
        """Return what the loop must know of a tool; None for an unknown one.

        A tool of a source that is away now may be there when it is called: the worst is assumed.
        """
        tool = self.tool(name)
        if tool is None:
            return ToolTraits() if self._source(name) else None
        return tool.traits

    def specs(self, allowed: tuple[str, ...] | None) -> tuple[ToolSpec, ...]:
        """Describe the tools that may be used; None allows all."""
        fixed = [tool for tool in self._tools.values() if _may(tool.name, allowed)]
        others = [tool for source in self._sources for tool in source.offered(allowed)]
        return tuple(map(_spec, [*fixed, *others]))

    async def call(
        self,
        name: str,
        arguments: JsonObject,
        context: ToolContext,
        *,
        allowed: tuple[str, ...] | None = None,
    ) -> AgentObservation:
        """Call a tool and say what came of it. Raises nothing but CancelledError."""
        try:
            tool = await self._usable(name, allowed)
            call = ToolCall(
                tool=tool, arguments=fitting_arguments(tool, arguments), context=context
            )
        except ToolError as refusal:
            return self._refused(name, refusal)
        except Exception:
            logger.exception("tool_unreadable", extra=_facts(name, context))
            return self._refused(name, ToolError(f"{name} is broken and cannot be called"))
        return await self._carried_out(call)

    def _source(self, name: str) -> ToolSource | None:
        return next((source for source in self._sources if source.owns(name)), None)

    async def _usable(self, name: str, allowed: tuple[str, ...] | None) -> Tool:
        if source := self._source(name):
            return await source.find(name, allowed)
        tool = self._tools.get(name)
        if tool is None or not _may(name, allowed):
            raise ToolError(self._unknown(name, allowed))
        return tool

    def _unknown(self, name: str, allowed: tuple[str, ...] | None) -> str:
        names = sorted(spec.name for spec in self.specs(allowed))
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.4)
        what = "is not one this agent may use" if name in self._tools else "does not exist"
        if near:
            return f"the tool {name[:60]!r} {what}; did you mean {' or '.join(near)}?"
        shown = ", ".join(names[:_MAX_NAMES_SHOWN]) or "none"
        return f"the tool {name[:60]!r} {what}; there are: {shown}"

    async def _carried_out(self, call: ToolCall) -> AgentObservation:
        started_s = self._clock.monotonic_s()
        result = await self._result(call)
        took_s = round(self._clock.monotonic_s() - started_s, 3)
        facts = _facts(call.tool.name, call.context)
        success = bool(result["success"])
        logger.info("tool_called", extra={**facts, "success": success, "duration_s": took_s})
        return self._observed(call, result)

    async def _result(self, call: ToolCall) -> dict[str, Any]:
        """Return the tool's result as complete JSON, or an error in the same shape."""
        name = call.tool.name
        try:
            returned = await self._in_time(call)
            return _complete(plain_json(returned, text=self._redact))
        except ToolError as error:
            return _failure(self._redact(error.message))
        except RetryableError as error:
            return _failure(self._redact(f"not available at the moment: {error.message}"))
        except Exception as error:
            if told := _tool_error_in(error):
                return _failure(self._redact(told.message))
            logger.exception("tool_failed", extra=_facts(name, call.context))
            return _failure(f"{name} failed with an error of its own; other arguments may work")

    async def _in_time(self, call: ToolCall) -> JsonObject:
        limit_s = call.tool.traits.timeout_s
        deadline = asyncio.timeout(limit_s)
        try:
            async with deadline:
                return await self._proceed(call)
        except TimeoutError as error:
            if deadline.expired():
                name = call.tool.name
                raise ToolError(f"{name} took longer than {limit_s:g} s and was stopped") from error
            raise

    def _observed(self, call: ToolCall, result: dict[str, Any]) -> AgentObservation:
        files = _files(result)
        content, full_output = shortened(result, call.tool.traits.max_result_chars)
        return AgentObservation(
            observation_type=TOOL_RESULT,
            content=content,
            timestamp=self._clock.now(),
            source=Source.TOOL,
            outcome=one_line(self._redact(_outcome(call, result))),
            full_output=full_output,
            files=files,
        )

    def _refused(self, name: str, refusal: ToolError) -> AgentObservation:
        logger.info("tool_refused", extra={"tool": name[:60]})
        content = _failure(self._redact(refusal.message))
        return AgentObservation(
            observation_type=ERROR,
            content=content,
            timestamp=self._clock.now(),
            source=Source.ENGINE,
            outcome=one_line(content["error"]),
        )


async def _run(call: ToolCall) -> JsonObject:
    return await call.tool.execute(call.arguments, call.context)


def _around(stage: Stage, inner: Proceed) -> Proceed:
    async def proceed(call: ToolCall) -> JsonObject:
        return await stage(call, inner)

    return proceed


def _may(name: str, allowed: tuple[str, ...] | None) -> bool:
    return allowed is None or name in allowed


def _spec(tool: Tool) -> ToolSpec:
    return ToolSpec(
        name=tool.name, description=tool.description, parameters_schema=tool.parameters_schema
    )


def _facts(name: str, context: ToolContext) -> dict[str, object]:
    return {"tool": name, "run_id": context.run_id, "step": context.step}


def _tool_error_in(error: Exception) -> ToolError | None:
    """Return what the model is to be told where a tool's own task group failed for that alone."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error if isinstance(error, ToolError) else None


def _failure(error: str) -> dict[str, Any]:
    return {"success": False, "error": cut_text(error, _MAX_ERROR_CHARS)}


def _complete(result: dict[str, Any]) -> dict[str, Any]:
    """See to it that every result says whether it is a success, and every failure why."""
    success = result.get("success", result.get("error") is None)
    if not isinstance(success, bool):
        raise ToolError("the tool returned a result that does not say whether it succeeded")
    completed = {**result, "success": success}
    if not success and not result.get("error"):
        completed["error"] = "the tool failed without saying why"
    return completed


def _files(result: dict[str, Any]) -> tuple[str, ...]:
    files = result.get("files")
    if not isinstance(files, list):
        return ()
    return tuple(path for path in files if isinstance(path, str))[:_MAX_FILES]


def _outcome(call: ToolCall, result: dict[str, Any]) -> str:
    words = ""
    if isinstance(call.tool, Describes):
        try:
            words = call.tool.describe(call.arguments, result)
        except Exception:
            logger.exception("tool_describe_failed", extra=_facts(call.tool.name, call.context))
    if not words:
        words = "done" if result["success"] else str(result["error"])
    return words
