"""The one path by which a tool is called: whatever happens, what comes back is an observation.

Known, valid, authorised, approved, run within its time, plain JSON, bounded, put on record. A tool
that is missing, refuses, raises, hangs, floods or returns nonsense is told of, never raised; what
passes is cancellation, and a database that cannot be used where rules or records need it. Stages
(cache, breaker …) are put around the run without a change here.
"""

import asyncio
import difflib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, runtime_checkable

from agent_engine.errors import RetryableError, StorageError, ToolError
from agent_engine.ports import Clock, Tool, ToolContext, ToolSource, ToolSpec, ToolTraits
from agent_engine.safeguards import ApprovalStore
from agent_engine.tools.abilities import Repeatable
from agent_engine.tools.approval import Approvals, NobodyAsked, Permitted
from agent_engine.tools.audit import NO_AUDIT, Auditor, Called
from agent_engine.tools.policy import ToolPolicy
from agent_engine.tools.shorten import cut_text, one_line, plain_copy, shortened
from agent_engine.tools.validate import fitting_arguments
from agent_engine.types import AgentObservation, JsonObject, ProposedCall, Source, UserId

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """What is asked and told around every call; by default there are no rules and no records."""

    policy: ToolPolicy = field(default_factory=ToolPolicy)
    approvals: ApprovalStore = field(default_factory=NobodyAsked)
    audit: Auditor = NO_AUDIT


