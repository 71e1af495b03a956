"""The composition root: settings → storage → engine → Slack, and one task group for it all.

Everything is opened here in order and closed in reverse; what runs for ever runs in one group, and
when one part fails for good the process ends with it. Models and tools are put together beside it.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from slack_bolt.async_app import AsyncApp

from agent_engine.budgets import DayBudgets
from agent_engine.clock import SystemClock
from agent_engine.commands import CancelChannel, CancelThread
from agent_engine.durable import DurableRuns, sqlite_url
from agent_engine.engine import Engine
from agent_engine.events import Remembered, RunEvent
from agent_engine.loop import AgentLoop, Progress
from agent_engine.memory.long_term import LongTermMemory
from agent_engine.ports import Bell, Topic
from agent_engine.states import AgentStates
from agent_engine.types import RunId, RunSnapshot, UserId, new_id
from agent_engine.watch import SignalWatch
from bot.attaching import open_attachments
from bot.embeddings import EmbeddingSource, embedding_source, keep_embedded, open_embedder
from bot.equipment import equip
from bot.home import HomeDesk
from bot.housekeeping import HouseKeeper
from bot.inbound.bolt_app import build_bolt_app
from bot.inbound.channels import seed_agents
from bot.inbound.entrance import Entrance, Needs, build_entrance
from bot.inbound.http import serve_http
from bot.inbound.intake import Hooks
from bot.inbound.listeners.attach import attach
from bot.inbound.slack_events import MessagePosted, SessionRenamed
from bot.inbound.socket import SocketRunner
from bot.inbound.whoami import Whoami
from bot.manifest import log_missing_scopes, scope_remarks
from bot.models import Models, open_models
from bot.outbound.exports import Exports
from bot.outbound.growing_answers import GrowingAnswers
from bot.outbound.reconciler import LostPlace, Reconciler
from bot.outbound.reminders import Reminders
from bot.outbound.removals import Removals
from bot.outbound.slack_client import SlackClient, open_slack
from bot.ports import Leases
from bot.settings import Settings, Transport
from bot.task_files import FolderFiles
from bot.toolbox import Records, Toolbox, open_toolbox
from storage.agents import SqlAgentDirectory
from storage.approvals import SqlApprovalStore
from storage.audit import SqlAuditLog
from storage.bell import open_bell
from storage.budgets import SqlBudgetStore
from storage.channels import SqlChannelStore
from storage.commands.store import SqlCommandStore
from storage.database import Database, Dialect, open_database
from storage.figures import SqlFigureStore
from storage.housekeeping import SqlHousekeeping
from storage.leases import open_leases
from storage.lock_file import sole_owner
from storage.mcp_pins import SqlPinStore
from storage.memory.exports import SqlExportStore
from storage.memory.indexes import indexes_of
from storage.memory.searching import Indexes
from storage.memory.store import SqlMemoryStore
from storage.people import SqlPersonStore
from storage.persons_tasks import SqlPersonsTasks
from storage.posts import SqlPostStore
from storage.removals import SqlRemovalStore
from storage.runs import SqlRunStore
from storage.threads import SqlThreadStore
from storage.tool_cache import SqlToolCache
from storage.wakeups import SqlWakeupStore

logger = logging.getLogger(__name__)

MCP_START_S = 5.0
"""How long work that comes right after the start waits for MCP servers to be connected."""
REINSTALL = "install the app again, set the new SLACK_BOT_TOKEN, and start again"
OFFLINE_REMARK = "No language model is configured: the offline model answers what it understands."


class Role(StrEnum):
    """What this process does."""

    ALL = "all"
    GATEWAY = "gateway"
    """Talks to Slack; the work is done by workers."""
    WORKER = "worker"
    """Works on runs; never talks to Slack."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Works:
    """The engine of this process."""

    settings: Settings
    database: Database
    indexes: Indexes
    bell: Bell
    engine: Engine
    runs: SqlRunStore
    memory: LongTermMemory
    embeddings: EmbeddingSource
    leases: Leases
    models: Models
    toolbox: Toolbox
    growing: GrowingAnswers


