"""Which threads Slack does not show as they are."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, case, func, or_, select, true, update
from sqlalchemy.engine import Connection

from agent_engine.places import DirtyThread
from agent_engine.types import (
    ChannelId,
    RunSnapshot,
    StepStatus,
    Thread,
    WorkspaceId,
    now_utc,
)
from storage.compiled import execute, fetch_all, fetch_values
from storage.database import Database
from storage.dirt import mark_dirty
from storage.mapping import AnyRow
from storage.new_runs import thread_row_id
from storage.snapshots import FOR_PEOPLE, read_shown
from storage.tables import posts, runs, steps, tasks, threads, waits

_DIRTY = (
    select(
        threads.c.workspace_id,
        threads.c.channel_id,
        threads.c.thread_ts,
        threads.c.dirty_seq,
        threads.c.session_status,
    )
    .where(threads.c.dirty_seq > threads.c.shown_seq)
    .order_by(
        case((threads.c.ended_seq > threads.c.shown_seq, 0), else_=1),
        threads.c.dirty_at,
        threads.c.id,
    )
    .limit(bindparam("most"))
)
_SHOWN = (
    update(threads)
    .where(
        threads.c.workspace_id == bindparam("workspace"),
        threads.c.channel_id == bindparam("channel"),
        threads.c.thread_ts == bindparam("ts"),
        # A late word of an older state, or of one that never was, changes nothing.
        threads.c.shown_seq <= bindparam("up_to"),
        threads.c.dirty_seq >= bindparam("up_to"),
    )
    .values(
        {
            "shown_seq": bindparam("up_to"),
            "session_status": bindparam("shows"),
            # It was served: one that moved on meanwhile goes to the end of the line.
            "dirty_at": bindparam("now"),
        }
    )
)
_newer = runs.alias("newer")
_is_newest = (
    ~select(true())
    .where(_newer.c.task_id == runs.c.task_id, _newer.c.number > runs.c.number)
    .exists()
)
_RUNS = (
    select(runs.c.id)
    .join(tasks, tasks.c.id == runs.c.task_id)
    .join(threads, threads.c.id == tasks.c.thread_id)
    .where(
        threads.c.workspace_id == bindparam("workspace_id"),
        threads.c.channel_id == bindparam("channel_id"),
        threads.c.thread_ts == bindparam("thread_ts"),
        (runs.c.changed_seq > threads.c.shown_seq) | _is_newest,
    )
    .order_by(runs.c.number)
)
_WAITING_SINCE = (
    select(threads.c.workspace_id, threads.c.channel_id, threads.c.thread_ts)
    .join(tasks, tasks.c.thread_id == threads.c.id)
    .join(runs, runs.c.task_id == tasks.c.id)
    .join(waits, waits.c.run_id == runs.c.id)
    .join(steps, (steps.c.run_id == waits.c.run_id) & (steps.c.number == waits.c.step))
    .where(
        runs.c.end_reason.is_(None),
        or_(*(waits.c.kind == kind for kind in FOR_PEOPLE)),
        waits.c.resolved_at.is_(None),
        ~waits.c.over,
        waits.c.opened_at <= bindparam("before"),
        *(steps.c.status != str(status) for status in StepStatus if status.is_final),
        ~select(true())
        .where(posts.c.key == "run:" + runs.c.id + ":reminder:" + waits.c.wait_id)
        .exists(),
    )
    .group_by(threads.c.workspace_id, threads.c.channel_id, threads.c.thread_ts)
    .order_by(func.min(waits.c.opened_at))
    .limit(bindparam("most"))
)
"""The key is that of ``bot.outbound.desired``."""


class SqlThreadStore:
    """A ``ThreadStore`` on the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def dirty(self, *, limit: int) -> Sequence[DirtyThread]:
        """Return threads with something to show: those with an ended run first, then oldest."""
        return await self._database.read(
            lambda c: [_dirty_from(row) for row in fetch_all(c, _DIRTY, {"most": limit})]
        )

    async def shown(self, thread: Thread, *, seq: int, session_status: str | None) -> None:
        """Note what Slack shows now; a thread that moved on meanwhile stays dirty."""
        values = {
            "workspace": thread.workspace_id,
            "channel": thread.channel_id,
            "ts": thread.thread_ts,
            "up_to": seq,
            "shows": session_status,
            "now": now_utc(),
        }
        await self._database.write(lambda c: execute(c, _SHOWN, values))

    async def runs(self, thread: Thread) -> Sequence[RunSnapshot]:
        """Return the thread's runs that are not fully shown yet and its newest, oldest first.

        Without full outputs, which nobody sees in a thread, and with what people decided.
        """
        return await self._database.read(lambda c: _runs(c, thread))

    async def waiting_since(self, before: datetime, *, limit: int) -> Sequence[Thread]:
        """Return threads in which people were asked before this and not yet reminded of it."""
        values = {"before": before, "most": limit}
        rows = await self._database.read(lambda c: fetch_all(c, _WAITING_SINCE, values))
        return [_thread_from(row) for row in rows]

    async def touch(self, thread: Thread) -> None:
        """Mark the thread as having something to show."""
        await self._database.write(lambda c: mark_dirty(c, thread_row_id(c, thread)))


def _runs(connection: Connection, thread: Thread) -> list[RunSnapshot]:
    where = {
        "workspace_id": thread.workspace_id,
        "channel_id": thread.channel_id,
        "thread_ts": thread.thread_ts,
    }
    found = fetch_values(connection, _RUNS, where)
    return [read_shown(connection, run_id) for run_id in found]


def _dirty_from(row: AnyRow) -> DirtyThread:
    thread = _thread_from(row)
    return DirtyThread(thread=thread, seq=row.dirty_seq, session_status=row.session_status)


def _thread_from(row: AnyRow) -> Thread:
    return Thread(
        workspace_id=WorkspaceId(row.workspace_id),
        channel_id=ChannelId(row.channel_id),
        thread_ts=row.thread_ts,
    )
