"""Opens connections, and only to addresses that may be: the check stands at the socket.

aiohttp asks the socket factory for every connection with the very address it is about to connect
to, be it a literal, a redirect's target or the second answer of a rebinding resolver. No proxy of
the environment, no cookies, no unix sockets.
"""

import asyncio
import socket
from collections.abc import Mapping
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver

from agent_engine.tools.http.addresses import AddressPolicy, read_address
from agent_engine.tools.http.exchange import (
    MIB,
    ForbiddenAddressError,
    HttpError,
    HttpLimits,
    HttpRequest,
    HttpResponse,
)

USER_AGENT: Final = "Treadle"
MAX_CONNECTIONS: Final = 200
MAX_CONNECTIONS_PER_HOST: Final = 100
MAX_LARGE_BODIES: Final = 8
"""Bodies of more than a MiB that are read at once; further ones wait, so that memory is bounded."""
_CHUNK_BYTES: Final = 64 * 1024


class _ForbiddenSocketError(OSError):
    """Same words each time: where all addresses of a name are refused, this one is raised."""

    def __init__(self) -> None:
        super().__init__("address not permitted")


class Connections:
    """Connections under one address policy; opened with the first request.

    Args:
        policy: which addresses may be connected to.
        limits: caps of one call.
        resolver: where addresses of names come from; closed by whoever made it.
    """

    def __init__(
        self, policy: AddressPolicy, limits: HttpLimits, *, resolver: AbstractResolver
    ) -> None:
        self._policy = policy
        self._limits = limits
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None
        self._large_bodies = asyncio.Semaphore(MAX_LARGE_BODIES)

    async def aclose(self) -> None:
        """Close all connections; the next request opens new ones."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def exchange(
        self, request: HttpRequest, extra: Mapping[str, str], *, deadline: float
    ) -> HttpResponse:
        """Send one request and read its response; redirects are not followed.

        Args:
            request: what to send.
            extra: headers that nobody else gets to see.
            deadline: in the loop's time; then the call fails.

        Raises:
            HttpError: with a sentence for the model.
        """
        host = request.destination.host
        try:
            return await self._exchange(request, extra, deadline=deadline)
        except TimeoutError as error:
            raise HttpError(f"{host} did not answer in time", is_passing=True) from error
        except aiohttp.ClientError as error:
            raise _translated(error, host) from error

    async def _exchange(
        self, request: HttpRequest, extra: Mapping[str, str], *, deadline: float
    ) -> HttpResponse:
        headers_by = asyncio.get_running_loop().time() + self._limits.headers_s
        async with asyncio.timeout_at(min(headers_by, deadline)):
            response = await self._opened().request(
                request.method,
                request.destination.url,
                headers={**request.headers, **extra},
                data=request.body,
                allow_redirects=False,
            )
        async with response, asyncio.timeout_at(deadline):
            body, is_cut = await self._body(response)
        return HttpResponse(
            status=response.status,
            reason=response.reason or "",
            headers=tuple(response.headers.items()),
            body=body,
            is_cut=is_cut,
            destination=request.destination,
        )

    async def _body(self, response: aiohttp.ClientResponse) -> tuple[bytes, bool]:
        """Read the decompressed body up to the cap; a connection with more to come is closed."""
        body = bytearray()
        if await self._read(response, body, up_to=min(MIB, self._limits.body_bytes + 1)):
            return bytes(body), False
        async with self._large_bodies:
            if await self._read(response, body, up_to=self._limits.body_bytes + 1):
                return bytes(body), False
        response.close()
        return bytes(body[: self._limits.body_bytes]), True

    async def _read(self, response: aiohttp.ClientResponse, body: bytearray, *, up_to: int) -> bool:
        """Read on until there are so many bytes; return whether the body has ended before."""
        while len(body) < up_to:
            piece = await response.content.read(min(_CHUNK_BYTES, up_to - len(body)))
            if not piece:
                return True
            body += piece
        return False

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            limits = self._limits
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=MAX_CONNECTIONS,
                    limit_per_host=MAX_CONNECTIONS_PER_HOST,
                    resolver=self._resolver,
                    socket_factory=self._socket,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": USER_AGENT, "Accept-Encoding": "gzip, deflate"},
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=limits.connect_s),
                max_field_size=limits.header_bytes,
                max_headers=limits.headers,
                trust_env=False,
            )
        return self._session

    def _socket(self, found: tuple[Any, ...]) -> socket.socket:
        """Make the socket for an address as ``getaddrinfo`` describes it, or refuse."""
        family, kind, protocol, _name, where = found
        if family not in (socket.AF_INET, socket.AF_INET6):
            raise _ForbiddenSocketError
        if not self._policy.permits(read_address(where[0])):
            raise _ForbiddenSocketError
        return socket.socket(family, kind, protocol)


def _translated(error: aiohttp.ClientError, host: str) -> HttpError:
    """Say what went wrong in words that hold nothing of the request or the response."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            return HttpError(f"there is no server called {host}")
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError():
            return HttpError(f"no secure connection to {host}: its certificate or TLS is not valid")
        case aiohttp.ClientConnectorError(os_error=_ForbiddenSocketError()):
            return ForbiddenAddressError(
                f"{host} leads to an address inside a private network, which may not be called"
            )
        case aiohttp.ClientConnectionError():
            return HttpError(f"the connection to {host} failed", is_passing=True)
        case aiohttp.InvalidURL():
            return HttpError("the url is malformed")
        case aiohttp.ClientPayloadError():
            return HttpError(f"the response of {host} broke off or cannot be decoded")
        case _:
            return HttpError(f"{host} answered with something that is not valid HTTP")
