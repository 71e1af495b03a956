"""An agent as a library: the loop of ``loop.py`` repeated in place, without Slack or database.

What is learned here about a task lives in this process's memory and ends with it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any
from weakref import finalize

from agent_engine.asking import Answerer, Asking
from agent_engine.clock import SystemClock
from agent_engine.equipment import Equipment, JudgeFactory, ToolCalls
from agent_engine.errors import RequestError
from agent_engine.in_memory import InMemoryRunStore
from agent_engine.loop import AgentLoop, Progress
from agent_engine.memory.long_term import LongTermMemory
from agent_engine.ports import (
    AnswerWriterFactory,
    Clock,
    ModelClient,
    PlannerFactory,
    Price,
    Tool,
)
from agent_engine.session import Observe
from agent_engine.states import AgentStates, CompletionCallback, StateChangeCallback
from agent_engine.tools.call import ToolCaller
from agent_engine.tools.task_folders import TaskFolders
from agent_engine.types import (
    LIBRARY_SCOPE,
    AgentId,
    AgentProfile,
    AgentState,
    Limits,
    PersonMessage,
    RunId,
    RunSnapshot,
    Step,
    Task,
    TaskId,
    TaskStatus,
    UserId,
    new_id,
)
from agent_engine.watch import SignalWatch

_LOCAL = LIBRARY_SCOPE.workspace_id
ASKER = UserId("you")
"""Whose words the tasks of a library's agent are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One thing that an agent did."""

    iteration: int
    action: str
    """What was done, in one line."""
    result: Mapping[str, Any]
    timestamp: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResult:
    """What came of a task."""

    success: bool
    status: TaskStatus
    result: str
    """The answer, or what was done before the task ended."""
    iterations: int
    execution_history: tuple[HistoryEntry, ...]
    error: str | None = None
    """One sentence; None on success."""
    run: RunSnapshot
    """Everything that is known of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentParts:
    """What an agent is made of besides its tools."""

    model: ModelClient
    planner: PlannerFactory
    writer: AnswerWriterFactory
    judge: JudgeFactory | None = None
    planner_name: str = "llm"
    prices: Mapping[str, Price] | None = None
    memory: LongTermMemory | None = None
    """What is remembered beyond a task; None: nothing."""
    caller: Callable[[Sequence[Tool], Clock], ToolCalls] = ToolCaller
    """Makes the one path by which the agent's tools are called, with its rules and records."""


