"""What the engine needs from outside, as Protocols, with the values that travel through them.

Implemented by ``storage`` (rows), ``agent_engine.models`` (model servers), ``agent_engine.tools``
and ``agent_engine.in_memory`` (the library's store). Nothing here does anything.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

from agent_engine.commands import Command, Outcome, TaskLine
from agent_engine.events import RunEvent, StepStarted
from agent_engine.types import (
    AgentId,
    AgentProfile,
    Answer,
    ApprovedCall,
    Asks,
    Attachment,
    CancelRequest,
    ChannelId,
    JsonObject,
    Limits,
    PersonMessage,
    Plan,
    Proposal,
    RunId,
    RunSnapshot,
    Scope,
    Step,
    TaskId,
    Thread,
    UserId,
    WorkspaceId,
)

# -- time ----------------------------------------------------------------------------------------


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> datetime:
        """Return the time, aware, in UTC."""
        ...

    def monotonic_s(self) -> float:
        """Return seconds that only ever grow; for durations."""
        ...


# -- runs ----------------------------------------------------------------------------------------


class Fence(NamedTuple):
    """Which run a worker writes for, and the epoch that entitles it to."""

    run_id: RunId
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """All slots are taken; a wake-up follows when one is free for this run."""

    place: int
    """1 for the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotRunnable:
    """There is nothing to do: the run has ended, or its dependencies are not done."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSignal:
    """The little of a run that a worker looks at while it works."""

    inbox_seq: int
    cancel: CancelRequest | None
    epoch: int


class RunStore(Protocol):
    """The rows of runs. Every write is fenced by the epoch."""

    async def begin(self, run_id: RunId, *, worker: str) -> RunSnapshot | Queued | NotRunnable:
        """Take the run, and a slot for it, in one transaction; raises its epoch.

        From then on an earlier worker of the run can write nothing. A run that already holds a slot
        keeps it. Raises KeyError when there is no such run.
        """
        ...

    async def load(self, run_id: RunId) -> RunSnapshot:
        """Read all of the run. Raises KeyError when there is no such run."""
        ...

    async def commit(
        self,
        fence: Fence,
        events: Sequence[RunEvent],
        *,
        starts: Sequence[StepStarted] = (),
        known_inbox_seq: int = 0,
        worked_s: float,
    ) -> int:
        """Write the events in order, in one transaction, and return the run's ``inbox_seq``.

        ``starts`` follow the events, but only while the inbox is where the caller knows it to be:
        when it is not, a person said something that must be heard before another step begins.
        ``worked_s`` is added to the run's working time. ``Slept`` and ``Ended`` free the slot and
        give it to the next run. Raises, and writes nothing: FencedError when the epoch has moved,
        UnapprovedError when a step is to start under an approval that does not hold for it
        (``run_state.may_start``).
        """
        ...

    async def signals(self, run_ids: Sequence[RunId]) -> Mapping[RunId, RunSignal]:
        """Read what changed from outside for these runs, in one query."""
        ...


class CommandStore(Protocol):
    """Carries out what the outside asks, each in one transaction."""

    async def carry_out(self, command: Command, *, keys: Sequence[str]) -> Outcome:
        """Carry the command out once.

        ``keys`` name the delivery it came with; when any of them was seen before, nothing is
        changed and the outcome is ``Repeated``. No keys: it cannot be recognised again.
        """
        ...

    async def tasks(
        self, workspace_id: WorkspaceId, *, channel_id: ChannelId | None, limit: int
    ) -> Sequence[TaskLine]:
        """List runs that are under way, then recent ones, newest first."""
        ...

    async def latest_run(self, thread: Thread) -> RunId | None:
        """Return the newest run of the thread's task; None when it has none."""
        ...


class AgentDirectory(Protocol):
    """The rows of agents."""

    async def agent(self, workspace_id: WorkspaceId, agent_id: AgentId) -> AgentProfile | None:
        """Return the agent; None when there is none."""
        ...

    async def agents(self, workspace_id: WorkspaceId) -> Sequence[AgentProfile]:
        """Return all agents of the workspace, by name."""
        ...

    async def save_agent(self, profile: AgentProfile) -> None:
        """Create the agent or replace what is stored of it."""
        ...


class WakeupKind(StrEnum):
    """What a wake-up row asks for."""

    START = "start"
    WAKE = "wake"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wakeup:
    """A row that says: call ``advance`` for this run."""

    id: int
    run_id: RunId
    kind: WakeupKind


