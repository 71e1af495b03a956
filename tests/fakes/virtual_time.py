"""An event loop on which hours pass in no time, always in the same way: for limits and their order.

Time goes on only when nobody has anything to do, straight to the next moment someone waits for.
Nothing on it may use a socket or a thread.
"""

import asyncio
import selectors
from datetime import UTC, datetime, timedelta

BEGIN = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class _NoWaiting(selectors.DefaultSelector):
    now_s = 0.0

    def select(self, timeout=None):
        if timeout is None:
            raise RuntimeError("everybody waits for something that never comes")
        self.now_s += max(0.0, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self):
        self._hurried = _NoWaiting()
        super().__init__(self._hurried)

    def time(self):
        return self._hurried.now_s


class VirtualClock:
    """The clock of the running virtual loop."""

    _factor = 1.0

    def now(self):
        return BEGIN + timedelta(seconds=self.monotonic_s())

    def monotonic_s(self):
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds):
        await asyncio.sleep(seconds)


def virtually(scenario):
    """Run a coroutine on a virtual loop."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(scenario)
