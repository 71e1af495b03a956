"""Listing memories for people: what waits for their word, and what is held. Reads only."""

from collections.abc import Mapping, Sequence

from sqlalchemy import case, func, or_, select
from sqlalchemy.engine import Connection
from sqlalchemy.sql.elements import ColumnElement

from agent_engine.memories import MemoryKind, MemoryScope, MemoryState, StoredMemory
from agent_engine.types import now_utc
from storage.memory.finding import ROW
from storage.memory.rows import memory_from
from storage.memory.shelves import shelves_of
from storage.tables import memories, memory_shelves

_PROPOSED, _HELD = str(MemoryState.PROPOSED), str(MemoryState.HELD)


def listed(
    connection: Connection,
    scope: MemoryScope,
    kinds: Sequence[MemoryKind],
    offset: int,
    limit: int,
) -> list[StoredMemory]:
    """Return what is proposed, then what is held: pinned ones first, then newest first."""
    statement = (
        ROW.where(_there(connection, scope, kinds))
        .order_by(
            case((memories.c.state == _PROPOSED, 0), else_=1),
            memories.c.pinned.desc(),
            memories.c.created_at.desc(),
            memories.c.id.desc(),
        )
        .offset(offset)
        .limit(limit)
    )
    return [memory_from(row) for row in connection.execute(statement)]


def tally(connection: Connection, scope: MemoryScope) -> Mapping[MemoryKind, int]:
    """Return how many of each kind are listed."""
    statement = (
        select(memory_shelves.c.kind, func.count())
        .join(memories, memories.c.shelf_id == memory_shelves.c.id)
        .where(_there(connection, scope, tuple(MemoryKind)))
        .group_by(memory_shelves.c.kind)
    )
    return {MemoryKind(kind): number for kind, number in connection.execute(statement)}


def _there(
    connection: Connection, scope: MemoryScope, kinds: Sequence[MemoryKind]
) -> ColumnElement[bool]:
    shelves = [shelf.id for shelf in shelves_of(connection, [scope], kinds)]
    is_fresh = or_(memories.c.expires_at.is_(None), memories.c.expires_at > now_utc())
    is_there = memories.c.shelf_id.in_(shelves) & memories.c.state.in_([_PROPOSED, _HELD])
    return is_there & is_fresh
