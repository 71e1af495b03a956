"""The local workspace with a doorman, who may kill the bot before or after it is served."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from http import HTTPStatus
from typing import Any

import pytest
from aiohttp import web

from bot.local_slack import running
from bot.local_slack.config import LocalWorkspaceConfig
from bot.local_slack.server import LocalWorkspace
from tests.recovery.processes import BotProcess, DeathWish

BEFORE, AFTER = "before", "after"
_RETRY_TIME_SCALE = 0.05
"""Slack delivers again after a minute; here after three seconds."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Doorman:
    """Counts the bot's calls and kills it at the one that was asked for."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.bot: BotProcess | None = None
        self.wish: DeathWish | None = None
        self._counts: Counter[str] = Counter()

    def begin(self, bot: BotProcess, wish: DeathWish | None) -> None:
        """Watch over this bot from now on, with fresh counts."""
        self.bot, self.wish = bot, wish
        self.calls = []
        self._counts.clear()

    async def attend(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let one request in; a killed bot's request is carried out or not, never answered."""
        point = self._point(request)
        if point is None:
            return await handler(request)
        self.calls.append(point)
        wish, bot = self.wish, self.bot
        if wish is None or wish.at != point or bot is None:
            return await handler(request)
        if wish.side == AFTER:
            await handler(request)
        bot.kill()
        await bot.until_ended()
        return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE)

    def _point(self, request: web.Request) -> str | None:
        parts = request.path.strip("/").split("/")
        if parts[0] not in ("api", "upload", "files-pri"):
            return None
        name = parts[1] if parts[0] == "api" else parts[0]
        self._counts[name] += 1
        return f"{name}#{self._counts[name]}"


def _middleware(doorman: Doorman) -> Any:
    @web.middleware
    async def attended(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await doorman.attend(request, handler)

    return attended


_at_the_door: ContextVar[Doorman | None] = ContextVar("at_the_door", default=None)


@contextmanager
def doors() -> Iterator[None]:
    """Give every workspace that starts within the block a door for its doorman to stand at."""
    plain = running._application

    def with_door(*parts: Any) -> web.Application:
        application = plain(*parts)
        doorman = _at_the_door.get()
        if doorman is not None:
            application.middlewares.append(_middleware(doorman))
        return application

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "_application", with_door)
        yield


@asynccontextmanager
async def attended_workspace(
    doorman: Doorman, config: LocalWorkspaceConfig | None = None
) -> AsyncIterator[LocalWorkspace]:
    """Open a workspace at whose door the doorman stands."""
    token = _at_the_door.set(doorman)
    workspace = LocalWorkspace(config)
    await workspace.__aenter__()
    _at_the_door.reset(token)
    try:
        workspace.faults.retry_time_scale = _RETRY_TIME_SCALE
        yield workspace
    finally:
        await workspace.__aexit__(None, None, None)
