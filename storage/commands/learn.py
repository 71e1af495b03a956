"""What a rating leads to: an analysis; lessons and examples kept, retired, brought back; weight."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, select
from sqlalchemy.engine import Connection

from agent_engine.feedback import Analysis
from agent_engine.memories import MemoryKind, MemoryScope, MemoryState
from agent_engine.types import RunId, UserId
from storage.analyses import analyse
from storage.compiled import fetch_one
from storage.endings import stop
from storage.examples import exemplify
from storage.learning import rated_lessons, settle_lesson
from storage.lessons import mark_run
from storage.mapping import AnyRow, scope_from
from storage.memory.changing import weigh
from storage.memory.searching import Indexes
from storage.opinions import Opinions, opinions
from storage.tables import runs

HELPED = 1.25
"""Times the weight of a lesson for each person who thinks well of a run that was told of it."""
TAKEN_BACK = "The rating was taken back."

_RUN = select(
    runs.c.id,
    runs.c.workspace_id,
    runs.c.channel_id,
    runs.c.agent_id,
    runs.c.end_reason,
    runs.c.memories_used,
).where(runs.c.id == bindparam("run"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Somebody has rated a run, or taken it back."""

    run_id: str
    by: UserId
    before: Opinions


def learn(connection: Connection, indexes: Indexes, change: Change) -> None:
    """Bring everything that rests on ratings of the run to what people think of it now."""
    run = fetch_one(connection, _RUN, {"run": change.run_id})
    if run is None:
        return
    now = opinions(connection, run.id)
    _weigh_used(connection, run, by=now.favour - change.before.favour)
    rows = rated_lessons(connection, run.id)
    _settle_all(connection, indexes, run, rows, now)
    remarks = now.low.get(change.by)
    if remarks and run.end_reason is not None:
        mine = next((row for row in rows if row.person == change.by), None)
        about = Analysis(run_id=RunId(run.id), person=change.by, remarks=remarks)
        analyse(connection, run, mine, about)
    exemplify(connection, indexes, run.id, before=change.before.favour)


def _weigh_used(connection: Connection, run: AnyRow, *, by: int) -> None:
    used = [memory_id for memory_id, kind, _ in run.memories_used if kind == MemoryKind.LESSON]
    if used and by:
        weigh(connection, MemoryScope.of_channel(scope_from(run)), used, HELPED**by)


def _settle_all(
    connection: Connection, indexes: Indexes, run: AnyRow, rows: Sequence[AnyRow], now: Opinions
) -> None:
    scope = MemoryScope.of_channel(scope_from(run))
    state = MemoryState.HELD if now.low else MemoryState.RETIRED
    changed = [settle_lesson(connection, indexes, scope, row, state) for row in rows]
    if any(changed):
        mark_run(connection, run.id)
    for row in rows:
        if row.person not in now.low:
            stop(connection, row.analysis_id, reason=TAKEN_BACK, by=None)
