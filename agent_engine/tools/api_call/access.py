"""What the operator allows ``api_call``: domains, ports, and the secrets that are added.

Read once from the configuration. The model never sees a secret: it is put into the request here,
by the host that the request goes to.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from agent_engine.errors import ToolError
from agent_engine.tools.http.addresses import AddressPolicy, IpNetwork, read_network
from agent_engine.tools.http.exchange import Credentials
from agent_engine.tools.http.urls import (
    ANY_DOMAIN,
    DEFAULT_PORTS,
    NO_DOMAINS,
    Destination,
    Domains,
    read_domains,
)

PLACE: Final = "{secret}"
_MAX_NAMES_SHOWN: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSecret:
    """A secret for one server, and how it is told to that server."""

    host: str
    """Exactly this one, nothing below it."""
    value: str = field(repr=False)
    header: str | None = "Authorization"
    query: str | None = None
    """Name of the parameter, when it goes into the address instead of a header."""
    template: str = f"Bearer {PLACE}"
    plain_http: bool = False
    """Whether it may also travel unencrypted."""

    @property
    def filled(self) -> str:
        """What the header or parameter is set to."""
        return self.template.replace(PLACE, self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where calls may go, and what they take along."""

    domains: Domains = NO_DOMAINS
    """For every method."""
    read_domains: Domains = NO_DOMAINS
    """For GET, besides the others."""
    ports: frozenset[int] = DEFAULT_PORTS
    secrets: tuple[HostSecret, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all may be called."""
        return not (self.domains or self.read_domains)

    def check(self, destination: Destination, method: str) -> None:
        """Let a request pass, or say why not."""
        host = destination.host
        is_open = self.domains.holds(host)
        if not is_open and not self.read_domains.holds(host):
            raise ToolError(f"{host} may not be called; allowed: {self.allowed_names}")
        if not is_open and method != "GET":
            raise ToolError(f"{host} may only be read (GET); {self._writable}")
        if destination.port not in self.ports:
            ports = ", ".join(map(str, sorted(self.ports)))
            raise ToolError(f"port {destination.port} may not be called; allowed: {ports}")

    def is_named(self, destination: Destination) -> bool:
        """Say whether the operator named this host, or a domain above it; ``*`` names none."""
        names = (self.domains.names | self.read_domains.names) - {ANY_DOMAIN}
        return Domains(names).holds(destination.host)

    def credentials(self, destination: Destination) -> Credentials:
        """Return the secrets of this server."""
        mine = self.secrets_of(destination.host)
        if not destination.is_secure and not all(secret.plain_http for secret in mine):
            raise ToolError(f"call {destination.host} by https: its secret is not sent unencrypted")
        return Credentials(
            headers={s.header: s.filled for s in mine if s.header and not s.query},
            params={s.query: s.filled for s in mine if s.query},
        )

    def secrets_of(self, host: str) -> tuple[HostSecret, ...]:
        """Return the secrets of one server."""
        return tuple(secret for secret in self.secrets if secret.host == host)

    @property
    def allowed_names(self) -> str:
        """The domains for people and models, without what is left out for length."""
        if ANY_DOMAIN in self.read_domains.names:
            return f"{_listed(self.domains)}; any public site with GET"
        if not self.read_domains:
            return _listed(self.domains)
        return f"{_listed(self.domains)}; with GET only: {_listed(self.read_domains)}"

    @property
    def _writable(self) -> str:
        return f"other methods are allowed for: {_listed(self.domains)}"


class Private(NamedTuple):
    """What of the private address space may be reached."""

    policy: AddressPolicy
    domains: Domains


def read_private(entries: Iterable[str]) -> Private:
    """Read addresses, networks and domains that may be reached though they are private.

    Raises:
        ValueError: an entry is none of these, or not private.
    """
    networks: list[IpNetwork] = []
    names: list[str] = []
    for entry in entries:
        if _is_network(entry):
            networks.append(read_network(entry))
        else:
            names.append(entry)
    if ANY_DOMAIN in names:
        raise ValueError("'*' would open every private network: name domains or networks")
    return Private(AddressPolicy(networks=tuple(networks)), read_domains(names))


def _is_network(entry: str) -> bool:
    try:
        ipaddress.ip_network(entry.strip().strip("[]"), strict=False)
    except ValueError:
        return False
    return True


def _listed(domains: Domains) -> str:
    names: Sequence[str] = sorted(domains.names)
    shown = ", ".join(names[:_MAX_NAMES_SHOWN]) or "none"
    return f"{shown} …" if len(names) > _MAX_NAMES_SHOWN else shown
