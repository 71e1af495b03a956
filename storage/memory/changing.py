"""Changing memories that are there: corrected, settled, weighed; the indexes change along."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import select, update
from sqlalchemy.engine import Connection

from agent_engine.memories import (
    Kept,
    MemoryKind,
    MemoryScope,
    MemoryState,
    NewMemory,
    StoredMemory,
    Trust,
)
from agent_engine.types import JsonObject, now_utc
from storage.memory import finding, keeping
from storage.memory.searching import Indexes
from storage.memory.shelves import rewrite, shelves_of
from storage.tables import memories


def one(connection: Connection, scope: MemoryScope, memory_id: int) -> StoredMemory | None:
    """Return the memory if it is in this scope, in whatever state."""
    shelves = shelves_of(connection, [scope], tuple(MemoryKind))
    found = finding.rows_of(connection, [memory_id], shelves)
    return found[0] if found else None


def history(connection: Connection, scope: MemoryScope, memory_id: int) -> list[StoredMemory]:
    """Return the memory and the ones it superseded, newest first."""
    found: list[StoredMemory] = []
    at: int | None = memory_id
    while at is not None:
        memory = one(connection, scope, at)
        if memory is None:
            break
        found.append(memory)
        at = memory.supersedes
    return found


def correct(
    connection: Connection,
    indexes: Indexes,
    scope: MemoryScope,
    memory_id: int,
    memory: NewMemory,
) -> Kept | None:
    """Put a memory in the place of one that is held; None when that is not there.

    Without a heading of its own it is found by that of the one before.
    """
    old = one(connection, scope, memory_id)
    if old is None or old.state is not MemoryState.HELD:
        return None
    shelf = _shelf(connection, scope, old.kind)
    keeping.supersede(connection, indexes, [memory_id], shelf=shelf)
    memory = replace(memory, heading=memory.heading or _heading(connection, memory_id))
    new = keeping.add(connection, indexes, shelf, memory, now=now_utc(), supersedes=memory_id)
    return Kept(id=new)


def settle(
    connection: Connection,
    indexes: Indexes,
    scope: MemoryScope,
    memory_id: int,
    state: MemoryState,
) -> bool:
    """Confirm a proposed memory, or retire or bring back one; False when it is not there."""
    memory = one(connection, scope, memory_id)
    if memory is None:
        return False
    if memory.state is state:
        return True
    shelf = _shelf(connection, scope, memory.kind)
    rewrite(connection, [shelf])
    indexes.drop(connection, [memory_id])
    change(connection, scope, memory_id, state=str(state), model=None, used_at=now_utc())
    if state is MemoryState.HELD:
        words = f"{_heading(connection, memory_id)}\n{memory.text}"
        indexes.words.put(connection, memory_id, shelf, words)
    return True


def confirm(
    connection: Connection,
    indexes: Indexes,
    memory: StoredMemory,
    *,
    details: JsonObject,
) -> None:
    """Let a proposed memory be held, on people's word; it takes the place of others of its key."""
    settle(connection, indexes, memory.scope, memory.id, MemoryState.HELD)
    older = None
    if memory.key is not None:
        shelf = _shelf(connection, memory.scope, memory.kind)
        older = keeping.displace(connection, indexes, memory.id, shelf=shelf, key=memory.key)
    values = {"trust": str(Trust.PERSON), "details": dict(details)}
    replaced = {} if older is None else {"supersedes": older}
    change(connection, memory.scope, memory.id, **values, **replaced)


def weigh(
    connection: Connection, scope: MemoryScope, memory_ids: Sequence[int], factor: float
) -> None:
    """Multiply the weights, within the bounds; ids that are not there change nothing."""
    for memory_id in memory_ids:
        memory = one(connection, scope, memory_id)
        if memory is not None:
            weight = min(max(memory.weight * factor, finding.LEAST_WEIGHT), finding.MOST_WEIGHT)
            change(connection, scope, memory_id, weight=weight)


def change(connection: Connection, scope: MemoryScope, memory_id: int, **values: object) -> bool:
    """Set columns of the memory's row; False when it is not in this scope."""
    shelves = [shelf.id for shelf in shelves_of(connection, [scope], tuple(MemoryKind))]
    statement = update(memories).where(memories.c.id == memory_id, memories.c.shelf_id.in_(shelves))
    return bool(connection.execute(statement.values(**values)).rowcount)


def _shelf(connection: Connection, scope: MemoryScope, kind: MemoryKind) -> int:
    [shelf] = shelves_of(connection, [scope], [kind])
    return shelf.id


def _heading(connection: Connection, memory_id: int) -> str:
    statement = select(memories.c.heading).where(memories.c.id == memory_id)
    heading: str = connection.execute(statement).scalar_one()
    return heading
