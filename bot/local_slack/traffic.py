"""A record of everything the workspace and the app said to each other, without secrets."""

import re
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from bot.local_slack.changes import Hub, TrafficRecorded
from bot.local_slack.records import Json

_SECRET = re.compile(r"\b(xox[a-z]|xapp|xoxe)-[\w.-]+")
_SECRET_FIELDS = frozenset({"token", "client_secret", "access_token", "refresh_token"})


class Direction(StrEnum):
    """Which way an exchange went."""

    API = "api"
    EVENT = "event"
    ACK = "ack"
    """An acknowledgement that came too late; those in time are the response of their event."""
    RESPONSE_URL = "response_url"
    SOCKET = "socket"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One recorded exchange; `name` is the method, the event type or the frame."""

    id: int
    at: str
    at_s: float
    """Monotonic seconds, for differences."""
    direction: Direction
    name: str
    status: str
    """`ok`, Slack's error word, or an HTTP status."""
    duration_ms: float
    request: Json
    response: Json

    @property
    def method(self) -> str:
        """The Web API method, by the name tests look for."""
        return self.name

    @property
    def args(self) -> Json:
        """The arguments of the call."""
        return self.request

    @property
    def result(self) -> Json:
        """The answer to the call."""
        return self.response

    def as_json(self) -> Json:
        """Give the exchange as the page shows it."""
        fields = asdict(self)
        del fields["at_s"]
        return fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """An exchange before it is numbered."""

    direction: Direction
    name: str
    status: str = "ok"
    duration_ms: float = 0.0
    request: Json
    response: Json


class Traffic:
    """The latest exchanges, oldest first; iterate for all, or ask for the calls of a method."""

    def __init__(self, *, hub: Hub, kept: int = 5_000) -> None:
        self._hub = hub
        self._entries: deque[Exchange] = deque(maxlen=kept)
        self._count = 0

    def __iter__(self) -> Iterator[Exchange]:
        """Go through all kept exchanges, oldest first."""
        return iter(tuple(self._entries))

    def __len__(self) -> int:
        """Count the kept exchanges."""
        return len(self._entries)

    def calls(self, method: str | None = None) -> list[Exchange]:
        """Give the Web API calls so far, of one method or of all."""
        return [
            e for e in self._entries if e.direction is Direction.API and method in (None, e.name)
        ]

    def of(self, direction: Direction, name: str | None = None) -> list[Exchange]:
        """Give the exchanges of one direction, by name or all."""
        return [e for e in self._entries if e.direction is direction and name in (None, e.name)]

    def after(self, last_id: int, *, limit: int) -> list[Exchange]:
        """Give the latest exchanges with a greater id, at most `limit`."""
        newer = [e for e in self._entries if e.id > last_id]
        return newer[-limit:]

    def record(self, observed: Observed) -> None:
        """Note an exchange, with tokens replaced."""
        self._count += 1
        entry = Exchange(
            id=self._count,
            at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            at_s=time.monotonic(),
            direction=observed.direction,
            name=observed.name,
            status=observed.status,
            duration_ms=round(observed.duration_ms, 2),
            request=redact(observed.request),
            response=redact(observed.response),
        )
        self._entries.append(entry)
        self._hub.publish(TrafficRecorded(entry=entry))


def redact(value: Any) -> Any:  # noqa: ANN401 - any JSON in, the same shape out
    """Replace tokens and secrets in JSON; the result is a copy."""
    if isinstance(value, dict):
        return {
            k: "[redacted]" if k in _SECRET_FIELDS and isinstance(v, str) else redact(v)
            for k, v in value.items()
        }
    if isinstance(value, list | tuple):
        return [redact(v) for v in value]
    if isinstance(value, str) and ("xox" in value or "xapp" in value):
        return _SECRET.sub(r"\1-[redacted]", value)
    return value