async def run_bot(
    settings: Settings, *, role: Role = Role.ALL, ready: asyncio.Future[Works] | None = None
) -> None:
    """Run the bot until cancelled; ``ready`` is resolved once it takes events in.

    Raises:
        StorageError: the database cannot be used, or another process runs on it.
        IdentityRefusedError: Slack does not accept the token.
    """
    async with AsyncExitStack() as stack:
        works = await _open_works(settings, stack)
        worker = None if role is Role.GATEWAY else await _open_worker(works, stack)
        gateway = None if role is Role.WORKER else await _open_gateway(works, stack)
        group = await stack.enter_async_context(asyncio.TaskGroup())
        if worker is not None:
            _start_worker(worker, works, group)
        if gateway is not None:
            await _start_gateway(gateway, group)
        if worker is not None:
            group.create_task(works.models.learn())
            group.create_task(works.toolbox.mcp.run())
        facts = {"role": role.value, "model": works.models.source.description}
        embeddings = works.embeddings.description
        logger.info("bot_started", extra={**facts, "embeddings": embeddings})
        if ready is not None:
            ready.set_result(works)


async def _open_works(settings: Settings, stack: AsyncExitStack) -> Works:
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = await stack.enter_async_context(open_database(settings.database_url))
    stack.enter_context(sole_owner(database))
    bell = await stack.enter_async_context(open_bell(database))
    leases = await stack.enter_async_context(open_leases(database))
    indexes = indexes_of(database, cache_bytes=settings.file.memory.cache_bytes)
    runs = SqlRunStore(database, indexes=indexes)
    engine = Engine(
        commands=SqlCommandStore(database, indexes=indexes),
        agents=SqlAgentDirectory(database),
        runs=runs,
        bell=bell,
    )
    models = await stack.enter_async_context(open_models(settings))
    toolbox = await stack.enter_async_context(open_toolbox(settings, _records(database)))
    embeddings = embedding_source(settings, models.source)
    rules = settings.file.memory.kept()
    embedder = open_embedder(embeddings, toolbox.redaction.redact)
    return Works(
        settings=settings,
        database=database,
        indexes=indexes,
        bell=bell,
        engine=engine,
        runs=runs,
        memory=LongTermMemory(
            SqlMemoryStore(database, indexes), await stack.enter_async_context(embedder), rules
        ),
        embeddings=embeddings,
        leases=leases,
        models=models,
        toolbox=toolbox,
        growing=GrowingAnswers(),
    )


def _records(database: Database) -> Records:
    return Records(
        approvals=SqlApprovalStore(database),
        audit=SqlAuditLog(database),
        cache=SqlToolCache(database),
        pins=SqlPinStore(database),
    )


# -- the engine --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Worker:
    """What works on runs in this process."""

    watch: SignalWatch
    durable: DurableRuns


def _start_worker(worker: _Worker, works: Works, group: asyncio.TaskGroup) -> None:
    group.create_task(worker.watch.run(works.bell))
    group.create_task(worker.durable.run())
    group.create_task(_house_keeper(works).run())
    job = keep_embedded(
        works.memory,
        works.embeddings,
        budgets=_day_budgets(works),
        leases=works.leases,
        bell=works.bell,
    )
    group.create_task(job)


async def _open_worker(works: Works, stack: AsyncExitStack) -> _Worker:
    watch = SignalWatch(works.runs)
    attachments = open_attachments(works.settings, works.toolbox)
    budgets = _day_budgets(works)
    loop = AgentLoop(
        runs=works.runs,
        equip=partial(
            equip,
            models=works.models,
            toolbox=works.toolbox,
            memory=works.memory,
            budgets=budgets,
        ),
        watch=watch,
        clock=SystemClock(),
        states=AgentStates(),
        observe=_Ringing(works.bell),
        listener=works.growing,
        attachments=await stack.enter_async_context(attachments),
    )
    worker = new_id()

    async def advance(run_id: RunId) -> Progress:
        # First plans should know the tools of servers.
        await works.toolbox.mcp.settled(MCP_START_S)
        return await loop.advance(run_id, worker=worker)

    durable = DurableRuns(
        url=_durable_url(works),
        advance=advance,
        wakeups=SqlWakeupStore(works.database),
        bell=works.bell,
    )
    await durable.open()
    stack.push_async_callback(durable.close)
    return _Worker(watch, durable)


def _day_budgets(works: Works) -> DayBudgets | None:
    day = works.settings.file.day_budgets()
    return DayBudgets(day, SqlBudgetStore(works.database)) if day else None


