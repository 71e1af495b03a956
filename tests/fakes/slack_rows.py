"""The rows that the incoming side writes, in memory: channels, people, posts, commands, agents."""

# ruff: noqa: ARG002  # the ports' arguments

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from agent_engine import commands as c
from agent_engine.errors import StorageError
from agent_engine.types import (
    AgentId,
    AgentProfile,
    RunId,
    RunSnapshot,
    Scope,
    Task,
    TaskId,
    TaskStatus,
)


class FakeRows:
    """Satisfies ChannelStore, PersonStore and PostStore as far as ``inbound`` uses them."""

    def __init__(self):
        self.channel_rows, self.person_rows, self.post_rows = {}, {}, {}

    async def channel(self, workspace_id, channel_id):
        return self.channel_rows.get((workspace_id, channel_id))

    async def channels(self, workspace_id):
        return [
            row for (workspace, _), row in self.channel_rows.items() if workspace == workspace_id
        ]

    async def save_channel(self, channel):
        self.channel_rows[channel.workspace_id, channel.channel_id] = channel
        return channel

    async def saw(self, workspace_id, seen):
        for channel_id, ts in seen.items():
            row = self.channel_rows.get((workspace_id, channel_id))
            if row is not None and ts > (row.last_seen_ts or ""):
                self.channel_rows[workspace_id, channel_id] = replace(row, last_seen_ts=ts)

    async def person(self, workspace_id, user_id):
        return self.person_rows.get((workspace_id, user_id))

    async def save_person(self, person):
        self.person_rows[person.workspace_id, person.user_id] = person

    async def find(self, workspace_id, channel_id, ts):
        return self.post_rows.get((channel_id, ts))


@dataclass
class FakeCore:
    """Satisfies CommandStore, AgentDirectory, RunStore and Bell; records what is carried out."""

    carried: list = field(default_factory=list)
    failures: int = 0
    """So many of the next commands cannot be stored."""
    declines: str = ""
    """Why every command from now on is declined; empty when it is not."""
    agent_rows: dict = field(default_factory=dict)
    run_rows: dict = field(default_factory=dict)
    threads: dict = field(default_factory=dict)
    keys: set = field(default_factory=set)
    attempts: int = 0
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def said(self):
        return [command for command in self.carried if isinstance(command, c.Say)]

    async def until(self, predicate: Callable[[], object]):
        async with asyncio.timeout(5), self.changed:
            await self.changed.wait_for(predicate)

    async def carry_out(self, command, *, keys):
        try:
            return self._carry_out(command, keys)
        finally:
            async with self.changed:
                self.changed.notify_all()

    def _carry_out(self, command, keys):
        self.attempts += 1
        if self.failures:
            self.failures -= 1
            raise StorageError
        if self.keys & set(keys):
            return c.Repeated()
        self.keys |= set(keys)
        self.carried.append(command)
        if self.declines:
            return c.Declined(why=self.declines)
        return self._outcome(command)

    def _outcome(self, command):
        match command:
            case c.Say():
                return self._say(command)
            case c.Cancel(run_id=run_id):
                return c.Cancelled(run_ids=(run_id,))
            case c.CancelThread() | c.CancelChannel():
                return c.Cancelled(run_ids=())
            case c.Rate(rating=rating):
                return c.Rated(run_id=None, task_id=None, rating=rating)
            case c.Unrate():
                return c.Rated(run_id=None, task_id=None, rating=None)
            case c.Amend() | c.Decide():
                return c.Steered(run_id=RunId("r1"))
            case c.RunAgain():
                return c.Started(run_id=RunId("again"), task_id=TaskId("t"))

    def _say(self, say):
        if say.thread in self.threads:
            return c.Steered(run_id=self.threads[say.thread])
        if not say.starts:
            return c.Declined(why="no_task")
        run = self.add_run(say.thread, requester=say.message.author, agent_id=say.agent_id)
        return c.Started(run_id=run.run_id, task_id=run.task.id)

    def add_run(self, thread, *, requester, agent_id="default", status=TaskStatus.RUNNING):
        run_id = RunId(f"r{len(self.run_rows) + 1}")
        scope = Scope(
            workspace_id=thread.workspace_id,
            channel_id=thread.channel_id,
            agent_id=AgentId(agent_id),
        )
        run = RunSnapshot(
            run_id=run_id,
            task=Task(id=TaskId(f"t-{run_id}"), description="x"),
            agent=AgentProfile(id=AgentId(agent_id), workspace_id=thread.workspace_id, name="A"),
            scope=scope,
            thread=thread,
            requester=requester,
            epoch=1,
            status=status,
            created_at=datetime.now(UTC),
        )
        self.run_rows[run_id] = run
        self.threads[thread] = run_id
        return run

    async def latest_run(self, thread):
        return self.threads.get(thread)

    async def load(self, run_id):
        return self.run_rows[run_id]

    async def tasks(self, workspace_id, *, channel_id, limit):
        return [
            c.TaskLine(
                task_id=run.task.id,
                run_id=run.run_id,
                description=run.task.description,
                status=run.status.value,
                thread=run.thread,
                agent_id=run.agent.id,
                requester=run.requester,
                created_at=run.created_at,
                ended_at=None,
                queue_place=None,
            )
            for run in self.run_rows.values()
            if channel_id in (None, run.scope.channel_id)
        ][:limit]

    async def agent(self, workspace_id, agent_id):
        return self.agent_rows.get(agent_id)

    async def agents(self, workspace_id):
        return list(self.agent_rows.values())

    async def save_agent(self, profile):
        self.agent_rows[profile.id] = profile

    def ring(self, topic):
        pass
