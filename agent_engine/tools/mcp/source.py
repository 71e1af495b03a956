"""All configured servers together, as the call path sees them: tools that come and go.

An agent has a server's tools when its own list names them, one by one or all with
``mcp_<server>_*``. An agent without a list has those of servers that are meant for every agent.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module
from typing import NamedTuple

from agent_engine.errors import ToolError
from agent_engine.ports import Clock, Tool
from agent_engine.safeguards import PinStore
from agent_engine.tools.mcp.links import Link, OpenLink
from agent_engine.tools.mcp.listing import Listing
from agent_engine.tools.mcp.pins import MemoryPins
from agent_engine.tools.mcp.servers import McpServer
from agent_engine.tools.mcp.supervisor import WAIT_S, Backoff, Supervisor
from agent_engine.tools.mcp.tool import McpTool
from agent_engine.tools.mcp.words import server_prefix


class ServerState(NamedTuple):
    """How a server is, for people."""

    is_connected: bool
    said: str
    changed: tuple[str, ...] = ()
    """Tools withheld until an operator accepts what the server now says of them."""


class McpTools:
    """The tools of all servers.

    Args:
        servers: as they are configured.
        clock: where time comes from.
        pins: what servers said of their tools before; of this process only where there are none.
        open_link: how to connect, for tests.
        backoff: how long to wait before a server is tried again.
    """

    def __init__(
        self,
        servers: Sequence[McpServer],
        clock: Clock,
        *,
        pins: PinStore | None = None,
        open_link: OpenLink | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self._clock = clock
        self._started_s: float | None = None
        pins = pins or MemoryPins()
        self._supervisors = {
            server_prefix(server.name): Supervisor(
                server,
                open_link=open_link or _open_link_late,
                clock=clock,
                backoff=backoff or Backoff(),
                pins=pins,
            )
            for server in servers
        }

    async def run(self) -> None:
        """Keep all servers connected until cancelled; returns at once when there are none."""
        self._started_s = self._clock.monotonic_s()
        async with asyncio.TaskGroup() as group:
            for supervisor in self._supervisors.values():
                group.create_task(supervisor.run())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep all servers connected inside the block."""
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.run())
            try:
                yield
            finally:
                task.cancel()

    async def settled(self, limit_s: float = WAIT_S) -> None:
        """Wait until every server was tried once; not longer than this after the start."""
        if self._started_s is not None:
            limit_s -= self._clock.monotonic_s() - self._started_s
        untried = [s for s in self._supervisors.values() if not s.was_tried]
        if limit_s <= 0 or not untried:
            return
        async with asyncio.TaskGroup() as group:
            for supervisor in untried:
                group.create_task(supervisor.settled(limit_s))

    @property
    def patterns(self) -> tuple[str, ...]:
        """Names for all tools of a server, of those servers that every agent may have."""
        return tuple(
            f"{prefix}*"
            for prefix, supervisor in self._supervisors.items()
            if supervisor.server.for_every_agent
        )

    def all_offered(self) -> Sequence[Tool]:
        """Return the tools of all servers, whoever may use them."""
        return [
            McpTool(offered=offered, supervisor=supervisor)
            for supervisor in self._supervisors.values()
            for offered in supervisor.offered()
        ]

    def states(self) -> Mapping[str, ServerState]:
        """Say how each server is, by its name."""
        return {s.server.name: _state(s) for s in self._supervisors.values()}

    def remarks(self) -> Sequence[str]:
        """Say, one sentence each, which servers have tools that are withheld."""
        return [
            f"The MCP server {server} describes {', '.join(state.changed)} otherwise than before; "
            f"agents do not have that until an operator accepts it: treadle mcp accept {server}."
            for server, state in self.states().items()
            if state.changed
        ]

    def listing(self, server: str) -> Listing | None:
        """Return what came of the last look at a server's list; None when there was none."""
        return self._supervisors[server_prefix(server)].listing

    # -- a source of tools -----------------------------------------------------------------------

    def owns(self, name: str) -> bool:
        """Whether the name is one of a configured server's."""
        return self._owner(name) is not None

    def tool(self, name: str) -> Tool | None:
        """Return the tool as last listed; None when there is none now."""
        supervisor = self._owner(name)
        offered = supervisor.tool(name) if supervisor else None
        if supervisor is None or offered is None:
            return None
        return McpTool(offered=offered, supervisor=supervisor)

    def offered(self, allowed: tuple[str, ...] | None) -> Sequence[Tool]:
        """Return the tools that an agent with this list may plan with."""
        return [
            McpTool(offered=offered, supervisor=supervisor)
            for supervisor in self._supervisors.values()
            for offered in supervisor.offered()
            if _may(supervisor, offered.name, allowed)
        ]

    async def find(self, name: str, allowed: tuple[str, ...] | None) -> Tool:
        """Return the tool, waiting a little for a server that is still being connected.

        Raises ToolError with the reason when there is none, or the agent may not use it.
        """
        supervisor = self._owner(name)
        if supervisor is None or not _may(supervisor, name, allowed):
            raise ToolError(f"the tool {name[:80]!r} is not one this agent may use")
        offered = supervisor.tool(name)
        if offered is None:
            await supervisor.attempted()
            offered = supervisor.tool(name)
        if offered is None:
            raise ToolError(supervisor.why_not(name))
        return McpTool(offered=offered, supervisor=supervisor)

    def _owner(self, name: str) -> Supervisor | None:
        for prefix, supervisor in self._supervisors.items():
            if name.startswith(prefix):
                return supervisor
        return None


def _state(supervisor: Supervisor) -> ServerState:
    name = supervisor.server.name
    if not supervisor.is_connected:
        return ServerState(is_connected=False, said=f"{name} is away ({supervisor.why_down})")
    count = len(supervisor.offered())
    said = f"{name} offers {count} tool{'' if count == 1 else 's'}"
    changed = supervisor.listing.changed if supervisor.listing else ()
    if changed:
        said += f", and describes {', '.join(changed)} otherwise than before"
    return ServerState(is_connected=True, said=said, changed=changed)


def _may(supervisor: Supervisor, name: str, allowed: tuple[str, ...] | None) -> bool:
    if allowed is None:
        return supervisor.server.for_every_agent
    return name in allowed or f"{server_prefix(supervisor.server.name)}*" in allowed


@asynccontextmanager
async def _open_link_late(
    server: McpServer, *, list_changed: Callable[[], None]
) -> AsyncIterator[Link]:
    """Connect by the protocol's library, imported beside the loop when first needed."""
    module = await asyncio.to_thread(import_module, "agent_engine.tools.mcp.session")
    opening: AbstractAsyncContextManager[Link] = module.open_link(server, list_changed=list_changed)
    async with opening as link:
        yield link
