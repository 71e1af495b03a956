"""What follows for lessons from ratings, and from the analyses that draw them.

A lesson is held as long as somebody rates its run low. Whoever takes a rating back stops the
analysis, so that one of the two that meet in its row sees what the other did.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import bindparam, select, update
from sqlalchemy.engine import Connection

from agent_engine.events import Remembered
from agent_engine.feedback import Remark
from agent_engine.memories import MemoryKind, MemoryScope, MemoryState
from agent_engine.types import GOOD_RATING_FROM, LOW_RATING_BELOW
from storage.compiled import execute, fetch_all, fetch_one
from storage.lessons import current_memory, mark_run
from storage.mapping import AnyRow
from storage.memory.changing import settle
from storage.memory.keeping import keep
from storage.memory.searching import Indexes
from storage.tables import feedback, lessons

_L, _F = lessons.c, feedback.c
_COUNTING = (
    select(_F.channel_id, _F.message_ts, _F.person, _F.step, _F.rating, _F.text)
    .where(_F.run_id == bindparam("run"), _F.retracted_at.is_(None))
    .order_by(_F.given_at, _F.seq)
)
_DRAWN_BY = select(_L.id, _L.run_id, _L.memory_id).where(_L.analysis_id == bindparam("analysis"))
_OF_RUN = select(_L.id, _L.person, _L.analysis_id, _L.analysed, _L.memory_id).where(
    _L.run_id == bindparam("run")
)
_KEPT = update(lessons).where(_L.id == bindparam("lesson")).values(memory_id=bindparam("memory"))


class Place(NamedTuple):
    """What a rating is about."""

    channel_id: str
    message_ts: str
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinions:
    """How people rate a run: of each person's choices about one thing the newest counts."""

    low: Mapping[str, tuple[Remark, ...]]
    """The low ratings, by person."""
    favour: int
    """How many people think well of the run as a whole, less those who do not."""


def opinions(connection: Connection, run_id: str) -> Opinions:
    """Return what people think of the run now."""
    counting: dict[str, dict[Place, AnyRow]] = {}
    for row in fetch_all(connection, _COUNTING, {"run": run_id}):
        place = Place(row.channel_id, row.message_ts, row.step)
        theirs = counting.setdefault(row.person, {})
        theirs.pop(place, None)  # the newest comes last
        theirs[place] = row
    low = {person: _remarks(theirs.values()) for person, theirs in counting.items()}
    return Opinions(
        low={person: remarks for person, remarks in low.items() if remarks},
        favour=sum(_favour(theirs.values()) for theirs in counting.values()),
    )


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


def _remarks(rows: Iterable[AnyRow]) -> tuple[Remark, ...]:
    low = (row for row in rows if row.rating < LOW_RATING_BELOW)
    return tuple(Remark(rating=row.rating, step=row.step, text=row.text) for row in low)


def _favour(rows: Iterable[AnyRow]) -> int:
    """1 for a person who thinks well of the whole run, -1 for one who does not, else 0."""
    whole = [row.rating for row in rows if row.step == 0]
    if not whole:
        return 0
    return int(whole[-1] >= GOOD_RATING_FROM) - int(whole[-1] < LOW_RATING_BELOW)
