"""Which threads Slack does not show as they are."""

from collections.abc import Sequence

from sqlalchemy import bindparam, case, select, true, update
from sqlalchemy.engine import Connection

from agent_engine.places import DirtyThread
from agent_engine.types import ChannelId, RunSnapshot, Thread, WorkspaceId, now_utc
from storage.compiled import execute, fetch_all, fetch_values
from storage.database import Database
from storage.dirt import mark_dirty
from storage.mapping import AnyRow
from storage.new_runs import thread_row_id
from storage.snapshots import read_snapshot
from storage.tables import runs, tasks, threads

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

        Without full outputs, which nobody sees in a thread.
        """
        return await self._database.read(lambda c: _runs(c, thread))

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
    return [read_snapshot(connection, run_id, full_outputs=False) for run_id in found]


def _dirty_from(row: AnyRow) -> DirtyThread:
    thread = Thread(
        workspace_id=WorkspaceId(row.workspace_id),
        channel_id=ChannelId(row.channel_id),
        thread_ts=row.thread_ts,
    )
    return DirtyThread(thread=thread, seq=row.dirty_seq, session_status=row.session_status)
