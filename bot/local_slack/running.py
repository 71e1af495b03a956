"""What a running local workspace consists of: makes the parts, wires them, listens."""

import logging
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Self

import aiohttp
from aiohttp import web

from bot.local_slack.acts import Acts
from bot.local_slack.background import Background
from bot.local_slack.changes import Hub
from bot.local_slack.config import LocalWorkspaceConfig
from bot.local_slack.core import Core, Installation, Secrets
from bot.local_slack.deliveries import Deliveries, Transport
from bot.local_slack.events import EventSource
from bot.local_slack.faults import Faults
from bot.local_slack.file_routes import FileRoutes
from bot.local_slack.http_delivery import HttpDelivery
from bot.local_slack.interactions import Interactions
from bot.local_slack.manifest import parse_manifest
from bot.local_slack.mint import Mint
from bot.local_slack.modals import Modals
from bot.local_slack.page_api import PageApi
from bot.local_slack.rate_limits import RateLimits
from bot.local_slack.responses import answer_response_url
from bot.local_slack.sessions import Sessions
from bot.local_slack.shared_files import SharedFiles
from bot.local_slack.socket_mode import SocketMode
from bot.local_slack.state import Workspace
from bot.local_slack.traffic import Traffic
from bot.local_slack.web_api.dispatch import WebApi
from bot.local_slack.workspaces import Workspaces

logger = logging.getLogger(__name__)

_MAX_REQUEST_BYTES = 100_000_000


class Running:
    """One workspace with those who act on it."""

    def __init__(self, core: Core, workspaces: Workspaces) -> None:
        self.core = core
        self._workspaces = workspaces
        events = EventSource(core)
        core.hub.listen(events.on_change)
        self.acts = Acts(core, events)
        self.interactions = Interactions(core)

    def sibling(self, config: LocalWorkspaceConfig) -> Self:
        """Open another workspace that shares the app and the address."""
        core = _sibling_core(self._workspaces.first, config)
        self._workspaces.add(core)
        return type(self)(core, self._workspaces)


async def start(config: LocalWorkspaceConfig, stack: AsyncExitStack) -> Running:
    """Listen; what was started ends with the stack, in reverse."""
    background = await stack.enter_async_context(Background())
    session = await stack.enter_async_context(aiohttp.ClientSession())
    core = _first_core(config, background=background, session=session)
    workspaces = Workspaces(core)
    running = Running(core, workspaces)
    page = PageApi(core, acts=running.acts, interactions=running.interactions)
    application = _application(workspaces, page)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=config.shutdown_timeout_s)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    stack.push_async_callback(core.sockets.close)
    stack.push_async_callback(page.close)
    await web.TCPSite(runner, config.host, config.port).start()
    host, port = runner.addresses[0][:2]
    core.base_url = f"http://{host}:{port}"
    logger.info("local_workspace_started", extra={"port": port})
    return running


def _application(workspaces: Workspaces, page: PageApi) -> web.Application:
    async def respond(request: web.Request) -> web.StreamResponse:
        owner = workspaces.of_response(request.match_info["key"])
        return await answer_response_url(owner, request)

    application = web.Application(client_max_size=_MAX_REQUEST_BYTES)
    application.add_routes(
        [
            web.route("*", "/api/{method}", WebApi(workspaces).answer),
            web.get("/socket-mode/link", workspaces.first.sockets.accept),
            web.post("/response/{key}", respond),
            *FileRoutes(workspaces).routes(),
            *page.routes(),
        ]
    )
    return application


def _first_core(
    config: LocalWorkspaceConfig, *, background: Background, session: aiohttp.ClientSession
) -> Core:
    mint, hub = Mint(config.seed), Hub()
    secrets = _secrets(config, mint)
    state = Workspace(config, mint=mint, hub=hub)
    traffic, faults = Traffic(hub=hub), Faults(enforce_rate_limits=config.enforce_rate_limits)
    sockets = SocketMode(config=config, app_id=state.app_id, mint=mint, hub=hub, traffic=traffic)
    deliveries = Deliveries(
        config=config,
        transport=_transport(config, sockets=sockets, secrets=secrets, session=session),
        faults=faults,
        traffic=traffic,
        background=background,
        mint=mint,
    )
    shared = _Shared(
        faults=faults,
        traffic=traffic,
        background=background,
        sockets=sockets,
        deliveries=deliveries,
    )
    return _core(config, state=state, secrets=secrets, shared=shared)


def _sibling_core(first: Core, config: LocalWorkspaceConfig) -> Core:
    state = Workspace(config, mint=first.mint, hub=Hub(), app_id=first.state.app_id)
    token = config.bot_token or first.mint.token("xoxb")
    shared = _Shared(
        faults=first.faults,
        traffic=first.traffic,
        background=first.background,
        sockets=first.sockets,
        deliveries=first.deliveries,
    )
    secrets = replace(first.secrets, bot_token=token)
    core = _core(config, state=state, secrets=secrets, shared=shared)
    core.base_url = first.base_url
    return core


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shared:
    """What all workspaces behind one address have in common."""

    faults: Faults
    traffic: Traffic
    background: Background
    sockets: SocketMode
    deliveries: Deliveries


def _core(
    config: LocalWorkspaceConfig, *, state: Workspace, secrets: Secrets, shared: _Shared
) -> Core:
    mint, hub = state.mint, state.hub
    manifest = parse_manifest(config.manifest)
    granted = {secrets.bot_token: manifest.bot_scopes} if config.is_installed else {}
    return Core(
        config=config,
        manifest=manifest,
        secrets=secrets,
        mint=mint,
        hub=hub,
        state=state,
        files=SharedFiles(mint=mint),
        modals=Modals(mint=mint, hub=hub, trigger_lifetime_s=config.trigger_lifetime_s),
        sessions=Sessions(hub=hub, status_lifetime_s=config.status_lifetime_s),
        faults=shared.faults,
        traffic=shared.traffic,
        limits=RateLimits(),
        background=shared.background,
        sockets=shared.sockets,
        deliveries=shared.deliveries,
        installation=Installation(scopes_by_token=granted),
    )


def _transport(
    config: LocalWorkspaceConfig,
    *,
    sockets: SocketMode,
    secrets: Secrets,
    session: aiohttp.ClientSession,
) -> Transport:
    if config.http_delivery_url is None:
        return sockets
    return HttpDelivery(
        url=config.http_delivery_url,
        signing_secret=secrets.signing_secret,
        session=session,
        ack_timeout_s=config.ack_timeout_s,
    )


def _secrets(config: LocalWorkspaceConfig, mint: Mint) -> Secrets:
    return Secrets(
        bot_token=config.bot_token or mint.token("xoxb"),
        app_token=config.app_token or mint.token("xapp"),
        signing_secret=config.signing_secret or mint.hex(32),
        client_id=config.client_id,
        client_secret=config.client_secret,
    )
