"""The rows that connect commits with the durable engine, and the sweep behind them."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import bindparam, delete, exists, or_, select
from sqlalchemy.engine import Connection

from agent_engine.ports import Wakeup, WakeupKind
from agent_engine.types import RunId, TaskStatus, now_utc
from storage.compiled import execute_many, fetch_all
from storage.database import Database
from storage.endings import blocked_by
from storage.slots import SlotCaps, lock_slots, wake_next
from storage.tables import runs, steps, waits, wakeups
from storage.wakeup_rows import write_wakeup

_DUE = select(wakeups).order_by(wakeups.c.id).limit(bindparam("most"))
_DELETE = delete(wakeups).where(wakeups.c.id == bindparam("wakeup"))
_UNFINISHED = (
    select(runs.c.id).where(runs.c.end_reason.is_(None)).order_by(runs.c.created_at, runs.c.id)
)
_no_wakeup = ~exists().where(wakeups.c.run_id == runs.c.id)
_UNSTARTED = select(runs.c.id, runs.c.task_id).where(
    runs.c.status == str(TaskStatus.PENDING),
    runs.c.end_reason.is_(None),
    ~runs.c.queued,
    runs.c.created_at < bindparam("before"),
    _no_wakeup,
)
_wait_is_over = exists().where(
    waits.c.run_id == runs.c.id,
    ~waits.c.over,
    steps.c.run_id == waits.c.run_id,
    steps.c.number == waits.c.step,
    steps.c.status == "waiting",
    or_(waits.c.resolved_at.is_not(None), waits.c.until <= bindparam("now")),
)
_SLEEPING_WITH_NEWS = select(runs.c.id).where(
    runs.c.status == str(TaskStatus.WAITING),
    runs.c.end_reason.is_(None),
    or_(runs.c.inbox_seq > runs.c.heard_inbox_seq, _wait_is_over),
    _no_wakeup,
)
_WORKSPACES_WITH_QUEUE = select(runs.c.workspace_id).where(runs.c.queued).distinct()


class SqlWakeupStore:
    """A ``WakeupStore`` on the database."""

    def __init__(self, database: Database, *, caps: SlotCaps = SlotCaps()) -> None:  # noqa: B008  # frozen
        self._database = database
        self._caps = caps

    async def due(self, *, limit: int) -> Sequence[Wakeup]:
        """Return undelivered wake-ups, oldest first."""
        return await self._database.read(lambda c: _due(c, limit))

    async def delivered(self, ids: Sequence[int]) -> None:
        """Remove wake-ups that were delivered. Safe to repeat."""
        if ids:
            known = [{"wakeup": wakeup_id} for wakeup_id in ids]
            await self._database.write(lambda c: execute_many(c, _DELETE, known))

    async def sweep(self, *, stale_after_s: float) -> int:
        """Write wake-ups for runs that a crash left without one; see the port."""
        before = now_utc() - timedelta(seconds=stale_after_s)
        return await self._database.write(lambda c: _sweep(c, before, self._caps))

    async def unfinished(self) -> Sequence[RunId]:
        """Return all runs that have not ended, oldest first."""
        return await self._database.read(
            lambda c: [RunId(run_id) for run_id in c.execute(_UNFINISHED).scalars()]
        )


def _due(connection: Connection, limit: int) -> list[Wakeup]:
    rows = fetch_all(connection, _DUE, {"most": limit})
    return [Wakeup(id=row.id, run_id=RunId(row.run_id), kind=WakeupKind(row.kind)) for row in rows]


def _sweep(connection: Connection, before: object, caps: SlotCaps) -> int:
    lock_slots(connection)
    unstarted = [
        row.id
        for row in connection.execute(_UNSTARTED, {"before": before}).all()
        # One that a failed task keeps from starting is started to be ended.
        if blocked_by(connection, row.task_id) is not TaskStatus.PENDING
    ]
    sleeping = connection.execute(_SLEEPING_WITH_NEWS, {"now": now_utc()}).scalars().all()
    for run_id in unstarted:
        write_wakeup(connection, run_id, WakeupKind.START)
    for run_id in sleeping:
        write_wakeup(connection, run_id, WakeupKind.WAKE)
    queued = sum(
        wake_next(connection, workspace_id, caps)
        for workspace_id in connection.execute(_WORKSPACES_WITH_QUEUE).scalars().all()
    )
    return len(unstarted) + len(sleeping) + queued