class WakeupStore(Protocol):
    """The rows that connect commits with the durable engine."""

    async def due(self, *, limit: int) -> Sequence[Wakeup]:
        """Return undelivered wake-ups, oldest first."""
        ...

    async def delivered(self, ids: Sequence[int]) -> None:
        """Remove wake-ups that were delivered. Safe to repeat."""
        ...

    async def sweep(self, *, stale_after_s: float) -> int:
        """Write wake-ups for runs that a crash left without one; return how many.

        Pending runs that no wake-up names and that hold no slot though one is free, waiting runs
        whose wait is resolved, over, or whose inbox moved since they slept.
        """
        ...

    async def unfinished(self) -> Sequence[RunId]:
        """Return all runs that have not ended."""
        ...


class Topic(StrEnum):
    """What a bell can ring for."""

    WAKEUPS = "wakeups"
    """A wake-up row was written."""
    THREADS = "threads"
    """A thread has something new to show."""
    SIGNALS = "signals"
    """Something was said to a run: a stop, a message, a decision."""
    MEMORIES = "memories"
    """There may be a memory without a vector: a run kept one, or people changed what is held,
    or want it as a file."""


class Bell(Protocol):
    """Tells waiting loops that there is something new. A missed ring is made up by a slow poll."""

    def ring(self, topic: Topic) -> None:
        """Wake all who wait for the topic."""
        ...

    async def wait(self, topic: Topic, *, timeout_s: float) -> bool:
        """Sleep until the topic rings or the time is over; say whether it rang.

        A ring between two waits of the same waiter is not lost: the next wait returns at once.
        """
        ...


# -- language models -----------------------------------------------------------------------------


class Role(StrEnum):
    """Who speaks in a turn."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A picture that a model is shown, if it can see."""

    name: str
    mimetype: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One entry of a chat with a model."""

    role: Role
    text: str
    images: tuple[Image, ...] = ()
    """Shown behind the text; a model that cannot see is told their names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """A tool as a planner and a model see it."""

    name: str
    description: str
    parameters_schema: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonSchemaFormat:
    """Ask the server to hold the reply to this schema."""

    name: str
    schema: JsonObject


class JsonMode:
    """Ask the server for any JSON object."""


OnText = Callable[[str], None]
"""Is told a text while it is written: all of it so far, empty when it is begun anew.

Called from the loop that works, so it must be quick and must not raise.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """One question to a model."""

    turns: tuple[Turn, ...]
    purpose: str
    """``plan``, ``replan``, ``answer``, ``judge`` …; for the accounts."""
    temperature: float = 0.1
    max_tokens: int = 2_000
    reply_format: JsonSchemaFormat | JsonMode | None = None
    tools: tuple[ToolSpec, ...] = ()
    """Offered as native tools; empty for none."""
    timeout_s: float = 120.0
    on_text: OnText | None = field(default=None, compare=False, repr=False)
    """Is told the reply's text as it grows, where the model can; the reply is the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRequest:
    """A native tool call in a model's reply; the arguments are as the model wrote them."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReply:
    """What a model answered."""

    text: str
    tool_requests: tuple[ToolRequest, ...] = ()
    finish_reason: str = "stop"
    refusal: str = ""
    model: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: bool = False
    """The token counts were estimated, for the server sent none."""
    duration_s: float = 0.0
    images_refused: bool = False
    """The server did not take the images of this request: it was answered without them."""


class JsonRung(StrEnum):
    """How an endpoint can be made to answer in JSON, best first."""

    SCHEMA = "schema"
    MODE = "mode"
    PROMPT = "prompt"


@dataclass(slots=True)
class Dialect:
    """What was found out about an endpoint and model; remembered for the life of the process."""

    json_rung: JsonRung = JsonRung.SCHEMA
    native_tools: bool | None = None
    """None until it was tried."""
    ignored_schemas: int = 0
    """Schema replies in a row that did not validate: accepted but not enforced."""
    skip_json_mode: bool = False
    no_streaming: bool = False
    """It tells its replies only when they are whole."""
    thinks_unmarked: bool = False
    """Its replies begin with thinking of which only the end is marked."""
    sees: bool | None = None
    """Whether it takes images; None until it was tried."""


class ModelClient(Protocol):
    """A language model."""

    @property
    def name(self) -> str:
        """The model's name, for people and accounts."""
        ...

    @property
    def dialect(self) -> Dialect:
        """What was found out about the endpoint."""
        ...

    async def complete(self, request: ModelRequest) -> ModelReply:
        """Ask the model once; retries of what is transient happen inside.

        Raises:
            ModelUnavailableError: it did not answer, after all retries.
            ModelRefusedError: the server refuses this request (HTTP 400, 401, 403, 404, 422).
            ModelReplyError: the server's reply makes no sense.
            LimitExceededError: the run's token or money limit would be exceeded.
        """
        ...


