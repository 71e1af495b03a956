"""A model that says what a test wrote down, and fails when it is asked anything else.

It must stay strict: an unexpected question and an unused step are both errors.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from agent_engine.errors import ModelError
from agent_engine.ports import Dialect, ModelReply, ModelRequest, ToolRequest
from agent_engine.tokens import estimate_tokens


class ScriptError(AssertionError):
    """The scripted model was asked something its script does not hold, or too little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """A step that also checks the question."""

    reply: "ScriptedReply"
    purpose: str | None = None
    """The purpose that the request must have; None for any."""
    containing: tuple[str, ...] = ()
    """Texts that must occur in the request's turns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class After:
    """A step that is played only when an event is set; a delay without sleeping."""

    event: asyncio.Event
    reply: "ScriptedReply"


ScriptedReply = (
    str
    | dict[str, Any]
    | list[Any]
    | ToolRequest
    | tuple[ToolRequest, ...]
    | ModelReply
    | ModelError
    | Expect
    | After
    | Callable[[ModelRequest], "ScriptedReply"]
    | Callable[[ModelRequest], Awaitable["ScriptedReply"]]
)
"""Text, JSON, tool requests, a whole reply, an error to raise, or a function of the request."""


class ScriptedModel:
    """Plays its steps in order and records every request.

    Used as a context manager it checks at the end that the whole script was played.

    Args:
        steps: what it answers, first question first.
        name: the model's name.
        dialect: what is known of the "endpoint"; by default it knows JSON schemas.
    """

    def __init__(
        self,
        *steps: ScriptedReply,
        name: str = "scripted",
        dialect: Dialect | None = None,
    ) -> None:
        self._steps = list(steps)
        self._name = name
        self._dialect = dialect or Dialect()
        self._requests: list[ModelRequest] = []

    @property
    def name(self) -> str:
        """The model's name."""
        return self._name

    @property
    def dialect(self) -> Dialect:
        """What is known of the endpoint."""
        return self._dialect

    @property
    def requests(self) -> Sequence[ModelRequest]:
        """Every request so far, oldest first."""
        return tuple(self._requests)

    @property
    def remaining(self) -> int:
        """How many steps were not played yet."""
        return len(self._steps)

    def add(self, *steps: ScriptedReply) -> None:
        """Append steps to the script."""
        self._steps.extend(steps)

    async def complete(self, request: ModelRequest) -> ModelReply:
        """Play the next step. Raises ScriptError when there is none or it does not fit."""
        self._requests.append(request)
        if not self._steps:
            raise ScriptError(
                f"unexpected request, purpose {request.purpose!r}: the script is over"
            )
        reply = await self._played(self._steps.pop(0), request)
        if request.on_text is not None:
            for end in (len(reply.text) // 2, len(reply.text)):
                request.on_text(reply.text[:end])
        return reply

    def check_finished(self) -> None:
        """Raise ScriptError when steps are left."""
        if self._steps:
            raise ScriptError(f"{len(self._steps)} scripted steps were not asked for")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.check_finished()

    async def _played(self, step: ScriptedReply, request: ModelRequest) -> ModelReply:
        match step:
            case ModelError():
                raise step
            case ModelReply():
                return step
            case Expect():
                _check(step, request)
                return await self._played(step.reply, request)
            case After():
                await step.event.wait()
                return await self._played(step.reply, request)
            case str() | dict() | list() | ToolRequest() | tuple():
                return self._reply(step, request)
            case _:
                made = step(request)
                if isinstance(made, Awaitable):
                    made = await made
                return await self._played(made, request)

    def _reply(
        self,
        step: str | dict[str, Any] | list[Any] | ToolRequest | tuple[ToolRequest, ...],
        request: ModelRequest,
    ) -> ModelReply:
        tools: tuple[ToolRequest, ...] = ()
        text = ""
        match step:
            case str():
                text = step
            case ToolRequest():
                tools = (step,)
            case tuple():
                tools = step
            case _:
                text = json.dumps(step)
        return ModelReply(
            text=text,
            tool_requests=tools,
            finish_reason="tool_calls" if tools else "stop",
            model=self._name,
            prompt_tokens=sum(estimate_tokens(turn.text) for turn in request.turns),
            completion_tokens=estimate_tokens(text) + 10 * len(tools),
            estimated=True,
        )


def _check(step: Expect, request: ModelRequest) -> None:
    if step.purpose is not None and request.purpose != step.purpose:
        raise ScriptError(f"expected purpose {step.purpose!r}, was asked {request.purpose!r}")
    asked = "\n".join(turn.text for turn in request.turns)
    for text in step.containing:
        if text not in asked:
            raise ScriptError(f"the request does not contain {text!r}")
