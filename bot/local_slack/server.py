"""The local workspace itself: what demos and tests start, act in, look at and wait for."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self, TypeVar

from bot.local_slack.config import LocalWorkspaceConfig, PersonSeed
from bot.local_slack.core import Core
from bot.local_slack.faults import Faults
from bot.local_slack.http_delivery import HttpDelivery
from bot.local_slack.people import PersonAtWork
from bot.local_slack.records import Channel, Json, Message
from bot.local_slack.running import Running, start
from bot.local_slack.snapshots import plain_message
from bot.local_slack.traffic import Traffic

_RECHECK_S = 0.1
"""A predicate may look at the app's own variables, of whose changes the workspace hears nothing."""
_T = TypeVar("_T")


class LocalWorkspace:
    """A Slack workspace on this machine.

    `async with LocalWorkspace(config) as ws:` starts it; `ws.api_url`, `ws.bot_token` and
    `ws.app_token` are what an app needs, `ws.person("ada")` is what a test needs.
    """

    def __init__(self, config: LocalWorkspaceConfig | None = None) -> None:
        self._config = config or LocalWorkspaceConfig()
        self._stack = AsyncExitStack()
        self._running: Running | None = None

    async def __aenter__(self) -> Self:
        """Start listening."""
        async with AsyncExitStack() as stack:
            self._running = await start(self._config, stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop: close sockets and pages, end background work, forget everything."""
        await self._stack.__aexit__(kind, error, trace)
        self._running = None

    # Addresses and secrets

    @property
    def url(self) -> str:
        """Where the page is: `http://127.0.0.1:port`."""
        return self._core.base_url

    @property
    def api_url(self) -> str:
        """The base_url for slack_sdk."""
        return self._core.base_url + "/api/"

    @property
    def bot_token(self) -> str:
        """The `xoxb-` token of the installed app."""
        return self._core.secrets.bot_token

    @property
    def app_token(self) -> str:
        """The `xapp-` token for Socket Mode."""
        return self._core.secrets.app_token

    @property
    def signing_secret(self) -> str:
        """The secret that signs HTTP deliveries."""
        return self._core.secrets.signing_secret

    @property
    def team_id(self) -> str:
        """The id of the workspace."""
        return self._core.state.team_id

    @property
    def bot_user_id(self) -> str:
        """The user id of the installed app."""
        return self._core.state.bot.id

    @property
    def core(self) -> Core:
        """All parts, for what has no method here."""
        return self._core

    def add_workspace(self, config: LocalWorkspaceConfig) -> "LocalWorkspace":
        """Open another workspace behind the same address, for the same app.

        It shares the app, the sockets or request URL, the faults and the traffic; it has its own
        people, channels and tokens, and stops with this one. The page shows the first one only.
        """
        running = self._require_running()
        other = LocalWorkspace(config)
        other._running = running.sibling(config)
        return other

    # People and places

    def person(self, name: str) -> PersonAtWork:
        """Give a person to act as."""
        running = self._require_running()
        user = running.core.state.person(name).id
        return PersonAtWork(
            running.core, user, acts=running.acts, interactions=running.interactions
        )

    def add_person(self, seed: PersonSeed, *, channels: tuple[str, ...] = ()) -> PersonAtWork:
        """Let somebody new in: a guest, a stranger, another app's bot."""
        person = self._core.state.add_person(seed)
        for name in channels:
            self._core.state.add_member(self._core.state.channel(name), person.id)
        return self.person(person.id)

    def channel(self, name: str) -> Channel:
        """Give a channel by name or id."""
        return self._core.state.channel(name)

    def dm(self, name: str) -> Channel:
        """Give the direct message between a person and the app."""
        state = self._core.state
        return state.direct([state.person(name).id, state.bot.id])

    def thread(self, channel: str, ts: str) -> list[Message]:
        """Give the messages of a thread, the root first; empty if there is no such message."""
        place = self._core.state.channel(channel)
        return self._core.state.thread(place, ts) if ts in place.messages else []

    def snapshot_thread(self, channel: str, ts: str) -> list[Json]:
        """Give a thread as plain data without ids and times, to compare two runs."""
        return [plain_message(self._core, m) for m in self.thread(channel, ts)]

    def session_status(self, channel: str, thread_ts: str) -> str | None:
        """Return the status of a thread's agent session; None when it never had one."""
        session = self._core.sessions.find(channel, thread_ts)
        return session.status if session is not None else None

    def name_of(self, user: str) -> str:
        """Return what people call someone."""
        person = self._core.state.people[user]
        return person.display_name or person.name

    def file_names(self, message: Message) -> list[str]:
        """Return the names of a message's files."""
        files = self._core.files.files
        return [files[file].name for file in message.files if file in files]

    def unfurl(self, channel: str, ts: str) -> None:
        """Let Slack add a link preview to a message: message_changed with the same text."""
        self._require_running().acts.unfurl(channel, ts)

    # Waits, observations, faults

    async def until(self, predicate: Callable[[], _T], timeout: float = 5.0) -> _T:  # noqa: ASYNC109 - the wait is the point
        """Wait until the predicate gives something true, looking again after every change.

        Raises:
            TimeoutError: it did not in time; the latest calls of the app are in the message.
        """
        try:
            async with asyncio.timeout(timeout):
                while not (result := predicate()):
                    await self._core.hub.next_change(at_most_s=_RECHECK_S)
                return result
        except TimeoutError:
            latest = ", ".join(f"{e.name} {e.status}" for e in list(self.traffic)[-8:])
            raise TimeoutError(f"not within {timeout} s; latest: {latest or 'nothing'}") from None

    @property
    def traffic(self) -> Traffic:
        """Everything said between the workspace and the app."""
        return self._core.traffic

    @property
    def faults(self) -> Faults:
        """What goes wrong on purpose; set its fields."""
        return self._core.faults

    @property
    def connected(self) -> int:
        """How many sockets, or request URLs, take deliveries."""
        return self._core.deliveries.transport.connected

    async def until_connected(self, timeout: float = 5.0) -> None:  # noqa: ASYNC109 - the wait is the point
        """Wait until an app is connected."""
        await self.until(lambda: self.connected, timeout)

    async def disconnect(self, reason: str = "refresh_requested") -> None:
        """Ask every socket to reconnect, as Slack does regularly."""
        await self._core.sockets.disconnect(reason)

    async def drop_sockets(self) -> None:
        """Cut every socket without a word."""
        await self._core.sockets.drop()

    async def verify_url(self) -> bool:
        """Send url_verification over HTTP delivery; True if the app answered rightly."""
        transport = self._core.deliveries.transport
        if not isinstance(transport, HttpDelivery):
            raise TypeError("the workspace delivers by Socket Mode")
        return await transport.verify_url(self._core.mint.hex(24))

    async def uninstall(self) -> None:
        """Remove the app: its tokens stop working, and it is told so."""
        self._require_running().acts.uninstall()

    @property
    def _core(self) -> Core:
        return self._require_running().core

    def _require_running(self) -> Running:
        if self._running is None:
            raise RuntimeError("the local workspace is not running")
        return self._running