class ToolCaller:
    """Calls an installation's tools for its agents."""

    def __init__(  # noqa: PLR0913  # the composition root hands over each part
        self,
        tools: Sequence[Tool],
        clock: Clock,
        *,
        sources: Sequence[ToolSource] = (),
        stages: Sequence[Stage] = (),
        redact: Redact = nothing_secret,
        guards: Guards | None = None,
    ) -> None:
        self._tools = {tool.name: tool for tool in tools}
        if len(self._tools) != len(tools):
            raise ValueError("two tools have the same name")
        self._sources = tuple(sources)
        self._clock = clock
        self._redact = redact
        guards = guards or Guards()
        self._policy = guards.policy
        self._approvals = Approvals(guards.policy, guards.approvals)
        self._audit = guards.audit
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

    def may_repeat(self, name: str, arguments: JsonObject) -> bool:
        """Say whether a call that may already have happened can be repeated without asking."""
        tool = self.tool(name)
        if tool is None:  # a source's tool that is away may be there again: the worst is assumed
            return self._source(name) is None
        if not isinstance(tool, Repeatable):
            return tool.traits.idempotent
        try:
            return tool.is_repeatable(arguments)
        except Exception:
            logger.exception("tool_repeatable_failed", extra={"tool": name})
            return False

    def specs(self, allowed: tuple[str, ...] | None) -> tuple[ToolSpec, ...]:
        """Describe the tools that may be used; None allows all."""
        fixed = [tool for tool in self._tools.values() if _may(tool.name, allowed)]
        others = [tool for source in self._sources for tool in source.offered(allowed)]
        return tuple(map(_spec, [*fixed, *others]))

    async def proposal(
        self,
        name: str,
        arguments: JsonObject,
        context: ToolContext,
        *,
        allowed: tuple[str, ...] | None = None,
    ) -> ProposedCall | None:
        """Return what a person is to be asked before this call; None when it can be made.

        A call that would be refused needs nobody's word. Raises StorageError.
        """
        try:
            call = await self._checked(name, arguments, context, allowed)
        except Exception:  # noqa: BLE001  # ``call`` tells the model of it, and the log
            return None
        asked = await self._approvals.ask(call.tool, call.arguments, context)
        return asked if isinstance(asked, ProposedCall) else None

    async def in_doubt(
        self,
        name: str,
        arguments: JsonObject,
        context: ToolContext,
        *,
        allowed: tuple[str, ...] | None = None,
    ) -> ProposedCall | None:
        """Return what a person is to be asked about a call that may already have been made.

        None when it could not be made now anyway.
        """
        try:
            call = await self._checked(name, arguments, context, allowed)
        except Exception:  # noqa: BLE001  # ``call`` tells the model of it, and the log
            return None
        return self._approvals.in_doubt(call.tool, call.arguments, context)

    async def call(
        self,
        name: str,
        arguments: JsonObject,
        context: ToolContext,
        *,
        allowed: tuple[str, ...] | None = None,
    ) -> AgentObservation:
        """Call a tool and say what came of it. Raises nothing but CancelledError, StorageError."""
        try:
            call = await self._checked(name, arguments, context, allowed)
            permitted = await self._permitted(call)
        except ToolError as refusal:
            return await self._refused(name, arguments, context, refusal)
        except StorageError:
            raise
        except Exception:
            logger.exception("tool_unreadable", extra=_facts(name, context))
            broken = ToolError(f"{name} is broken and cannot be called")
            return await self._refused(name, arguments, context, broken)
        return await self._carried_out(call, decision=permitted.why)

    async def interrupted(self, name: str, arguments: JsonObject, context: ToolContext) -> None:
        """Put on record that a call was begun and nobody knows what came of it."""
        await self._audit.unknown(Called(name=name, arguments=arguments, context=context))

    async def denied(
        self, proposed: ProposedCall, context: ToolContext, *, by: UserId | None
    ) -> None:
        """Put on record that a person did not allow a call."""
        await self._audit.denied(proposed, context, by=by)

    async def _checked(
        self,
        name: str,
        arguments: JsonObject,
        context: ToolContext,
        allowed: tuple[str, ...] | None,
    ) -> ToolCall:
        """Return the call when it is valid and this person's task may make it."""
        tool = await self._usable(name, allowed)
        fitting = fitting_arguments(tool, arguments)
        refusal = self._policy.refusal(tool, fitting, requester=context.requester)
        if refusal is not None:
            raise ToolError(refusal)
        return ToolCall(tool=tool, arguments=fitting, context=context)

    async def _permitted(self, call: ToolCall) -> Permitted:
        """Return why the call may be made; what nobody approved is refused."""
        asked = await self._approvals.ask(call.tool, call.arguments, call.context)
        if isinstance(asked, ProposedCall):
            raise ToolError(f"{call.tool.name} was not called: nobody approved these arguments")
        return asked

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

    async def _carried_out(self, call: ToolCall, *, decision: str) -> AgentObservation:
        started_s = self._clock.monotonic_s()
        try:
            result = await self._result(call)
        except asyncio.CancelledError:
            await self._audit.stopped(_called(call), decision=decision)
            raise
        took_s = round(self._clock.monotonic_s() - started_s, 3)
        facts = _facts(call.tool.name, call.context)
        success = bool(result["success"])
        logger.info("tool_called", extra={**facts, "success": success, "duration_s": took_s})
        observation = self._observed(call, result)
        await self._audit.done(_called(call), observation, decision=decision, duration_s=took_s)
        return observation

    async def _result(self, call: ToolCall) -> dict[str, Any]:
        """Return the tool's result as complete JSON, or an error in the same shape."""
        name = call.tool.name
        try:
            returned = await self._in_time(call)
            return _complete(await plain_copy(returned, text=self._redact))
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

    async def _refused(
        self, name: str, arguments: JsonObject, context: ToolContext, refusal: ToolError
    ) -> AgentObservation:
        logger.info("tool_refused", extra={"tool": name[:60]})
        content = _failure(self._redact(refusal.message))
        observation = AgentObservation(
            observation_type=ERROR,
            content=content,
            timestamp=self._clock.now(),
            source=Source.ENGINE,
            outcome=one_line(content["error"]),
        )
        called = Called(name=name, arguments=arguments, context=context)
        await self._audit.refused(called, observation)
        return observation


def _called(call: ToolCall) -> Called:
    return Called(name=call.tool.name, arguments=call.arguments, context=call.context)


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
        words = "done" if result["success"] else cut_text(str(result["error"]), _MAX_ERROR_CHARS)
    return words
