"""Whose turn it is: threads that wait for one of Slack's limits, in line before each of them.

A thread waits in as many lines as it has calls that Slack does not take yet, and is worked on again
when it is called in one of them: then it is rendered afresh, so nothing stale is ever sent. This
keeps the order only; how much Slack takes is ``pacing``. It makes no calls.
"""

import math
from collections.abc import Collection, Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from agent_engine.ports import Clock
from agent_engine.types import ChannelId, Thread
from bot.errors import NoRoomError
from bot.outbound.pacing import ROUNDING_S, Urgency


class Limit(NamedTuple):
    """One of Slack's limits: a method, in one channel where the limit is the channel's."""

    method: str
    channel_id: ChannelId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A call that a thread would like to make."""

    limit: Limit
    urgency: Urgency
    asked_at_s: float | None = None
    """When people asked for it: who asked first goes first. None: who stood in line first."""


class NotNowError(Exception):
    """The message can wait, and has to.

    Attributes:
        after_s: when it makes sense to try again.
        why: one word for the log.
        limit: in line for this; None where only time has to pass.
    """

    def __init__(self, *, after_s: float, why: str, limit: Limit | None = None) -> None:
        super().__init__(why)
        self.after_s = after_s
        self.why = why
        self.limit = limit


class WaitFor(Protocol):
    """Says how long until Slack takes so many calls more and then one of this urgency."""

    def __call__(self, limit: Limit, urgency: Urgency, *, ahead: int) -> float:
        """Return the seconds; 0 for now."""
        ...


class _Place(NamedTuple):
    urgency: Urgency
    since_s: float
    number: int


class Turns:
    """The lines before Slack's limits, the most urgent first."""

    def __init__(self, *, wait_for: WaitFor, clock: Clock) -> None:
        self._wait_for = wait_for
        self._clock = clock
        self._lines: dict[Limit, dict[Thread, _Place]] = {}
        self._visits: dict[Thread, set[Limit]] = {}
        """Threads that are worked on, and the limits that had no room for them this time."""
        self._count = 0

    # -- for who works on a thread ---------------------------------------------------------------

    @contextmanager
    def visit(self, thread: Thread) -> Iterator[None]:
        """Work on one thread: it stays only in the lines in which it is told to wait meanwhile."""
        waits = self._visits[thread] = set()
        try:
            yield
        except BaseException:
            waits.clear()
            raise
        finally:
            del self._visits[thread]
            self._leave(thread, but=waits)

    @contextmanager
    def turn(self, thread: Thread, ask: Ask) -> Iterator[None]:
        """Make one call inside, at once: nothing may be awaited before it.

        Raises:
            NotNowError: others go first or Slack takes no more; the thread is in line.
        """
        ahead = self._ahead(thread, ask)
        if ask.limit in self._waits_of(thread) or self._wait_s(ask, ahead) > 0:
            raise self._stand(thread, ask)
        place = self._lines.get(ask.limit, {}).pop(thread, None)
        try:
            yield
        except NoRoomError as full:
            if place is not None:
                self._lines.setdefault(ask.limit, {})[thread] = place
            raise self._stand(thread, ask) from full

    def is_free(self, thread: Thread, ask: Ask, *, calls: int) -> bool:
        """Say whether so many calls would make nobody wait, neither us nor those in line."""
        others = len(self._lines.get(ask.limit, {}).keys() - {thread})
        return self._wait_s(ask, others + calls - 1) <= 0

    def leave(self, thread: Thread, limit: Limit) -> None:
        """Take the thread out of a line: what it waited for has been done in another way."""
        self._lines.get(limit, {}).pop(thread, None)
        self._waits_of(thread).discard(limit)

    def longest_s(self, limit: Limit, urgency: Urgency) -> float:
        """Return how long the first of this urgency, of those without a time, has been in line."""
        places = self._lines.get(limit, {}).values()
        since_s = min((p.since_s for p in places if p.urgency is urgency), default=math.inf)
        return max(0.0, self._clock.now().timestamp() - since_s)

    # -- for who chooses the threads -------------------------------------------------------------

    def called(self) -> set[Thread]:
        """Return the threads for which there is room in one of their lines."""
        return {thread for _, thread, wait_s in self._waiting() if wait_s <= 0}

    def waiting(self) -> set[Thread]:
        """Return all threads that are in line."""
        return {thread for line in self._lines.values() for thread in line}

    def next_s(self) -> float | None:
        """Return how long until there is room for one more; None when nobody waits."""
        return min((wait_s for *_, wait_s in self._waiting() if wait_s > 0), default=None)

    def keep(self, threads: AbstractSet[Thread]) -> None:
        """Send all others away: they have nothing to show any more, or not by us."""
        gone = {thread for line in self._lines.values() for thread in line.keys() - threads}
        for thread in gone:
            self._leave(thread, but=())

    # --------------------------------------------------------------------------------------------

    def _waiting(self) -> Iterator[tuple[Limit, Thread, float]]:
        """Go through the lines, each up to the first for whom there is no room yet."""
        for limit, line in self._lines.items():
            in_order = sorted(line.items(), key=lambda entry: entry[1])
            for ahead, (thread, place) in enumerate(in_order):
                wait_s = self._wait_s(Ask(limit=limit, urgency=place.urgency), ahead)
                yield limit, thread, wait_s
                if wait_s > 0:
                    break

    def _wait_s(self, ask: Ask, ahead: int) -> float:
        wait_s = self._wait_for(ask.limit, ask.urgency, ahead=ahead)
        return wait_s if wait_s > ROUNDING_S else 0.0

    def _ahead(self, thread: Thread, ask: Ask) -> int:
        mine = self._place(thread, ask)
        line = self._lines.get(ask.limit, {})
        return sum(place < mine for other, place in line.items() if other != thread)

    def _place(self, thread: Thread, ask: Ask) -> _Place:
        """Return where the thread would stand; whoever stands already keeps the place."""
        old = self._lines.get(ask.limit, {}).get(thread)
        if old is not None and old.urgency == ask.urgency and ask.asked_at_s is None:
            return old
        since_s = self._clock.now().timestamp() if ask.asked_at_s is None else ask.asked_at_s
        return _Place(ask.urgency, since_s, self._count if old is None else old.number)

    def _stand(self, thread: Thread, ask: Ask) -> NotNowError:
        """Put the thread in line, with the most urgent of what it waits for."""
        line, waits = self._lines.setdefault(ask.limit, {}), self._waits_of(thread)
        place = self._place(thread, ask)
        if ask.limit in waits and thread in line:
            place = min(place, line[thread])
        self._count += thread not in line
        line[thread] = place
        waits.add(ask.limit)
        after_s = self._wait_s(ask, self._ahead(thread, ask))
        return NotNowError(after_s=after_s, why=ask.limit.method, limit=ask.limit)

    def _waits_of(self, thread: Thread) -> set[Limit]:
        return self._visits.get(thread, set())

    def _leave(self, thread: Thread, *, but: Collection[Limit]) -> None:
        for limit in list(self._lines):
            line = self._lines[limit]
            if limit not in but:
                line.pop(thread, None)
            if not line:
                del self._lines[limit]
