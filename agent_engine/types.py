"""The engine's values: tasks, actions, observations, plans, runs.

Frozen, without behaviour beyond what follows from their own fields. They know neither Slack nor SQL
nor a model; everything else in the project may import them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NewType, overload
from uuid import uuid4

from typing_extensions import override

WorkspaceId = NewType("WorkspaceId", str)
ChannelId = NewType("ChannelId", str)
UserId = NewType("UserId", str)
AgentId = NewType("AgentId", str)
TaskId = NewType("TaskId", str)
RunId = NewType("RunId", str)

JsonObject = Mapping[str, Any]
"""A JSON object as parsed: keys are strings, values any JSON value."""

LOWEST_RATING = 1
GOOD_RATING_FROM = 4
HIGHEST_RATING = 5
LOW_RATING_BELOW = 3
DEFAULT_PRIORITY = 1
"""Lower runs first."""


def now_utc() -> datetime:
    """Return the current time, aware, in UTC."""
    return datetime.now(UTC)


def new_id() -> str:
    """Return a new random id of 32 hexadecimal characters."""
    return uuid4().hex


# -- places and people ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Whose data this is. A required argument of every query for memories, tasks and files."""

    workspace_id: WorkspaceId
    channel_id: ChannelId
    agent_id: AgentId


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """Where a task is talked about: a thread in a channel of a workspace."""

    workspace_id: WorkspaceId
    channel_id: ChannelId
    thread_ts: str


LIBRARY_SCOPE = Scope(
    workspace_id=WorkspaceId("local"), channel_id=ChannelId("local"), agent_id=AgentId("agent")
)
"""The scope of an agent that is used as a library, outside any workspace."""


# -- tasks ---------------------------------------------------------------------------------------


class TaskStatus(StrEnum):
    """How far a task has come."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    ERROR = "error"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen to the task by itself."""
        return self in _FINAL_STATUSES


_FINAL_STATUSES = frozenset({TaskStatus.COMPLETED, TaskStatus.ERROR, TaskStatus.CANCELLED})


class AgentState(StrEnum):
    """What an agent does about one task. One agent works on many, so state belongs to the pair."""

    IDLE = "idle"
    PLANNING = "planning"
    EXECUTING = "executing"
    WAITING = "waiting"
    ERROR = "error"
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """The unit of work that someone asked for."""

    id: TaskId = field(default_factory=lambda: TaskId(new_id()))
    description: str
    """What is wanted, in the asker's words. Data, never instructions to the bot's own code."""
    priority: int = DEFAULT_PRIORITY
    """Lower runs first."""
    dependencies: tuple[TaskId, ...] = ()
    """Tasks that must be completed before this one starts."""
    parameters: JsonObject = field(default_factory=dict)
    status: TaskStatus = TaskStatus.PENDING
    assigned_agent: AgentId | None = None
    created_at: datetime = field(default_factory=now_utc)
    completed_at: datetime | None = None
    result: JsonObject | None = None
    """What came of it: ``{"answer": str, …}``; None until the task has ended."""
    parent_id: TaskId | None = None
    """The task that delegated this one."""

    def __post_init__(self) -> None:
        if self.created_at.tzinfo is None:
            raise ValueError("created_at must be aware")


# -- actions and observations --------------------------------------------------------------------


class ActionType(StrEnum):
    """What a step can do."""

    USE_TOOL = "use_tool"
    THINK = "think"
    REMEMBER = "remember"
    RECALL = "recall"
    WAIT = "wait"
    ASK = "ask"
    DELEGATE = "delegate"
    SUB_GOAL = "sub_goal"
    ANSWER = "answer"


