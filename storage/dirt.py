"""Marking that Slack does not show a thread as it is.

A run's ``changed_seq`` is the thread's ``dirty_seq`` of its last change, so that one can tell which
runs are fully shown. Both are raised in one transaction: first the run's row, then the thread's.
"""

from datetime import datetime

from sqlalchemy import bindparam, case, select, update
from sqlalchemy.engine import Connection

from agent_engine.types import now_utc
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
        dirty_at=case((_was_clean, bindparam("now")), else_=threads.c.dirty_at),
    )
)
_MARK_ENDED = _MARK.values(ended_seq=threads.c.dirty_seq + 1)


def mark_dirty(
    connection: Connection, thread_id: int | None, *, at: datetime | None = None
) -> None:
    """Note that the thread has something to show; does nothing where there is no thread."""
    if thread_id is not None:
        connection.execute(_MARK, {"thread": thread_id, "now": at or now_utc()})


def mark_ended(connection: Connection, thread_id: int | None) -> None:
    """The same, and that a run has ended, which is shown before other news."""
    if thread_id is not None:
        connection.execute(_MARK_ENDED, {"thread": thread_id, "now": now_utc()})
