"""What happened in a run, in the past tense: the only thing a worker may write.

A commit is a sequence of these. ``run_state.apply`` folds them into a snapshot in memory; a store
writes them as rows. Both must agree, which a contract test checks.
"""

from dataclasses import dataclass, field
from datetime import datetime

from agent_engine.memories import MemoryScope, NewMemory
from agent_engine.types import (
    AgentObservation,
    Answer,
    ApprovedCall,
    MemoryUse,
    ModelCall,
    Plan,
    RunEnd,
    Task,
    TaskStatus,
    Wait,
    now_utc,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanMade:
    """A plan was made, replaced or extended. Holds the whole plan as it stands afterwards."""

    plan: Plan
    messages_read: int
    """How many of the thread's messages the planner had seen."""
    counts_as_replan: bool = False
    changed: tuple[int, ...] | None = None
    """The steps that are new or differ from the plan before, so that no others need be stored; none
    may be missing then. None: any may, and steps may be gone."""
    at: datetime = field(default_factory=now_utc)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted:
    """A step is about to be carried out. (run, step, attempt) is unique."""

    step: int
    attempt: int
    parameters: dict[str, object] = field(default_factory=dict)
    """The action's parameters with all references resolved."""
    approved: ApprovedCall | None = None
    """The approval that this start uses up; its wait is over with it."""
    at: datetime = field(default_factory=now_utc)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFinished:
    """A step ended, well or not, with what was observed."""

    step: int
    observation: AgentObservation
    surprise: str | None = None
    seconds: float = 0.0
    stopped: bool = False
    """It was interrupted by a stop rather than finished."""
    at: datetime = field(default_factory=now_utc)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCalled:
    """A language model was used."""

    call: ModelCall
    at: datetime = field(default_factory=now_utc)


@dataclass(frozen=True, slots=True, kw_only=True)
class RepetitionWarned:
    """The model was told that it repeats the same call."""

    key: str
    at: datetime = field(default_factory=now_utc)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalled:
    """The planner was told of memories, besides those that it was told of before."""

    uses: tuple[MemoryUse, ...]
    scopes: tuple[MemoryScope, ...]
    """Whose memories they are; an id of another scope is the id of nothing."""
    at: datetime = field(default_factory=now_utc)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """Something is kept beyond the task; the same is kept once, however often it comes."""

    scope: MemoryScope
    memory: NewMemory
    at: datetime = field(default_factory=now_utc)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitOpened:
    """A step waits. A sub-task to start rides along, so that both are stored or neither."""

    wait: Wait
    sub_task: Task | None = None
    at: datetime = field(default_factory=now_utc)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slept:
    """The worker let go of the run, which waits for the outside and holds no slot."""

    at: datetime = field(default_factory=now_utc)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The run is over."""

    end: RunEnd
    status: TaskStatus
    answer: Answer | None = None
    at: datetime = field(default_factory=now_utc)


RunEvent = (
    PlanMade
    | StepStarted
    | StepFinished
    | ModelCalled
    | RepetitionWarned
    | Recalled
    | Remembered
    | WaitOpened
    | Slept
    | Ended
)
"""What a worker may write."""
