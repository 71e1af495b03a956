"""The rows of lessons: what became of people's low ratings of a run, as its thread tells it."""

from collections.abc import Sequence

from sqlalchemy import bindparam, select, update
from sqlalchemy.engine import Connection

from agent_engine.memories import MemoryState
from agent_engine.types import Lesson, UserId
from storage.compiled import execute, fetch_all, fetch_one
from storage.dirt import NEXT_SEQ, mark_dirty
from storage.mapping import AnyRow
from storage.tables import lessons, memories, runs

_L = lessons.c
_OF_RUN = (
    select(_L.id, _L.person, _L.memory_id)
    .where(_L.run_id == bindparam("run"), _L.memory_id.is_not(None))
    .order_by(_L.memory_id)
)
_MEMORY = select(memories.c.id, memories.c.text, memories.c.state, memories.c.details).where(
    memories.c.id == bindparam("memory")
)
_NEXT_VERSION = select(memories.c.id).where(memories.c.supersedes == bindparam("memory"))
_SHOWN_IN = select(runs.c.show_thread_id).where(runs.c.id == bindparam("run"))
_CHANGED = update(runs).where(runs.c.id == bindparam("run")).values(changed_seq=NEXT_SEQ)
_RATED_RUNS = select(_L.run_id).where(_L.memory_id.in_(bindparam("memories", expanding=True)))


def lessons_of(connection: Connection, run_id: str) -> tuple[Lesson, ...]:
    """Return what was learned from low ratings of the run, forgotten ones without their words."""
    rows = fetch_all(connection, _OF_RUN, {"run": run_id})
    return tuple(_lesson(row, current_memory(connection, row.memory_id)) for row in rows)


def current_memory(connection: Connection, memory_id: int | None) -> AnyRow | None:
    """Return the memory, or what took its place; None when it was forgotten."""
    if memory_id is None:
        return None
    memory = fetch_one(connection, _MEMORY, {"memory": memory_id})
    while memory is not None and memory.state == MemoryState.SUPERSEDED:
        newer = fetch_one(connection, _NEXT_VERSION, {"memory": memory.id})
        memory = newer and fetch_one(connection, _MEMORY, {"memory": newer.id})
    return memory


def mark_lessons(connection: Connection, memory_ids: Sequence[int]) -> None:
    """Have the threads shown anew that tell of lessons kept in these memories."""
    found = connection.execute(_RATED_RUNS, {"memories": list(memory_ids)}).scalars().all()
    for run_id in dict.fromkeys(found):
        mark_run(connection, run_id)


def mark_run(connection: Connection, run_id: str) -> None:
    """Have a run shown anew whose lessons have changed."""
    row = fetch_one(connection, _SHOWN_IN, {"run": run_id})
    if row is not None and row.show_thread_id is not None:
        execute(connection, _CHANGED, {"run": run_id})
        mark_dirty(connection, row.show_thread_id)


def _lesson(row: AnyRow, memory: AnyRow | None) -> Lesson:
    person = UserId(row.person)
    if memory is None:
        return Lesson(id=row.id, person=person, text="")
    text = str(memory.details.get("next_time") or memory.text)
    is_retired = memory.state == MemoryState.RETIRED
    return Lesson(id=row.id, person=person, text=text, is_retired=is_retired)