# -- planning and answering ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanningContext:
    """What a planner is told besides the goal. All texts in it are data."""

    agent_name: str = "agent"
    goal: str = ""
    """What the task or sub-goal wants, for a re-plan; ``create_plan`` is told it by itself."""
    instructions: str = ""
    capabilities: tuple[str, ...] = ("planning", "execution", "memory", "learning")
    """``planning``, ``execution``, ``memory``, ``learning`` and the tools' names."""
    conversation: tuple[PersonMessage, ...] = ()
    """The thread, oldest first."""
    memories: tuple[str, ...] = ()
    lessons: tuple[str, ...] = ()
    past_plans: tuple[str, ...] = ()
    """Similar plans of earlier tasks with their figures, what went badly as a warning."""
    remembers: bool = False
    """Whether what is remembered outlives the task."""
    steps: tuple[Step, ...] = ()
    """What was done so far, in this run and, for a follow-up, in earlier ones."""
    earlier_answers: tuple[str, ...] = ()
    """What the agent answered in this thread before, oldest first."""
    files: tuple[str, ...] = ()
    """Paths of the files in the task folder."""
    delegates: tuple[AgentId, ...] = ()
    next_step: int = 1
    """The number that the first proposed action gets."""
    depth: int = 0
    """How many sub-goals deep the goal lies; 0 for the task itself."""
    because: str = ""
    """Why a re-plan is wanted."""
    warning: str = ""
    """Said to the model by the engine, e.g. that it repeats itself."""
    now: datetime | None = None
    token_budget: int = 24_000
    """Tokens the prompt may have; older things are shortened first."""
    on_answer: OnText | None = field(default=None, compare=False, repr=False)
    """Is told the answer as it grows, should the proposal certainly be nothing but an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """A finished step as a planner sees it when it plans again."""

    step: Step
    result: JsonObject


class Planner(Protocol):
    """Proposes actions. It may call its model and nothing else."""

    async def create_plan(
        self, goal: str, context: PlanningContext, available_tools: Sequence[ToolSpec]
    ) -> Proposal:
        """Propose the actions that lead to the goal; never an empty proposal.

        A plain question is answered by one ``answer`` action with its text. Raises what
        ``ModelClient.complete`` raises.
        """
        ...

    async def replan(
        self,
        current_plan: Plan,
        execution_results: Sequence[StepResult],
        new_context: PlanningContext,
        available_tools: Sequence[ToolSpec],
    ) -> Proposal:
        """Propose what is to be done instead of the steps that are still pending.

        An empty proposal means: nothing more, answer now. Raises what ``create_plan`` raises; the
        caller keeps the current plan then. The goal is ``new_context``'s conversation and the plan.
        """
        ...


class PlannerFactory(Protocol):
    """Makes the planner of one run around that run's metered model."""

    def __call__(self, model: ModelClient) -> Planner:
        """Return a planner that uses this model."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerContext:
    """What an answer is written from."""

    goal: str
    agent_name: str = "agent"
    instructions: str = ""
    conversation: tuple[PersonMessage, ...] = ()
    steps: tuple[Step, ...] = ()
    earlier_answers: tuple[str, ...] = ()
    memories: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    incomplete_because: str = ""
    """Why the work ends before it is done, e.g. a limit; empty when it is done."""
    token_budget: int = 24_000
    on_answer: OnText | None = field(default=None, compare=False, repr=False)
    """Is told the answer as it grows."""


class AnswerWriter(Protocol):
    """Writes the words that end a task, from the observations."""

    async def write(self, context: AnswerContext) -> Answer:
        """Write the answer. Raises what ``ModelClient.complete`` raises."""
        ...


class AnswerWriterFactory(Protocol):
    """Makes the answer writer of one run around that run's metered model."""

    def __call__(self, model: ModelClient) -> AnswerWriter:
        """Return a writer that uses this model."""
        ...


