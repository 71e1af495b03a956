"""Deleting tasks that are over, with all that hangs on their rows.

Two things stay as figures: what they cost, and how they were rated, without words. Their folders
are noted, for whoever can delete files. What memory, the audit log and Slack hold of them is left
to who asks for this.
"""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from sqlalchemy import delete, exists, insert, or_, select, update
from sqlalchemy.engine import Connection
from sqlalchemy.sql import ColumnElement

from agent_engine.types import TaskId, TaskStatus
from storage.removals import note_messages
from storage.tables import feedback, folders_left, lessons, posts, runs, tasks, threads

_T = TypeVar("_T")

_AT_ONCE = 500
"""Ids in one statement: databases take only so many values."""
_FINAL = [status.value for status in TaskStatus if status.is_final]
_analyses = runs.alias("analyses")
_PLACE = (runs.c.workspace_id, runs.c.channel_id, runs.c.agent_id, runs.c.task_id)
"""What a task folder is named after."""


def is_under_way() -> ColumnElement[bool]:
    """Return the condition for a task that is not over, or not all shown yet.

    What is still to be shown is made of its rows, and so is what is being learned from a rating:
    they are needed for so long.
    """
    return or_(
        tasks.c.status.not_in(_FINAL),
        exists().where(runs.c.task_id == tasks.c.id, runs.c.end_reason.is_(None)),
        exists().where(
            runs.c.task_id == tasks.c.id,
            lessons.c.run_id == runs.c.id,
            _analyses.c.id == lessons.c.analysis_id,
            _analyses.c.end_reason.is_(None),
        ),
        exists().where(
            threads.c.id == tasks.c.show_thread_id, threads.c.dirty_seq > threads.c.shown_seq
        ),
        exists().where(posts.c.task_id == tasks.c.id, posts.c.state == "intended"),
    )


def erase_tasks(
    connection: Connection, roots: Sequence[TaskId], *, in_slack: bool = False
) -> tuple[TaskId, ...]:
    """Delete these tasks and all that they delegated; return the ids of all that are gone.

    ``roots`` are tasks that no other task delegated. One that is under way, or delegated to one
    that is, stays with its whole family. With ``in_slack`` our messages about them are noted for
    removal. Safe to repeat.
    """
    gone: list[TaskId] = []
    for root in roots:
        levels = family(connection, root)
        if any(_are_under_way(connection, level) for level in levels):
            continue
        for level in reversed(levels):
            if in_slack:
                note_messages(connection, level)
            _delete(connection, level)
            gone += level
    return tuple(gone)


def family(connection: Connection, root: TaskId) -> list[list[TaskId]]:
    """Return the ids of the task and of all below it, level by level; none where it is gone."""
    level = _ids(connection, tasks.c.id == root)
    levels: list[list[TaskId]] = []
    while level:
        levels.append(level)
        below = [_ids(connection, tasks.c.parent_id.in_(some)) for some in pieces(level)]
        level = [task_id for ids in below for task_id in ids]
    return levels


def _are_under_way(connection: Connection, task_ids: Sequence[TaskId]) -> bool:
    return any(_ids(connection, tasks.c.id.in_(some), is_under_way()) for some in pieces(task_ids))


def _ids(connection: Connection, *where: ColumnElement[bool]) -> list[TaskId]:
    found = connection.execute(select(tasks.c.id).where(*where)).scalars()
    return [TaskId(task_id) for task_id in found]


def _delete(connection: Connection, task_ids: Sequence[TaskId]) -> None:
    for some in pieces(task_ids):
        shown = select(tasks.c.show_thread_id).where(tasks.c.id.in_(some))
        thread_ids = [one for one in connection.execute(shown).scalars().unique() if one]
        connection.execute(update(feedback).where(feedback.c.task_id.in_(some)).values(text=""))
        connection.execute(delete(posts).where(posts.c.task_id.in_(some)))
        folders = select(*_PLACE).where(runs.c.task_id.in_(some)).distinct()
        names = [column.name for column in _PLACE]
        connection.execute(insert(folders_left).from_select(names, folders))
        connection.execute(delete(tasks).where(tasks.c.id.in_(some)))
        connection.execute(
            delete(threads).where(
                threads.c.id.in_(thread_ids),
                ~exists().where(tasks.c.show_thread_id == threads.c.id),
                ~exists().where(tasks.c.thread_id == threads.c.id),
                ~exists().where(runs.c.show_thread_id == threads.c.id),
            )
        )


def pieces(ids: Sequence[_T]) -> Iterator[Sequence[_T]]:
    """Yield the ids in parts that fit into a statement."""
    return (ids[at : at + _AT_ONCE] for at in range(0, len(ids), _AT_ONCE))
