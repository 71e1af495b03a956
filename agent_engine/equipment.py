"""What an agent works with: its model, planner, writer, judge and tools.

A value, made by the composition root for each profile.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from agent_engine.budgets import DayBudgets
from agent_engine.memory.long_term import LongTermMemory
from agent_engine.planners.judge import Expectation, Verdict
from agent_engine.ports import (
    AnswerWriterFactory,
    ModelClient,
    PlannerFactory,
    Price,
    ToolContext,
    ToolSpec,
    ToolTraits,
)
from agent_engine.types import (
    AgentObservation,
    AgentProfile,
    JsonObject,
    ProposedCall,
    RunSnapshot,
    Scope,
    TaskId,
    UserId,
)


class Judge(Protocol):
    """Compares expected outcomes in words with what came."""

    async def judge(self, cases: Sequence[Expectation]) -> tuple[Verdict | None, ...]:
        """Judge each case; None for one that could not be judged."""
        ...


class JudgeFactory(Protocol):
    """Makes the judge of one run around that run's metered model."""

    def __call__(self, model: ModelClient) -> Judge:
        """Return a judge that uses this model."""
        ...


class ToolCalls(Protocol):
    """The one path by which tools are called."""

    def specs(self, allowed: tuple[str, ...] | None) -> tuple[ToolSpec, ...]:
        """Describe the tools that are allowed; None for all."""
        ...

    def traits(self, name: str) -> ToolTraits | None:
        """Return what the loop must know of a tool; None for an unknown one."""
        ...

    def may_repeat(self, name: str, arguments: JsonObject) -> bool:
        """Say whether a call that may already have happened can be repeated without asking."""
        ...

    async def proposal(
        self,
        name: str,
        arguments: JsonObject,
        context: ToolContext,
        *,
        allowed: tuple[str, ...] | None,
    ) -> ProposedCall | None:
        """Return what a person is to be asked before this call; None when it can be made.

        Raises StorageError.
        """
        ...

    async def in_doubt(
        self,
        name: str,
        arguments: JsonObject,
        context: ToolContext,
        *,
        allowed: tuple[str, ...] | None,
    ) -> ProposedCall | None:
        """Return what a person is to be asked about a call that may already have been made.

        None when it could not be made now anyway.
        """
        ...

    async def call(
        self,
        name: str,
        arguments: JsonObject,
        context: ToolContext,
        *,
        allowed: tuple[str, ...] | None,
    ) -> AgentObservation:
        """Call the tool; every failure is an observation.

        Raises StorageError where rules or records need the database, and nothing else but
        cancellation.
        """
        ...

    async def interrupted(self, name: str, arguments: JsonObject, context: ToolContext) -> None:
        """Put on record that a call was begun and nobody knows what came of it."""
        ...

    async def denied(
        self, proposed: ProposedCall, context: ToolContext, *, by: UserId | None
    ) -> None:
        """Put on record that a person did not allow a call."""
        ...


class Folders(Protocol):
    """Where the files of tasks live."""

    def folder(self, scope: Scope, task_id: TaskId) -> Path:
        """Return the task's folder; it exists."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """What one agent works with."""

    model: ModelClient
    planner: PlannerFactory
    planner_name: str
    writer: AnswerWriterFactory
    judge: JudgeFactory | None
    """None: outcomes in words are not judged."""
    tools: ToolCalls
    folders: Folders
    prices: Mapping[str, Price] = field(default_factory=dict)
    memory: LongTermMemory | None = None
    """What it remembers beyond a task; None: nothing."""
    budgets: DayBudgets | None = None
    """None: nothing is shared with other runs."""
    label: str = ""
    """Shown with answers that the plan itself words, when a degraded mode made the plan."""
    redact: Callable[[str], str] = str
    """Takes secrets out of a text that is cut before it is shown to the model."""
    is_complete: Callable[[RunSnapshot], bool] | None = None
    """An agent's own check whether its task is done; asked before every further plan or step."""


class Equip(Protocol):
    """Finds what an agent works with."""

    def __call__(self, profile: AgentProfile) -> Equipment:
        """Return the equipment of this agent."""
        ...