def _durable_url(works: Works) -> str:
    """Its own file beside SQLite's; its own schema in the same PostgreSQL."""
    if works.database.dialect is Dialect.SQLITE:
        return sqlite_url(works.settings.home.absolute())
    return works.settings.database_url


@dataclass(frozen=True, slots=True)
class _Ringing:
    """Rings when a worker has stored something: there may be something to show or to wake."""

    bell: Bell

    def __call__(self, _run: RunSnapshot, events: Sequence[RunEvent]) -> None:
        """Ring for threads and for wake-ups, and for memories that lack a vector."""
        self.bell.ring(Topic.THREADS)
        self.bell.ring(Topic.WAKEUPS)
        if any(isinstance(e, Remembered) and e.memory.embedding is None for e in events):
            self.bell.ring(Topic.MEMORIES)


def _house_keeper(works: Works) -> HouseKeeper:
    return HouseKeeper(
        house=SqlHousekeeping(works.database, works.indexes),
        folders=works.toolbox.folders,
        retention=works.settings.file.retention,
    )


# -- Slack -------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class _Gateway:
    """The Slack side of this process while it is put together."""

    works: Works
    slack: SlackClient
    whoami: Whoami
    token: str
    known: asyncio.Event
    """Set once Slack has told who we are."""
    reconciler: Reconciler | None = None


async def _open_gateway(works: Works, stack: AsyncExitStack) -> _Gateway:
    settings = works.settings
    token = settings.slack_bot_token.get_secret_value() if settings.slack_bot_token else ""
    slack = await stack.enter_async_context(
        open_slack(
            token=token,
            clock=SystemClock(),
            base_url=settings.slack_api_url,
            redaction=works.toolbox.redaction,
        )
    )
    return _Gateway(
        works=works,
        slack=slack,
        whoami=Whoami(admins=frozenset(UserId(a) for a in settings.file.slack.admins)),
        token=token,
        known=asyncio.Event(),
    )


async def _start_gateway(gateway: _Gateway, group: asyncio.TaskGroup) -> None:
    works = gateway.works
    entrance = build_entrance(_needs(gateway))
    serving = asyncio.Event()
    group.create_task(_serve(gateway, entrance, serving))
    identity = await gateway.whoami.learn(gateway.slack, sleep=asyncio.sleep)
    log_missing_scopes(identity.scopes)
    await seed_agents(works.engine, works.settings.file, identity.workspace_id)
    gateway.reconciler = _reconciler(gateway)
    gateway.known.set()
    group.create_task(gateway.reconciler.run())
    group.create_task(_exports(gateway).run())
    group.create_task(_removals(gateway).run())
    if (after := works.settings.file.slack.remind_after) is not None:
        threads = SqlThreadStore(works.database)
        reminders = Reminders(threads=threads, bell=works.bell, clock=SystemClock(), after=after)
        group.create_task(reminders.run())
    group.create_task(entrance.seen.run())
    await serving.wait()


def _exports(gateway: _Gateway) -> Exports:
    works = gateway.works
    return Exports(
        exports=SqlExportStore(works.database),
        memories=works.memory.book,
        slack=gateway.slack,
        leases=works.leases,
        bell=works.bell,
        workspace_id=gateway.whoami.identity.workspace_id,
    )


def _removals(gateway: _Gateway) -> Removals:
    works = gateway.works
    return Removals(
        removals=SqlRemovalStore(works.database),
        tasks=SqlPersonsTasks(works.database, indexes_of(works.database)),
        audit=SqlAuditLog(works.database),
        slack=gateway.slack,
        leases=works.leases,
        bell=works.bell,
        workspace_id=gateway.whoami.identity.workspace_id,
    )


def _needs(gateway: _Gateway) -> Needs:
    works, database, clock = gateway.works, gateway.works.database, SystemClock()
    channels, figures = SqlChannelStore(database), SqlFigureStore(database)
    home = HomeDesk(
        engine=works.engine,
        channels=channels,
        figures=figures,
        talk=gateway.slack,
        whoami=gateway.whoami,
        clock=clock,
        remarks=partial(_remarks, gateway),
    )
    return Needs(
        engine=works.engine,
        channels=channels,
        people=SqlPersonStore(database),
        posts=SqlPostStore(database),
        talk=gateway.slack,
        clock=clock,
        file=works.settings.file,
        whoami=gateway.whoami,
        hooks=_hooks(gateway, home),
        redact=works.toolbox.redaction.redact,
        tools=works.toolbox.names,
        tool_facts=works.toolbox.facts,
        approvals=SqlApprovalStore(database),
        memories=works.memory.book,
        figures=figures,
        is_offline=works.models.source.is_offline,
    )


