"""The protocol over HTTP: the library's own transport, with a client that bounds what comes back.

The address is an operator's and may be private. The library follows redirects only within the
address's own origin; the client follows none. Proxies of the environment are not used.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx2
from mcp.client.streamable_http import streamable_http_client
from typing_extensions import override

from agent_engine.tools.mcp.links import Ending
from agent_engine.tools.mcp.servers import HttpServer, McpServer
from agent_engine.tools.mcp.stdio import MAX_MESSAGE_BYTES

CONNECT_S: Final = 10.0
GOODBYE_S: Final = 2.0
"""For telling the server that the session is over."""


@asynccontextmanager
async def http_streams(server: McpServer, place: HttpServer, ending: Ending) -> AsyncIterator[Any]:
    """Yield the library's streams to a server; ``ending`` hears of what goes wrong below them."""
    timeout = httpx2.Timeout(CONNECT_S, read=server.timeout_s + CONNECT_S)
    headers = {**place.headers, "accept-encoding": "identity"}
    transport = _Bounded(httpx2.AsyncHTTPTransport(), ending)
    async with (
        httpx2.AsyncClient(transport=transport, headers=headers, timeout=timeout) as client,
        streamable_http_client(
            place.url, http_client=client, max_sse_event_size=MAX_MESSAGE_BYTES
        ) as streams,
    ):
        yield streams


class _Bounded(httpx2.AsyncBaseTransport):
    """Bounds the size of every answer, and the time of each by what it is for."""

    def __init__(self, inner: httpx2.AsyncHTTPTransport, ending: Ending) -> None:
        self._inner = inner
        self._ending = ending

    @override
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        request.extensions = {**request.extensions, "timeout": _timeouts(request)}
        response = await self._answer(request)
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()  # a small answer could become an endless one
            self._ending.end("its answer is compressed though that was not asked for")
            raise httpx2.RemoteProtocolError(self._ending.reason)
        if request.method != "GET" and isinstance(response.stream, httpx2.AsyncByteStream):
            response.stream = _BoundedStream(response.stream)
        return response

    async def _answer(self, request: httpx2.Request) -> httpx2.Response:
        try:
            response = await self._inner.handle_async_request(request)
        except httpx2.TransportError as error:
            if (
                request.method == "POST"
            ):  # the others are optional, and the library tries them again
                self._ending.end(f"it cannot be reached ({type(error).__name__})")
            raise
        self._ending.hint = f"HTTP {response.status_code}"
        return response

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


class _BoundedStream(httpx2.AsyncByteStream):
    """The body of one answer."""

    def __init__(self, inner: httpx2.AsyncByteStream) -> None:
        self._inner = inner

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for piece in self._inner:
            size += len(piece)
            if size > MAX_MESSAGE_BYTES:
                raise httpx2.StreamError(f"more than {MAX_MESSAGE_BYTES} bytes")
            yield piece

    @override
    async def aclose(self) -> None:
        await self._inner.aclose()
