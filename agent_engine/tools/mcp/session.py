"""A connection to one server by the protocol's own library.

Entered and left in one task, as the library wants it. Foreign errors are translated here; of what
the library offers only listing and calling are used: what a server asks for (a model's words, a
person's, folders) is refused by the library itself.
"""

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import mcp_types as types
from mcp.client.session import ClientSession, IncomingMessage
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError

from agent_engine.errors import ToolError
from agent_engine.tools.mcp.http import TOO_LARGE, TOO_SLOW, http_streams
from agent_engine.tools.mcp.links import Ending, Link, LinkError, LinkLostError, ServerSaysNoError
from agent_engine.tools.mcp.listing import MAX_TOOLS, ListedTool
from agent_engine.tools.mcp.servers import HttpServer, McpServer, StdioServer
from agent_engine.tools.mcp.stdio import stdio_streams
from agent_engine.tools.mcp.words import clean_text
from agent_engine.types import JsonObject

logger = logging.getLogger(__name__)

CLIENT: Final = types.Implementation(name="treadle", version="1")
MAX_PAGES: Final = 20
MAX_LIST_CHARS: Final = 4 * 1024 * 1024
"""Of all pages; far more than is offered."""
_MAX_WORDS: Final = 500
_SESSION_GONE: Final = "Session terminated"
"""How the library words HTTP 404 for a session that the server has forgotten."""
_HTTP_REFUSAL: Final = "Server returned an error response"
"""How it words any other HTTP status of 400 and above."""


@asynccontextmanager
async def open_link(server: McpServer, *, list_changed: Callable[[], None]) -> AsyncIterator[Link]:
    """Connect and agree on the protocol's version; see ``links.OpenLink``."""
    ending = Ending()

    async def heard(message: IncomingMessage) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            list_changed()

    async with (
        _streams(server, ending) as (read, write),
        ClientSession(read, write, message_handler=heard, client_info=CLIENT) as session,
    ):
        await _agree(session, server, ending)
        yield _SessionLink(session, server, ending)


def _streams(server: McpServer, ending: Ending) -> Any:  # noqa: ANN401  the library names no type for both
    match server.reached:
        case StdioServer() as program:
            return stdio_streams(server, program, ending)
        case HttpServer() as place:
            return http_streams(server, place, ending)


async def _agree(session: ClientSession, server: McpServer, ending: Ending) -> None:
    """Greet as all versions so far do; a server that knows only later ones is asked anew."""
    try:
        await session.initialize()
    except MCPError as error:
        if error.code not in (types.UNSUPPORTED_PROTOCOL_VERSION, types.METHOD_NOT_FOUND):
            raise LinkError(_refusal(error, ending, server)) from error
        await _discover(session)
    except (RuntimeError, ValidationError) as error:
        raise LinkError("it speaks a version of the protocol that is not known") from error


async def _discover(session: ClientSession) -> None:
    try:
        await session.discover()
    except (MCPError, RuntimeError, ValidationError) as error:
        raise LinkError("it speaks a version of the protocol that is not known") from error


class _SessionLink:
    """One live session."""

    def __init__(self, session: ClientSession, server: McpServer, ending: Ending) -> None:
        self._session = session
        self._server = server
        self._ending = ending

    @property
    def ending(self) -> Ending:
        return self._ending

    async def tools(self) -> Sequence[ListedTool]:
        listed: list[ListedTool] = []
        cursor: str | None = None
        left = MAX_LIST_CHARS
        for _ in range(MAX_PAGES):
            page = await self._page(cursor)
            left -= len(page.model_dump_json())
            if left < 0:
                raise LinkError(f"its list of tools has more than {MAX_LIST_CHARS} characters")
            listed += map(_listed, page.tools)
            cursor = page.next_cursor
            if not cursor or len(listed) > MAX_TOOLS:
                break
        return listed

    async def call(self, name: str, arguments: JsonObject) -> JsonObject:
        params = types.CallToolRequestParams(name=name, arguments=dict(arguments))
        request = types.CallToolRequest(params=params)
        try:
            # Its own call_tool validates by the server's schema, whose patterns may never end.
            result = await self._session.send_request(request, types.CallToolResult)
        except MCPError as error:
            raise self._translated(error) from error
        except ValidationError as error:
            raise ToolError("the server's answer is none that can be used") from error
        return result.model_dump(by_alias=True, mode="json", exclude_none=True)

    async def _page(self, cursor: str | None) -> types.ListToolsResult:
        params = types.PaginatedRequestParams(cursor=cursor) if cursor else None
        try:
            return await self._session.list_tools(params=params)
        except MCPError as error:
            raise LinkError(f"it did not list its tools: {self._said(error)}") from error
        except ValidationError as error:
            raise LinkError("its list of tools makes no sense") from error

    def _translated(self, error: MCPError) -> LinkLostError | ServerSaysNoError:
        if error.code == types.CONNECTION_CLOSED:
            self._ending.end(self._said(error))
            return LinkLostError(self._ending.reason)
        if error.code == types.INVALID_REQUEST and error.message == _SESSION_GONE:
            self._ending.end("it has forgotten the session")
            return LinkLostError(self._ending.reason)
        if error.code == types.PARSE_ERROR:  # the library's words quote what it could not read
            why = next((f": {why}" for why in (TOO_LARGE, TOO_SLOW) if why in error.message), "")
            return ServerSaysNoError(f"the server's answer cannot be read{why}")
        if error.message == _HTTP_REFUSAL and self._ending.hint:
            facts = {"server": self._server.name, "status": self._ending.hint}
            logger.warning("mcp_call_refused", extra=facts)
            return ServerSaysNoError(f"the server refused the call ({self._ending.hint})")
        return ServerSaysNoError(f"the server refused: {self._said(error)}")

    def _said(self, error: MCPError) -> str:
        return _words(error, self._server)


def _refusal(error: MCPError, ending: Ending, server: McpServer) -> str:
    if error.code == types.CONNECTION_CLOSED and ending.is_set:
        return ending.reason
    hint = f" ({ending.hint})" if ending.hint else ""
    return f"it refused to connect: {_words(error, server)}{hint}"


def _words(error: MCPError, server: McpServer) -> str:
    return clean_text(server.blot(error.message), _MAX_WORDS) or f"error {error.code}"


def _listed(tool: types.Tool) -> ListedTool:
    hints = tool.annotations or types.ToolAnnotations()
    return ListedTool(
        name=tool.name,
        description=tool.description or tool.title or "",
        schema=tool.input_schema,
        only_reads=bool(hints.read_only_hint),
        repeatable=bool(hints.idempotent_hint),
    )
