"""How fast each Web API method may be called: token buckets, the most urgent caller first.

Knows limits and time, makes no calls. Slack's limits are per method and workspace, those of posting
also per channel (https://docs.slack.dev/apis/web-api/rate-limits).
"""

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum

from agent_engine.ports import Clock
from bot.errors import NoRoomError

ROUNDING_S = 1e-4
"""Less than this is no reason to sleep: a sum of floats need never reach a whole token."""
MAX_IDLE_BUCKETS = 2_000
"""Buckets of channels kept in memory; full ones beyond this are forgotten."""

Sleep = Callable[[float], Awaitable[None]]


class Urgency(IntEnum):
    """Who goes first when there is not enough for all; lower goes first."""

    REPLY = 0
    """Someone has just clicked or typed and looks at the screen."""
    ANSWER = 1
    QUESTION = 2
    NOTICE = 3
    PLAN = 4
    BACKGROUND = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How many calls, how many at once."""

    per_minute: float
    burst: int


_T2 = Rate(per_minute=20, burst=5)
_T3 = Rate(per_minute=50, burst=20)
_T4 = Rate(per_minute=100, burst=20)
_STATUS = Rate(per_minute=60, burst=10)
_SPECIAL = Rate(per_minute=600, burst=60)

POSTS_PER_CHANNEL = Rate(per_minute=60, burst=3)
POSTS_PER_WORKSPACE = Rate(per_minute=400, burst=100)
"""Slack says "several hundred" a minute; fifty threads in fifty channels shall be fast."""
SESSIONS = Rate(per_minute=50, burst=48)
"""Tier 3, measured over a minute: about fifty threads that start at once get their first sign.

