"""The whole incoming side, in process, against the local workspace; the engine's rows are fakes."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from agent_engine.engine import Engine
from agent_engine.memories import Findings
from agent_engine.places import Tally
from agent_engine.tools.policy import ToolPolicy
from agent_engine.types import WorkspaceId
from bot.agents_file import AgentsFile
from bot.inbound.bolt_app import build_bolt_app
from bot.inbound.channels import seed_agents
from bot.inbound.entrance import Entrance, Needs, build_entrance
from bot.inbound.intake import Hooks
from bot.inbound.listeners.attach import attach
from bot.inbound.socket import SocketRunner, SocketTimes
from bot.inbound.whoami import Whoami
from bot.local_slack.config import LocalWorkspaceConfig
from bot.local_slack.server import LocalWorkspace
from bot.manifest import load_manifest
from bot.outbound.slack_client import open_slack
from bot.tool_rules import KnownTools
from tests.fakes.safeguards import RememberedApprovals, guarded
from tests.fakes.slack_rows import FakeCore, FakeRows

QUICK = LocalWorkspaceConfig(
    ack_timeout_s=1.2, retry_delays_s=(0.0, 0.05, 0.1), with_guest=True, manifest=load_manifest()
)
TIMES = SocketTimes(
    ping_every_s=0.2, look_every_s=0.02, silent_after_s=1.0, closed_after_s=0.6, drain_s=1.0
)


class RealClock:
    def now(self):
        return datetime.now(UTC)

    def monotonic_s(self):
        return time.monotonic()


class NoMemories:
    """Nothing is remembered."""

    by_meaning = False

    async def page(self, *_args, **_options):
        return []

    async def tally(self, *_args, **_options):
        return {}

    async def search(self, *_args, **_options):
        return Findings()

    async def history(self, *_args, **_options):
        return []


class NoFigures:
    """Nothing was rated."""

    async def figures(self, *_args, **_options):
        return Tally()

    async def ratings(self, *_args, **_options):
        return []


class StopError(Exception):
    """Ends the group that runs the bot."""


@dataclass
class World:
    """One database, one workspace, and bots that come and go."""

    workspace: LocalWorkspace
    core: FakeCore = field(default_factory=FakeCore)
    rows: FakeRows = field(default_factory=FakeRows)
    file: AgentsFile = field(default_factory=AgentsFile)
    heard: list = field(default_factory=list)
    """What the hooks were told."""
    times: SocketTimes = TIMES
    bot: "Bot | None" = None
    """The one that runs now."""

    def __post_init__(self):
        self.engine = Engine(commands=self.core, agents=self.core, runs=self.core, bell=self.core)

    @property
    def hooks(self) -> Hooks:
        async def hear(event="uninstalled"):
            self.heard.append(event)

        return Hooks(own_message=hear, home_opened=hear, session_renamed=hear, uninstalled=hear)

    async def settled(self, channel="general"):
        """Wait until all that was delivered so far is taken in; return what people said till now.

        Deliveries arrive in order, so one more at the end is the last to begin.
        """
        ts = await self.workspace.person("linus").post(channel, "@treadle are you done?")
        await self.core.until(lambda: any(s.message.id == ts for s in self.core.said()))
        assert await self.bot.entrance.underway.drained(within_s=5)
        return [say for say in self.core.said() if say.message.id != ts]

    def replies_to(self, name, channel=None):
        """The sentences that only this person sees."""
        return [message.text for message in self.workspace.person(name).ephemerals(channel)]

    async def told(self, name, channel=None):
        return await self.workspace.until(lambda: self.replies_to(name, channel))

    @asynccontextmanager
    async def parts(self) -> AsyncIterator["Bot"]:
        ws = self.workspace
        clock, whoami = RealClock(), Whoami(admins=frozenset(self.file.slack.admins))
        async with open_slack(token=ws.bot_token, clock=clock, base_url=ws.api_url) as talk:
            await seed_agents(self.engine, self.file, WorkspaceId(ws.team_id))
            needs = Needs(
                engine=self.engine,
                channels=self.rows,
                people=self.rows,
                posts=self.rows,
                talk=talk,
                clock=clock,
                file=self.file,
                whoami=whoami,
                hooks=self.hooks,
                tools=("calculate",),
                tool_facts=KnownTools(guarded([]), ToolPolicy()),
                approvals=RememberedApprovals(),
                memories=NoMemories(),
                figures=NoFigures(),
            )
            entrance = build_entrance(needs)
            entrance = replace(entrance, catch_up=replace(entrance.catch_up, sleep=_at_once))
            yield Bot(entrance=entrance, talk=talk, whoami=whoami, world=self)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Bot"]:
        """Run the bot in Socket Mode until the end of the block."""
        async with self.parts() as bot:
            await bot.whoami.learn(bot.talk, sleep=_at_once)
            ws = self.workspace
            app = build_bolt_app(
                whoami=bot.whoami, token=ws.bot_token, base_url=ws.api_url, signing_secret=None
            )
            attach(app, bot.entrance)
            bot.runner = SocketRunner(
                app,
                app_token=ws.app_token,
                clock=RealClock(),
                entrance=bot.entrance,
                times=self.times,
            )
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(bot.runner.run(bot.caught_up))
                    async with asyncio.timeout(5):
                        await bot.caught_up_once.wait()
                    self.bot = bot
                    yield bot
                    _stop()
            except* StopError:
                await bot.entrance.seen.flush_all()


@dataclass
class Bot:
    entrance: Entrance
    talk: object
    whoami: Whoami
    world: World
    runner: SocketRunner | None = None
    catch_ups: int = 0
    caught_up_once: asyncio.Event = field(default_factory=asyncio.Event)

    async def caught_up(self):
        await self.entrance.catch_up.run()
        self.catch_ups += 1
        self.caught_up_once.set()
        async with self.world.core.changed:
            self.world.core.changed.notify_all()


def _stop() -> None:
    raise StopError


async def _at_once(_seconds: float) -> None:
    await asyncio.sleep(0.01)


@pytest.fixture
async def workspace() -> AsyncIterator[LocalWorkspace]:
    async with LocalWorkspace(QUICK) as running:
        yield running


@pytest.fixture
async def world(workspace) -> World:
    return World(workspace)


@pytest.fixture
async def bot(world) -> AsyncIterator[Bot]:
    async with world.running() as running:
        yield running
