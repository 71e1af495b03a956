"""What is sent and what comes back, and the ways in which that can fail."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from agent_engine.errors import ToolError
from agent_engine.tools.http.urls import Destination

MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """Caps of one call."""

    total_s: float = 30.0
    """From the first connection to the last byte, redirects and further attempts included."""
    headers_s: float = 15.0
    """Until one server's headers are complete."""
    connect_s: float = 8.0
    body_bytes: int = 10 * MIB
    """Of a body after decompression; what comes after is not read."""
    header_bytes: int = 16 * 1024
    """Of one header of a response."""
    headers: int = 100
    """Of one response."""
    redirects: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """What is to be sent; nothing in it is secret."""

    method: str
    destination: Destination
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = field(default=None, repr=False)
    is_repeatable: bool = False
    """Whether the server may get it twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """What came back from the last server that was asked."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    """As they came, repeated ones included; names in their own case."""
    body: bytes = field(repr=False)
    is_cut: bool = False
    """Whether there was more than was read."""
    destination: Destination
    """Of the last redirect; without credentials."""

    def header(self, name: str) -> str:
        """Return the first header of this name; empty when there is none."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What is added to a request where it goes to its own server, and nowhere else."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    params: Mapping[str, str] = field(default_factory=dict, repr=False)


class Rules(Protocol):
    """Where a call may go, and what it takes along."""

    def check(self, destination: Destination, method: str) -> None:
        """Let it pass, or raise ToolError with a sentence for the model."""
        ...

    def is_named(self, destination: Destination) -> bool:
        """Say whether the operator named this host, so that permitted private networks count."""
        ...

    def credentials(self, destination: Destination) -> Credentials:
        """Return what is to be added; asked for the server that was meant, never after a redirect.

        Raises ToolError when they must not travel this way.
        """
        ...


class HttpError(ToolError):
    """The other side could not be used.

    Attributes:
        is_passing: whether the same request may succeed a little later.
    """

    def __init__(self, message: str, *, is_passing: bool = False) -> None:
        super().__init__(message)
        self.is_passing = is_passing


class ForbiddenAddressError(HttpError):
    """The name leads to an address that tools may not connect to."""
