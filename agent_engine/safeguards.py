"""What stands around tool calls, as values and Protocols: rules, pins, budgets, cache, audit.

``tools/call.py`` and the stages beside it use them, ``storage`` keeps their rows, ``in_memory``
stands in where there is no database. Nothing here does anything.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from agent_engine.types import (
    ChannelId,
    JsonObject,
    RunId,
    Scope,
    TaskId,
    UserId,
    WorkspaceId,
    now_utc,
)

# -- approvals -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingRule:
    """What someone allowed once and for all: calls like this, by this agent, in this channel."""

    id: str
    scope: Scope
    tool: str
    like: JsonObject
    """What a call must be like: the tool's own words, e.g. ``{"method": "POST", "host": …}``."""
    created_by: UserId
    created_at: datetime


class ApprovalStore(Protocol):
    """What people allowed."""

    async def standing_rule(self, scope: Scope, tool: str, like: JsonObject) -> StandingRule | None:
        """Return the rule that allows such calls here; None when none does or it was revoked."""
        ...

    async def was_approved(self, task_id: TaskId, tool: str, *, requester: UserId | None) -> bool:
        """Say whether a call of this tool was approved before, in this task for this person."""
        ...

    async def rules(
        self, workspace_id: WorkspaceId, *, channel_id: ChannelId | None
    ) -> Sequence[StandingRule]:
        """Return the standing rules that hold, oldest first; of all channels for None."""
        ...


# -- pins ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolPin:
    """What a foreign server said of one of its tools: what it says later is held against it."""

    tool: str
    """By the server's own name."""
    digest: str
    """A hash of all that it said."""
    definition: JsonObject
    """What agents are shown of it, so that people can compare."""
    first_seen_at: datetime = field(default_factory=now_utc)
    accepted_at: datetime | None = None
    """When an operator accepted it; None while it is what the server said at first."""


class PinStore(Protocol):
    """What the installation's foreign servers said of their tools.

    Of no workspace: servers are configured, connected and accepted for the whole installation.
    """

    async def pin(self, server: str, said: Sequence[ToolPin]) -> Mapping[str, str]:
        """Pin the tools that were never seen; return the digests that hold, by tool.

        A tool is missing in the answer when its server has shown more tools than are kept.
        """
        ...

    async def pins(self, server: str) -> Sequence[ToolPin]:
        """Return all pins of a server, in the order of the tools' names."""
        ...

    async def accept(
        self, server: str, pins: Sequence[ToolPin], *, gone: Collection[str] = ()
    ) -> None:
        """Let these hold from now on, and forget the tools that are gone."""
        ...


# -- budgets -------------------------------------------------------------------------------------


DAY_SUFFIX = "_day"
"""Behind whose budget it is, in the name of a limit: ``person_day``."""


class BudgetOf(StrEnum):
    """Whose spending a budget caps."""

    PERSON = "person"
    CHANNEL = "channel"
    WORKSPACE = "workspace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A cap for a day, in UTC; 0 means no cap."""

    of: BudgetOf
    tokens: int = 0
    usd: float = 0.0


class CapOf(StrEnum):
    """What a cap counts."""

    TOKENS = "tokens"
    USD = "usd"


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetExceeded:
    """Nothing was reserved, for this budget would be passed."""

    budget: Budget
    """With what was added for today."""
    cap: CapOf
    """Which of its two caps was met."""
    used_tokens: int
    used_usd: float
    """Reservations of others included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What one person, one channel or the workspace spent today, in UTC."""

    tokens: int = 0
    usd: float = 0.0
    reserved_tokens: int = 0
    """Set aside for calls that are under way."""
    reserved_usd: float = 0.0
    extra_tokens: int = 0
    """What was added to the budget for today."""
    extra_usd: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SpentToday:
    """Today's figures for display."""

    person: Spent
    channel: Spent
    workspace: Spent


