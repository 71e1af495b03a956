"""What people read of an agent's memories. It changes nothing, not even what was used when."""

from collections.abc import Mapping, Sequence

from agent_engine.memories import (
    Findings,
    MemoryKind,
    MemoryScope,
    MemoryStore,
    PersonalUse,
    StoredMemory,
)
from agent_engine.memory.embeddings import Embedder
from agent_engine.memory.stored import Shelves
from agent_engine.types import UserId


class MemoryBook:
    """Memories to be listed, searched and looked at. All raise StorageError."""

    def __init__(self, store: MemoryStore, *, embedder: Embedder | None = None) -> None:
        self._store = store
        self._embedder = embedder

    @property
    def by_meaning(self) -> bool:
        """Whether memories are searched by meaning too, not by words alone."""
        return self._embedder is not None

    async def page(
        self, scope: MemoryScope, *, kinds: Sequence[MemoryKind], offset: int, limit: int
    ) -> Sequence[StoredMemory]:
        """Return what is proposed, then what is held: pinned ones first, then newest first."""
        return await self._store.listed(scope, kinds=kinds, offset=offset, limit=limit)

    async def tally(self, scope: MemoryScope) -> Mapping[MemoryKind, int]:
        """Return how many there are of each kind."""
        return await self._store.tally(scope)

    async def search(
        self,
        scope: MemoryScope,
        words: str,
        *,
        limit: int,
        kinds: Sequence[MemoryKind] = tuple(MemoryKind),
    ) -> Findings:
        """Return the held memories that fit the words best, of any kind or of these."""
        shelves = Shelves(self._store, scope, embedder=self._embedder)
        return await shelves.find(words, tuple(kinds), limit)

    async def personal_use(self, scope: MemoryScope, person: UserId) -> PersonalUse:
        """Say whether this person's own memories are used in the channel of this scope."""
        return await self._store.personal_use(scope, person)

    async def history(self, scope: MemoryScope, memory_id: int) -> Sequence[StoredMemory]:
        """Return the memory and the ones it took the place of, newest first; none: not there."""
        return await self._store.history(scope, memory_id)
