"""Up to where each channel was read: noted in memory, stored every few seconds and at the end.

What is stored must never pass over a gap: after a gap it would say that what was missed had been
read. So a note waits for one round before it is stored, and from the moment a gap is noticed until
it is caught up nothing is stored at all.
"""

import asyncio
import logging
from collections.abc import Collection

from agent_engine.errors import StorageError
from agent_engine.types import ChannelId, WorkspaceId
from bot.inbound.moments import is_later
from bot.ports import ChannelStore

FLUSH_EVERY_S = 5.0

Place = tuple[WorkspaceId, ChannelId]

logger = logging.getLogger(__name__)


class SeenTracker:
    """The newest message taken in per channel. Holds everything back until the first release."""

    def __init__(self, store: ChannelStore) -> None:
        self._store = store
        self._fresh: dict[Place, str] = {}
        self._settled: dict[Place, str] = {}
        self._is_held = True
        self._behind: frozenset[ChannelId] = frozenset()

    def note(self, workspace_id: WorkspaceId, channel_id: ChannelId, ts: str) -> None:
        """Note that this message was taken in. Cheap."""
        place = (workspace_id, channel_id)
        if is_later(ts, self._fresh.get(place)):
            self._fresh[place] = ts

    def hold(self) -> None:
        """Store nothing from now on: something may have been missed."""
        self._is_held = True

    def release(self, *, behind: Collection[ChannelId]) -> None:
        """Store again, for all channels but those that could not be caught up."""
        self._is_held = False
        self._behind = frozenset(behind)

    async def flush(self) -> None:
        """Store what was noted before the last round. Raises StorageError and forgets nothing."""
        if self._is_held:
            return
        await self._save(self._settled)
        self._settled, self._fresh = self._settled | self._fresh, {}

    async def flush_all(self) -> None:
        """Store everything noted; for the end."""
        if not self._is_held:
            await self._save(self._settled)
            await self._save(self._fresh)

    async def run(self) -> None:
        """Store every few seconds until cancelled, and once more then."""
        try:
            while True:
                await asyncio.sleep(FLUSH_EVERY_S)
                try:
                    await self.flush()
                except StorageError:
                    logger.warning("seen_not_saved", exc_info=True)
        finally:
            await self.flush_all()

    async def _save(self, notes: dict[Place, str]) -> None:
        by_workspace: dict[WorkspaceId, dict[ChannelId, str]] = {}
        for (workspace_id, channel_id), ts in notes.items():
            if channel_id not in self._behind:
                by_workspace.setdefault(workspace_id, {})[channel_id] = ts
        for workspace_id, seen in by_workspace.items():
            await self._store.saw(workspace_id, seen)
            for channel_id in seen:
                notes.pop((workspace_id, channel_id), None)
