"""Keeps one server connected for as long as the bot lives, and calls its tools.

The connection is entered and left in the supervisor's own task. A server that cannot be reached is
tried again, less and less often; meanwhile calls end at once with the reason. A call never hangs:
it ends with its own time, or with the connection.
"""

import asyncio
import logging
import random
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from agent_engine.errors import StorageError, ToolError
from agent_engine.ports import Clock
from agent_engine.safeguards import PinStore
from agent_engine.tools.mcp.links import Link, LinkError, LinkLostError, OpenLink, ServerSaysNoError
from agent_engine.tools.mcp.listing import (
    DENIED,
    MAX_TOOLS,
    NOT_ALLOWED,
    Listing,
    OfferedTool,
    look_at,
)
from agent_engine.tools.mcp.servers import McpServer
from agent_engine.types import JsonObject

logger = logging.getLogger(__name__)

FAILURES_UNTIL_WITHDRAWN: Final = 3
"""Failures in a row after which a server's tools are no longer offered to planners."""
TIMEOUTS_UNTIL_RESTART: Final = 3
"""Calls in a row that ran out of time after which the connection is made anew."""
STEADY_S: Final = 60.0
"""A connection that lasted this long, or answered a call, ends a row of failures."""
RELIST_S: Final = 300.0
"""A list is read again this often, for servers that do not say when it changes."""
RECHECK_S: Final = 10.0
"""And this often while a tool is withheld: an operator may have accepted it, or be about to."""
RELIST_PAUSE_S: Final = 1.0
"""The least time between two looks at a list, however often it is said to have changed."""
LOOK_SHARE: Final = 10.0
"""So many times as long as a look took nothing is looked at."""
WAIT_S: Final = 15.0
"""How long a call waits for a connection that is being made or is about to be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How long to wait before a server is tried again."""

    first_s: float = 0.5
    most_s: float = 120.0

    def after(self, failures: int) -> float:
        """Return the seconds to wait after so many failures in a row, a little spread."""
        full_s = min(self.first_s * 2.0 ** min(failures - 1, 20), self.most_s)
        return full_s * random.uniform(0.8, 1.0)  # noqa: S311  spreads restarts, guards nothing


