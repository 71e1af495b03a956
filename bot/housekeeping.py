"""Deleting what has served its time, every hour: rows by their ages, then the files behind them.

And every minute, what searches of memories would feel if it waited for an hour.
"""

import asyncio
import itertools
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from agent_engine.errors import RetryableError
from agent_engine.types import Scope, TaskId, now_utc
from bot.ports import Housekeeping
from bot.tables.kept import RetentionTable
from bot.task_files import TaskFolders

MINUTE_S = 60.0
MINUTES = 60
FOLDERS_AT_ONCE = 500

_Place = tuple[Scope, TaskId]
"""What a task folder is named after."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseKeeper:
    """Keeps the house of this process; others may keep theirs on the same database and files."""

    house: Housekeeping
    folders: TaskFolders
    retention: RetentionTable

    async def run(self) -> None:
        """Keep house for ever; what is unavailable for the moment is tried the next time."""
        for minute in itertools.count():
            try:
                if minute % MINUTES:
                    await self.house.merge_words(most_steps=1)
                else:
                    logger.info("house_kept", extra=await self.keep())
            except RetryableError:
                logger.warning("house_not_kept", exc_info=True)
            await asyncio.sleep(MINUTE_S)

    async def keep(self) -> dict[str, int]:
        """Delete what is old; return how many of what, by name."""
        kept = await self.house.keep(now=now_utc(), kept=self.retention.kept())
        return {**kept, "task_folders": await self._remove_left() + await self._prune()}

    async def _remove_left(self) -> int:
        """Delete the files of tasks that are deleted; return of how many."""
        removed = 0
        while left := await self.house.folders_left(limit=FOLDERS_AT_ONCE):
            gone = await asyncio.to_thread(self._removed, left)
            await self.house.folders_gone(list(gone))
            removed += sum(gone.values())
            if len(gone) < len(left):  # the rest is tried again in an hour
                break
        return removed

    def _removed(self, left: Sequence[_Place]) -> dict[_Place, bool]:
        """Delete these folders; return those that are gone, each with whether it was there."""
        gone = {}
        for place in left:
            try:
                gone[place] = self.folders.remove(*place)
            except OSError as error:
                logger.warning("task_folder_left", extra={"error": type(error).__name__})
        return gone

    async def _prune(self) -> int:
        """Delete the files of tasks that are long over; return of how many."""
        days = self.retention.task_folders_days
        if not days:
            return 0
        before = now_utc() - timedelta(days=days)
        at_work = await self.house.tasks_at_work()
        return await asyncio.to_thread(
            self.folders.prune, before_s=before.timestamp(), keep=at_work
        )
