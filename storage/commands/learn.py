"""What a rating leads to: an analysis, lessons retired or brought back, and lessons' weight."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, select, update
from sqlalchemy.engine import Connection

from agent_engine.feedback import (
    ANALYSIS_LIMITS,
    ANALYSIS_PRIORITY,
    Analysis,
    Remark,
    analysis_parameters,
)
from agent_engine.memories import MemoryKind, MemoryScope, MemoryState
from agent_engine.types import AgentId, EndReason, RunId, Task, UserId, new_id
from storage.compiled import execute, fetch_one
from storage.endings import stop
from storage.learning import Opinions, opinions, rated_lessons, settle_lesson
from storage.lessons import mark_run
from storage.mapping import AnyRow, scope_from
from storage.memory.changing import weigh
from storage.memory.searching import Indexes
from storage.new_runs import NewRun, Place, add_run, add_task
from storage.tables import lessons, runs
from storage.upsert import insert_or_ignore

HELPED = 1.25
"""Times the weight of a lesson for each person who thinks well of a run that was told of it."""
TAKEN_BACK = "The rating was taken back."
SUPERSEDED = "More was said about it."
DESCRIPTION = "Find out why a task was rated low."

_RUN = select(
    runs.c.id,
    runs.c.workspace_id,
    runs.c.channel_id,
    runs.c.agent_id,
    runs.c.end_reason,
    runs.c.memories_used,
).where(runs.c.id == bindparam("run"))
_DRAWN = (
    update(lessons)
    .where(lessons.c.run_id == bindparam("run_id"), lessons.c.person == bindparam("person"))
    .values({"analysis_id": bindparam("by"), "analysed": bindparam("of")})
)
_END = select(runs.c.end_reason).where(runs.c.id == bindparam("run"))


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
        _analyse(
            connection, run, mine, Analysis(run_id=RunId(run.id), person=change.by, remarks=remarks)
        )


def _weigh_used(connection: Connection, run: AnyRow, *, by: int) -> None:
    used = [memory_id for memory_id, kind in run.memories_used if kind == MemoryKind.LESSON]
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


def _analyse(connection: Connection, run: AnyRow, mine: AnyRow | None, analysis: Analysis) -> None:
    """Start an analysis, unless one knows all of this; it takes the place of an earlier one."""
    known = [] if mine is None else list(mine.analysed)
    told = [_digest(remark) for remark in analysis.remarks]
    if mine is not None:
        if set(told) <= set(known) and not _was_in_vain(connection, mine):
            return
        stop(connection, mine.analysis_id, reason=SUPERSEDED, by=None)
    whose = {"run_id": run.id, "person": analysis.person}
    drawn = {"analysis_id": _start(connection, run, analysis), "analysed": sorted({*known, *told})}
    insert_or_ignore(connection, lessons, [{"id": new_id(), **whose, **drawn}])
    execute(connection, _DRAWN, {**whose, "by": drawn["analysis_id"], "of": drawn["analysed"]})


def _start(connection: Connection, run: AnyRow, analysis: Analysis) -> RunId:
    """Store a task of the rated agent that no thread shows, and its run."""
    scope = scope_from(run)
    task = Task(
        description=DESCRIPTION,
        priority=ANALYSIS_PRIORITY,
        parameters=analysis_parameters(analysis),
        assigned_agent=AgentId(run.agent_id),
    )
    add_task(connection, task, scope, Place())
    new = NewRun(
        task_id=task.id,
        scope=scope,
        show_thread_id=None,
        requester=analysis.person,
        priority=task.priority,
        limits=ANALYSIS_LIMITS,
    )
    return add_run(connection, new)


def _was_in_vain(connection: Connection, mine: AnyRow) -> bool:
    """Say whether the analysis ended before it could find anything, and nothing is known."""
    ended = fetch_one(connection, _END, {"run": mine.analysis_id})
    if mine.memory_id is not None:
        return False
    return ended is None or ended.end_reason not in {None, EndReason.ANSWERED}


def _digest(remark: Remark) -> str:
    return hashlib.sha256(f"{remark.step}\n{remark.text.strip()}".encode()).hexdigest()[:16]
