"""Starting the analyses of runs that people rated low: with the rating, or with the run's end."""

import hashlib
from collections.abc import Iterable

from sqlalchemy import bindparam, select, update
from sqlalchemy.engine import Connection

from agent_engine.feedback import (
    ANALYSIS_LIMITS,
    ANALYSIS_PRIORITY,
    Analysis,
    Remark,
    analysis_parameters,
)
from agent_engine.types import AgentId, EndReason, RunId, Task, UserId, new_id
from storage.compiled import execute, fetch_one
from storage.endings import stop
from storage.mapping import AnyRow, scope_from
from storage.new_runs import NewRun, Place, add_run, add_task
from storage.opinions import Opinions
from storage.tables import lessons, runs
from storage.upsert import insert_or_ignore

SUPERSEDED = "More was said about it."
DESCRIPTION = "Find out why a task was rated low."

_DRAWN = (
    update(lessons)
    .where(lessons.c.run_id == bindparam("run_id"), lessons.c.person == bindparam("person"))
    .values({"analysis_id": bindparam("by"), "analysed": bindparam("of")})
)
_END = select(runs.c.end_reason, runs.c.cancel_reason).where(runs.c.id == bindparam("run"))


def analyse(connection: Connection, run: AnyRow, mine: AnyRow | None, analysis: Analysis) -> None:
    """Start an analysis, unless one knows all of this; it takes the place of an earlier one.

    ``mine`` is the row of the person's lesson from this run; None while there is none.
    """
    known = [] if mine is None else list(mine.analysed)
    told = digests(analysis.remarks)
    if mine is not None:
        if set(told) <= set(known) and not _was_in_vain(connection, mine):
            return
        stop(connection, mine.analysis_id, reason=SUPERSEDED, by=None)
    whose = {"run_id": run.id, "person": analysis.person}
    drawn = {"analysis_id": _start(connection, run, analysis), "analysed": sorted({*known, *told})}
    insert_or_ignore(connection, lessons, [{"id": new_id(), **whose, **drawn}])
    execute(connection, _DRAWN, {**whose, "by": drawn["analysis_id"], "of": drawn["analysed"]})


def digests(remarks: Iterable[Remark]) -> list[str]:
    """Return what a lesson's row keeps of the remarks that it was drawn from."""
    return [_digest(remark) for remark in remarks]


def analyse_what_was_rated(connection: Connection, run: AnyRow, rated: Opinions) -> None:
    """Start the analyses of a run that ends and was rated low while it was under way."""
    for person, remarks in sorted(rated.low.items()):
        about = Analysis(run_id=RunId(run.id), person=UserId(person), remarks=remarks)
        analyse(connection, run, None, about)


# ------------------------------------------------------------------------------------------------


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
    """Say whether the analysis finds nothing more, and never found anything: it failed or stops."""
    if mine.memory_id is not None:
        return False
    stands = fetch_one(connection, _END, {"run": mine.analysis_id})
    if stands is None or stands.end_reason is None:
        return stands is None or stands.cancel_reason is not None
    failed: bool = stands.end_reason != EndReason.ANSWERED
    return failed


def _digest(remark: Remark) -> str:
    return hashlib.sha256(f"{remark.step}\n{remark.text.strip()}".encode()).hexdigest()[:16]
