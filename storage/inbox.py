"""Telling a run something from outside: its inbox counter, and a wake-up if it sleeps."""

from typing import NamedTuple

from sqlalchemy import bindparam, func, update
from sqlalchemy.engine import Connection

from agent_engine.ports import WakeupKind
from agent_engine.types import TaskStatus
from storage.compiled import execute, fetch_one
from storage.dirt import NEXT_SEQ, mark_dirty
from storage.tables import runs
from storage.wakeup_rows import write_wakeup

_TELL = (
    update(runs)
    .where(runs.c.id == bindparam("run"), runs.c.end_reason.is_(None))
    .values(
        inbox_seq=runs.c.inbox_seq + 1,
        changed_seq=func.coalesce(NEXT_SEQ, runs.c.changed_seq),
    )
    .returning(runs.c.status, runs.c.attempts, runs.c.task_id, runs.c.show_thread_id)
)
_CANCEL = (
    update(runs)
    .where(runs.c.id == bindparam("run"), runs.c.cancel_reason.is_(None))
    .values(cancel_reason=bindparam("reason"), cancel_by=bindparam("by"))
)


class Told(NamedTuple):
    """How the run stood when it was told."""

    status: TaskStatus
    has_begun: bool
    task_id: str
    show_thread_id: int | None


def tell(connection: Connection, run_id: str) -> Told | None:
    """Note that the run was told something, and wake it if it sleeps; None when it has ended.

    It is the transaction's first write, so that others who tell the same run wait here.
    """
    row = fetch_one(connection, _TELL, {"run": run_id})
    if row is None:
        return None
    told = Told(
        status=TaskStatus(row.status),
        has_begun=row.attempts > 0,
        task_id=row.task_id,
        show_thread_id=row.show_thread_id,
    )
    if told.status is TaskStatus.WAITING:
        write_wakeup(connection, run_id, WakeupKind.WAKE)
    mark_dirty(connection, row.show_thread_id)
    return told


def ask_to_stop(connection: Connection, run_id: str, *, reason: str, by: str | None) -> Told | None:
    """Ask the run to stop; the first reason stays. None when it has ended.

    One that waits for a slot is woken as well: stopping needs none.
    """
    told = tell(connection, run_id)
    if told is None:
        return None
    execute(connection, _CANCEL, {"run": run_id, "reason": reason, "by": by})
    if told.status is TaskStatus.PENDING:
        write_wakeup(connection, run_id, WakeupKind.WAKE)
    return told
