"""One worker's hold on one run: the snapshot in memory and the events not yet stored.

``note`` changes the snapshot at once and keeps the event; ``flush`` stores all kept events in one
transaction. Whatever the world must not see before it is stored (a model call, a tool call, a
sleep) stands behind a ``flush``. Nothing written by others is taken from the snapshot: when a
commit finds that the run's inbox has moved, the snapshot is read anew.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from agent_engine.errors import FencedError
from agent_engine.events import ModelCalled, RunEvent, StepStarted
from agent_engine.ports import Clock, Fence, RunStore
from agent_engine.run_state import apply
from agent_engine.types import ModelCall, Resolution, RunSnapshot, Usage, Wait

Observe = Callable[[RunSnapshot, Sequence[RunEvent]], None]
"""Sees what was stored, after it was; must be quick and must not raise."""


class RunSession:
    """The run that a worker advances."""

    def __init__(
        self, store: RunStore, run: RunSnapshot, *, clock: Clock, observe: Observe | None = None
    ) -> None:
        self._store = store
        self._clock = clock
        self._fence = Fence(run.run_id, run.epoch)
        self._kept: list[RunEvent] = []
        self._starts: list[StepStarted] = []
        self._lock = asyncio.Lock()
        self._observe = observe
        self._flushed_at_s = clock.monotonic_s()
        self.run = with_elapsed_timers(run, clock.now())

    @property
    def usage(self) -> Usage:
        """What the run has used, events not yet stored included."""
        return self.run.usage

    def note(self, *events: RunEvent) -> None:
        """Let the events have happened; they are stored with the next ``flush``."""
        self.run = apply(self.run, events)
        self._kept.extend(events)

    def start(self, event: StepStarted) -> None:
        """Let a step start, unless the next ``flush`` finds that someone said something.

        Then the step is as it was before: look at its status after the flush.
        """
        self.run = apply(self.run, (event,))
        self._starts.append(event)

    def settle(self, call: ModelCall) -> None:
        """Account for a model call."""
        self.note(ModelCalled(call=call, at=self._clock.now()))

    async def flush(self) -> None:
        """Store what was noted. Raises FencedError when the run was taken over."""
        async with self._lock:
            if not self._kept and not self._starts:
                return
            events, self._kept = self._kept, []
            starts, self._starts = self._starts, []
            known, worked_s = self.run.inbox_seq, self._worked_s()
            seq = await self._store.commit(
                self._fence,
                events,
                starts=starts,
                known_inbox_seq=known,
                worked_s=worked_s,
            )
            self.run = apply(self.run, (), worked_s=worked_s)
            if seq != known:
                await self._reload()
            if self._observe is not None:
                self._observe(self.run, (*events, *(starts if seq == known else ())))

    async def hear(self) -> None:
        """Take in what others wrote, if anything; only then is what was noted stored.

        For where nothing leaves between two flushes: a look costs a fraction of a commit.
        """
        if not self._kept and not self._starts:
            return
        run_id = self.run.run_id
        signal = (await self._store.signals((run_id,))).get(run_id)
        known = (self._fence.epoch, self.run.inbox_seq)
        if signal is None or (signal.epoch, signal.inbox_seq) != known:
            await self.flush()

    async def refresh(self) -> None:
        """Take in what others wrote, without storing anything."""
        async with self._lock:
            await self._reload()

    async def _reload(self) -> None:
        fresh = await self._store.load(self.run.run_id)
        if fresh.epoch != self._fence.epoch:
            raise FencedError
        self.run = with_elapsed_timers(apply(fresh, self._kept), self._clock.now())

    def _worked_s(self) -> float:
        now = self._clock.monotonic_s()
        worked, self._flushed_at_s = now - self._flushed_at_s, now
        return worked


def with_elapsed_timers(run: RunSnapshot, now: datetime) -> RunSnapshot:
    """Return the snapshot with every timer that is over resolved; time itself writes no rows."""
    if not any(_is_over(wait, now) for wait in run.waits):
        return run
    over = Resolution(value="elapsed", at=now)
    waits = tuple(replace(w, resolution=over) if _is_over(w, now) else w for w in run.waits)
    return replace(run, waits=waits)


def _is_over(wait: Wait, now: datetime) -> bool:
    return wait.resolution is None and wait.until is not None and wait.until <= now
