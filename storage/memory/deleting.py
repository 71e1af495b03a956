"""Deleting memories, each by itself: with its vectors, and nothing else goes along.

What took its place and what was derived from it stays, and hangs on what it hung on: whoever
forgets that later still reaches it.
"""

from collections.abc import Sequence

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.engine import Connection

from agent_engine.memories import OriginOf
from storage.compiled import execute, execute_many, fetch_all, fetch_values
from storage.lessons import current_memory, mark_lessons
from storage.memory.searching import Indexes
from storage.memory.shelves import rewrite
from storage.proposed import mark_proposed
from storage.tables import lessons, memories, memory_origins
from storage.upsert import insert_or_ignore

AT_ONCE = 1_000
"""Ids in one statement: databases take only so many values."""

_M, _O, _L = memories.c, memory_origins.c, lessons.c
_MEMORY = str(OriginOf.MEMORY)
_DELETE = delete(memories).where(_M.id == bindparam("memory"))
_LESSONS = select(_L.id, _L.memory_id).where(_L.memory_id.in_(bindparam("ids", expanding=True)))
_POINT = update(lessons).where(_L.id == bindparam("lesson")).values(memory_id=bindparam("memory"))
_DERIVED = select(_O.memory_id).where(_O.what == _MEMORY, _O.ref == bindparam("of"))
_ORIGINS = select(_O.what, _O.ref).where(_O.memory_id == bindparam("memory"))
_NEWER = select(_M.id).where(_M.supersedes == bindparam("memory"))


def take_away(
    connection: Connection, indexes: Indexes, memory_ids: Sequence[int], *, shelves: set[int]
) -> None:
    """Delete memories that lie on these shelves, and have threads shown anew that tell of them."""
    for start in range(0, len(memory_ids), AT_ONCE):
        mark_lessons(connection, memory_ids[start : start + AT_ONCE])
        mark_proposed(connection, memory_ids[start : start + AT_ONCE])
    if memory_ids:
        rewrite(connection, sorted(shelves))
        indexes.drop(connection, memory_ids)
        execute_many(connection, _DELETE, [{"memory": memory_id} for memory_id in memory_ids])


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
