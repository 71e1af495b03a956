"""A live connection to one server, as those who use it see it.

The protocol's library stands behind it, in ``session``, and is not known here.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from agent_engine.errors import EngineError, ToolError
from agent_engine.tools.mcp.listing import ListedTool
from agent_engine.tools.mcp.servers import McpServer
from agent_engine.types import JsonObject


class LinkError(EngineError):
    """The server cannot be reached, or does not behave as one."""


class LinkLostError(LinkError):
    """The connection ended while something was waited for."""


class ServerSaysNoError(ToolError):
    """The server refused the call by the protocol's own error."""


class Ending:
    """Whether a connection has ended, and why. The first reason stays."""

    def __init__(self) -> None:
        self.reason = ""
        self.hint = ""
        """What was last seen below the protocol, such as ``HTTP 401``; may explain a refusal."""
        self._ended = asyncio.Event()

    def end(self, reason: str) -> None:
        """Say that the connection has ended, or must."""
        if not self._ended.is_set():
            self.reason = reason
            self._ended.set()

    @property
    def is_set(self) -> bool:
        """Whether it has ended."""
        return self._ended.is_set()

    async def wait(self) -> str:
        """Wait for the end and return the reason."""
        await self._ended.wait()
        return self.reason


class Link(Protocol):
    """A live connection."""

    @property
    def ending(self) -> Ending:
        """When and why it ended; ending it makes its owner leave it."""
        ...

    async def tools(self) -> Sequence[ListedTool]:
        """List the server's tools, all pages. Raises LinkError."""
        ...

    async def call(self, name: str, arguments: JsonObject) -> JsonObject:
        """Call a tool by the server's own name; return what it sent.

        Raises:
            ServerSaysNoError: the server refused.
            LinkLostError: the connection ended; whether the tool has acted is not known.
        """
        ...


class OpenLink(Protocol):
    """Connects to a server; the connection is closed, and its processes are gone, on leaving."""

    def __call__(
        self, server: McpServer, *, list_changed: Callable[[], None]
    ) -> AbstractAsyncContextManager[Link]:
        """Connect. ``list_changed`` is called when the server says that its list has changed."""
        ...
