"""The same with the rows of a real database under it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from agent_engine.commands import Say, Started
from agent_engine.events import Ended, PlanMade, StepFinished, StepStarted
from agent_engine.ports import Fence, Topic
from agent_engine.types import (
    AgentObservation,
    AgentProfile,
    Answer,
    EndReason,
    PersonMessage,
    Plan,
    RunEnd,
    Step,
    TaskStatus,
    UserId,
    WorkspaceId,
    now_utc,
)
from storage.agents import SqlAgentDirectory
from storage.commands.store import SqlCommandStore
from storage.database import open_database
from storage.posts import SqlPostStore
from storage.runs import SqlRunStore
from storage.threads import SqlThreadStore
from tests.fakes.runs import PROFILE, a_step
from tests.scenario.outbound.desk import Desk, open_desk


class Rows:
    """A desk whose reconciler reads and writes a database, and a worker's pen."""

    def __init__(self, desk: Desk, database) -> None:
        self.desk = desk
        self.threads, self.posts = SqlThreadStore(database), SqlPostStore(database)
        self.agents, self.commands = SqlAgentDirectory(database), SqlCommandStore(database)
        self.runs = SqlRunStore(database)
        desk.threads, desk.posts = self.threads, self.posts
        desk.reconciler = desk.new_reconciler()

    async def start(self, thread):
        profile: AgentProfile = replace(PROFILE, workspace_id=thread.workspace_id)
        await self.agents.save_agent(profile)
        message = PersonMessage(
            id=thread.thread_ts, author=UserId("U1"), text="Find the cause", sent_at=now_utc()
        )
        said = Say(thread=thread, agent_id=profile.id, message=message, starts=True, continues=True)
        outcome = await self.commands.carry_out(said, keys=[])
        assert isinstance(outcome, Started)
        return await self.runs.begin(outcome.run_id, worker="w")

    async def commit(self, run, *events):
        await self.runs.commit(Fence(run.run_id, run.epoch), events, worked_s=0.1)
        self.desk.bell.ring(Topic.THREADS)


@asynccontextmanager
async def open_rows(tmp_path) -> AsyncIterator[Rows]:
    async with open_desk() as desk, open_database(f"sqlite:///{tmp_path}/treadle.db") as database:
        yield Rows(desk, database)


def answered(text="It was the **cache**."):
    end = RunEnd(reason=EndReason.ANSWERED)
    return Ended(end=end, status=TaskStatus.COMPLETED, answer=Answer(text=text))


def found(step):
    content = {"success": True}
    seen = AgentObservation(observation_type="tool_result", content=content, outcome="found it")
    return StepFinished(step=step, observation=seen)


async def until_said(rows, thread, words):
    await rows.desk.workspace.until(lambda: words in "".join(rows.desk.said(thread)))


async def test_a_task_is_shown_from_first_sign_to_answer(tmp_path):
    async with open_rows(tmp_path) as rows, rows.desk.working():
        thread = await rows.desk.ask()
        run = await rows.start(thread)
        rows.desk.bell.ring(Topic.THREADS)
        await rows.desk.workspace.until(lambda: rows.desk.session(thread) == "processing")
        step = a_step(1, "Look it up")
        plan = Plan(version=1, steps=(Step(number=1, action=step.action),))
        await rows.commit(run, PlanMade(plan=plan, messages_read=1))
        await until_said(rows, thread, "Look it up")
        await rows.commit(run, StepStarted(step=1, attempt=1))
        await rows.commit(run, found(1), answered())
        await until_said(rows, thread, "cache")
        await until_said(rows, thread, "Done · Find the cause")
        await rows.desk.workspace.until(lambda: rows.desk.session(thread) == "active")
        assert len(rows.desk.said(thread)) == 2


async def test_the_message_index_finds_the_answer(tmp_path):
    async with open_rows(tmp_path) as rows, rows.desk.working():
        thread = await rows.desk.ask()
        run = await rows.start(thread)
        await rows.commit(run, answered())
        await until_said(rows, thread, "cache")
        ts = rows.desk.workspace.thread(thread.channel_id, thread.thread_ts)[1].ts

        async def is_found():
            return await rows.posts.find(WorkspaceId(thread.workspace_id), thread.channel_id, ts)

        post = await is_found()
        while post is None:
            await rows.desk.bell.wait(Topic.THREADS, timeout_s=1.0)
            post = await is_found()
        assert (post.run_id, post.kind) == (run.run_id, "answer")


async def test_a_reconciler_that_died_between_call_and_note_finds_its_message(tmp_path):
    async with open_rows(tmp_path) as rows:
        desk = rows.desk
        thread = await desk.ask()
        run = await rows.start(thread)
        await rows.commit(run, answered())
        note = rows.posts.posted

        async def dies(*_args, **_facts):
            raise KeyboardInterrupt

        rows.posts.posted = dies
        try:
            for dirty in await rows.threads.dirty(limit=10):
                await desk.reconciler.settle(dirty)
        except KeyboardInterrupt:
            rows.posts.posted = note
        assert len(desk.said(thread)) == 1
        desk.reconciler = desk.new_reconciler()
        async with desk.working():
            await desk.workspace.until(lambda: desk.calls("conversations.replies"))
            while await rows.threads.dirty(limit=10):
                await desk.bell.wait(Topic.THREADS, timeout_s=1.0)
        assert len(desk.said(thread)) == 1
