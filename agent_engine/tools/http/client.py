"""Carries a call to its end: every hop checked by the caller's rules, all of it within its time.

Redirects are followed here and not by the HTTP library, so that each target passes the same checks
as the first address. Credentials go to the server that was meant and to no other.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from aiohttp.abc import AbstractResolver
from yarl import URL

from agent_engine.tools.http.addresses import AddressPolicy
from agent_engine.tools.http.connections import Connections
from agent_engine.tools.http.exchange import (
    Credentials,
    HttpError,
    HttpLimits,
    HttpRequest,
    HttpResponse,
    Rules,
)
from agent_engine.tools.http.patience import Patience, PatientExchange
from agent_engine.tools.http.resolving import SystemNames
from agent_engine.tools.http.urls import Destination, Domains, read_url

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_KEEPS_METHOD: Final = frozenset({307, 308})
_SEE_OTHER: Final = 303
_KEPT_ACROSS_HOSTS: Final = frozenset({"accept", "accept-language", "content-type"})
"""The caller's headers that another server gets to see; any other may be meant for the first."""


class HttpClient:
    """The guarded way out; shared by all tools, closed once.

    Args:
        policy: which addresses may be connected to for hosts that the operator named; for others
            only public ones.
        private_domains: domains that may lead to any private address, as an operator allowed.
        limits: caps of one call.
        patience: how to try again.
        resolver: where addresses of names come from; the system's when None.
    """

    def __init__(
        self,
        policy: AddressPolicy | None = None,
        *,
        private_domains: Domains | None = None,
        limits: HttpLimits | None = None,
        patience: PatientExchange | None = None,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._limits = limits or HttpLimits()
        self._private_domains = private_domains or Domains()
        self._patient = patience or PatientExchange(Patience())
        named = policy or AddressPolicy()
        inside = replace(named, all_private=True)
        self._names = resolver or SystemNames()
        # Apart, so that no connection opened for a trusted name is ever used for another one.
        self._public = Connections(AddressPolicy(), self._limits, resolver=self._names)
        self._named = Connections(named, self._limits, resolver=self._names)
        self._inside = Connections(inside, self._limits, resolver=self._names)

    @property
    def limits(self) -> HttpLimits:
        """The caps of one call."""
        return self._limits

    async def aclose(self) -> None:
        """Close all connections; safe to call twice."""
        for connections in (self._public, self._named, self._inside):
            await connections.aclose()
        await self._names.close()

    async def call(self, request: HttpRequest, rules: Rules) -> HttpResponse:
        """Send a request, follow where it is sent on to, and return the last response.

        Raises:
            ToolError: the rules or the addresses forbid it, or there is no response.
        """
        deadline = asyncio.get_running_loop().time() + self._limits.total_s
        home = request.destination.origin
        rules.check(request.destination, request.method)
        credentials = rules.credentials(request.destination)
        for _ in range(self._limits.redirects + 1):
            connections = self._connections(request.destination, rules)
            response = await self._hop(connections, request, credentials, deadline=deadline)
            following = _redirected(request, response)
            if following is None:
                return response
            rules.check(following.destination, following.method)
            if following.method != "GET" and following.destination.host != request.destination.host:
                return response  # who allowed a change allowed it on the server that was named
            if following.destination.origin != home:
                credentials = Credentials()  # nor given back when the way leads home again
            request = following
        raise HttpError(f"there were more than {self._limits.redirects} redirects")

    def _connections(self, destination: Destination, rules: Rules) -> Connections:
        if self._private_domains.holds(destination.host):
            return self._inside
        return self._named if rules.is_named(destination) else self._public

    async def _hop(
        self,
        connections: Connections,
        request: HttpRequest,
        credentials: Credentials,
        *,
        deadline: float,
    ) -> HttpResponse:
        destination = request.destination
        dressed = request
        if credentials.params:
            url = destination.url.update_query(dict(credentials.params))
            dressed = replace(request, destination=replace(destination, url=url))
        exchange = connections.exchange
        response = await self._patient(exchange, dressed, credentials.headers, deadline=deadline)
        return replace(response, destination=destination)


def _redirected(request: HttpRequest, response: HttpResponse) -> HttpRequest | None:
    """Return the request that a response sends on to; None when it is to be kept."""
    location = response.header("Location")
    if response.status not in _REDIRECTS or not location:
        return None
    destination = _target(request.destination, location)
    keeps = response.status in _KEEPS_METHOD or request.method in ("GET", "HEAD")
    if not keeps and response.status != _SEE_OTHER and request.method != "POST":
        return None  # what PUT or DELETE would mean elsewhere, nobody knows
    headers = request.headers
    if destination.origin != request.destination.origin:
        headers = _presentable(headers)
    if keeps:
        return replace(request, destination=destination, headers=headers)
    bare = {name: value for name, value in headers.items() if name.lower() != "content-type"}
    return HttpRequest(method="GET", destination=destination, headers=bare, is_repeatable=True)


def _target(current: Destination, location: str) -> Destination:
    try:
        # Header bytes that are no ASCII come as surrogates; they are no part of any address.
        joined = current.url.join(URL(location.encode("utf-8", "surrogateescape").decode()))
    except (ValueError, UnicodeError) as error:
        raise HttpError(f"{current.host} sent on to a malformed address") from error
    return read_url(str(joined))


def _presentable(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() in _KEPT_ACROSS_HOSTS}
