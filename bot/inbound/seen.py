"""Up to where each channel was read: noted in memory, stored every few seconds and at the end.

What is noted was taken in and stored. After a crash the last seconds are read once more; the keys
of the messages make that harmless.
"""

import asyncio
import logging

from agent_engine.errors import StorageError
from agent_engine.types import ChannelId, WorkspaceId
from bot.ports import ChannelStore

FLUSH_EVERY_S = 5.0

logger = logging.getLogger(__name__)


def is_later(ts: str, than: str | None) -> bool:
    """Compare two of Slack's time stamps, which are numbers written with the same six decimals.

    >>> is_later("10.000001", "9.999999"), is_later("10.000001", None)
    (True, True)
    """
    return than is None or _parts(ts) > _parts(than)


class SeenTracker:
    """The newest message taken in per channel."""

    def __init__(self, store: ChannelStore) -> None:
        self._store = store
        self._newest: dict[tuple[WorkspaceId, ChannelId], str] = {}
        self._unsaved: set[tuple[WorkspaceId, ChannelId]] = set()

    def note(self, workspace_id: WorkspaceId, channel_id: ChannelId, ts: str) -> None:
        """Note that this message was taken in. Cheap."""
        place = (workspace_id, channel_id)
        if is_later(ts, self._newest.get(place)):
            self._newest[place] = ts
            self._unsaved.add(place)

    async def flush(self) -> None:
        """Store what was noted since the last time. Raises StorageError and forgets nothing."""
        places, self._unsaved = self._unsaved, set()
        by_workspace: dict[WorkspaceId, dict[ChannelId, str]] = {}
        for workspace_id, channel_id in places:
            newest = self._newest[workspace_id, channel_id]
            by_workspace.setdefault(workspace_id, {})[channel_id] = newest
        try:
            for workspace_id, seen in by_workspace.items():
                await self._store.saw(workspace_id, seen)
        except BaseException:
            self._unsaved |= places
            raise

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
            await self.flush()


def _parts(ts: str) -> tuple[int, str]:
    seconds, _, rest = ts.partition(".")
    return (int(seconds) if seconds.isdecimal() else 0, rest.ljust(6, "0"))
