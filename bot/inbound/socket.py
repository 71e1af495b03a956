"""Socket Mode: keeps one connection open, notices when it has gone deaf, and says when it was gone.

Slack's client reconnects by itself in most cases. A watchdog behind it replaces the whole client
when nothing, not even a pong, has come for a minute, or when its session stays closed.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from aiohttp import WSMessage
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp

from agent_engine.ports import Clock
from bot.inbound.entrance import Entrance

logger = logging.getLogger(__name__)

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
CLOSE_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketTimes:
    """How patient the watchdog is."""

    ping_every_s: float = 10.0
    look_every_s: float = 1.0
    silent_after_s: float = 60.0
    """Without any frame for so long, pongs included, the connection counts as deaf."""
    closed_after_s: float = 15.0
    """A closed session gets so long to come back by itself."""
    connect_s: float = 20.0
    drain_s: float = 5.0
    """At the end, what has been delivered gets so long to be stored and acknowledged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketState:
    """How the connection stands."""

    connected_since: datetime | None = None
    """None while there is no connection."""
    last_frame_at: datetime | None = None
    connections: int = 0
    """How many there have been so far."""


GapClosed = Callable[[], Awaitable[None]]
"""Called after every new connection: something may have been missed before it."""


class SocketRunner:
    """Runs a Bolt app over Socket Mode until cancelled."""

    def __init__(
        self,
        app: AsyncApp,
        *,
        app_token: str,
        clock: Clock,
        entrance: Entrance,
        times: SocketTimes | None = None,
    ) -> None:
        self._app = app
        self._app_token = app_token
        self._clock = clock
        self._entrance = entrance
        self._times = times or SocketTimes()
        self._state = SocketState()
        self._connected = asyncio.Event()

    @property
    def state(self) -> SocketState:
        """How the connection stands now."""
        return self._state

    async def until_connected(self) -> None:
        """Wait until there is a connection."""
        await self._connected.wait()

    async def run(self, on_connected: GapClosed) -> None:
        """Stay connected until cancelled; call ``on_connected`` after every new connection.

        The callback runs beside the connection, one at a time; what it raises ends the runner.
        """
        news = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(_call_on(news, on_connected))
            await self._stay_connected(news)

    # --------------------------------------------------------------------------------------------

    async def _stay_connected(self, news: asyncio.Event) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            line = _Line(self._app, self._app_token, self._times)
            try:
                if await line.connect():
                    pause_s = FIRST_PAUSE_S
                    await self._watch(line, news)
            finally:
                self._note_lost()
                await self._end(line)
            wait_s = pause_s * random.uniform(0.5, 1.0)  # noqa: S311  # jitter, not a secret
            logger.warning("socket_replaced", extra={"again_in_s": round(wait_s, 1)})
            await asyncio.sleep(wait_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def _watch(self, line: "_Line", news: asyncio.Event) -> None:
        """Return when the connection is beyond the client's own help."""
        session: object = None
        closed_since_s: float | None = None
        frames, last_frame_s = -1.0, self._clock.monotonic_s()
        while True:
            now_s = self._clock.monotonic_s()
            if line.frames != frames:
                frames, last_frame_s = line.frames, now_s
                self._note_frame()
            if line.is_open and line.session is not session:
                session = line.session
                self._entrance.seen.hold()
                self._note_connected()
                news.set()
            if not line.is_open:
                self._entrance.seen.hold()
            closed_since_s = None if line.is_open else (closed_since_s or now_s)
            if closed_since_s is not None and now_s - closed_since_s >= self._times.closed_after_s:
                logger.warning("socket_closed_for_long")
                return
            if now_s - last_frame_s >= self._times.silent_after_s:
                logger.warning("socket_silent", extra={"for_s": round(now_s - last_frame_s)})
                return
            await asyncio.sleep(self._times.look_every_s)

    async def _end(self, line: "_Line") -> None:
        """Let what was delivered be stored and acknowledged, then close; also when cancelled."""
        line.stop_listening()
        if not await self._entrance.underway.drained(within_s=self._times.drain_s):
            logger.warning("socket_closed_before_all_was_taken")
        await line.close()

    def _note_connected(self) -> None:
        connections = self._state.connections + 1
        now = self._clock.now()
        self._state = SocketState(connected_since=now, last_frame_at=now, connections=connections)
        self._connected.set()
        logger.info("socket_connected", extra={"connections": connections})

    def _note_frame(self) -> None:
        self._state = SocketState(
            connected_since=self._state.connected_since,
            last_frame_at=self._clock.now(),
            connections=self._state.connections,
        )

    def _note_lost(self) -> None:
        self._connected.clear()
        self._state = SocketState(
            last_frame_at=self._state.last_frame_at, connections=self._state.connections
        )


async def _call_on(news: asyncio.Event, callback: GapClosed) -> None:
    while True:
        await news.wait()
        news.clear()
        await callback()


class _Line:
    """One client of Slack's SDK and its Bolt handler."""

    def __init__(self, app: AsyncApp, app_token: str, times: SocketTimes) -> None:
        self._handler = AsyncSocketModeHandler(
            app, app_token, ping_interval=times.ping_every_s, logger=_quiet_logger()
        )
        self._client = self._handler.client
        # The SDK would take the environment's proxy here even where the app's client has none.
        self._client.proxy = app.client.proxy
        self._times = times
        self._texts = 0
        self._client.on_message_listeners.append(self._count)

    @property
    def session(self) -> object:
        """The web socket; another one after every reconnect."""
        return self._client.current_session

    @property
    def is_open(self) -> bool:
        """Whether there is a web socket and it is open."""
        session = self._client.current_session
        return session is not None and not session.closed

    @property
    def frames(self) -> float:
        """Changes with every frame received: texts are counted, a pong moves Slack's time."""
        return self._texts + (self._client.last_ping_pong_time or 0.0)

    async def connect(self) -> bool:
        """Connect; Slack's client tries by itself until the time is over."""
        try:
            async with asyncio.timeout(self._times.connect_s):
                await self._handler.connect_async()  # type: ignore[no-untyped-call]  # the SDK's
        except TimeoutError:
            logger.warning("socket_not_connected")
            return False
        return True

    def stop_listening(self) -> None:
        """Take no more deliveries; what comes now is not acknowledged and comes again."""
        self._client.socket_mode_request_listeners.clear()
        self._client.auto_reconnect_enabled = False
        self._client.default_auto_reconnect_enabled = False

    async def close(self) -> None:
        """Close everything, in bounded time."""
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._handler.close_async()  # type: ignore[no-untyped-call]  # the SDK's
        except TimeoutError:
            logger.warning("socket_not_closed_in_time")

    async def _count(self, _message: WSMessage) -> None:
        self._texts += 1


def _quiet_logger() -> logging.Logger:
    """Return a logger for Slack's client that never gets to debug: there it writes payloads."""
    quiet = logging.getLogger(f"{__name__}.sdk")
    quiet.setLevel(logging.WARNING)
    return quiet
