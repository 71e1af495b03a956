"""What follows from the end of a run: its task's status, parents, children and dependants.

All of it happens in the transaction that ends the run. Slots are another matter (``slots.py``).
"""

from dataclasses import dataclass

from sqlalchemy import bindparam, select, update
from sqlalchemy.engine import Connection

from agent_engine.events import Ended
from agent_engine.ports import WakeupKind
from agent_engine.types import (
    Answer,
    EndReason,
    Resolution,
    RunEnd,
    TaskStatus,
    UserId,
    now_utc,
)
from storage.compiled import execute, fetch_all, fetch_values
from storage.dirt import NEXT_SEQ, mark_ended
from storage.inbox import ask_to_stop, tell
from storage.late_words import run_again_if_told
from storage.mapping import answer_json, end_values, resolution_values
from storage.tables import dependencies, runs, tasks, waits
from storage.wakeup_rows import write_wakeup

NO_ANSWER = "The sub-task ended without an answer."
PARENT_ENDED = "The task that asked for this has ended."
_WHY_NOT = {
    TaskStatus.ERROR: "It depends on a task that failed.",
    TaskStatus.CANCELLED: "It depends on a task that was cancelled.",
}
MISSING_DEPENDENCY = "It depends on a task that does not exist."


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedRun:
    """Which run has ended."""

    run_id: str
    task_id: str
    show_thread_id: int | None


_END_RUN = (
    update(runs)
    .where(runs.c.id == bindparam("run"))
    .values(
        {
            "status": bindparam("status"),
            "has_slot": False,
            "queued": False,
            "answer": bindparam("answer"),
            "end_reason": bindparam("end_reason"),
            "end_sentence": bindparam("end_sentence"),
            "end_limit": bindparam("end_limit"),
            "end_by": bindparam("end_by"),
            "ended_at": bindparam("ended_at"),
        }
    )
)
_END_TASK = (
    update(tasks)
    .where(tasks.c.id == bindparam("task"))
    .values(status=bindparam("status"), completed_at=bindparam("at"))
)
_END_TASK_WITH_RESULT = _END_TASK.values(result=bindparam("result"))
_CHANGED = update(runs).where(runs.c.id == bindparam("run")).values(changed_seq=NEXT_SEQ)
_WAITING_PARENTS = (
    select(waits.c.run_id, waits.c.wait_id)
    .join(runs, runs.c.id == waits.c.run_id)
    .where(
        waits.c.sub_task_id == bindparam("task"),
        waits.c.resolved_at.is_(None),
        ~waits.c.over,
        runs.c.end_reason.is_(None),
    )
)
RESOLVE = (
    update(waits)
    .where(waits.c.run_id == bindparam("run"), waits.c.wait_id == bindparam("wait"))
    .values(
        value=bindparam("value"),
        resolved_by=bindparam("resolved_by"),
        resolved_at=bindparam("resolved_at"),
        success=bindparam("success"),
        arguments=bindparam("arguments"),
        remark=bindparam("remark"),
    )
)
"""Writes how a wait ended."""
_CHILDREN = (
    select(runs.c.id)
    .join(tasks, tasks.c.id == runs.c.task_id)
    .where(tasks.c.parent_id == bindparam("task"), runs.c.end_reason.is_(None))
)
_DEPENDANTS = (
    select(runs.c.id, runs.c.task_id, runs.c.show_thread_id)
    .join(dependencies, dependencies.c.task_id == runs.c.task_id)
    .where(
        dependencies.c.depends_on == bindparam("task"),
        runs.c.end_reason.is_(None),
        runs.c.attempts == 0,
    )
    .order_by(runs.c.priority, runs.c.created_at)
)
_DEPENDENCY_STATUSES = (
    select(dependencies.c.depends_on, tasks.c.status)
    .outerjoin(tasks, tasks.c.id == dependencies.c.depends_on)
    .where(dependencies.c.task_id == bindparam("task"))
)


