"""MCP servers for tests: our misbehaving one as a process, and what it tells of itself."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from agent_engine.clock import SystemClock
from agent_engine.ports import ToolContext
from agent_engine.tools.call import Guards, ToolCaller
from agent_engine.tools.mcp.servers import McpServer, StdioServer
from agent_engine.tools.mcp.source import McpTools
from agent_engine.tools.mcp.supervisor import Backoff
from agent_engine.tools.policy import ToolPolicy, ToolRule
from agent_engine.tools.secrets import Secrets
from agent_engine.types import AgentObservation, Asks, JsonObject
from tests.fakes.tools import tool_context

SCRIPT = Path(__file__).with_name("mcp_server.py")
TOKEN = "very-secret-token"  # noqa: S105 - a fake
QUICK = Backoff(first_s=0.01, most_s=0.05)


class Notes:
    """What the processes told, line by line."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._news = asyncio.Event()
        self.place = ""

    async def until(self, start: str, times: int = 1) -> list[str]:
        """Wait until so many lines begin like this, and return them."""
        async with asyncio.timeout(10):
            while len(found := [n for n in self.lines if n.startswith(start)]) < times:
                self._news.clear()
                await self._news.wait()
        return found

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            self.lines.append(line.decode().strip())
            self._news.set()
        writer.close()

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Notes"]:
        server = await asyncio.start_server(self._listen, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        self.place = f"{host}:{port}"
        async with server:
            yield self


def fake_server(*options: str, name: str = "fake", **more: object) -> McpServer:
    """The misbehaving server, as an operator would configure it."""
    reached = StdioServer(
        command=sys.executable,
        args=(str(SCRIPT), *options),
        env={"TOKEN": TOKEN, "PATH": "/usr/bin:/bin"},
        secrets=Secrets([TOKEN]),
    )
    return McpServer(**{"name": name, "reached": reached, "for_every_agent": True, **more})  # type: ignore[arg-type]


class Town:
    """An installation's MCP tools, called as agents call them."""

    def __init__(self, *servers: McpServer, folder: Path, **more: object) -> None:
        self.tools = McpTools(servers, SystemClock(), **{"backoff": QUICK, **more})  # type: ignore[arg-type]
        # Whether people are asked is the call path's business, and tested there.
        unasked = Guards(policy=ToolPolicy([ToolRule(tool="*", asks=Asks.NEVER)]))
        self.caller = ToolCaller([], SystemClock(), sources=[self.tools], guards=unasked)
        self.context: ToolContext = tool_context(folder)

    def names(self, allowed: tuple[str, ...] | None = None) -> list[str]:
        return [spec.name for spec in self.caller.specs(allowed)]

    async def call(
        self, name: str, *, allowed: tuple[str, ...] | None = None, **arguments: object
    ) -> AgentObservation:
        return await self.caller.call(name, arguments, self.context, allowed=allowed)

    async def at_last(self, name: str, **arguments: object) -> AgentObservation:
        """Call until it works; a call waits for the next attempt to connect."""
        while True:
            seen = await self.call(name, **arguments)
            if seen.success:
                return seen
            await asyncio.sleep(0)  # a refusal may come without any wait

    async def error(self, name: str, **arguments: object) -> str:
        seen = await self.call(name, **arguments)
        assert not seen.success
        return str(seen.content["error"])

    async def text(self, name: str, **arguments: object) -> str:
        content: JsonObject = (await self.call(name, **arguments)).content
        assert content["success"], content
        return str(content["text"])
