"""Puts every tool call on record: who asked, what was decided, what came of it.

One entry per attempt of a step, whatever way it ends. Where a record cannot be written the error
passes: an action without a record is not one this installation may take.
"""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

from agent_engine.errors import StorageError
from agent_engine.long_texts import PIECE
from agent_engine.ports import ToolContext
from agent_engine.safeguards import AuditAction, AuditEntry
from agent_engine.tools.declare import call_key
from agent_engine.tools.shorten import cut_text
from agent_engine.types import AgentObservation, JsonObject, ProposedCall, UserId

MAX_ARGUMENT_CHARS: Final = 4_000
STOPPED_WITHIN_S: Final = 2.0
"""How long a call that is being stopped may take to say so."""

REFUSED: Final = "refused"
DENIED: Final = "denied"
SUCCESS: Final = "success"
ERROR: Final = "error"
STOPPED: Final = "stopped"
UNKNOWN: Final = "unknown"


class Appends(Protocol):
    """The part of the audit log that calls need."""

    async def append(self, entry: AuditEntry) -> None:
        """Add the entry. Safe to repeat."""
        ...


class Unrecorded:
    """Stands for an installation that keeps no record: a library in its caller's own process."""

    async def append(self, entry: AuditEntry) -> None:
        """Forget the entry."""
        del entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """Which call an entry is about."""

    name: str
    arguments: JsonObject
    context: ToolContext


class Auditor:
    """Words the entries."""

    def __init__(self, log: Appends, redact: Callable[[str], str]) -> None:
        self._log = log
        self._redact = redact

    async def done(
        self, call: Called, observation: AgentObservation, *, decision: str, duration_s: float
    ) -> None:
        """Record a call that was made."""
        by = call.context.approved.by if call.context.approved is not None else None
        result = SUCCESS if observation.success else ERROR
        text = self._text(call.arguments, observation.outcome)
        await self._log.append(
            _entry(call, decision, result, by=by, duration_s=duration_s, text=text)
        )

    async def refused(self, call: Called, observation: AgentObservation) -> None:
        """Record a call that was not made, for rules or reason were against it."""
        text = self._text(call.arguments, observation.outcome)
        await self._log.append(_entry(call, REFUSED, ERROR, text=text))

    async def denied(
        self, proposed: ProposedCall, context: ToolContext, *, by: UserId | None
    ) -> None:
        """Record that a person did not allow a call."""
        call = Called(name=proposed.tool, arguments=proposed.arguments, context=context)
        text = self._text(proposed.arguments, "")
        await self._log.append(_entry(call, DENIED, ERROR, by=by, text=text))

    async def stopped(self, call: Called, *, decision: str) -> None:
        """Record a call that is being stopped; briefly, for somebody waits for the end of it."""
        entry = _entry(call, decision, STOPPED, text=self._text(call.arguments, ""))
        with suppress(TimeoutError, StorageError):  # the next attempt, or none, is on record
            async with asyncio.timeout(STOPPED_WITHIN_S):
                await self._log.append(entry)

    async def unknown(self, call: Called) -> None:
        """Record a call that a crash interrupted: it may have happened or not."""
        await self._log.append(_entry(call, UNKNOWN, UNKNOWN, text=self._text(call.arguments, "")))

    def _text(self, arguments: JsonObject, outcome: str) -> str:
        # Redacted before it is cut: half a secret is not recognised. Where that would take long,
        # what is left of the first seam goes with the second.
        shown = self._redact(cut_text(_shown(arguments), PIECE))
        shown = cut_text(shown, MAX_ARGUMENT_CHARS)
        return f"{shown}\n{self._redact(outcome)}" if outcome else shown


NO_AUDIT: Final = Auditor(Unrecorded(), str)


def _entry(  # noqa: PLR0913  # one for each thing an entry says
    call: Called,
    decision: str,
    result: str,
    *,
    by: UserId | None = None,
    duration_s: float = 0.0,
    text: str = "",
) -> AuditEntry:
    context = call.context
    return AuditEntry(
        key=f"{context.idempotency_key}:{context.attempt}",
        action=AuditAction.TOOL_CALL,
        scope=context.scope,
        actor=context.requester,
        run_id=context.run_id,
        step=context.step,
        subject=call.name[:200],
        arguments_digest=_digest(call),
        decision=decision,
        decided_by=by,
        result=result,
        duration_s=duration_s,
        text=text,
    )


def _digest(call: Called) -> str:
    """The call's hash; empty for arguments that are no JSON, which no tool ever sees."""
    try:
        return call_key(call.name, call.arguments)
    except (TypeError, ValueError, RecursionError):
        return ""


def _shown(arguments: JsonObject) -> str:
    """The arguments as text; models write things that are no JSON, which are on record as that."""
    try:
        return json.dumps(arguments, ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError):
        return "(arguments that are no JSON)"
