"""All stores on one database, and short ways to make what tests need."""

from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy import select, update
from sqlalchemy.engine import Connection

from agent_engine.commands import Say, Started
from agent_engine.events import Ended, PlanMade, RunEvent, Slept, StepStarted, WaitOpened
from agent_engine.ports import Fence, WakeupKind
from agent_engine.types import (
    ActionType,
    AgentAction,
    AgentId,
    AgentProfile,
    Answer,
    ChannelId,
    EndReason,
    PersonMessage,
    Plan,
    RunEnd,
    RunId,
    RunSnapshot,
    Scope,
    Step,
    Task,
    TaskStatus,
    Thread,
    UserId,
    Wait,
    WaitKind,
    WorkspaceId,
)
from storage import tables
from storage.agents import SqlAgentDirectory
from storage.commands.store import SqlCommandStore
from storage.database import Database
from storage.new_runs import NewRun, Place, add_run, add_task, thread_row_id
from storage.posts import SqlPostStore
from storage.runs import SqlRunStore
from storage.slots import SlotCaps
from storage.threads import SqlThreadStore
from storage.wakeups import SqlWakeupStore

WORKSPACE = WorkspaceId("T1")
CHANNEL = ChannelId("C1")
ALICE = UserId("U-alice")
BOB = UserId("U-bob")
MORNING = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def thread(ts: str = "1.0", channel: ChannelId = CHANNEL) -> Thread:
    return Thread(workspace_id=WORKSPACE, channel_id=channel, thread_ts=ts)


def message(name: str, text: str = "hello", *, author: UserId = ALICE) -> PersonMessage:
    return PersonMessage(id=name, author=author, text=text, sent_at=MORNING)


def plan_of(*actions: AgentAction, version: int = 1) -> Plan:
    steps = tuple(Step(number=n, action=action) for n, action in enumerate(actions, start=1))
    return Plan(version=version, steps=steps)


def think(thought: str = "hm") -> AgentAction:
    return AgentAction(action_type=ActionType.THINK, parameters={"thought": thought})


def answered(text: str = "42") -> Ended:
    end = RunEnd(reason=EndReason.ANSWERED)
    return Ended(end=end, status=TaskStatus.COMPLETED, answer=Answer(text=text))


def failed(sentence: str = "The model does not answer.") -> Ended:
    end = RunEnd(reason=EndReason.FAILED, sentence=sentence)
    return Ended(end=end, status=TaskStatus.ERROR)


class House:
    """The stores, with one agent to work with."""

    def __init__(self, database: Database, *, caps: SlotCaps | None = None) -> None:
        self.database = database
        self.agents = SqlAgentDirectory(database)
        self.commands = SqlCommandStore(database)
        self.runs = SqlRunStore(database, caps=caps or SlotCaps())
        self.wakeups = SqlWakeupStore(database, caps=caps or SlotCaps())
        self.threads = SqlThreadStore(database)
        self.posts = SqlPostStore(database)
        self.agent = AgentProfile(id=AgentId("A1"), workspace_id=WORKSPACE, name="Ada")

    async def add_agent(self, name: str, *, max_concurrent: int = 50) -> AgentProfile:
        profile = replace(self.agent, id=AgentId(name), name=name, max_concurrent=max_concurrent)
        await self.agents.save_agent(profile)
        return profile

    async def start(
        self,
        ts: str = "1.0",
        *,
        author: UserId = ALICE,
        agent: AgentId | None = None,
        channel: ChannelId = CHANNEL,
    ) -> RunId:
        """Start a task in a new thread and return its run."""
        command = Say(
            thread=thread(ts, channel),
            agent_id=agent or self.agent.id,
            message=message(f"m-{ts}", "What is six times seven?", author=author),
            starts=True,
            continues=True,
        )
        outcome = await self.commands.carry_out(command, keys=[])
        assert isinstance(outcome, Started)
        return outcome.run_id

    async def say(self, name: str, text: str = "more", *, ts: str = "1.0", author: UserId = ALICE):
        command = Say(
            thread=thread(ts),
            agent_id=self.agent.id,
            message=message(name, text, author=author),
            starts=False,
            continues=True,
        )
        return await self.commands.carry_out(command, keys=[])

    async def begin(self, run_id: RunId) -> RunSnapshot:
        begun = await self.runs.begin(run_id, worker="w1")
        assert isinstance(begun, RunSnapshot), begun
        return begun

    async def every_row(self) -> str:
        """Return all that stands in the tables, as one text."""
        found = []
        for table in tables.metadata.sorted_tables:
            found += await self.database.read(lambda c, of=table: c.execute(select(of)).all())
        return str(found)

    async def commit(self, run: RunSnapshot, *events: RunEvent, worked_s: float = 0.0) -> int:
        return await self.runs.commit(Fence(run.run_id, run.epoch), events, worked_s=worked_s)

    async def ask(self, run: RunSnapshot, *, asked_of: UserId | None = None) -> Wait:
        """Make the run ask a question and sleep."""
        wait = Wait(id="w1", kind=WaitKind.QUESTION, step=1, question="Which?", asked_of=asked_of)
        await self.open_wait(run, wait)
        return wait

    async def open_wait(self, run: RunSnapshot, wait: Wait, sub_task=None) -> int:
        return await self.commit(
            run,
            PlanMade(plan=plan_of(think()), messages_read=len(run.messages)),
            StepStarted(step=1, attempt=1),
            WaitOpened(wait=wait, sub_task=sub_task),
            Slept(),
        )

    async def set_priority(self, run_id: RunId, priority: int) -> None:
        change = update(tables.runs).where(tables.runs.c.id == run_id).values(priority=priority)
        await self.database.write(lambda c: c.execute(change))

    async def add_dependant(self, *dependencies: str) -> RunId:
        """Store a task that waits for these, and return its run."""
        return await self.add(Task(description="afterwards", dependencies=dependencies))

    async def add(self, task: Task, *, ts: str | None = None) -> RunId:
        """Store the task, in a thread or in none, and return its run."""
        scope = Scope(workspace_id=WORKSPACE, channel_id=CHANNEL, agent_id=self.agent.id)

        def store(connection: Connection) -> RunId:
            own = thread_row_id(connection, thread(ts)) if ts else None
            add_task(connection, task, scope, Place(own=own, show=own))
            run = NewRun(
                task_id=task.id,
                scope=scope,
                show_thread_id=own,
                requester=ALICE,
                priority=task.priority,
                limits=self.agent.limits,
            )
            return add_run(connection, run)

        return await self.database.write(store)

    async def run_of(self, task: Task) -> RunId | None:
        """Return the run of the task; None when there is none."""
        found = select(tables.runs.c.id).where(tables.runs.c.task_id == task.id)
        return await self.database.read(lambda c: c.execute(found).scalar_one_or_none())

    async def all_shown(self) -> None:
        """Note that Slack shows every thread as it is."""
        for dirty in await self.threads.dirty(limit=1000):
            await self.threads.shown(dirty.thread, seq=dirty.seq, session_status=None)

    async def woken(self) -> list[tuple[RunId, WakeupKind]]:
        """Return the wake-ups written since the last call, and deliver them."""
        due = await self.wakeups.due(limit=1000)
        await self.wakeups.delivered([wakeup.id for wakeup in due])
        return [(wakeup.run_id, wakeup.kind) for wakeup in due]
