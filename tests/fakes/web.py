"""A server on the loopback that answers as the test says, and a resolver that knows a few names."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from agent_engine.tools.http.addresses import AddressPolicy
from agent_engine.tools.http.client import HttpClient
from agent_engine.tools.http.exchange import HttpLimits
from agent_engine.tools.http.patience import Patience, PatientExchange
from agent_engine.tools.http.urls import Domains

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Raw = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Names(AbstractResolver):
    """Resolves names as told; of several answers one after the other, as a rebinding one does."""

    def __init__(self, answers: Mapping[str, Sequence[str]] | None = None) -> None:
        self.answers = {name: list(given) for name, given in (answers or {}).items()}
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        del family
        self.asked.append(host)
        known = self.answers.get(host)
        if known is None:
            raise OSError(f"{host} is not known")
        answer = known.pop(0) if len(known) > 1 else known[0]
        kind = socket.AF_INET6 if ":" in answer else socket.AF_INET
        return [ResolveResult(hostname=host, host=answer, port=port, family=kind, proto=0, flags=0)]

    async def close(self) -> None:
        pass


class Loopback(Names):
    """Says that every name is this machine."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.answers.setdefault(host, ["127.0.0.1"])
        return await super().resolve(host, port, family)


class Slept:
    """Does not sleep, and remembers for how long it should have."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.waits.append(seconds)


@asynccontextmanager
async def serving(handler: Handler, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Answer every request by this handler; gives the port."""

    async def answered(request: web.Request) -> web.StreamResponse:
        return await handler(request)

    app = web.Application(client_max_size=64 * 1024**2)
    app.router.add_route("*", r"/{path:[\s\S]*}", answered)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw_serving(talk: Raw) -> AsyncIterator[int]:
    """Let a function speak on every connection, HTTP or not; gives the port."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except OSError:
            pass  # the client has gone
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def open_client(
    *,
    resolver: AbstractResolver | None = None,
    policy: AddressPolicy | None = None,
    inside: str = "*",
    patience: PatientExchange | None = None,
    **limits: Any,
) -> AsyncIterator[HttpClient]:
    """A client that may reach this machine by the names in ``inside``."""
    client = HttpClient(
        policy,
        private_domains=Domains(frozenset(inside.split())),
        limits=HttpLimits(**limits),
        patience=patience or PatientExchange(Patience(attempts=1)),
        resolver=resolver or Loopback(),
    )
    try:
        yield client
    finally:
        await client.aclose()