def write_end(connection: Connection, run: EndedRun, event: Ended) -> None:
    """Store that the run and its task have ended, and tell whoever waits for it."""
    status = str(event.status)
    answer = None if event.answer is None else answer_json(event.answer)
    values = {"run": run.run_id, "status": status, "answer": answer, **end_values(event.end)}
    execute(connection, _END_RUN, values)
    end_of_task = {"task": run.task_id, "status": status, "at": event.end.at}
    if answer is None:
        execute(connection, _END_TASK, end_of_task)
    else:
        result = {"answer": answer["text"], "files": answer["files"]}
        execute(connection, _END_TASK_WITH_RESULT, {**end_of_task, "result": result})
    _tell_parents(connection, run.task_id, _meaning(event.answer, event.end, event.status))
    _stop_children(connection, run.task_id)
    _release_dependants(connection, run.task_id, event.status)
    if event.end.reason is not EndReason.STOPPED:
        run_again_if_told(connection, run.run_id)


def end_unbegun(
    connection: Connection, run: EndedRun, status: TaskStatus, *, sentence: str, by: str | None
) -> None:
    """End a run that no worker has touched, and show it."""
    reason = EndReason.STOPPED if status is TaskStatus.CANCELLED else EndReason.FAILED
    end = RunEnd(reason=reason, sentence=sentence, by=None if by is None else UserId(by))
    write_end(connection, run, Ended(end=end, status=status))
    if run.show_thread_id is not None:
        execute(connection, _CHANGED, {"run": run.run_id})
        mark_ended(connection, run.show_thread_id)


def stop(connection: Connection, run_id: str, *, reason: str, by: str | None) -> bool:
    """Ask the run to stop, or end it at once if it never began; False when it has ended."""
    told = ask_to_stop(connection, run_id, reason=reason, by=by)
    if told is None:
        return False
    if told.status is TaskStatus.PENDING and not told.has_begun:
        run = EndedRun(run_id=run_id, task_id=told.task_id, show_thread_id=told.show_thread_id)
        end_unbegun(connection, run, TaskStatus.CANCELLED, sentence=reason, by=by)
    return True


def blocked_by(connection: Connection, task_id: str) -> TaskStatus | None:
    """Return what holds the task back; None when all its dependencies are completed.

    PENDING: some are still to be completed. ERROR or CANCELLED: one of them never will be.
    """
    statuses = dependency_statuses(connection, task_id)
    for hopeless in (TaskStatus.ERROR, TaskStatus.CANCELLED):
        if hopeless in statuses:
            return hopeless
    done = all(status is TaskStatus.COMPLETED for status in statuses)
    return None if done else TaskStatus.PENDING


def dependency_statuses(connection: Connection, task_id: str) -> list[TaskStatus]:
    """Return the statuses of the tasks it depends on; an unknown one counts as failed."""
    rows = fetch_all(connection, _DEPENDENCY_STATUSES, {"task": task_id})
    return [TaskStatus(row.status or TaskStatus.ERROR) for row in rows]


def why_blocked(status: TaskStatus) -> str:
    """Return the sentence for a task that a dependency keeps from ever starting."""
    return _WHY_NOT.get(status, MISSING_DEPENDENCY)


def resolve(connection: Connection, run_id: str, wait_id: str, resolution: Resolution) -> None:
    """Store how the wait ended."""
    values = {"run": run_id, "wait": wait_id, **resolution_values(resolution)}
    execute(connection, RESOLVE, values)


def _meaning(answer: Answer | None, end: RunEnd, status: TaskStatus) -> Resolution:
    value = (answer.text if answer else end.sentence) or NO_ANSWER
    return Resolution(value=value, success=status is TaskStatus.COMPLETED, at=now_utc())


def _tell_parents(connection: Connection, task_id: str, resolution: Resolution) -> None:
    for row in fetch_all(connection, _WAITING_PARENTS, {"task": task_id}):
        tell(connection, row.run_id)
        resolve(connection, row.run_id, row.wait_id, resolution)


def _stop_children(connection: Connection, task_id: str) -> None:
    for run_id in fetch_values(connection, _CHILDREN, {"task": task_id}):
        stop(connection, run_id, reason=PARENT_ENDED, by=None)


def _release_dependants(connection: Connection, task_id: str, status: TaskStatus) -> None:
    for row in fetch_all(connection, _DEPENDANTS, {"task": task_id}):
        if status is not TaskStatus.COMPLETED:
            ended = EndedRun(run_id=row.id, task_id=row.task_id, show_thread_id=row.show_thread_id)
            end_unbegun(connection, ended, status, sentence=_WHY_NOT[status], by=None)
        elif blocked_by(connection, row.task_id) is None:
            write_wakeup(connection, row.id, WakeupKind.START)
