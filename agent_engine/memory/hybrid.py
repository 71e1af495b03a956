"""One memory out of three: the task's own, what happened, and what was noted.

A value is kept in mind for the task and stored where it belongs; one search over all that is
stored gives one ranking, in which each result names its source.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from agent_engine.memories import MemoryKind
from agent_engine.memory.base import MemoryResult, content_of
from agent_engine.memory.episodic import EpisodicMemory
from agent_engine.memory.stored import Shelves
from agent_engine.memory.vector import VectorMemory
from agent_engine.memory.working import WorkingMemory

EPISODES = ("problem_context_", "task_result_", "feedback_")
"""How the keys of what happened begin; everything else is noted."""
WORKING = "working"


class HybridMemory:
    """A ``Memory`` of a scope and a task."""

    def __init__(self, shelves: Shelves) -> None:
        self._shelves = shelves
        self._stored: set[str] = set()
        self.working = WorkingMemory()
        self.episodic = EpisodicMemory(shelves)
        self.vector = VectorMemory(shelves)

    async def store(self, key: str, value: Any, ttl: float | None = None) -> None:  # noqa: ANN401 - any JSON value
        """Keep the value in mind and store it; ``ttl`` in seconds."""
        place = self.episodic if key.startswith(EPISODES) else self.vector
        await place.store(key, value, ttl)
        self._stored.add(key)
        await self.working.store(key, value, ttl)

    async def retrieve(self, key: str) -> Any | None:  # noqa: ANN401 - any JSON value
        """Return the newest value and have it in mind; None when there is none.

        What is stored is asked first: another process may have replaced or forgotten it since.
        """
        memory = await self._shelves.store.newest(self._shelves.scope, key)
        if memory is None:
            if key in self._stored:
                self.working.drop(key)
            return await self.working.retrieve(key)
        value = content_of(memory)
        self.working.put(key, value, expires_at=memory.expires_at)
        self._stored.add(key)
        return value

    async def search(self, query: str, limit: int = 10) -> tuple[MemoryResult, ...]:
        """Return what fits best of all that this scope holds, each once."""
        return self._named(await self._shelves.search(query, tuple(MemoryKind), limit))

    def _named(self, found: Sequence[MemoryResult]) -> tuple[MemoryResult, ...]:
        """Say of what is in mind that it is."""
        in_mind = {item.key for item in self.working.get_all_items()}
        return tuple(replace(one, source=WORKING) if one.key in in_mind else one for one in found)