class BudgetStore(Protocol):
    """What was spent today, and what is being spent right now."""

    async def reserve(
        self, run_id: RunId, budgets: Sequence[Budget], *, epoch: int, tokens: int, usd: float
    ) -> str | BudgetExceeded:
        """Set this much aside for one call of the run, and return the reservation's id.

        The commit that stores the ``ModelCalled`` naming it ends it. It counts only while the run
        is under way in this epoch, so what a dead or stalled worker reserved holds nobody up.
        Raises FencedError when another worker took the run over.
        """
        ...

    async def exceeded(
        self, workspace_id: WorkspaceId, budgets: Sequence[Budget], *, tokens: int, usd: float
    ) -> BudgetExceeded | None:
        """Say by what the workspace's budget would be passed by so much that no run asks for.

        Those of persons and channels are not looked at. Nothing is set aside.
        """
        ...

    async def release(self, reservation: str) -> None:
        """Give back what was not used, for the call failed. Safe to repeat."""
        ...


# -- cache ---------------------------------------------------------------------------------------


class ToolCache(Protocol):
    """Results of calls that may be used again. Bounded; what is not found is simply called."""

    async def find(self, scope: Scope, key: str) -> JsonObject | None:
        """Return the stored result of this call by this agent here; None when none is fresh."""
        ...

    async def keep(self, scope: Scope, key: str, result: JsonObject, *, ttl_s: float) -> None:
        """Store the result for so long, instead of an older one."""
        ...


# -- audit ---------------------------------------------------------------------------------------


class AuditAction(StrEnum):
    """What an entry of the audit log is about."""

    TOOL_CALL = "tool_call"
    APPROVAL = "approval"
    RULE = "rule"
    BUDGET = "budget"
    FORGET = "forget"
    LESSON = "lesson"
    MEMORY = "memory"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One action, once: who asked which agent for what, what was decided, what came of it."""

    key: str
    """Names the action: the same entry appended twice is one. ``run:step:attempt`` for a call."""
    action: AuditAction
    scope: Scope
    actor: UserId | None
    """Who asked for it or decided it; None for what the bot does by itself."""
    run_id: RunId | None = None
    step: int | None = None
    subject: str = ""
    """The tool, or what else was acted on."""
    arguments_digest: str = ""
    decision: str = ""
    """``allowed``, ``approved``, ``standing_rule``, ``denied``, ``refused``, ``cached`` …"""
    decided_by: UserId | None = None
    result: str = ""
    """``success``, ``error``, ``stopped``, or ``unknown`` where a crash hid it."""
    usd: float = 0.0
    duration_s: float = 0.0
    text: str = ""
    """Redacted arguments and outcome; may be forgotten without breaking the chain."""
    at: datetime = field(default_factory=now_utc)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """An entry as stored in its workspace's chain."""

    seq: int
    """Counts from 1 without gaps."""
    entry: AuditEntry
    text_hash: str
    previous: str
    """The hash of the row before; empty for the first."""
    hash: str
    text_is_forgotten: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditVerdict:
    """What checking a workspace's chain found."""

    workspace_id: WorkspaceId
    rows: int
    forgotten_texts: int
    broken_at: int | None
    """The first row that does not fit; None when the chain holds."""
    because: str = ""
    head: str = ""
    """The last row's hash: noted elsewhere, it shows whether the end was cut off later."""


class AuditLog(Protocol):
    """The append-only record of what agents did: one hash chain per workspace."""

    async def append(self, entry: AuditEntry) -> None:
        """Add the entry in a short transaction of its own. Safe to repeat."""
        ...

    async def verify(self, workspace_id: WorkspaceId) -> AuditVerdict:
        """Check every row of the chain."""
        ...

    def export(self, workspace_id: WorkspaceId, *, after: int = 0) -> AsyncIterator[AuditRow]:
        """Yield the rows behind this seq, oldest first, a page at a time."""
        ...

    async def forget_texts(self, workspace_id: WorkspaceId, *, actor: UserId) -> int:
        """Empty the texts of what this person asked for; return how many. The chain still holds."""
        ...

    async def workspaces(self) -> Sequence[WorkspaceId]:
        """Return the workspaces that have a chain."""
        ...