class Check(StrEnum):
    """How an expected outcome is compared with what came. A failed action never meets any."""

    SUCCEEDS = "succeeds"
    NOT_EMPTY = "not_empty"
    CONTAINS = "contains"
    """The observation's text contains ``check_value``, ignoring case."""
    JUDGE = "judge"
    """A model compares the words of the expected outcome with the observation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentAction:
    """One planned act.

    Parameters by type: use_tool: the tool's arguments · think ``{"thought"}`` · remember
    ``{"key", "value"}`` · recall ``{"query", "limit"?}`` · wait ``{"seconds"?}`` (1 by default) ·
    ask ``{"question", "choices"?}`` · delegate ``{"agent", "task"}`` · sub_goal ``{"goal"}`` ·
    answer ``{"text"?}``. Any string in them may refer to an earlier step's result as ``{{step1}}``
    or ``{{step1.stdout}}``.
    """

    action_type: ActionType | str
    """An unknown word is kept as it came; carrying it out is an error the planner hears of."""
    parameters: JsonObject = field(default_factory=dict)
    tool_name: str | None = None
    expected_outcome: str = ""
    description: str = ""
    """One line for people."""
    depends_on: tuple[int, ...] = ()
    """Numbers of the steps that must be done first; references in parameters count as well."""
    check: Check = Check.SUCCEEDS
    check_value: str = ""


class Source(StrEnum):
    """Where an observation came from."""

    TOOL = "tool"
    AGENT = "agent"
    PERSON = "person"
    SUB_TASK = "sub_task"
    ENGINE = "engine"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentObservation:
    """One thing the agent saw after an action, errors included."""

    observation_type: str
    """``tool_result``, ``thought``, ``memory``, ``reply``, ``timer``, ``sub_task``, ``error`` …"""
    content: JsonObject
    """JSON with ``success`` and, on failure, ``error``; bounded in size."""
    timestamp: datetime = field(default_factory=now_utc)
    source: Source | str = Source.ENGINE
    outcome: str = ""
    """One line for people: what came of the step."""
    full_output: str | None = None
    """The whole result where ``content`` had to be shortened; stored, not shown to a model."""
    files: tuple[str, ...] = ()
    """Paths, relative to the task folder, of files that the action made or changed."""

    @property
    def success(self) -> bool:
        """Whether the action did what it was meant to do."""
        return bool(self.content.get("success", False))

    @property
    def error(self) -> str | None:
        """What went wrong, for the model; None when nothing did."""
        value = self.content.get("error")
        return None if value is None else str(value)


# -- approvals -----------------------------------------------------------------------------------


class Asks(StrEnum):
    """When a person is asked before a tool is called."""

    NEVER = "never"
    FIRST_TIME = "first_time"
    """Once per task; what is approved then holds for the tool until the task ends."""
    ALWAYS = "always"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedCall:
    """A tool call that a person is asked about, exactly as it would be made."""

    tool: str
    arguments: JsonObject
    digest: str
    """Hash of the tool and the arguments; an approval holds for this and nothing else."""
    because: str = ""
    """Why it is asked, in one sentence for people."""
    approvers: tuple[UserId, ...] = ()
    """Who may decide besides admins; empty: admins alone."""
    like: JsonObject | None = None
    """What "always allow this here" would allow; None: that is not offered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovedCall:
    """What a person approved for a step. The step may be repeated under it, no other may use it."""

    arguments: JsonObject
    """As the person left them."""
    digest: str
    by: UserId | None = None


APPROVE = "approve"
DENY = "deny"
"""The values of a resolution of an approval."""
REPEAT = "repeat"
SKIP = "skip"
"""The values of a resolution about a step that may already have happened."""


# -- plans ---------------------------------------------------------------------------------------


class StepStatus(StrEnum):
    """How far a step has come."""

    PENDING = "pending"
    STARTED = "started"
    WAITING = "waiting"
    """Its wait is open: a question, a timer, a sub-task."""
    DONE = "done"
    FAILED = "failed"
    DROPPED = "dropped"
    """A re-plan took it out before it started."""
    STOPPED = "stopped"
    """It was running when the run was stopped."""

    @property
    def is_final(self) -> bool:
        """Whether the step will not change any more."""
        return self in _FINAL_STEPS


