"""The complete agent, as a library: it converses, solves problems, remembers, and learns.

Unlike ``BaseAgent`` it has a memory that outlives its tasks, and the process where the store does.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from agent_engine.agent import ASKER, AgentParts, BaseAgent, TaskResult
from agent_engine.asking import Answerer
from agent_engine.errors import RequestError
from agent_engine.feedback import Analysis, Remark, analysis_parameters, lesson_key
from agent_engine.memories import MemoryScope, Origin
from agent_engine.memory.hybrid import HybridMemory
from agent_engine.memory.long_term import LongTermMemory
from agent_engine.memory.stored import Shelves
from agent_engine.types import (
    HIGHEST_RATING,
    LIBRARY_SCOPE,
    LOW_RATING_BELOW,
    LOWEST_RATING,
    AgentState,
    PersonMessage,
    Task,
    TaskId,
    new_id,
)

MEMORY_SYSTEMS = ("working", "episodic", "vector", "hybrid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What an agent can do, and what it does now."""

    agent_id: str
    name: str
    state: AgentState
    """Of its newest task; idle without one and once it has ended."""
    tools: tuple[str, ...]
    memory_systems: tuple[str, ...]
    planning_capability: str
    """The planner's name."""
    learning_capability: bool
    current_task: TaskId | None
    """The newest task that has not ended."""
    execution_history_length: int
    """Actions carried out in all tasks so far."""


class IntelligentAgent(BaseAgent):
    """An agent with a memory of its own."""

    def __init__(
        self,
        name: str,
        parts: AgentParts,
        memory: LongTermMemory,
        **more: Any,  # noqa: ANN401 - the keywords of BaseAgent
    ) -> None:
        """Make the agent; ``more`` are the keywords of ``BaseAgent``."""
        super().__init__(name, replace(parts, memory=memory), **more)
        scope = replace(LIBRARY_SCOPE, agent_id=self.profile.id)
        self._shelves = Shelves(
            memory.store, MemoryScope.of_channel(scope), embedder=memory.embedder
        )
        self.memory = self._memory_of(Origin(person=ASKER))
        self._conversation = TaskId(new_id())
        self._heard: list[PersonMessage] = []
        self._tasks: dict[TaskId, int] = {}
        self._current: TaskId | None = None
        self._newest: TaskId | None = None

    async def chat(self, message: str, *, answer: Answerer | None = None) -> str:
        """Answer a message of a conversation, knowing what was said in it before."""
        told = self._said(message)
        task = Task(id=self._conversation, description=message)
        earlier = [replace(one, steers=False) for one in self._heard]
        result = await self._work(task, [*earlier, told], answer)
        self._heard.append(told)
        return result.result or result.error or ""

    async def solve_problem(
        self, description: str, *, answer: Answerer | None = None
    ) -> TaskResult:
        """Work on a problem as a task of its own; what comes of it is an episode of its memory."""
        task = Task(id=TaskId(new_id()), description=description)
        context = {"problem": description, "agent": self.profile.name}
        await self._memory_of(Origin(task_id=task.id, person=ASKER)).store(
            f"problem_context_{task.id}", context
        )
        return await self._work(task, [self._said(description)], answer)

    async def learn_from_feedback(self, task_id: TaskId, feedback: str, rating: int) -> str | None:
        """Take in what somebody thinks of a task; a low rating is analysed.

        Returns the lesson's text, where there is one; later tasks that it fits are told of it.
        Raises RequestError for an unknown task, one that has not ended, and a rating that is none.
        """
        if not LOWEST_RATING <= rating <= HIGHEST_RATING:
            raise RequestError(f"a rating is from {LOWEST_RATING} to {HIGHEST_RATING}")
        run_id = self._store.run_of(task_id)
        run = None if run_id is None else await self._store.load(run_id)
        if run is None or run.end is None:
            raise RequestError(f"there is no task {task_id} that has ended")
        memory = self._memory_of(Origin(task_id=task_id, run_id=run.run_id, person=ASKER))
        await memory.store(f"feedback_{task_id}", {"feedback": feedback, "rating": rating})
        if rating >= LOW_RATING_BELOW:
            return None
        remark = Remark(rating=rating, text=feedback)
        analysis = Analysis(run_id=run.run_id, person=ASKER, remarks=(remark,))
        task = Task(
            id=TaskId(new_id()),
            description=f"Learn from {task_id}",
            parameters=analysis_parameters(analysis),
        )
        await self._execute(task, [], None)
        key = lesson_key(run.run_id, ASKER)
        lesson = await self._shelves.store.newest(self._shelves.scope, key)
        if lesson is None:
            return None
        await memory.store(f"learning_{task_id}", {"lesson": lesson.text, "memory": lesson.id})
        return lesson.text

    def get_capabilities(self) -> Capabilities:
        """Return what the agent can do, and what it does now."""
        newest = self._newest
        return Capabilities(
            agent_id=self.profile.id,
            name=self.profile.name,
            state=self.state(newest) if newest is not None else AgentState.IDLE,
            tools=self.tools,
            memory_systems=MEMORY_SYSTEMS,
            planning_capability=self._parts.planner_name,
            learning_capability=True,
            current_task=self._current,
            execution_history_length=sum(self._tasks.values()),
        )

    async def _work(
        self, task: Task, messages: Sequence[PersonMessage], answer: Answerer | None
    ) -> TaskResult:
        self._newest = self._current = task.id
        result = await self._execute(task, messages, answer)
        self._tasks[task.id] = self._tasks.get(task.id, 0) + len(result.execution_history)
        if self._current == task.id and result.run.end is not None:
            self._current = None
        return result

    def _memory_of(self, origin: Origin) -> HybridMemory:
        return HybridMemory(replace(self._shelves, origin=origin))
