"""Tells running work that its run was stopped or taken over: one query per second for all runs.

The row is the truth; this only makes working code look at it in time.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agent_engine.errors import RetryableError
from agent_engine.ports import Bell, RunSignal, RunStore, Topic
from agent_engine.types import RunId

logger = logging.getLogger(__name__)

POLL_S = 1.0


class Interrupted(Exception):  # noqa: N818 - not an error: the work was told to end
    """The run was stopped or taken over while work on it was going on."""


class SignalWatch:
    """Watches the runs that this process works on."""

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self._scopes: dict[RunId, tuple[int, asyncio.Timeout]] = {}

    @asynccontextmanager
    async def guard(self, run_id: RunId, *, epoch: int) -> AsyncIterator[None]:
        """Run the block; cancel it and raise Interrupted when the run is stopped or taken over."""
        scope = asyncio.timeout(None)
        try:
            async with scope:
                self._scopes[run_id] = (epoch, scope)
                try:
                    yield
                finally:
                    if self._is_current(run_id, scope):
                        del self._scopes[run_id]
        except TimeoutError as error:
            if not scope.expired():
                raise
            raise Interrupted from error

    async def run(self, bell: Bell) -> None:
        """Watch for ever; for the application's task group."""
        while True:
            await bell.wait(Topic.SIGNALS, timeout_s=POLL_S)
            try:
                await self.look()
            except RetryableError:
                logger.warning("signals_unreadable", exc_info=True)

    async def look(self) -> None:
        """Look once at all guarded runs and interrupt those that must end."""
        guarded = dict(self._scopes)
        if not guarded:
            return
        signals = await self._store.signals(tuple(guarded))
        for run_id, (epoch, scope) in guarded.items():
            signal = signals.get(run_id)
            if signal is not None and _must_end(signal, epoch) and self._is_current(run_id, scope):
                # Once is enough: work may take its time to end, and be looked at again meanwhile.
                del self._scopes[run_id]
                scope.reschedule(asyncio.get_running_loop().time())

    def _is_current(self, run_id: RunId, scope: asyncio.Timeout) -> bool:
        current = self._scopes.get(run_id)
        return current is not None and current[1] is scope


def _must_end(signal: RunSignal, epoch: int) -> bool:
    return signal.cancel is not None or signal.epoch != epoch
