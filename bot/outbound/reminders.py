"""Has threads shown again in which people were asked something long ago, so that they are reminded.

What the reminder says, and that there is only one, is decided in ``desired``. Where several
gateways run each does this, which does no harm.
"""

import asyncio
import logging
from datetime import timedelta

from agent_engine.errors import RetryableError
from agent_engine.ports import Bell, Clock, Topic
from bot.ports import ThreadStore

LOOK_EVERY_S = 60.0
THREADS_A_LOOK = 50

logger = logging.getLogger(__name__)


class Reminders:
    """Finds what waits for people too long."""

    def __init__(self, *, threads: ThreadStore, bell: Bell, clock: Clock, after: timedelta) -> None:
        self._threads = threads
        self._bell = bell
        self._clock = clock
        self._after = after

    async def run(self) -> None:
        """Look for ever; cancel it to stop."""
        while True:
            try:
                await self.look()
            except RetryableError:
                logger.warning("waits_not_read", exc_info=True)
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> int:
        """Have the threads shown in which a reminder is due; return how many there are."""
        before = self._clock.now() - self._after
        due = await self._threads.waiting_since(before, limit=THREADS_A_LOOK)
        for thread in due:
            await self._threads.touch(thread)
        if due:
            logger.info("reminders_due", extra={"threads": len(due)})
            self._bell.ring(Topic.THREADS)
        return len(due)