def _remarks(gateway: _Gateway) -> Sequence[str]:
    """Say, one sentence each, what works less well than it could."""
    works = gateway.works
    offline = (OFFLINE_REMARK,) if works.models.source.is_offline else ()
    scopes = scope_remarks(gateway.whoami.identity.scopes)
    return (*offline, *works.embeddings.remarks, *scopes, *works.toolbox.mcp.remarks())


def _hooks(gateway: _Gateway, home: HomeDesk) -> Hooks:
    async def own_message(event: MessagePosted) -> None:
        if gateway.reconciler is not None and event.metadata is not None:
            metadata = event.metadata
            gateway.reconciler.own_message_seen(
                event.ts, {"event_type": metadata.event_type, "event_payload": metadata.payload}
            )

    async def session_renamed(event: SessionRenamed) -> None:
        logger.info("session_renamed", extra={"channel": event.channel_id})

    async def uninstalled() -> None:
        workspace = gateway.whoami.us.workspace_id
        logger.warning("app_uninstalled", extra={"workspace": workspace, "fix": REINSTALL})

    return Hooks(
        own_message=own_message,
        home_opened=home.opened,
        session_renamed=session_renamed,
        uninstalled=uninstalled,
    )


def _reconciler(gateway: _Gateway) -> Reconciler:
    works, identity = gateway.works, gateway.whoami.identity

    async def on_lost(place: LostPlace) -> None:
        reason = f"Slack does not let me write there any more ({place.error})."
        thread = place.thread
        if place.whole_channel:
            lost = CancelChannel(
                workspace_id=thread.workspace_id, channel_id=thread.channel_id, reason=reason
            )
            await works.engine.carry_out(lost)
        else:
            await works.engine.carry_out(CancelThread(thread=thread, reason=reason))

    return Reconciler(
        threads=SqlThreadStore(works.database),
        posts=SqlPostStore(works.database),
        slack=gateway.slack,
        leases=works.leases,
        bell=works.bell,
        clock=SystemClock(),
        workspace_id=identity.workspace_id,
        on_lost=on_lost,
        files=FolderFiles(works.toolbox.folders),
        bot_id=identity.bot_id,
        growing=works.growing,
        remind_after=works.settings.file.slack.remind_after,
    )


async def _serve(gateway: _Gateway, entrance: Entrance, serving: asyncio.Event) -> None:
    """Take deliveries in until cancelled; what was missed is read after every gap."""
    settings = gateway.works.settings
    uses_http = settings.transport is Transport.HTTP
    secret = settings.slack_signing_secret if uses_http else None
    app = build_bolt_app(
        whoami=gateway.whoami,
        token=gateway.token,
        base_url=settings.slack_api_url,
        signing_secret=secret.get_secret_value() if secret else None,
    )
    attach(app, entrance)
    if uses_http:
        await _serve_http(gateway, entrance, app, serving)
    else:
        await _serve_socket(gateway, entrance, app, serving)


async def _serve_http(
    gateway: _Gateway, entrance: Entrance, app: AsyncApp, serving: asyncio.Event
) -> None:
    settings = gateway.works.settings

    def missing() -> Sequence[str]:
        return () if gateway.known.is_set() else ("Slack has not told yet who we are",)

    async with serve_http(
        app,
        host=settings.http_host,
        port=settings.http_port,
        underway=entrance.underway,
        readiness=missing,
    ):
        await gateway.known.wait()
        serving.set()
        await entrance.catch_up.run()
        await asyncio.Event().wait()


async def _serve_socket(
    gateway: _Gateway, entrance: Entrance, app: AsyncApp, serving: asyncio.Event
) -> None:
    settings = gateway.works.settings
    app_token = settings.slack_app_token.get_secret_value() if settings.slack_app_token else ""
    runner = SocketRunner(app, app_token=app_token, clock=SystemClock(), entrance=entrance)
    await gateway.known.wait()
    async with asyncio.TaskGroup() as group:
        group.create_task(runner.run(entrance.catch_up.run))
        await runner.until_connected()
        serving.set()
