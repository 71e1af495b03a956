"""Reads where a request is to go, and says of which domains that is.

One reading for the check and for the request, so that the two cannot differ. Pure: what a name
resolves to is checked where the connection is opened (``connections``).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from yarl import URL

from agent_engine.errors import ToolError
from agent_engine.tools.http.addresses import IpAddress

MAX_URL_CHARS: Final = 8_000
DEFAULT_PORTS: Final = frozenset({80, 443})
ANY_DOMAIN: Final = "*"
_LIKE: Final = ": write it like example.com, without https:// and path"
_MAX_HOST_CHARS: Final = 253
_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMERIC: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_AUTHORITY: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://([^/?#]*)")
_NOT_IN_A_URL: Final = re.compile(r"[\x00-\x20\x7f-\xa0\\\u2028\u2029]")


class AddressError(ToolError):
    """This address cannot be called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where a request goes."""

    url: URL
    """Without user, fragment, or a dot behind the host's name."""
    host: str
    """Lower case, ASCII, without a dot at the end; an IPv6 address without brackets."""
    port: int
    address: IpAddress | None
    """What the host is when it is no name."""

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port: who is spoken to."""
        return (self.url.scheme, self.host, self.port)

    @property
    def is_secure(self) -> bool:
        """Whether nobody on the way can listen."""
        return self.url.scheme == "https"


@dataclass(frozen=True, slots=True)
class Domains:
    """A set of domains, each with all below it; addresses stand for themselves only."""

    names: frozenset[str] = frozenset()

    def holds(self, host: str) -> bool:
        """Say whether the host, as in ``Destination``, is one of these domains or below one."""
        if ANY_DOMAIN in self.names or host in self.names:
            return True
        labels = host.split(".")
        return any(".".join(labels[start:]) in self.names for start in range(1, len(labels)))

    def __bool__(self) -> bool:
        return bool(self.names)


NO_DOMAINS: Final = Domains()


def read_domains(names: Iterable[str]) -> Domains:
    """Read domains, or addresses, as an operator writes them.

    Raises:
        ValueError: one of them is neither.
    """
    return Domains(frozenset(n if n == ANY_DOMAIN else read_domain(n) for n in names))


def read_domain(name: str) -> str:
    """Return a host's name as ``Destination`` has it. Raises ValueError."""
    bare = name.strip().strip("[]").rstrip(".")
    authority = f"[{bare}]" if ":" in bare else bare
    try:
        destination = read_url(f"https://{authority}/")
    except ToolError as error:
        raise ValueError(f"{name!r} is not a domain{_LIKE}") from error
    if destination.url.path != "/" or destination.url.query or destination.port != 443:  # noqa: PLR2004  https's own
        raise ValueError(f"{name!r} is not a domain{_LIKE}")
    return destination.host


def read_url(text: str) -> Destination:
    """Read an address as it is to be called.

    Raises:
        AddressError: it is no ordinary http(s) address; the sentence says why.
    """
    if len(text) > MAX_URL_CHARS:
        raise AddressError(f"the url has more than {MAX_URL_CHARS} characters")
    if _NOT_IN_A_URL.search(text):
        raise AddressError("the url holds a space, a backslash or a control character; encode it")
    authority = _AUTHORITY.match(text)
    if authority is None:
        raise AddressError("the url must begin with https:// or http://")
    if "@" in authority[1]:
        raise AddressError("the url must not hold a user or a password")
    try:
        url = URL(text)
        url.human_repr()  # some nonsense is only noticed when it is read again
    except ValueError as error:
        raise AddressError("the url is malformed") from error
    destination = _checked(url)
    if "[" in authority[1] and destination.address is None:
        raise AddressError("only an IPv6 address may stand in brackets")
    return destination


# ------------------------------------------------------------------------------------------------


def _checked(url: URL) -> Destination:
    if url.scheme not in ("http", "https"):
        raise AddressError("the url must begin with https:// or http://")
    if not url.raw_host or url.port is None:
        raise AddressError("the url has no host")
    host = url.raw_host.lower().rstrip(".")
    address = _address(host)
    if address is None:
        _check_name(host)
    clean = url.with_fragment(None).with_host(host)
    if not clean.path:
        clean = clean.with_path("/")
    return Destination(url=clean, host=host, port=url.port, address=address)


def _address(host: str) -> IpAddress | None:
    """Return the address that the host is; None for a name. Odd notations are refused."""
    try:
        if ":" in host:
            return IPv6Address(_without_zone(host))
        if _NUMERIC.fullmatch(host.rpartition(".")[2]):
            return IPv4Address(host)
    except ValueError as error:
        raise AddressError(
            "the url's host is an address in an unusual notation; write it in the usual one"
        ) from error
    return None


def _without_zone(host: str) -> str:
    if "%" in host:
        raise AddressError("the url's host must not name a network interface")
    return host


def _check_name(host: str) -> None:
    if len(host) > _MAX_HOST_CHARS or not all(map(_LABEL.fullmatch, host.split("."))):
        raise AddressError("the url's host is not a valid name")