class Supervisor:
    """Watches over one server."""

    def __init__(
        self,
        server: McpServer,
        *,
        open_link: OpenLink,
        clock: Clock,
        backoff: Backoff,
        pins: PinStore,
    ) -> None:
        self.server = server
        self._open_link = open_link
        self._clock = clock
        self._backoff = backoff
        self._pins = pins
        self._listing: Listing | None = None
        self._relist_s = RELIST_S
        self._link: Link | None = None
        self._failures = 0
        self._timeouts = 0
        self._why_down = "it was not started"
        self._next_try_s = 0.0
        self._attempting = False
        self._tried = asyncio.Event()
        self._outcome = asyncio.Event()
        """Set, and replaced, when an attempt to connect has ended in either way."""
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Keep the server connected until cancelled; nothing of it is left then."""
        while True:
            self._attempting = True
            reason = await self._stay_connected()
            self._count_failure(reason)
            pause_s = self._backoff.after(self._failures)
            self._next_try_s = self._clock.monotonic_s() + pause_s
            if self._attempting:  # else it was connected, and the next attempt is what counts
                self._tell_outcome()
            await asyncio.sleep(pause_s)

    # -- what is known ---------------------------------------------------------------------------

    @property
    def is_connected(self) -> bool:
        """Whether calls can be made now."""
        return self._link is not None

    @property
    def why_down(self) -> str:
        """Why it is not connected, in words."""
        return self._why_down

    @property
    def listing(self) -> Listing | None:
        """What came of the last look at the server's list; None before the first."""
        return self._listing

    def offered(self) -> Sequence[OfferedTool]:
        """Return the tools that plans may use: none when the server is away for longer."""
        is_away = self._link is None and self._failures >= FAILURES_UNTIL_WITHDRAWN
        if self._listing is None or is_away:
            return ()
        return tuple(self._listing.offered.values())

    def tool(self, name: str) -> OfferedTool | None:
        """Return the tool as last listed, though the server may be away."""
        return self._listing.offered.get(name) if self._listing else None

    def why_not(self, name: str) -> str:
        """Say why there is no such tool."""
        if self._listing is None:
            return f"the MCP server {self.server.name} is not available: {self._why_down}"
        if reason := self._listing.refused.get(name):
            return f"the tool {name[:80]!r} is not offered: {reason}"
        return f"the MCP server {self.server.name} has no tool {name[:80]!r} (any more)"

    @property
    def was_tried(self) -> bool:
        """Whether an attempt to connect has ended, in either way."""
        return self._tried.is_set()

    async def settled(self, limit_s: float = WAIT_S) -> None:
        """Wait until the server was tried once, though not longer than the limit."""
        await _within(self._tried, limit_s)

    async def attempted(self) -> None:
        """Wait for the attempt to connect that is under way or will soon be, if there is one."""
        wait_s = self._next_try_s - self._clock.monotonic_s()
        if self._link is None and wait_s < WAIT_S:
            await _within(self._outcome, WAIT_S)

    # -- calls -----------------------------------------------------------------------------------

    async def call(self, raw_name: str, arguments: JsonObject) -> JsonObject:
        """Call a tool by the server's own name. Raises ToolError for whatever goes wrong."""
        link = await self._live_link()
        try:
            returned = await self._in_time(link, raw_name, arguments)
        except ServerSaysNoError:
            self._timeouts = self._failures = 0
            raise
        except LinkLostError as error:
            raise ToolError(
                f"the MCP server {self.server.name} was lost during the call ({error.message}); "
                "whether it has done anything is not known"
            ) from error
        self._timeouts = self._failures = 0
        return returned

    async def _in_time(self, link: Link, raw_name: str, arguments: JsonObject) -> JsonObject:
        limit_s = self.server.timeout_s
        deadline = asyncio.timeout(limit_s)
        try:
            async with deadline:
                return await _or_lost(link, raw_name, arguments)
        except TimeoutError as error:
            if not deadline.expired():
                raise
            self._count_timeout(link)
            raise ToolError(
                f"the MCP server {self.server.name} did not answer within {limit_s:g} s; "
                "whether it has done anything is not known"
            ) from error

    async def _live_link(self) -> Link:
        if self._link is not None and self._link.ending.is_set:
            self._let_go()
        await self.attempted()
        if self._link is None:
            again_s = max(self._next_try_s - self._clock.monotonic_s(), 0.0)
            raise ToolError(
                f"the MCP server {self.server.name} is not available: {self._why_down} "
                f"(it is tried again in {again_s:.0f} s)"
            )
        return self._link

    def _count_timeout(self, link: Link) -> None:
        self._timeouts += 1
        logger.warning("mcp_call_timed_out", extra={"server": self.server.name})
        if self._timeouts >= TIMEOUTS_UNTIL_RESTART:
            link.ending.end(f"{self._timeouts} calls in a row were not answered")
            self._news.set()

    def _let_go(self) -> None:
        self._link = None

    def _tell_outcome(self) -> None:
        self._attempting = False
        self._tried.set()
        self._outcome.set()
        self._outcome = asyncio.Event()

    # -- the connection --------------------------------------------------------------------------

    async def _stay_connected(self) -> str:
        """Connect, and stay until the connection ends; return why it did."""
        started_s = self._clock.monotonic_s()
        try:
            return await self._connection()
        except TimeoutError:
            return f"it was not ready within {self.server.start_timeout_s:g} s"
        except Exception as error:  # noqa: BLE001  whatever ended it is told of and tried again
            return self._reason(error)
        finally:
            self._let_go()
            if self._clock.monotonic_s() - started_s > STEADY_S:
                self._failures = 0

    async def _connection(self) -> str:
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(self.server.start_timeout_s):
                opening = self._open_link(self.server, list_changed=self._news.set)
                link = await stack.enter_async_context(opening)
                await self._look(link)
            self._link, self._timeouts = link, 0
            self._tell_outcome()
            facts = {"server": self.server.name, "tools": len(self.offered())}
            logger.info("mcp_server_connected", extra=facts)
            await self._follow(link)
            return link.ending.reason

    async def _follow(self, link: Link) -> None:
        """Keep the list up to date until the connection ends."""
        async with asyncio.TaskGroup() as group:
            looking = group.create_task(self._keep_looking(link))
            await link.ending.wait()
            looking.cancel()

    async def _keep_looking(self, link: Link) -> None:
        while True:
            await _within(self._news, self._relist_s)
            self._news.clear()
            began_s = self._clock.monotonic_s()
            try:
                async with asyncio.timeout(self.server.start_timeout_s):
                    await self._look(link)
            except StorageError:  # what was checked before stays in force
                self._relist_s = RECHECK_S
                facts = {"server": self.server.name}
                logger.warning("mcp_pins_not_read", extra=facts, exc_info=True)
            # However often it is said to have changed, looking takes a small part of the time.
            took_s = self._clock.monotonic_s() - began_s
            await asyncio.sleep(max(RELIST_PAUSE_S, LOOK_SHARE * took_s))

    async def _look(self, link: Link) -> None:
        before = self._listing or Listing()
        self._listing = await look_at(self.server, await link.tools(), self._pins)
        self._relist_s = RECHECK_S if self._listing.changed else RELIST_S
        _tell(self.server.name, before, self._listing)

    def _count_failure(self, reason: str) -> None:
        self._failures += 1
        reason = self.server.blot(reason)
        level = (
            logging.DEBUG if self._failures > 1 and reason == self._why_down else logging.WARNING
        )
        self._why_down = reason
        facts = {"server": self.server.name, "reason": self._why_down, "failures": self._failures}
        logger.log(level, "mcp_server_away", extra=facts)

    def _reason(self, error: BaseException) -> str:
        """Return words for what ended a connection; a defect of ours is logged with its trace."""
        leaf = error
        while isinstance(leaf, BaseExceptionGroup):
            leaf = leaf.exceptions[0]
        if isinstance(leaf, LinkError | StorageError):
            return leaf.message
        if isinstance(leaf, TimeoutError):
            return "it did not answer in time"
        if isinstance(leaf, OSError) or type(leaf).__module__.startswith(("httpx2", "httpcore2")):
            return f"it cannot be reached ({type(leaf).__name__})"
        logger.error("mcp_connection_failed", extra={"server": self.server.name}, exc_info=error)
        return "the connection failed"


