"""Deleting memories for their age: found by an index, a few at a time.

Unlike forgetting it takes nothing along. What took their place and what was derived from them
stays, and hangs on what they hung on: whoever forgets that later still reaches it.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Select, bindparam, or_, select, text, update
from sqlalchemy.engine import Connection

from agent_engine.memories import MemoryKind, MemoryState, OriginOf
from storage.compiled import execute, fetch_all, fetch_values
from storage.lessons import current_memory
from storage.memory.forgetting import take_away
from storage.memory.searching import Indexes
from storage.tables import lessons, memories, memory_origins, memory_shelves
from storage.upsert import insert_or_ignore

AT_ONCE = 100
"""Memories that are deleted in one transaction: others wait for it."""

Old = Select[int, int]
"""Which memories are old: their ids and shelves, as of ``before``."""

_M, _O, _L = memories.c, memory_origins.c, lessons.c
_MEMORY = str(OriginOf.MEMORY)
_SOME: Old = select(_M.id, _M.shelf_id).limit(AT_ONCE)
EXPIRED: Old = _SOME.where(_M.expires_at <= bindparam("before")).order_by(_M.expires_at)
HISTORY: Old = _SOME.where(
    text("memories.state <> 'held'"),  # as the index has it: a parameter would not fit
    _M.used_at <= bindparam("before"),
).order_by(_M.used_at)
"""Superseded, retired, or proposed and never settled, for so long."""
_of_tasks = select(memory_shelves.c.id).where(
    or_(*(memory_shelves.c.kind == str(kind) for kind in (MemoryKind.EPISODE, MemoryKind.EXAMPLE)))
)
UNUSED: Old = _SOME.where(
    _M.shelf_id.in_(_of_tasks),
    _M.used_at <= bindparam("before"),
    _M.state == str(MemoryState.HELD),
    ~_M.pinned,
)
"""What came of tasks, and examples. Each shelf is looked at by itself, so by its index."""

_LESSONS = select(_L.id, _L.memory_id).where(_L.memory_id.in_(bindparam("ids", expanding=True)))
_POINT = update(lessons).where(_L.id == bindparam("lesson")).values(memory_id=bindparam("memory"))
_DERIVED = select(_O.memory_id).where(_O.what == _MEMORY, _O.ref == bindparam("of"))
_ORIGINS = select(_O.what, _O.ref).where(_O.memory_id == bindparam("memory"))
_NEWER = select(_M.id).where(_M.supersedes == bindparam("memory"))


def delete_old(connection: Connection, indexes: Indexes, old: Old, before: datetime) -> int:
    """Delete some memories that have been old since then; return how many, 0 when none is left."""
    rows = fetch_all(connection, old, {"before": before})
    delete_alone(connection, indexes, {row.id: row.shelf_id for row in rows})
    return len(rows)


def delete_alone(connection: Connection, indexes: Indexes, shelf_of: dict[int, int]) -> None:
    """Delete these memories, each on its shelf, and no others."""
    memory_ids = sorted(shelf_of)
    if memory_ids:
        _point_lessons_on(connection, memory_ids)
        for memory_id in memory_ids:  # what is derived from another comes after it
            _hang_on(connection, memory_id)
        take_away(connection, indexes, memory_ids, shelves=set(shelf_of.values()))


def _point_lessons_on(connection: Connection, memory_ids: Sequence[int]) -> None:
    """Let lessons whose older versions go name the one that stays."""
    for row in connection.execute(_LESSONS, {"ids": memory_ids}).all():
        current = current_memory(connection, row.memory_id)
        if current is not None and current.id not in memory_ids:
            execute(connection, _POINT, {"lesson": row.id, "memory": current.id})


def _hang_on(connection: Connection, memory_id: int) -> None:
    """Give what was derived from the memory its origins, and the version that took its place."""
    derived = fetch_values(connection, _DERIVED, {"of": str(memory_id)})
    if not derived:
        return
    where = {"memory": memory_id}
    origins = [(row.what, row.ref) for row in fetch_all(connection, _ORIGINS, where)]
    newer = [(_MEMORY, str(other)) for other in fetch_values(connection, _NEWER, where)]
    rows = [
        {"memory_id": one, "what": what, "ref": ref}
        for one in derived
        for what, ref in (*origins, *newer)
    ]
    insert_or_ignore(connection, memory_origins, rows)
