"""Forgetting: a memory goes with its vectors, its older versions and all that was derived."""

from collections.abc import Iterable, Sequence

from sqlalchemy import bindparam, select
from sqlalchemy.engine import Connection

from agent_engine.memories import Forgotten, MemoryKind, MemoryScope, OriginOf
from agent_engine.types import WorkspaceId
from storage.compiled import fetch_values
from storage.memory import deleting
from storage.memory.searching import Indexes
from storage.memory.shelves import shelves_of, shelves_of_workspace
from storage.tables import memories, memory_origins

_ON_SHELF = select(memories.c.id).where(memories.c.shelf_id == bindparam("shelf"))


def forget(
    connection: Connection, indexes: Indexes, scope: MemoryScope, memory_ids: Sequence[int]
) -> Forgotten:
    """Delete these memories of the scope and what hangs on them, wherever in the scope it is."""
    shelves = [shelf.id for shelf in shelves_of(connection, [scope], tuple(MemoryKind))]
    return _delete(connection, indexes, memory_ids, shelves)


def forget_all(connection: Connection, indexes: Indexes, scope: MemoryScope) -> Forgotten:
    """Delete all memories of the scope and what hangs on them."""
    shelves = [shelf.id for shelf in shelves_of(connection, [scope], tuple(MemoryKind))]
    gone: list[int] = []
    for shelf in shelves:
        found = fetch_values(connection, _ON_SHELF, {"shelf": shelf})
        gone += _delete(connection, indexes, found, shelves).ids
    return Forgotten(memories=len(gone), ids=tuple(sorted(gone)))


def forget_from(
    connection: Connection, indexes: Indexes, workspace_id: WorkspaceId, what: OriginOf, ref: str
) -> Forgotten:
    """Delete all memories of the workspace with this origin, and what hangs on them."""
    statement = select(memory_origins.c.memory_id).where(
        memory_origins.c.what == str(what), memory_origins.c.ref == ref
    )
    found = connection.execute(statement).scalars().all()
    shelves = [shelf.id for shelf in shelves_of_workspace(connection, workspace_id)]
    return _delete(connection, indexes, found, shelves)


def _delete(
    connection: Connection, indexes: Indexes, memory_ids: Iterable[int], shelves: Sequence[int]
) -> Forgotten:
    going: set[int] = set()
    shelves_touched: set[int] = set()
    next_ids = set(memory_ids)
    while next_ids:
        some = {next_ids.pop() for _ in range(min(deleting.AT_ONCE, len(next_ids)))}
        rows = connection.execute(
            select(memories.c.id, memories.c.shelf_id).where(
                memories.c.id.in_(some), memories.c.shelf_id.in_(shelves)
            )
        ).all()
        found = {row.id for row in rows}
        shelves_touched |= {row.shelf_id for row in rows}
        going |= found
        next_ids |= _hanging_on(connection, found) - going
    ids = sorted(going)
    deleting.take_away(connection, indexes, ids, shelves=shelves_touched)
    return Forgotten(memories=len(ids), ids=tuple(ids))


def _hanging_on(connection: Connection, memory_ids: set[int]) -> set[int]:
    """Return the versions before and after these memories, and what was derived from them."""
    if not memory_ids:
        return set()
    older = select(memories.c.supersedes).where(
        memories.c.id.in_(memory_ids), memories.c.supersedes.is_not(None)
    )
    newer = select(memories.c.id).where(memories.c.supersedes.in_(memory_ids))
    refs = [str(memory_id) for memory_id in memory_ids]
    derived = select(memory_origins.c.memory_id).where(
        memory_origins.c.what == str(OriginOf.MEMORY), memory_origins.c.ref.in_(refs)
    )
    found: set[int] = set()
    for statement in (older, newer, derived):
        found |= set(connection.execute(statement).scalars())
    return found
