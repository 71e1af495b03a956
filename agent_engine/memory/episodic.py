"""What happened: the tasks of an agent in a channel and what came of them."""

from datetime import timedelta

from agent_engine.memories import MemoryKind
from agent_engine.memory.base import MemoryResult, content_of
from agent_engine.memory.stored import ScopedMemory
from agent_engine.types import now_utc

CAPACITY = 1_000
"""Episodes of a scope; ``storage`` holds it."""


class EpisodicMemory(ScopedMemory):
    """A ``Memory`` of episodes; searched by relevance and recency."""

    kind = MemoryKind.EPISODE

    async def get_recent_episodes(self, hours: float = 24) -> tuple[MemoryResult, ...]:
        """Return what happened in these last hours, newest first."""
        since = now_utc() - timedelta(hours=hours)
        found = await self._shelves.store.recent(
            self._shelves.scope, kinds=(self.kind,), since=since, limit=CAPACITY
        )
        return tuple(
            MemoryResult(
                key=memory.key,
                content=content_of(memory),
                score=1.0,
                created_at=memory.created_at,
                source=str(memory.kind),
                access_count=memory.access_count,
                id=memory.id,
            )
            for memory in found
        )
