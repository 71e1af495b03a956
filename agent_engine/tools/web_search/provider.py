"""What a search provider is to the tool: a request made, and a response read. Pure.

A driver never opens a connection: the tool does that by the one guarded way out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from pydantic import JsonValue

USUAL_CAUSES: Final = {
    401: "key",
    402: "quota",
    403: "key",
    429: "busy",
}


class Cause(StrEnum):
    """Why a search was refused."""

    KEY = "key"
    """The key is wrong, or may not do this."""
    QUOTA = "quota"
    """What was paid for is used up; waiting a little does not help."""
    BUSY = "busy"
    """Too many searches at once, or too quickly."""
    SETTINGS = "settings"
    """The provider has to be set up differently."""
    QUERY = "query"
    """The query itself was refused."""
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRequest:
    """What is to be sent to a provider."""

    method: str
    path: str
    """Below the provider's address."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """With the key in it."""
    params: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, JsonValue] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One result as the provider gives it: its words may hold markup."""

    title: str
    link: str
    snippet: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a provider found."""

    results: tuple[Found, ...]
    total: int | None = None
    """How many there are in all, where the provider says so."""
    is_partial: bool = False
    """Whether some of those that were asked did not answer."""


class ShapeError(Exception):
    """A response does not look as the provider's documentation says; names the place."""


class Provider(Protocol):
    """One search provider."""

    @property
    def name(self) -> str:
        """As the configuration calls it."""
        ...

    @property
    def base_url(self) -> str:
        """Where it is."""
        ...

    def request(self, query: str, count: int) -> SearchRequest:
        """Make the request for a query."""
        ...

    def findings(self, payload: Mapping[str, JsonValue]) -> Findings:
        """Read a successful response. Raises ShapeError when it has no place for results."""
        ...

    def cause(self, status: int, payload: Mapping[str, JsonValue]) -> Cause:
        """Say why a search was refused; ``payload`` is empty when the body was no JSON object."""
        ...


def usual_cause(status: int) -> Cause:
    """Say what a status means with most providers."""
    return Cause(USUAL_CAUSES.get(status, Cause.OTHER))


def result_list(payload: Mapping[str, JsonValue], *path: str) -> list[Mapping[str, JsonValue]]:
    """Return the objects of the list at a path; a path that ends early is an empty list.

    Raises:
        ShapeError: what is there is no list.
    """
    here: JsonValue = dict(payload)
    for name in path:
        if not isinstance(here, Mapping):
            raise ShapeError(".".join(path))
        here = here.get(name)
        if here is None:
            return []
    if not isinstance(here, list):
        raise ShapeError(".".join(path))
    return [item for item in here if isinstance(item, Mapping)]


def text_of(item: Mapping[str, JsonValue], name: str) -> str:
    """Return a field that should be a text, empty when it is none."""
    value = item.get(name)
    return value if isinstance(value, str) else ""


def object_of(item: Mapping[str, JsonValue], name: str) -> Mapping[str, JsonValue]:
    """Return a field that should be an object, empty when it is none."""
    value = item.get(name)
    return value if isinstance(value, Mapping) else {}


def whole_number(value: JsonValue) -> int | None:
    """Return a count, however it is written; None when it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = int(float(value))
    except (ValueError, OverflowError):
        return None
    return number if number > 0 else None