def _tell(server: str, before: Listing, now: Listing) -> None:
    """Log what is new since the look before."""
    if len(now.names) > MAX_TOOLS >= len(before.names):
        too_long = {"server": server, "listed": len(now.names), "used": MAX_TOOLS}
        logger.warning("mcp_list_too_long", extra=too_long)
    for name, reason in now.refused.items():
        if reason not in (DENIED, NOT_ALLOWED, before.refused.get(name)):
            event = "mcp_tool_changed" if name in now.changed else "mcp_tool_refused"
            logger.warning(event, extra={"server": server, "tool": name, "reason": reason})
    had, has = set(before.offered), set(now.offered)
    if had and had != has:
        facts = {"gone": sorted(had - has), "new": sorted(has - had)}
        logger.info("mcp_tools_changed", extra={"server": server, **facts})


async def _or_lost(link: Link, raw_name: str, arguments: JsonObject) -> JsonObject:
    """Call, but do not outlive the connection."""
    try:
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(_raise_at_end(link))
            returned = await link.call(raw_name, arguments)
            watching.cancel()
    except ExceptionGroup as errors:
        first = errors.exceptions[0]
        raise first from first.__cause__
    return returned


async def _raise_at_end(link: Link) -> None:
    raise LinkLostError(await link.ending.wait())


async def _within(event: asyncio.Event, limit_s: float) -> None:
    try:
        async with asyncio.timeout(limit_s):
            await event.wait()
    except TimeoutError:
        return