_FINAL_STEPS = frozenset(
    {StepStatus.DONE, StepStatus.FAILED, StepStatus.DROPPED, StepStatus.STOPPED}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of a plan. Numbers count from 1 over the whole run and are never reused."""

    number: int
    action: AgentAction
    depends_on: tuple[int, ...] = ()
    """Declared dependencies and those that follow from references, in ascending order."""
    parent: int | None = None
    """The sub-goal this step belongs to."""
    depth: int = 0
    """0 for the plan's own steps; one more than the parent's for a sub-goal's."""
    status: StepStatus = StepStatus.PENDING
    attempt: int = 0
    """How often it was started."""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    observation: AgentObservation | None = None
    surprise: str | None = None
    """How what came differs from what was expected; None when it does not."""
    approved: ApprovedCall | None = None
    """What a person allowed it to do; None when nobody had to be asked."""

    @property
    def approved_tool(self) -> str | None:
        """The tool that a person allowed it to call; None when nobody did."""
        return self.action.tool_name if self.approved is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the planner made of the task so far, with the state of every step."""

    version: int
    """1 for the first plan, one more with every re-plan or extension."""
    steps: tuple[Step, ...]
    """All steps of the run in order of number, dropped ones included."""
    open_ended: bool = False
    """The planner goes on one action at a time until it answers."""
    because: str = ""
    """Why this version was made; empty for the first."""
    planner: str = ""

    def step(self, number: int) -> Step:
        """Return the step with this number; KeyError when there is none."""
        for step in self.steps:
            if step.number == number:
                return step
        raise KeyError(number)

    @property
    def live_steps(self) -> tuple[Step, ...]:
        """The steps that count: all but the dropped ones."""
        return tuple(step for step in self.steps if step.status is not StepStatus.DROPPED)

    @property
    def next_number(self) -> int:
        """The number that the next new step gets."""
        return self.steps[-1].number + 1 if self.steps else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal(Sequence[AgentAction]):
    """What a planner proposes: a sequence of actions.

    ``depends_on`` and references count from the context's ``next_step``: the first action proposed
    has that number.
    """

    actions: tuple[AgentAction, ...]
    open_ended: bool = False
    """More actions follow when these are done; the planner is asked again."""
    note: str = ""
    """One line for people about the proposal, e.g. why a fallback was used."""
    degraded: str = ""
    """Which fallback was needed: ``json_mode``, ``repaired``, ``one_step`` …; empty for none."""

    @overload
    def __getitem__(self, index: int) -> AgentAction: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[AgentAction]: ...
    @override
    def __getitem__(self, index: int | slice) -> AgentAction | Sequence[AgentAction]:
        """Return the action, or actions, at this index from 0."""
        return self.actions[index]

    @override
    def __len__(self) -> int:
        """Return the number of actions."""
        return len(self.actions)


# -- what people say to a run --------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file that came with a message. Name and type are data: whoever sent it chose them."""

    id: str
    """Under which its content is fetched; unique in the workspace."""
    name: str
    """As people called it; once it was fetched, its path in the task folder."""
    mimetype: str = ""
    size: int = 0
    """Bytes; 0 while that is not known."""
    problem: str = ""
    """Why it is not in the task folder, as the end of a sentence; empty when it is or will be."""
    about: str = ""
    """What else is known of it once it is in the task folder; part of a list of facts."""
    begins: str = ""
    """Its first lines, where it is a text and in the task folder; data, as all that it holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonMessage:
    """Something a person wrote in the task's thread."""

    id: str
    """Unique in the run; the same message told twice is one."""
    author: UserId
    text: str
    """Data: fenced when shown to a model."""
    sent_at: datetime
    steers: bool = True
    """False for what was said before the task began: context, not steering."""
    files: tuple[Attachment, ...] = ()


# -- waiting -------------------------------------------------------------------------------------


class WaitKind(StrEnum):
    """What a run can wait for."""

    QUESTION = "question"
    """A person's reply or choice."""
    REPEAT = "repeat"
    """A person's word whether a step that may already have happened is to be done again."""
    APPROVAL = "approval"
    """A person's word whether a tool may be called with these arguments."""
    TIMER = "timer"
    SUB_TASK = "sub_task"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """How a wait ended."""

    value: str
    """The reply, the choice, ``repeat`` or ``skip``, ``approve`` or ``deny``, ``elapsed``, or the
    sub-task's answer."""
    by: UserId | None = None
    at: datetime = field(default_factory=now_utc)
    success: bool = True
    arguments: JsonObject | None = None
    """The arguments as the approver changed them; None: as they were proposed."""
    remark: str = ""
    """What the person said about it, e.g. why they denied it. Data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Why a run sleeps. It holds no worker while it does."""

    id: str
    kind: WaitKind
    step: int
    opened_at: datetime = field(default_factory=now_utc)
    until: datetime | None = None
    """When a timer is over; None for what waits for people or sub-tasks."""
    question: str = ""
    choices: tuple[str, ...] = ()
    asked_of: UserId | None = None
    sub_task_id: TaskId | None = None
    call: ProposedCall | None = None
    """What is to be approved, or may have been done already; None where there is no such call."""
    resolution: Resolution | None = None


# -- what was remembered -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryUse:
    """A memory that a run's planner was told of."""

    id: int
    kind: str
    """``fact``, ``lesson`` …"""
    is_own: bool = False
    """It is one of the requester's own, so what came of it is told to nobody else's tasks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What was learned from a person's low ratings of a run, as it stands."""

    id: str
    """Of the person's lesson from this run; the same when the words change."""
    person: UserId
    """Whose ratings it was drawn from."""
    text: str
    """What is to be done next time; empty once it was forgotten. Data."""
    is_retired: bool = False
    """It is not applied, for nobody rates the run low any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedFact:
    """What a run proposed to remember, and what became of that."""

    id: int
    text: str
    """Data; empty when something newer has taken its place."""
    agent_id: AgentId
    """Whose memory it is, in the run's channel."""
    confirmed_by: UserId | None = None
    """Who let it be held; None while nobody has."""


# -- limits and usage ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Caps of one run; 0 means no cap."""

    iterations: int = 10
    """Actions carried out."""
    seconds: float = 900.0
    """Working time, waits not counted."""
    tokens: int = 200_000
    usd: float = 0.0
    replans: int = 4
    """Re-plans because of surprises; those asked for by people do not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a run has used so far."""

    iterations: int = 0
    model_calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float = 0.0
    unpriced_tokens: int = 0
    """Tokens of models whose price is not known; they count against the token limit only."""
    seconds: float = 0.0
    replans: int = 0

    @property
    def tokens(self) -> int:
        """Prompt and completion tokens together."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCall:
    """One call of a model, as accounted; one for embeddings completes nothing."""

    model: str
    purpose: str
    """``plan``, ``replan``, ``answer``, ``judge`` …"""
    prompt_tokens: int
    completion_tokens: int
    usd: float | None
    """None when the model's price is not known."""
    duration_s: float
    estimated: bool = False
    """True when the server sent no token counts and they were estimated."""
    reservation: str | None = None
    """What was set aside for it in day budgets and is settled with it."""


# -- agents --------------------------------------------------------------------------------------


class FollowUps(StrEnum):
    """Which replies in a thread of the agent's continue its task."""

    ALWAYS = "always"
    MENTION_ONLY = "mention_only"


class PlannerKind(StrEnum):
    """Which planner an agent uses."""

    LLM = "llm"
    HIERARCHICAL = "hierarchical"
    STEPWISE = "stepwise"
    SMALL = "small"
    """For language models too small to make plans."""
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentProfile:
    """Who an agent is and what it may do, as stored."""

    id: AgentId
    workspace_id: WorkspaceId
    name: str
    instructions: str = ""
    """The operator's words for the model: role, tone, house rules."""
    model: str | None = None
    """None for the installation's default."""
    planner: PlannerKind = PlannerKind.LLM
    tools: tuple[str, ...] | None = None
    """Names of the tools it may use; None for all that are available."""
    delegates: tuple[AgentId, ...] = ()
    """Agents it may delegate sub-tasks to."""
    limits: Limits = field(default_factory=Limits)
    follow_ups: FollowUps = FollowUps.ALWAYS
    max_concurrent: int = 50
    """Runs it works on at once; further ones wait their turn."""
    icon_emoji: str | None = None
    allow_guests: bool = False
    """Whether guests and external people may start and steer its tasks."""
    allow_bots: bool = False


# -- runs ----------------------------------------------------------------------------------------


class EndReason(StrEnum):
    """Why a run ended."""

    ANSWERED = "answered"
    STOPPED = "stopped"
    LIMIT = "limit"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The words that end a task."""

    text: str
    """Markdown."""
    files: tuple[str, ...] = ()
    """Paths, relative to the task folder, of files to hand over with it."""
    label: str = ""
    """Shown with the answer when a degraded mode made it, e.g. the offline model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """How a run ended."""

    reason: EndReason
    sentence: str = ""
    """One plain sentence for people; empty when the answer says it all."""
    limit: str = ""
    """Which limit it was, as ``LimitExceededError.name`` says; empty for every other end."""
    by: UserId | None = None
    at: datetime = field(default_factory=now_utc)


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequest:
    """Someone wants the run stopped."""

    reason: str
    by: UserId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSnapshot:
    """All that is stored of a run, read at once and frozen."""

    run_id: RunId
    task: Task
    agent: AgentProfile
    scope: Scope
    thread: Thread | None
    """Where people see it; None for runs outside Slack and for sub-tasks without a thread."""
    requester: UserId | None
    epoch: int
    """Fences the writes of a worker that was taken over."""
    status: TaskStatus
    created_at: datetime
    attempts: int = 0
    """1 once it began; one more each time a run under way was taken over after a crash."""
    inbox_seq: int = 0
    """Raised by everything others write for this run: messages, decisions, stop, limits."""
    messages: tuple[PersonMessage, ...] = ()
    """The thread, oldest first."""
    messages_read: int = 0
    """How many of them the agent has taken into its plan."""
    plan: Plan | None = None
    waits: tuple[Wait, ...] = ()
    """Open ones, and resolved ones whose step is not done yet."""
    limits: Limits = field(default_factory=Limits)
    usage: Usage = field(default_factory=Usage)
    cancel: CancelRequest | None = None
    answer: Answer | None = None
    end: RunEnd | None = None
    warned_of: tuple[str, ...] = ()
    """Keys of repeated calls the model was warned of."""
    memories_used: tuple[MemoryUse, ...] = ()
    """What it was told from memory, in the order of telling; each once."""
    lessons: tuple[Lesson, ...] = ()
    """What was learned from low ratings of it, which is after its end; oldest first."""
    proposed: tuple[ProposedFact, ...] = ()
    """Facts that people are to confirm, or did; read only where the run is shown to people."""
    queue_place: int | None = None
    """1 for the next to start; None when it does not wait for a slot."""
    earlier_answers: tuple[str, ...] = ()
    """What earlier runs of the task answered, oldest first."""

    @property
    def unread(self) -> tuple[PersonMessage, ...]:
        """What people said that no plan has taken in yet."""
        return tuple(m for m in self.messages[self.messages_read :] if m.steers)

    @property
    def subject(self) -> str:
        """What this run is about, for people: the follow-up's own words, else the task's."""
        told = [message.text for message in self.messages if message.steers]
        return told[-1] if self.earlier_answers and told else self.task.description

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps so far, dropped ones included."""
        return self.plan.steps if self.plan else ()

    def open_wait(self, step: int) -> Wait | None:
        """Return the wait of this step, resolved or not; None when it has none."""
        return next((wait for wait in self.waits if wait.step == step), None)
