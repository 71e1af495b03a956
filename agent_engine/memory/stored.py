"""What memories over stored rows have in common; what an embedding costs is paid here alone.

A text that cannot be made a vector now is kept without one and found by its words; the job that
makes vectors anew gives it one later.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from agent_engine.errors import ModelError
from agent_engine.memories import (
    Embedding,
    Findings,
    MemoryKind,
    MemoryScope,
    MemoryStore,
    NewMemory,
    Origin,
    Query,
)
from agent_engine.memory.base import MemoryResult, content_of, result_from, words_for
from agent_engine.memory.embeddings import Embedder, Settle
from agent_engine.types import ModelCall, WorkspaceId, now_utc

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Shelves:
    """Where memories of one scope are kept, and how they are found there."""

    store: MemoryStore
    scope: MemoryScope
    embedder: Embedder | None = field(default=None, kw_only=True)
    origin: Origin = field(default_factory=Origin, kw_only=True)
    """Where what is kept comes from."""

    async def find(self, text: str, kinds: tuple[MemoryKind, ...], limit: int) -> Findings:
        """Search by words and meaning for no run: what that costs is the workspace's."""
        store, scope, embedder = self.store, self.scope, self.embedder
        async with accounted(store, scope.workspace_id) as settle:
            return await find(store, [scope], text, kinds, limit, embedder=embedder, settle=settle)

    async def search(
        self, query: str, kinds: tuple[MemoryKind, ...], limit: int
    ) -> tuple[MemoryResult, ...]:
        """Return what fits best by words and meaning, recent things a little before old ones."""
        findings = await self.find(query, kinds, limit)
        return tuple(result_from(found) for found in findings.found)


class ScopedMemory:
    """A ``Memory`` of one kind in one scope, over stored rows."""

    kind: MemoryKind

    def __init__(self, shelves: Shelves) -> None:
        self._shelves = shelves

    async def store(self, key: str, value: Any, ttl: float | None = None) -> None:  # noqa: ANN401 - any JSON value
        """Keep the value; ``ttl`` in seconds. The newest value of a key replaces older ones."""
        text, shelves = words_for(key, value), self._shelves
        async with accounted(shelves.store, shelves.scope.workspace_id) as settle:
            embedding = await embedding_of(shelves.embedder, text, settle=settle)
        memory = NewMemory(
            kind=self.kind,
            key=key,
            content=value,
            text=text,
            origin=shelves.origin,
            expires_at=None if ttl is None else now_utc() + timedelta(seconds=ttl),
            embedding=embedding,
        )
        await shelves.store.keep(shelves.scope, memory)

    async def retrieve(self, key: str) -> Any | None:  # noqa: ANN401 - any JSON value
        """Return the newest value of the key and count the access; None when there is none."""
        memory = await self._shelves.store.newest(self._shelves.scope, key)
        return content_of(memory) if memory is not None and memory.kind is self.kind else None

    async def search(self, query: str, limit: int = 10) -> tuple[MemoryResult, ...]:
        """Return what fits best by words and meaning, recent things a little before old ones."""
        return await self._shelves.search(query, (self.kind,), limit)


@asynccontextmanager
async def accounted(store: MemoryStore, workspace_id: WorkspaceId) -> AsyncIterator[Settle]:
    """Record for the workspace what is settled within, failed or not: it belongs to no run."""
    calls: list[ModelCall] = []
    try:
        yield calls.append
    finally:
        if calls:
            await store.account(workspace_id, calls)


async def find(  # noqa: PLR0913 - whose, what, and how much
    store: MemoryStore,
    scopes: list[MemoryScope],
    text: str,
    kinds: tuple[MemoryKind, ...],
    limit: int,
    *,
    embedder: Embedder | None,
    settle: Settle,
) -> Findings:
    """Search by words and, where that is possible now, by meaning."""
    embedding = await embedding_of(embedder, text, asks=True, settle=settle)
    return await store.search(
        scopes, Query(text=text, embedding=embedding, kinds=kinds, limit=limit)
    )


async def embedding_of(
    embedder: Embedder | None, text: str, *, settle: Settle, asks: bool = False
) -> Embedding | None:
    """Return the text as a vector; None where there is no model for it, or it fails now."""
    if embedder is None:
        return None
    try:
        if asks:
            return await embedder.query(text, settle=settle)
        [embedding] = await embedder.passages([text], settle=settle)
    except ModelError as error:
        logger.warning("not_embedded", extra={"model": embedder.model, "error": error.message})
        return None
    return embedding
