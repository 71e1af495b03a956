"""What the outside can ask of the engine, and what it answers: commands and their outcomes.

Every command may be carried out twice: with the same ``keys`` the second time changes nothing and
the outcome is ``Repeated``. Who may give a command is decided before it is made, where people are
known.
"""

from dataclasses import dataclass, field
from datetime import datetime

from agent_engine.memory_commands import MemoriesChanged, MemoryCommand
from agent_engine.safeguards import BudgetOf
from agent_engine.types import (
    AgentId,
    ChannelId,
    EndReason,
    JsonObject,
    Limits,
    PersonMessage,
    RunId,
    TaskId,
    Thread,
    UserId,
    WorkspaceId,
    now_utc,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    """A person said something in a thread: it starts, continues, steers or answers a task."""

    thread: Thread
    agent_id: AgentId
    message: PersonMessage
    starts: bool
    """Whether it was addressed to the agent, so that it starts a task where there is none."""
    continues: bool
    """Whether it goes to the thread's task where there is one."""
    earlier: tuple[PersonMessage, ...] = ()
    """What was said in the thread before; context for a task that starts now."""
    limits: Limits | None = None
    """None for the agent's."""
    parameters: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Amend:
    """A person edited a message that a task had been told; the run hears of the new words."""

    thread: Thread
    message: PersonMessage
    """Has the id of the edited message with ``#edited`` and the edit's time behind it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decide:
    """A person answers what a run waits for, by a button."""

    run_id: RunId
    wait_id: str
    value: str
    by: UserId
    arguments: JsonObject | None = None
    """An approver's changed arguments; None: as proposed."""
    remark: str = ""
    """What they said about it."""
    always: bool = False
    """Make a standing rule of the approval: such calls are allowed in this channel from now on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeRule:
    """A person takes a standing rule back."""

    workspace_id: WorkspaceId
    rule_id: str
    by: UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendBudget:
    """A person adds to what someone, a channel or the workspace may spend today, in UTC."""

    workspace_id: WorkspaceId
    of: BudgetOf
    id: str
    """The person's, the channel's or the workspace's."""
    by: UserId
    tokens: int = 0
    usd: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """A person, or the loss of its channel, stops a run."""

    run_id: RunId
    reason: str
    by: UserId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelThread:
    """Stop whatever runs in this thread."""

    thread: Thread
    reason: str
    by: UserId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelChannel:
    """Stop whatever runs in this channel, for it was archived or left."""

    workspace_id: WorkspaceId
    channel_id: ChannelId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAgain:
    """Run an ended task once more: from the start, or going on with what was done.

    The new run is for whom the ended one was for, whoever wants it: it may no more and no less.
    """

    run_id: RunId
    by: UserId
    """Who wants it."""
    keep_work: bool
    """True for *Continue*: the finished steps of the ended run are shown to the planner."""
    limits: Limits | None = None
    """For *Extend*: what the new run may use; None: as the ended one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A person rates one of our Slack messages."""

    workspace_id: WorkspaceId
    channel_id: ChannelId
    message_ts: str
    by: UserId
    choice: str
    """What they chose, e.g. ``+1`` or ``button``; taking it back takes this rating back."""
    rating: int
    """1 (worst) to 5 (best)."""
    text: str = ""
    step: int | None = None
    at: datetime = field(default_factory=now_utc)
    """When they chose; deliveries may come in another order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unrate:
    """A person takes a choice back."""

    workspace_id: WorkspaceId
    channel_id: ChannelId
    message_ts: str
    by: UserId
    choice: str
    at: datetime = field(default_factory=now_utc)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetLesson:
    """A person wants what was learned from a run forgotten."""

    run_id: RunId
    lesson_id: str
    by: UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectLesson:
    """A person puts what was learned from a run in their own words."""

    run_id: RunId
    lesson_id: str
    text: str
    by: UserId


Command = (
    Say
    | Amend
    | Decide
    | RevokeRule
    | ExtendBudget
    | Cancel
    | CancelThread
    | CancelChannel
    | RunAgain
    | Rate
    | Unrate
    | ForgetLesson
    | CorrectLesson
    | MemoryCommand
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A run was started, for a new task or for the thread's."""

    run_id: RunId
    task_id: TaskId


@dataclass(frozen=True, slots=True, kw_only=True)
class Steered:
    """A run that is under way was told."""

    run_id: RunId


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """These runs were asked to stop."""

    run_ids: tuple[RunId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rated:
    """The rating was stored, replaced or taken back."""

    run_id: RunId | None
    task_id: TaskId | None
    rating: int | None
    """The person's rating of the message that counts now; None when there is none left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoked:
    """The standing rule holds no longer."""

    rule_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetExtended:
    """The budget allows more for today."""

    of: BudgetOf
    id: str
    extra_tokens: int
    """All that was added today."""
    extra_usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LessonChanged:
    """The lesson is forgotten, or says what the person said."""

    lesson_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated:
    """It was carried out before; nothing changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declined:
    """Nothing was changed, and why: one of the words below, never shown to people as it is."""

    why: str
    """``no_task``, ``not_waiting``, ``already_ended``, ``not_ours``, ``still_running``,
    ``no_rule``, ``nothing_to_add``, ``no_lesson``,
    ``no_memory``."""


Outcome = (
    Started
    | Steered
    | Cancelled
    | Rated
    | Revoked
    | BudgetExtended
    | LessonChanged
    | MemoriesChanged
    | Repeated
    | Declined
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLine:
    """One task in a list."""

    task_id: TaskId
    run_id: RunId
    description: str
    status: str
    thread: Thread | None
    agent_id: AgentId
    requester: UserId | None
    created_at: datetime
    ended_at: datetime | None
    queue_place: int | None
    end_reason: EndReason | None = None
