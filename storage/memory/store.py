"""The store of memories on the database: each method is one unit of work.

Rows, words and vectors of a memory change in one transaction.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import or_
from sqlalchemy.engine import Connection

from agent_engine.memories import (
    Embedding,
    Findings,
    Forgotten,
    Kept,
    MemoryKind,
    MemoryScope,
    MemoryState,
    NewMemory,
    OriginOf,
    PersonalUse,
    Query,
    StoredMemory,
)
from agent_engine.past_plans import PastRun
from agent_engine.types import ModelCall, RunId, UserId, WorkspaceId, now_utc
from storage.database import Database
from storage.memory import changing, embedded, finding, forgetting, keeping, listing, personal
from storage.memory.rows import memory_from
from storage.memory.searching import Indexes
from storage.memory.shelves import shelves_of
from storage.past_runs import past_runs
from storage.tables import memories
from storage.usage_rows import write_usage

_MERGED = (MemoryKind.FACT, MemoryKind.LESSON)
"""Kinds of which the same in other words is kept once; each task is an episode of its own."""
_HELD = str(MemoryState.HELD)


class SqlMemoryStore:
    """A ``MemoryStore`` on the database."""

    def __init__(self, database: Database, indexes: Indexes) -> None:
        self._database = database
        self._indexes = indexes

    async def keep(self, scope: MemoryScope, memory: NewMemory) -> Kept:
        """Keep it, unless the scope holds the same already; that one is confirmed then."""
        nearly = await self._nearly(scope, memory)
        return await self._database.write(
            lambda c: keeping.keep(c, self._indexes, scope, memory, now=now_utc(), nearly=nearly)
        )

    async def newest(self, scope: MemoryScope, key: str) -> StoredMemory | None:
        """Return the newest memory of the key and count the access; None when there is none."""
        return await self._database.write(lambda c: _newest(c, scope, key))

    async def get(self, scope: MemoryScope, memory_id: int) -> StoredMemory | None:
        """Return the memory if it is in this scope, in whatever state."""
        return await self._database.read(lambda c: changing.one(c, scope, memory_id))

    async def search(self, scopes: Sequence[MemoryScope], query: Query) -> Findings:
        """Return held memories of these scopes that fit best; those that expired never."""
        return await self._database.read(
            lambda c: finding.find(c, self._indexes, scopes, query, now=now_utc())
        )

    async def recent(
        self, scope: MemoryScope, *, kinds: Sequence[MemoryKind], since: datetime, limit: int
    ) -> Sequence[StoredMemory]:
        """Return held memories made since then, newest first."""
        return await self._database.read(lambda c: _recent(c, scope, kinds, since, limit))

    async def listed(
        self, scope: MemoryScope, *, kinds: Sequence[MemoryKind], offset: int, limit: int
    ) -> Sequence[StoredMemory]:
        """Return what is proposed, then what is held: pinned ones first, then newest first."""
        return await self._database.read(lambda c: listing.listed(c, scope, kinds, offset, limit))

    async def tally(self, scope: MemoryScope) -> Mapping[MemoryKind, int]:
        """Return how many of each kind ``listed`` has; kinds without any are left out."""
        return await self._database.read(lambda c: listing.tally(c, scope))

    async def personal_use(self, scope: MemoryScope, person: UserId) -> PersonalUse:
        """Say whether this person's own memories are used in the channel of this scope."""
        return await self._database.read(lambda c: personal.use_of(c, scope, person))

    async def history(self, scope: MemoryScope, memory_id: int) -> Sequence[StoredMemory]:
        """Return the memory and the ones it superseded, newest first."""
        return await self._database.read(lambda c: changing.history(c, scope, memory_id))

    async def correct(self, scope: MemoryScope, memory_id: int, memory: NewMemory) -> Kept | None:
        """Put a memory in the place of one that is held; None when that is not there."""
        return await self._database.write(
            lambda c: changing.correct(c, self._indexes, scope, memory_id, memory)
        )

    async def pin(self, scope: MemoryScope, memory_id: int, *, pinned: bool) -> bool:
        """Pin or unpin it; False when it is not there. Pinned ones are never evicted."""
        return await self._database.write(
            lambda c: changing.change(c, scope, memory_id, pinned=pinned)
        )

    async def forget(self, scope: MemoryScope, memory_ids: Sequence[int]) -> Forgotten:
        """Delete them, what they superseded, and all that was derived. Safe to repeat."""
        return await self._database.write(
            lambda c: forgetting.forget(c, self._indexes, scope, memory_ids)
        )

    async def forget_from(self, workspace_id: WorkspaceId, what: OriginOf, ref: str) -> Forgotten:
        """Delete all memories of the workspace that come from there, in every scope."""
        return await self._database.write(
            lambda c: forgetting.forget_from(c, self._indexes, workspace_id, what, ref)
        )

    async def past_runs(
        self, scope: MemoryScope, run_ids: Sequence[RunId]
    ) -> Mapping[RunId, PastRun]:
        """Return how these runs of the scope went; those that are not there are left out."""
        return await self._database.read(lambda c: past_runs(c, scope, run_ids))

    async def unembedded(self, model: str, *, limit: int, after: int = 0) -> Sequence[StoredMemory]:
        """Return memories of any scope without a vector of this model, oldest first."""
        return await self._database.read(lambda c: embedded.unembedded(c, model, limit, after))

    async def embed(self, vectors: Mapping[int, Embedding]) -> int:
        """Give memories their vectors instead of older ones; return how many were still there."""
        return await self._database.write(lambda c: embedded.embed(c, self._indexes, vectors))

    async def embedded(self, model: str) -> tuple[int, int]:
        """Return how many held memories have a vector of this model, and how many there are."""
        return await self._database.read(lambda c: embedded.embedded(c, model))

    async def account(self, workspace_id: WorkspaceId, calls: Sequence[ModelCall]) -> None:
        """Record what vectors cost that no run asked for; it counts in the workspace's day."""
        await self._database.write(lambda c: _account(c, workspace_id, calls))

    # -- units of work ---------------------------------------------------------------------------

    async def _nearly(self, scope: MemoryScope, memory: NewMemory) -> int | None:
        """Look, before anything is written, for the same in other words."""
        if memory.embedding is None or memory.key is not None or memory.kind not in _MERGED:
            return None
        return await self._database.read(
            lambda c: finding.nearly_the_same(
                c, self._indexes, shelves_of(c, [scope], [memory.kind]), memory
            )
        )


