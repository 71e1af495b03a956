"""Deleting memories for their age: found by an index, a few at a time."""

from datetime import datetime

from sqlalchemy import Select, bindparam, or_, select, text
from sqlalchemy.engine import Connection

from agent_engine.memories import MemoryKind, MemoryState
from storage.compiled import fetch_all
from storage.memory.deleting import delete_alone
from storage.memory.searching import Indexes
from storage.tables import memories, memory_shelves

AT_ONCE = 100
"""Memories that are deleted in one transaction: others wait for it."""

Old = Select[int, int]
"""Which memories are old: their ids and shelves, as of ``before``."""

_M = memories.c
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


def delete_old(connection: Connection, indexes: Indexes, old: Old, before: datetime) -> int:
    """Delete some memories that have been old since then; return how many, 0 when none is left."""
    rows = fetch_all(connection, old, {"before": before})
    delete_alone(connection, indexes, {row.id: row.shelf_id for row in rows})
    return len(rows)
