"""What follows for lessons from ratings, and from the analyses that draw them.

A lesson is held as long as somebody rates its run low. Whoever takes a rating back stops the
analysis, so that one of the two that meet in its row sees what the other did.
"""

from sqlalchemy import bindparam, select, update
from sqlalchemy.engine import Connection

from agent_engine.events import Remembered
from agent_engine.memories import MemoryKind, MemoryScope, MemoryState
from storage.compiled import execute, fetch_all, fetch_one
from storage.lessons import current_memory, mark_run
from storage.mapping import AnyRow
from storage.memory.changing import settle
from storage.memory.keeping import keep
from storage.memory.searching import Indexes
from storage.opinions import opinions
from storage.tables import lessons

_L = lessons.c
_DRAWN_BY = select(_L.id, _L.run_id, _L.memory_id).where(_L.analysis_id == bindparam("analysis"))
_OF_RUN = select(_L.id, _L.person, _L.analysis_id, _L.analysed, _L.memory_id).where(
    _L.run_id == bindparam("run")
)
_KEPT = update(lessons).where(_L.id == bindparam("lesson")).values(memory_id=bindparam("memory"))


def rated_lessons(connection: Connection, run_id: str) -> list[AnyRow]:
    """Return the rows of the run's lessons, and of those that are still to be drawn."""
    return fetch_all(connection, _OF_RUN, {"run": run_id})


def write_lesson(
    connection: Connection, analysis_id: str, event: Remembered, indexes: Indexes
) -> None:
    """Keep what an analysis found, unless a newer one took its place meanwhile.

    What nobody rates low any more is kept as retired, so that it can be brought back.
    """
    row = fetch_one(connection, _DRAWN_BY, {"analysis": analysis_id})
    if row is None:
        return
    # One that is retired is not found by its key: it comes back to be superseded.
    settle_lesson(connection, indexes, event.scope, row, MemoryState.HELD)
    kept = keep(connection, indexes, event.scope, event.memory, now=event.at)
    execute(connection, _KEPT, {"lesson": row.id, "memory": kept.id})
    if not opinions(connection, row.run_id).low:
        settle(connection, indexes, event.scope, kept.id, MemoryState.RETIRED)
    mark_run(connection, row.run_id)


def settle_lesson(
    connection: Connection,
    indexes: Indexes,
    scope: MemoryScope,
    lesson: AnyRow,
    state: MemoryState,
) -> bool:
    """Retire the lesson or bring it back; False where nothing changes."""
    memory = current_memory(connection, lesson.memory_id)
    if memory is None or memory.state == state:
        return False
    return settle(connection, indexes, scope, memory.id, state)


def is_drawn_from_another_run(run_id: str, event: Remembered) -> bool:
    """Say whether a run keeps what it learned from a run that people rated."""
    memory = event.memory
    return memory.kind is MemoryKind.LESSON and memory.origin.run_id not in (None, run_id)
