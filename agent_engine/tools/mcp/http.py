"""The protocol over HTTP: the library's own transport, with a client that bounds what comes back.

The address is an operator's and may be private. The library follows redirects only within the
address's own origin; the client follows none. Proxies of the environment are not used.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx2
from mcp.client.streamable_http import streamable_http_client
from typing_extensions import override

from agent_engine.tools.mcp.links import Ending, LinkError
from agent_engine.tools.mcp.servers import HttpServer, McpServer
from agent_engine.tools.mcp.stdio import MAX_MESSAGE_BYTES

CONNECT_S: Final = 10.0
GOODBYE_S: Final = 2.0
"""For telling the server that the session is over."""
MAX_CONNECTIONS: Final = 200
"""Of one server: a call takes one until it is answered."""
LISTENING_PAUSE_S: Final = 1.0
"""The least time between two requests for the server's own messages, whatever it asks for."""
MAX_EVENTS: Final = 5_000
"""Within ``EVENTS_S``, on all streams of a server."""
EVENTS_S: Final = 10.0
TOO_LARGE: Final = f"it has more than {MAX_MESSAGE_BYTES} bytes"
TOO_SLOW: Final = "it takes too long"
_REFUSED_FROM: Final = 400
_EVENT_STREAM: Final = "text/event-stream"


@asynccontextmanager
async def http_streams(server: McpServer, place: HttpServer, ending: Ending) -> AsyncIterator[Any]:
    """Yield the library's streams to a server; ``ending`` hears of what goes wrong below them."""
    # A call waits for a free connection until its own time is over, not until the client's is.
    timeout = httpx2.Timeout(CONNECT_S, read=server.timeout_s + CONNECT_S, pool=None)
    headers = {**place.headers, "accept-encoding": "identity"}
    limits = httpx2.Limits(max_connections=MAX_CONNECTIONS)
    transport = _Bounded(
        httpx2.AsyncHTTPTransport(limits=limits), ending, longest_s=server.timeout_s + CONNECT_S
    )
    async with (
        httpx2.AsyncClient(transport=transport, headers=headers, timeout=timeout) as client,
        streamable_http_client(
            place.url, http_client=client, max_sse_event_size=MAX_MESSAGE_BYTES
        ) as streams,
    ):
        yield streams


class _Bounded(httpx2.AsyncBaseTransport):
    """Bounds the size and the time of every answer, and how often the server is listened to."""

    def __init__(
        self, inner: httpx2.AsyncHTTPTransport, ending: Ending, *, longest_s: float
    ) -> None:
        self._inner = inner
        self._ending = ending
        self._longest_s = longest_s
        self._listen_at_s = 0.0
        self._events = _Events(ending)

    @override
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        request.extensions = {**request.extensions, "timeout": _timeouts(request)}
        if request.method == "GET":
            await self._pause()
        response = await self._answer(request)
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()  # a small answer could become an endless one
            self._ending.end("its answer is compressed though that was not asked for")
            raise httpx2.RemoteProtocolError(self._ending.reason)
        if isinstance(response.stream, httpx2.AsyncByteStream):
            response.stream = self._bounded(request, response, response.stream)
        return response

    async def _pause(self) -> None:
        """Wait for the next turn to listen: a server may ask to be asked again at once."""
        now_s = asyncio.get_running_loop().time()
        turn_s = max(self._listen_at_s, now_s)
        self._listen_at_s = turn_s + LISTENING_PAUSE_S
        await asyncio.sleep(turn_s - now_s)

    async def _answer(self, request: httpx2.Request) -> httpx2.Response:
        try:
            response = await self._inner.handle_async_request(request)
        except httpx2.TransportError as error:
            if request.method == "POST":  # others are optional, and the library tries them again
                self._ending.end(_unreachable(error))
                raise LinkError(self._ending.reason) from error
            raise
        if response.status_code >= _REFUSED_FROM:
            self._ending.hint = f"HTTP {response.status_code}"
        return response

    def _bounded(
        self, request: httpx2.Request, response: httpx2.Response, stream: httpx2.AsyncByteStream
    ) -> httpx2.AsyncByteStream:
        is_events = response.headers.get("content-type", "").lower().startswith(_EVENT_STREAM)
        bounded = stream if request.method == "GET" else _Answer(stream, self._longest_s)
        return _Counted(bounded, self._events) if is_events else bounded

    @override
    async def aclose(self) -> None:
        await self._inner.aclose()


def _timeouts(request: httpx2.Request) -> dict[str, float | None]:
    usual: dict[str, float | None] = request.extensions.get("timeout", {})
    if request.method == "GET":
        return {**usual, "read": None}  # the server's own messages may be days apart
    if request.method == "DELETE":
        return dict.fromkeys(usual, GOODBYE_S)
    return usual


def _unreachable(error: BaseException) -> str:
    """Say why a server cannot be reached; a bad certificate lies some causes below."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return "there is no secure connection to it: its certificate or TLS is not valid"
        cause = cause.__cause__ or cause.__context__
    return f"it cannot be reached ({type(error).__name__})"


class _Answer(httpx2.AsyncByteStream):
    """The body of one answer: of bounded size, and read to its end in bounded time."""

    def __init__(self, inner: httpx2.AsyncByteStream, longest_s: float) -> None:
        self._inner = inner
        self._until_s = asyncio.get_running_loop().time() + longest_s

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        pieces = aiter(self._inner)
        while (piece := await self._next(pieces)) is not None:
            size += len(piece)
            if size > MAX_MESSAGE_BYTES:
                raise httpx2.StreamError(TOO_LARGE)
            yield piece

    async def _next(self, pieces: AsyncIterator[bytes]) -> bytes | None:
        try:
            async with asyncio.timeout_at(self._until_s):
                return await anext(pieces, None)
        except TimeoutError as error:
            raise httpx2.StreamError(TOO_SLOW) from error

    @override
    async def aclose(self) -> None:
        await self._inner.aclose()


class _Events:
    """How many events a server sent lately."""

    def __init__(self, ending: Ending) -> None:
        self._ending = ending
        self._count = 0
        self._since_s = 0.0

    def count(self, piece: bytes) -> None:
        """Count those in a piece; a flood ends the connection. Raises httpx2.StreamError."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._since_s > EVENTS_S:
            self._count, self._since_s = 0, now_s
        # JSON holds no bare end of a line, so each of these begins the data of an event.
        self._count += piece.count(b"\ndata:") + piece.count(b"\rdata:")
        if self._count > MAX_EVENTS:
            self._ending.end("it floods us with messages that nobody asked for")
            raise httpx2.StreamError(self._ending.reason)


class _Counted(httpx2.AsyncByteStream):
    """A stream of events."""

    def __init__(self, inner: httpx2.AsyncByteStream, events: _Events) -> None:
        self._inner = inner
        self._events = events

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._inner:
            self._events.count(piece)
            yield piece

    @override
    async def aclose(self) -> None:
        await self._inner.aclose()
