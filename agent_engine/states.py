"""What an agent does about each of its tasks, and who wants to know when that changes.

Callbacks are awaited one after the other; one that fails is logged and does not disturb the rest.
"""

import logging
from collections.abc import Awaitable, Callable

from agent_engine.types import AgentId, AgentState, RunSnapshot, Task, TaskId, TaskStatus

logger = logging.getLogger(__name__)

StateChangeCallback = Callable[[AgentId, AgentState, AgentState], Awaitable[None]]
CompletionCallback = Callable[[AgentId, Task, RunSnapshot], Awaitable[None]]


class AgentStates:
    """The state of every (agent, task) that this process works on."""

    def __init__(self) -> None:
        self._states: dict[tuple[AgentId, TaskId], AgentState] = {}
        self._on_change: list[StateChangeCallback] = []
        self._on_completion: list[CompletionCallback] = []

    def add_state_change_callback(self, callback: StateChangeCallback) -> None:
        """Have ``callback(agent, old, new)`` awaited at every change of state."""
        self._on_change.append(callback)

    def add_task_completion_callback(self, callback: CompletionCallback) -> None:
        """Have ``callback(agent, task, run)`` awaited when a task has ended, well or not."""
        self._on_completion.append(callback)

    def state(self, agent_id: AgentId, task_id: TaskId) -> AgentState:
        """Return what the agent does about the task; idle when nothing."""
        return self._states.get((agent_id, task_id), AgentState.IDLE)

    def tasks_of(self, agent_id: AgentId) -> tuple[TaskId, ...]:
        """Return the tasks that the agent works on, or waits for, in this process."""
        return tuple(task for agent, task in self._states if agent == agent_id)

    async def change(self, run: RunSnapshot, new: AgentState) -> None:
        """Note the state; tells nobody when it is the same."""
        key = (run.agent.id, run.task.id)
        old = self._states.get(key, AgentState.IDLE)
        if old is new:
            return
        self._states[key] = new
        facts = {"agent": key[0], "task_id": key[1], "old": old, "new": new}
        logger.debug("agent_state_changed", extra=facts)
        for callback in self._on_change:
            try:
                await callback(run.agent.id, old, new)
            except Exception:
                logger.exception("state_change_callback_failed", extra=facts)

    async def ended(self, run: RunSnapshot) -> None:
        """Note the final state, tell who wants to know, and forget the pair."""
        well = run.status is TaskStatus.COMPLETED
        ids = {"run_id": run.run_id, "task_id": run.task.id, "agent": run.agent.id}
        how = {"status": run.status.value, "reason": run.end.reason.value if run.end else ""}
        logger.info("run_ended", extra=ids | how)
        await self.change(run, AgentState.COMPLETED if well else AgentState.ERROR)
        self._states.pop((run.agent.id, run.task.id), None)
        for callback in self._on_completion:
            try:
                await callback(run.agent.id, run.task, run)
            except Exception:
                facts = {"agent": run.agent.id, "task_id": run.task.id}
                logger.exception("task_completion_callback_failed", extra=facts)
