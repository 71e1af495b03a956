"""Marking that Slack does not show a thread as it is.

A run's ``changed_seq`` is the thread's ``dirty_seq`` of its last change, so that one can tell which
runs are fully shown. Both are raised in one transaction: first the run's row, then the thread's.
"""

from datetime import datetime

from sqlalchemy import bindparam, case, or_, select, update
from sqlalchemy.engine import Connection

from agent_engine.types import now_utc
from storage.columns import UtcTime
from storage.compiled import execute
from storage.mapping import AnyRow
from storage.tables import runs, threads

NEXT_SEQ = (
    select(threads.c.dirty_seq + 1)
    .where(threads.c.id == runs.c.show_thread_id)
    .correlate(runs)
    .scalar_subquery()
)
"""What ``mark_dirty`` will make of ``dirty_seq``, for the update of the run's row before it."""

_was_clean = threads.c.dirty_seq == threads.c.shown_seq
_MARK = (
    update(threads)
    .where(threads.c.id == bindparam("thread"))
    .values(
        dirty_seq=threads.c.dirty_seq + 1,
        dirty_at=case((_was_clean, bindparam("now", type_=UtcTime())), else_=threads.c.dirty_at),
    )
)
_MARK_ENDED = _MARK.values(ended_seq=threads.c.dirty_seq + 1)
_queued_with = (
    select(runs.c.show_thread_id)
    .where(
        runs.c.workspace_id == bindparam("in_workspace"),
        runs.c.queued,
        or_(
            runs.c.agent_id == bindparam("of_agent"),
            runs.c.channel_id == bindparam("in_channel"),
            runs.c.requester == bindparam("for_person"),
        ),
    )
    .scalar_subquery()
)
_MARK_QUEUE = (
    update(threads)
    .where(threads.c.id.in_(_queued_with))
    .values(
        dirty_seq=threads.c.dirty_seq + 1,
        dirty_at=case((_was_clean, bindparam("now", type_=UtcTime())), else_=threads.c.dirty_at),
    )
)


def mark_dirty(
    connection: Connection, thread_id: int | None, *, at: datetime | None = None
) -> None:
    """Note that the thread has something to show; does nothing where there is no thread."""
    if thread_id is not None:
        execute(connection, _MARK, {"thread": thread_id, "now": at or now_utc()})


def mark_ended(connection: Connection, thread_id: int | None) -> None:
    """The same, and that a run has ended, which is shown before other news."""
    if thread_id is not None:
        execute(connection, _MARK_ENDED, {"thread": thread_id, "now": now_utc()})


def mark_queue(connection: Connection, left: AnyRow) -> None:
    """Note that a run has left the queue: those that waited with it have a new place to show."""
    where = {
        "in_workspace": left.workspace_id,
        "of_agent": left.agent_id,
        "in_channel": left.channel_id,
        "for_person": left.requester,
        "now": now_utc(),
    }
    execute(connection, _MARK_QUEUE, where)