A little below Slack's own burst: meeting its limit exactly costs everybody a pause.
"""

_RATES = {
    "chat.postMessage": POSTS_PER_WORKSPACE,
    "chat.update": Rate(per_minute=50, burst=20),
    "chat.delete": _T3,
    "chat.startStream": Rate(per_minute=20, burst=15),
    "chat.appendStream": _T4,
    "chat.stopStream": Rate(per_minute=20, burst=18),
    "chat.postEphemeral": _T4,
    "chat.getPermalink": _SPECIAL,
    "auth.test": _SPECIAL,
    "agents.sessions.setStatus": SESSIONS,
    "agents.sessions.rename": _T3,
    "assistant.threads.setSuggestedPrompts": _T3,
    "reactions.add": _T3,
    "reactions.remove": _T2,
    "conversations.members": _T4,
    "users.info": _T4,
    "files.info": _T4,
    "files.delete": _T3,
    "files.getUploadURLExternal": _T4,
    "files.completeUploadExternal": _T4,
    "views.open": _T4,
    "views.publish": _T4,
    "views.push": _T4,
    "views.update": _T4,
}
_LEFT_FOR_OTHERS = {("agents.sessions.setStatus", Urgency.BACKGROUND): 10}
"""Calls that the least urgent leave: whoever asks right after a flood still gets a sign at once."""
_CHANNEL_RATES = {
    "chat.postMessage": POSTS_PER_CHANNEL,
    "assistant.threads.setStatus": _STATUS,
}


@dataclass(slots=True)
class _Bucket:
    rate: Rate
    tokens: float
    at_s: float
    blocked_until_s: float = 0.0
    waiting: list[tuple[int, int, asyncio.Event]] = field(default_factory=list)

    def wait_s(self, now_s: float, *, tokens: int = 1) -> float:
        """Return how long until so many tokens are there; refills on the way."""
        per_s = self.rate.per_minute / 60
        self.tokens = min(self.rate.burst, self.tokens + max(0.0, now_s - self.at_s) * per_s)
        self.at_s = now_s
        missing = max(0.0, tokens - self.tokens) / per_s
        return max(missing, self.blocked_until_s - now_s)

    def is_idle(self, now_s: float) -> bool:
        return not self.waiting and self.wait_s(now_s) <= 0 and self.tokens >= self.rate.burst


class Pacer:
    """Lets callers through as fast as Slack allows."""

    def __init__(self, *, clock: Clock, sleep: Sleep = asyncio.sleep) -> None:
        self._clock = clock
        self._sleep = sleep
        self._buckets: dict[tuple[str, str | None], _Bucket] = {}
        self._order = itertools.count()

    async def turn(
        self, method: str, *, channel_id: str | None, urgency: Urgency, patience_s: float
    ) -> None:
        """Return when the method may be called.

        Raises:
            NoRoomError: it would take longer than ``patience_s``; nothing was used up.
        """
        started_s = self._clock.monotonic_s()
        passed: list[_Bucket] = []
        try:
            for bucket in self._buckets_of(method, channel_id):
                left_s = patience_s - (self._clock.monotonic_s() - started_s)
                await self._pass(bucket, method=method, urgency=urgency, patience_s=left_s)
                passed.append(bucket)
        except BaseException:
            for bucket in passed:
                bucket.tokens += 1
            raise

    def wait_s(
        self, method: str, *, channel_id: str | None, urgency: Urgency, ahead: int = 0
    ) -> float:
        """Return how long until so many calls and then this one may be made; 0 for now."""
        now_s, tokens = self._clock.monotonic_s(), ahead + _needed(method, urgency)
        return max(
            bucket.wait_s(now_s, tokens=tokens + len(bucket.waiting))
            for bucket in self._buckets_of(method, channel_id)
        )

    def block(self, method: str, *, channel_id: str | None, seconds: float) -> None:
        """Let nobody call the method (in that channel) for so long: Slack has said so."""
        until_s = self._clock.monotonic_s() + seconds
        bucket = self._buckets_of(method, channel_id)[0]
        bucket.blocked_until_s = max(bucket.blocked_until_s, until_s)

    def _buckets_of(self, method: str, channel_id: str | None) -> list[_Bucket]:
        buckets = [self._bucket(method, None, _RATES.get(method, _T3))]
        if channel_id is not None and method in _CHANNEL_RATES:
            buckets.insert(0, self._bucket(method, channel_id, _CHANNEL_RATES[method]))
        return buckets

    def _bucket(self, method: str, channel_id: str | None, rate: Rate) -> _Bucket:
        key = (method, channel_id)
        if key not in self._buckets:
            self._forget_idle()
            now_s = self._clock.monotonic_s()
            self._buckets[key] = _Bucket(rate=rate, tokens=rate.burst, at_s=now_s)
        return self._buckets[key]

    def _forget_idle(self) -> None:
        if len(self._buckets) < MAX_IDLE_BUCKETS:
            return
        now_s = self._clock.monotonic_s()
        self._buckets = {k: b for k, b in self._buckets.items() if not b.is_idle(now_s)}

    async def _pass(
        self, bucket: _Bucket, *, method: str, urgency: Urgency, patience_s: float
    ) -> None:
        """Wait for our turn and take a token. Only the first in line sleeps."""
        deadline_s = self._clock.monotonic_s() + patience_s
        needed = _needed(method, urgency)
        with _in_line(bucket, urgency, next(self._order)) as (place, called):
            while True:
                wait_s = bucket.wait_s(self._clock.monotonic_s(), tokens=needed)
                is_first = bucket.waiting[0] is place
                if is_first and wait_s <= ROUNDING_S:
                    bucket.tokens -= 1
                    return
                left_s = deadline_s - self._clock.monotonic_s()
                expected_s = wait_s + _ahead(bucket, place) * 60 / bucket.rate.per_minute
                if expected_s > left_s:
                    raise NoRoomError(
                        f"{method} has to wait", method=method, retry_after_s=expected_s
                    )
                if is_first:
                    await self._sleep(wait_s)
                else:
                    called.clear()
                    await called.wait()


def _needed(method: str, urgency: Urgency) -> int:
    return 1 + _LEFT_FOR_OTHERS.get((method, urgency), 0)


def _ahead(bucket: _Bucket, place: tuple[int, int, asyncio.Event]) -> int:
    return sum(1 for other in bucket.waiting if other[:2] < place[:2])


@contextmanager
def _in_line(
    bucket: _Bucket, urgency: Urgency, number: int
) -> Iterator[tuple[tuple[int, int, asyncio.Event], asyncio.Event]]:
    called = asyncio.Event()
    place = (int(urgency), number, called)
    heapq.heappush(bucket.waiting, place)
    try:
        yield place, called
    finally:
        bucket.waiting.remove(place)
        heapq.heapify(bucket.waiting)
        if bucket.waiting:
            bucket.waiting[0][2].set()
