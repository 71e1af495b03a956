"""Deleting the tasks that a person asked for, with what was remembered of them."""

from sqlalchemy import exists, func, select
from sqlalchemy.engine import Connection

from agent_engine.memories import OriginOf
from agent_engine.memory_commands import TasksErased
from agent_engine.types import TaskId, UserId, WorkspaceId
from storage.erasing import erase_tasks
from storage.memory.forgetting import forget_from
from storage.memory.searching import Indexes
from storage.removals import note_texts
from storage.tables import removals, runs, tasks

MOST_TASKS = 500
"""Deleted at once: others wait meanwhile, and the click wants an answer."""
_FIRST = 1
_MESSAGES = select(func.count()).select_from(removals)


def erase_tasks_of(
    connection: Connection, indexes: Indexes, workspace_id: WorkspaceId, person: UserId
) -> tuple[TasksErased, int]:
    """Delete the person's tasks that are over; return what went, and how many memories with it.

    Our messages about them and the audit log's texts are noted for removal. What others learned
    from these tasks goes, too: it may repeat them.
    """
    before = connection.execute(_MESSAGES).scalar_one()
    shown = _asked_by(connection, workspace_id, person, shown=True)
    gone = erase_tasks(connection, shown[:MOST_TASKS], in_slack=True)
    unseen = _asked_by(connection, workspace_id, person, shown=False)
    gone += erase_tasks(connection, unseen[:MOST_TASKS])
    forgotten = [
        forget_from(connection, indexes, workspace_id, OriginOf.TASK, task_id) for task_id in gone
    ]
    messages = connection.execute(_MESSAGES).scalar_one() - before
    note_texts(connection, workspace_id, person)
    roots = set(shown) & set(gone)
    erased = TasksErased(
        tasks=len(roots),
        messages=messages,
        under_way=len(shown[:MOST_TASKS]) - len(roots),
        is_all=max(len(shown), len(unseen)) <= MOST_TASKS,
    )
    return erased, sum(one.memories for one in forgotten)


def _asked_by(
    connection: Connection, workspace_id: WorkspaceId, person: UserId, *, shown: bool
) -> list[TaskId]:
    """Return tasks that nobody delegated, oldest first: one more than are deleted at once."""
    statement = (
        select(tasks.c.id)
        .where(
            tasks.c.workspace_id == workspace_id,
            tasks.c.parent_id.is_(None),
            tasks.c.show_thread_id.is_not(None) if shown else tasks.c.show_thread_id.is_(None),
            exists().where(
                runs.c.task_id == tasks.c.id, runs.c.number == _FIRST, runs.c.requester == person
            ),
        )
        .order_by(tasks.c.created_at, tasks.c.id)
        .limit(MOST_TASKS + 1)
    )
    return [TaskId(task_id) for task_id in connection.execute(statement).scalars()]