def _account(connection: Connection, workspace_id: WorkspaceId, calls: Sequence[ModelCall]) -> None:
    for call in calls:
        write_usage(connection, {"workspace_id": workspace_id}, call, at=now_utc())


def _newest(connection: Connection, scope: MemoryScope, key: str) -> StoredMemory | None:
    shelves = [shelf.id for shelf in shelves_of(connection, [scope], tuple(MemoryKind))]
    statement = (
        finding.ROW.where(
            memories.c.shelf_id.in_(shelves),
            memories.c.key == key,
            memories.c.state == _HELD,
            or_(memories.c.expires_at.is_(None), memories.c.expires_at > now_utc()),
        )
        .order_by(memories.c.id.desc())
        .limit(1)
    )
    row = connection.execute(statement).first()
    if row is None:
        return None
    keeping.count_uses(connection, [scope], [row.id])
    return memory_from(row)


def _recent(
    connection: Connection,
    scope: MemoryScope,
    kinds: Sequence[MemoryKind],
    since: datetime,
    limit: int,
) -> list[StoredMemory]:
    shelves = [shelf.id for shelf in shelves_of(connection, [scope], kinds)]
    statement = (
        finding.ROW.where(
            memories.c.shelf_id.in_(shelves),
            memories.c.state == _HELD,
            memories.c.created_at >= since,
            or_(memories.c.expires_at.is_(None), memories.c.expires_at > now_utc()),
        )
        .order_by(memories.c.created_at.desc(), memories.c.id.desc())
        .limit(limit)
    )
    return [memory_from(row) for row in connection.execute(statement)]
