"""Deleting the tasks that a person asked for, with what was remembered of them."""

from sqlalchemy import and_, exists, func, select
from sqlalchemy.engine import Connection
from sqlalchemy.sql import ColumnElement

from agent_engine.memories import OriginOf
from agent_engine.memory_commands import TasksErased
from agent_engine.types import TaskId, UserId, WorkspaceId
from storage.erasing import erase_tasks, is_under_way
from storage.memory.forgetting import forget_from
from storage.memory.searching import Indexes
from storage.removals import note_texts
from storage.tables import removals, runs, tasks

MOST_TASKS = 500
"""Deleted at once: others wait meanwhile, and the click wants an answer."""
_FIRST = 1
_IS_SHOWN = tasks.c.show_thread_id.is_not(None)
_MESSAGES = select(func.count()).select_from(removals)


def erase_tasks_of(
    connection: Connection, indexes: Indexes, workspace_id: WorkspaceId, person: UserId
) -> tuple[TasksErased, int]:
    """Delete the person's tasks that are over; return what went, and how many memories with it.

    Our messages about them and the audit log's texts are noted for removal. What others learned
    from these tasks goes, too: it may repeat them.
    """
    before = connection.execute(_MESSAGES).scalar_one()
    asked = _asked_by(workspace_id, person)
    over = _over(connection, asked & _IS_SHOWN)
    gone = erase_tasks(connection, over[:MOST_TASKS], in_slack=True)
    unseen = _over(connection, asked & ~_IS_SHOWN)
    gone += erase_tasks(connection, unseen[:MOST_TASKS])
    forgotten = [
        forget_from(connection, indexes, workspace_id, OriginOf.TASK, task_id) for task_id in gone
    ]
    messages = connection.execute(_MESSAGES).scalar_one() - before
    note_texts(connection, workspace_id, person)
    roots = set(over) & set(gone)
    kept = len(over[:MOST_TASKS]) - len(roots)
    under_way = select(func.count()).select_from(tasks).where(asked & _IS_SHOWN & is_under_way())
    erased = TasksErased(
        tasks=len(roots),
        messages=messages,
        under_way=connection.execute(under_way).scalar_one() + kept,
        is_all=max(len(over), len(unseen)) <= MOST_TASKS,
    )
    return erased, sum(one.memories for one in forgotten)


def _asked_by(workspace_id: WorkspaceId, person: UserId) -> ColumnElement[bool]:
    """Return the condition for tasks that nobody delegated and this person asked for."""
    return and_(
        tasks.c.workspace_id == workspace_id,
        tasks.c.parent_id.is_(None),
        exists().where(
            runs.c.task_id == tasks.c.id, runs.c.number == _FIRST, runs.c.requester == person
        ),
    )


def _over(connection: Connection, where: ColumnElement[bool]) -> list[TaskId]:
    """Return those that are over, oldest first: one more than are deleted at once."""
    statement = (
        select(tasks.c.id)
        .where(where, ~is_under_way())
        .order_by(tasks.c.created_at, tasks.c.id)
        .limit(MOST_TASKS + 1)
    )
    return [TaskId(task_id) for task_id in connection.execute(statement).scalars()]
