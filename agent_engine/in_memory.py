"""The library's run store: runs in this process's memory, gone when it ends.

For ``BaseAgent.execute_task`` and ``treadle ask``, which need neither a database nor dbos. It folds
events with ``run_state.apply`` and must not grow rules of its own: there are no slots and no
wake-ups, for one caller works on its own runs.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from agent_engine.errors import FencedError, UnapprovedError, UnknownAgentError
from agent_engine.events import Ended, Remembered, RunEvent, StepStarted, WaitOpened
from agent_engine.memories import MemoryStore
from agent_engine.ports import Fence, NotRunnable, RunSignal
from agent_engine.run_state import apply, may_start
from agent_engine.types import (
    LIBRARY_SCOPE,
    AgentId,
    AgentProfile,
    CancelRequest,
    Limits,
    PersonMessage,
    Resolution,
    RunId,
    RunSnapshot,
    Scope,
    Task,
    TaskId,
    TaskStatus,
    UserId,
    Wait,
    WaitKind,
    new_id,
    now_utc,
)

_NO_ANSWER = "The sub-task ended without an answer."


class InMemoryRunStore:
    """A ``RunStore`` without a database, and the few commands that a library needs."""

    def __init__(self, memories: MemoryStore | None = None) -> None:
        """Begin with no runs; what they remember goes to ``memories``, if anywhere."""
        self._memories = memories
        self._runs: dict[RunId, RunSnapshot] = {}
        self._agents: dict[AgentId, AgentProfile] = {}
        self._attempts: set[tuple[RunId, int, int]] = set()
        self._changed = asyncio.Event()

    # -- making runs -----------------------------------------------------------------------------

    def add(  # noqa: PLR0913  # one keyword for each thing that a run starts with
        self,
        task: Task,
        agent: AgentProfile,
        scope: Scope = LIBRARY_SCOPE,
        *,
        requester: UserId | None = None,
        limits: Limits | None = None,
        messages: Sequence[PersonMessage] = (),
    ) -> RunId:
        """Store a run of the task by this agent, and return its id.

        A task that was run before goes on: what its earlier runs answered is context.
        """
        self.know(agent)
        earlier = [run for run in self._runs.values() if run.task.id == task.id]
        run_id = RunId(new_id())
        self._runs[run_id] = RunSnapshot(
            run_id=run_id,
            task=replace(task, status=TaskStatus.PENDING, assigned_agent=agent.id),
            agent=agent,
            scope=replace(scope, agent_id=agent.id) if scope is LIBRARY_SCOPE else scope,
            thread=None,
            requester=requester,
            epoch=0,
            status=TaskStatus.PENDING,
            created_at=now_utc(),
            messages=tuple(messages),
            limits=limits or agent.limits,
            earlier_answers=tuple(run.answer.text for run in earlier if run.answer),
        )
        return run_id

    def know(self, agent: AgentProfile) -> None:
        """Make the agent known, so that sub-tasks can be given to it."""
        self._agents[agent.id] = agent

    def run_of(self, task_id: TaskId) -> RunId | None:
        """Return the newest run of the task; None when it has none."""
        found = [run.run_id for run in self._runs.values() if run.task.id == task_id]
        return found[-1] if found else None

    def forget(self, task_id: TaskId) -> None:
        """Drop all runs of the task."""
        gone = {run.run_id for run in self._runs.values() if run.task.id == task_id}
        for run_id in gone:
            del self._runs[run_id]
        self._attempts = {attempt for attempt in self._attempts if attempt[0] not in gone}

    def unfinished(self) -> Sequence[RunId]:
        """Return the runs that have not ended, oldest first: sub-tasks stand among them."""
        return [run.run_id for run in self._runs.values() if run.end is None]

    # -- the port --------------------------------------------------------------------------------

    async def begin(self, run_id: RunId, *, worker: str) -> RunSnapshot | NotRunnable:
        """Take the run; raises its epoch. Raises KeyError when there is no such run."""
        del worker  # one process: nobody asks who works
        run = self._runs[run_id]
        if run.end is not None:
            return NotRunnable(reason="already_ended")
        missing = [task_id for task_id in run.task.dependencies if not self._completed(task_id)]
        if missing:
            return NotRunnable(reason="dependencies")
        task = replace(run.task, status=TaskStatus.RUNNING)
        begun = replace(
            run,
            task=task,
            status=TaskStatus.RUNNING,
            epoch=run.epoch + 1,
            attempts=run.attempts + (run.attempts == 0 or run.status is TaskStatus.RUNNING),
        )
        return self._put(begun)

    async def load(self, run_id: RunId) -> RunSnapshot:
        """Read the run. Raises KeyError when there is no such run."""
        return self._runs[run_id]

    async def commit(
        self,
        fence: Fence,
        events: Sequence[RunEvent],
        *,
        starts: Sequence[StepStarted] = (),
        known_inbox_seq: int = 0,
        worked_s: float,
    ) -> int:
        """Fold the events in, all or none; as the port says."""
        run = self._runs[fence.run_id]
        if run.epoch != fence.epoch or run.end is not None:
            raise FencedError
        if run.inbox_seq == known_inbox_seq:
            events = (*events, *starts)
        attempts = self._new_attempts(fence.run_id, events)
        after = apply(run, (), worked_s=worked_s)
        for event in events:
            if isinstance(event, StepStarted) and not may_start(after, event):
                raise UnapprovedError
            after = apply(after, (event,))
        self._attempts |= attempts
        self._put(after)
        for event in events:
            match event:
                case WaitOpened(wait=wait, sub_task=Task() as task):
                    self._delegate(after, wait, task)
                case Ended():
                    self._tell_parent(after)
                case _:
                    pass
        await self._remember(events)
        return self._runs[fence.run_id].inbox_seq

    async def _remember(self, events: Sequence[RunEvent]) -> None:
        for event in events:
            if isinstance(event, Remembered) and self._memories is not None:
                await self._memories.keep(event.scope, event.memory)

    async def signals(self, run_ids: Sequence[RunId]) -> Mapping[RunId, RunSignal]:
        """Read what changed from outside for these runs."""
        runs = [self._runs[run_id] for run_id in run_ids if run_id in self._runs]
        return {
            run.run_id: RunSignal(inbox_seq=run.inbox_seq, cancel=run.cancel, epoch=run.epoch)
            for run in runs
        }

    # -- what the outside may do -----------------------------------------------------------------

    def tell(self, run_id: RunId, message: PersonMessage) -> None:
        """Add the message, once, to the run's conversation."""
        run = self._runs[run_id]
        if all(known.id != message.id for known in run.messages):
            self._put(_heard(replace(run, messages=(*run.messages, message))))

    def decide(self, run_id: RunId, wait_id: str, resolution: Resolution) -> bool:
        """Resolve the wait; False when it is not open any more: the first word counts."""
        run = self._runs[run_id]
        is_open = any(wait.id == wait_id and wait.resolution is None for wait in run.waits)
        if is_open:
            waits = tuple(_resolved(wait, wait_id, resolution) for wait in run.waits)
            self._put(_heard(replace(run, waits=waits)))
        return is_open

    def cancel(self, run_id: RunId, reason: str, *, by: UserId | None = None) -> None:
        """Ask the run to stop; the first reason stays. An ended run is left as it is."""
        run = self._runs[run_id]
        if run.end is None and run.cancel is None:
            self._put(_heard(replace(run, cancel=CancelRequest(reason=reason, by=by))))

    async def changed(self) -> None:
        """Sleep until any run changes."""
        await self._changed.wait()

    def wake(self) -> None:
        """Let all who sleep in ``changed`` look again."""
        self._changed.set()
        self._changed = asyncio.Event()

    # -- inside ----------------------------------------------------------------------------------

    def _put(self, run: RunSnapshot) -> RunSnapshot:
        self._runs[run.run_id] = run
        self.wake()
        return run

    def _completed(self, task_id: TaskId) -> bool:
        run_id = self.run_of(task_id)
        return run_id is not None and self._runs[run_id].status is TaskStatus.COMPLETED

    def _new_attempts(
        self, run_id: RunId, events: Sequence[RunEvent]
    ) -> set[tuple[RunId, int, int]]:
        started = [event for event in events if isinstance(event, StepStarted)]
        attempts = {(run_id, event.step, event.attempt) for event in started}
        if len(attempts) < len(started) or attempts & self._attempts:
            raise FencedError("This attempt of the step was started before.")
        return attempts

    def _delegate(self, parent: RunSnapshot, wait: Wait, task: Task) -> None:
        agent = self._agents.get(task.assigned_agent or parent.agent.id)
        if agent is None:
            unknown = Resolution(value=UnknownAgentError().message, success=False)
            self.decide(parent.run_id, wait.id, unknown)
            return
        scope = replace(parent.scope, agent_id=agent.id)
        child = replace(task, parent_id=parent.task.id)
        self.add(child, agent, scope, requester=parent.requester)

    def _tell_parent(self, ended: RunSnapshot) -> None:
        for run in tuple(self._runs.values()):
            for wait in run.waits:
                if wait.kind is WaitKind.SUB_TASK and wait.sub_task_id == ended.task.id:
                    self.decide(run.run_id, wait.id, sub_task_resolution(ended))


def sub_task_resolution(ended: RunSnapshot) -> Resolution:
    """Return what the ended run of a sub-task means for the run that waits for it."""
    value = ended.answer.text if ended.answer else ended.end.sentence if ended.end else ""
    success = ended.status is TaskStatus.COMPLETED
    return Resolution(value=value or _NO_ANSWER, success=success)


def _heard(run: RunSnapshot) -> RunSnapshot:
    return replace(run, inbox_seq=run.inbox_seq + 1)


def _resolved(wait: Wait, wait_id: str, resolution: Resolution) -> Wait:
    return replace(wait, resolution=resolution) if wait.id == wait_id else wait
