"""A reconciler at work on a local workspace, with runs that a test puts in front of it."""

import asyncio
import json
from contextlib import AsyncExitStack, asynccontextmanager

from agent_engine.ports import Topic
from agent_engine.types import ChannelId, Thread, WorkspaceId
from bot.local_slack.config import LocalWorkspaceConfig
from bot.local_slack.server import LocalWorkspace
from bot.outbound.reconciler import Reconciler
from bot.outbound.slack_client import open_slack
from tests.fakes.stores import FakeBell, FakeLeases, FakePosts, FakeThreads, Hurry

FAST = 25.0


class Desk:
    """Everything a scenario needs: the workspace, the stores, the reconciler."""

    def __init__(self, workspace, slack, clock):
        self.workspace = workspace
        self.slack = slack
        self.clock = clock
        self.bell = FakeBell(clock)
        self.leases = FakeLeases()
        self.threads = FakeThreads()
        self.posts = FakePosts()
        self.lost = []
        self.files = {}
        self.reconciler = self.new_reconciler()

    def new_reconciler(self):
        """A reconciler as after a restart: nothing in memory."""
        return Reconciler(
            threads=self.threads,
            posts=self.posts,
            slack=self.slack,
            leases=self.leases,
            bell=self.bell,
            clock=self.clock,
            workspace_id=WorkspaceId(self.workspace.team_id),
            on_lost=self._lose,
            files=self,
            bot_id=self.workspace.core.state.bot.bot_id,
            sleep=self.clock.sleep,
        )

    async def ask(self, channel="general", text="@treadle find the cause"):
        """Let ada post a problem; gives the thread it starts."""
        ts = await self.workspace.person("ada").post(channel, text)
        return Thread(
            workspace_id=WorkspaceId(self.workspace.team_id),
            channel_id=ChannelId(self.workspace.channel(channel).id),
            thread_ts=ts,
        )

    def put(self, *runs):
        """Commit new states of runs, as workers do."""
        for run in runs:
            self.threads.put(run)
        self.bell.ring(Topic.THREADS)

    async def shown(self, *threads, within_s=5.0):
        """Wait until Slack shows these threads as they are."""
        async with asyncio.timeout(within_s):
            while not all(self.threads.is_shown(thread) for thread in threads):
                self.threads.news.clear()
                await self.threads.news.wait()

    def said(self, thread):
        """What the bot has posted in the thread, each message as one string."""
        messages = self.workspace.thread(thread.channel_id, thread.thread_ts)[1:]
        return [json.dumps([m.text, m.blocks], ensure_ascii=False) for m in messages if m.bot_id]

    def calls(self, method):
        """The calls of a method that the workspace answered with ok."""
        return [e for e in self.workspace.traffic if e.name == method and e.status == "ok"]

    def session(self, thread):
        """The session status that Slack shows."""
        found = self.workspace.core.sessions.find(thread.channel_id, thread.thread_ts)
        return None if found is None or found.status is None else found.status.value

    async def read(self, _run, path):
        return self.files.get(path)

    async def _lose(self, place):
        self.lost.append(place)

    @asynccontextmanager
    async def working(self):
        """Run the reconciler meanwhile."""
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.reconciler.run())
            try:
                yield self
            finally:
                task.cancel()


@asynccontextmanager
async def open_desk(*, factor=FAST, **options):
    """Start a workspace and a desk on it; options are those of the workspace."""
    options.setdefault("enforce_rate_limits", False)
    clock = Hurry(factor)
    async with AsyncExitStack() as stack:
        workspace = await stack.enter_async_context(LocalWorkspace(LocalWorkspaceConfig(**options)))
        slack = await stack.enter_async_context(
            open_slack(
                token=workspace.bot_token,
                base_url=workspace.api_url,
                clock=clock,
                sleep=clock.sleep,
            )
        )
        yield Desk(workspace, slack, clock)