class BaseAgent:
    """An agent that works on tasks: plan, act, observe, check, plan again.

    It works on any number of tasks at once; state and history belong to each task.
    """

    def __init__(  # noqa: PLR0913 - a keyword for each thing an agent is made of
        self,
        name: str,
        parts: AgentParts,
        *,
        tools: Sequence[Tool] = (),
        max_iterations: int = 10,
        limits: Limits | None = None,
        instructions: str = "",
        folder: Path | None = None,
        clock: Clock | None = None,
        observe: Observe | None = None,
    ) -> None:
        self._parts = parts
        self._tools = {tool.name: tool for tool in tools}
        caps = limits or Limits(iterations=max_iterations)
        self.profile = AgentProfile(
            id=AgentId(name),
            workspace_id=_LOCAL,
            name=name,
            instructions=instructions,
            limits=caps,
        )
        root = folder or Path(mkdtemp(prefix="treadle-"))
        if folder is None:
            finalize(self, rmtree, root, ignore_errors=True)
        self._folders = TaskFolders(root)
        self._clock = clock or SystemClock()
        self._store = InMemoryRunStore(parts.memory.store if parts.memory else None)
        self._states = AgentStates()
        self._watch = SignalWatch(self._store)
        self._loop = AgentLoop(
            runs=self._store,
            equip=lambda _: self._equipment(),
            watch=self._watch,
            clock=self._clock,
            states=self._states,
            observe=observe,
        )
        self._worker = new_id()

    # -- tools and callbacks ---------------------------------------------------------------------

    def add_tool(self, tool: Tool) -> None:
        """Give the agent a tool; one of the same name is replaced."""
        self._tools[tool.name] = tool

    def remove_tool(self, name: str) -> None:
        """Take a tool away. Raises KeyError when the agent does not have it."""
        del self._tools[name]

    @property
    def tools(self) -> tuple[str, ...]:
        """The names of the agent's tools."""
        return tuple(self._tools)

    def add_state_change_callback(self, callback: StateChangeCallback) -> None:
        """Have ``callback(agent, old, new)`` awaited at every change of state."""
        self._states.add_state_change_callback(callback)

    def add_task_completion_callback(self, callback: CompletionCallback) -> None:
        """Have ``callback(agent, task, run)`` awaited when a task has ended."""
        self._states.add_task_completion_callback(callback)

    def state(self, task_id: TaskId) -> AgentState:
        """Return what the agent does about the task."""
        return self._states.state(self.profile.id, task_id)

    # -- work ------------------------------------------------------------------------------------

    async def execute_task(self, task: Task, *, answer: Answerer | None = None) -> TaskResult:
        """Work on the task until it has ended, or waits for a person and ``answer`` has none.

        Running out of a limit is no success: ``error`` says which, ``result`` what was done. A
        task that is executed again goes on knowing what it answered before.
        """
        return await self._execute(task, [self._said(task.description)], answer)

    async def _execute(
        self, task: Task, messages: Sequence[PersonMessage], answer: Answerer | None
    ) -> TaskResult:
        run_id = self._store.add(task, self.profile, requester=ASKER, messages=messages)
        async with Asking(answer, self._store, by=ASKER) as asking:
            while True:
                progress = await self._loop.advance(run_id, worker=self._worker)
                if progress.done or not await self._waited(run_id, progress, asking):
                    break
        return self._result(await self._store.load(run_id))

    def folder(self, result: TaskResult) -> Path:
        """Return where the files of an executed task are; exists."""
        return self._folders.folder(result.run.scope, result.run.task.id)

    async def cancel(self, task_id: TaskId, reason: str = "stopped") -> None:
        """Stop work on the task; what is done is kept. Raises RequestError for an unknown task."""
        run_id = self._store.run_of(task_id)
        if run_id is None:
            raise RequestError(f"there is no task {task_id}")
        self._store.cancel(run_id, reason, by=ASKER)
        await self._watch.look()

    def forget(self, task_id: TaskId) -> None:
        """Let go of what is kept of a task in memory; unknown ones are none of ours."""
        self._store.forget(task_id)

    def _check_task_completion(self, task: Task, run: RunSnapshot) -> bool:
        """Say whether the task is done although the plan has more; may be overridden."""
        del task, run
        return False

    async def _waited(self, run_id: RunId, progress: Progress, asking: Asking) -> bool:
        """Wait for what the run waits for; False when only a person could help and none does."""
        run = await self._store.load(run_id)
        asking.see_to(run)
        if await self._did_sub_tasks(run):
            return True
        while (now := await self._store.load(run_id)).inbox_seq == run.inbox_seq:
            is_asking = asking.see_to(now)
            if not is_asking and progress.until is None:
                return False
            if not await self._changed(until=progress.until):
                return True
        return True

    async def _changed(self, *, until: datetime | None) -> bool:
        """Sleep until something changes, for no longer than this; False when it is time."""
        left_s = None if until is None else (until - self._clock.now()).total_seconds()
        try:
            async with asyncio.timeout(None if left_s is None else max(0.0, left_s)):
                await self._store.changed()
        except TimeoutError:
            return False
        return True

    async def _did_sub_tasks(self, run: RunSnapshot) -> bool:
        """Work on the sub-tasks that the run waits for, in place."""
        ids = [wait.sub_task_id for wait in run.waits if wait.sub_task_id]
        sub_runs = [sub for sub in map(self._store.run_of, ids) if sub is not None]
        ended = [await self._loop.advance(sub, worker=self._worker) for sub in sub_runs]
        return any(progress.done for progress in ended)

    def _equipment(self) -> Equipment:
        parts = self._parts
        return Equipment(
            model=parts.model,
            planner=parts.planner,
            planner_name=parts.planner_name,
            writer=parts.writer,
            judge=parts.judge,
            tools=parts.caller(tuple(self._tools.values()), self._clock),
            folders=self._folders,
            prices=parts.prices or {},
            memory=parts.memory,
            is_complete=lambda run: self._check_task_completion(run.task, run),
        )

    def _said(self, text: str) -> PersonMessage:
        return PersonMessage(id=new_id(), author=ASKER, text=text, sent_at=self._clock.now())

    def _result(self, run: RunSnapshot) -> TaskResult:
        answer = run.answer.text if run.answer else ""
        well = run.status is TaskStatus.COMPLETED
        error = None if well else _error(run)
        return TaskResult(
            success=well,
            status=run.status,
            result=answer,
            iterations=run.usage.iterations,
            execution_history=execution_history(run),
            error=error,
            run=run,
        )


def execution_history(run: RunSnapshot) -> tuple[HistoryEntry, ...]:
    """Return what was done in a run, oldest first."""
    done = [step for step in run.steps if step.attempt and step.observation is not None]
    return tuple(_entry(number, step) for number, step in enumerate(done, start=1))


def _entry(iteration: int, step: Step) -> HistoryEntry:
    observation = step.observation
    if observation is None:
        raise ValueError("the step has no observation")
    return HistoryEntry(
        iteration=iteration,
        action=step.action.description or step.action.tool_name or str(step.action.action_type),
        result=observation.content,
        timestamp=observation.timestamp,
    )


def _error(run: RunSnapshot) -> str:
    if run.end is not None:
        return run.end.sentence or str(run.end.reason)
    questions = [wait.question for wait in run.waits if wait.question]
    return f"waiting: {questions[0]}" if questions else "waiting"