class AnswerListener(Protocol):
    """Shows answers while they are written.

    What it hears is no fact: a run's answer is what its row says. Called from the loop that works,
    so all of it must be quick and must not raise.
    """

    def hear(self, run: RunSnapshot) -> OnText | None:
        """Return what to tell the run's answer as it grows; None where nobody looks."""
        ...

    def dropped(self, run_id: RunId) -> None:
        """Take note that what was heard of the run, if anything, will not be its answer."""
        ...

    def ended(self, run_id: RunId) -> None:
        """Take note that nothing more will be heard; what became of the run is in its row."""
        ...


# -- files of people -----------------------------------------------------------------------------


class Attachments(Protocol):
    """Brings the files that people attached to their messages into the task's folder."""

    async def fetch(self, run: RunSnapshot) -> Mapping[str, Attachment]:
        """Return every attachment of the run's messages, by id, as it is found now.

        ``name`` is its path in the task folder, or ``problem`` says why it is not there. Safe to
        repeat: what was fetched once is not fetched again, even if the agent has moved it since.
        Raises nothing but cancellation.
        """
        ...

    async def smaller(self, run: RunSnapshot, file_id: str, *, max_bytes: int) -> bytes | None:
        """Return a smaller version of an attached picture; None where nobody made one.

        Never in the task folder: it is for a model's eyes alone. Safe to repeat; raises nothing but
        cancellation.
        """
        ...


# -- tools ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolTraits:
    """What the call path must know of a tool."""

    timeout_s: float = 30.0
    """After this the call is cancelled and ends as an error observation."""
    idempotent: bool = False
    """Whether a call that may already have happened can simply be repeated."""
    max_result_chars: int = 12_000
    """What a model sees of a result; the rest is stored."""
    untrusted: bool = True
    """Whether its results hold text that others wrote."""
    asks: Asks = Asks.NEVER
    """When a person is asked first, unless the installation's rules say otherwise."""
    cache_ttl_s: float = 0.0
    """How long a result may be used again for the same call by the same agent; 0: never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolContext:
    """For whom and where a tool is called."""

    scope: Scope
    run_id: RunId
    task_id: TaskId
    step: int
    requester: UserId | None
    task_folder: Path
    """The only folder the task may use; exists."""
    idempotency_key: str
    """The same for every attempt of the same step of the same run."""
    attempt: int = 1
    approved: ApprovedCall | None = None
    """What a person approved for this call; None when nobody was asked."""
    approved_tools: frozenset[str] = frozenset()
    """Tools of which a person approved a call earlier in this run."""


@runtime_checkable
class Tool(Protocol):
    """Something an agent can do."""

    @property
    def name(self) -> str:
        """``[a-z][a-z0-9_]*``, unique among an agent's tools."""
        ...

    @property
    def description(self) -> str:
        """What it does and when to use it; the model reads it."""
        ...

    @property
    def parameters_schema(self) -> JsonObject:
        """JSON schema of the arguments object."""
        ...

    @property
    def traits(self) -> ToolTraits:
        """What the call path must know."""
        ...

    async def execute(self, arguments: JsonObject, context: ToolContext) -> JsonObject:
        """Do it and return JSON with ``success`` and, on failure, ``error``.

        The arguments were validated against the schema. ``files`` in the result lists files made in
        the task folder. ``final_result`` ends the task, ``unexpected`` and ``replan_requested`` ask
        for a re-plan. Cancellation must leave nothing running. Raises ToolError for what the model
        can act on.
        """
        ...


class ToolSource(Protocol):
    """Tools that come and go while the bot runs, such as those of other servers."""

    def owns(self, name: str) -> bool:
        """Whether a tool of this name could only be one of this source's."""
        ...

    def tool(self, name: str) -> Tool | None:
        """Return the tool of this name; None when there is none now."""
        ...

    def offered(self, allowed: tuple[str, ...] | None) -> Sequence[Tool]:
        """Return the tools that may be planned with now by an agent with this list of tools."""
        ...

    async def find(self, name: str, allowed: tuple[str, ...] | None) -> Tool:
        """Return the tool for a call, waiting a little for it where it may still come.

        Raises ToolError, which says why, when it is not there or not allowed.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a model costs, in US dollars per million tokens."""

    prompt_usd: float
    completion_usd: float

    def usd(self, *, prompt_tokens: int, completion_tokens: int = 0) -> float:
        """Return what so many tokens cost."""
        cost = prompt_tokens * self.prompt_usd + completion_tokens * self.completion_usd
        return cost / 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineDefaults:
    """What holds where an agent's profile says nothing."""

    limits: Limits = field(default_factory=Limits)
    prices: Mapping[str, Price] = field(default_factory=dict)
