"""Deleting the tasks that a person asked for, with what was remembered of them."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, exists, func, select
from sqlalchemy.engine import Connection
from sqlalchemy.sql import ColumnElement

from agent_engine.memories import OriginOf
from agent_engine.memory_commands import TasksErased
from agent_engine.types import TaskId, UserId, WorkspaceId, now_utc
from storage.database import Database
from storage.erasing import erase_tasks, is_under_way
from storage.memory.forgetting import forget_from
from storage.memory.searching import Indexes
from storage.removals import note_tasks, note_texts
from storage.tables import removals, runs, tasks

MOST_TASKS = 100
"""Deleted at once: others wait meanwhile, and the click wants an answer. A job does the rest."""
_FIRST = 1
_IS_SHOWN = tasks.c.show_thread_id.is_not(None)
_MESSAGES = select(func.count()).select_from(removals)


class SqlPersonsTasks:
    """A ``PersonsTasks`` on the database."""

    def __init__(self, database: Database, indexes: Indexes) -> None:
        self._database = database
        self._indexes = indexes

    async def erase_more(
        self, workspace_id: WorkspaceId, person: UserId, *, before: datetime
    ) -> bool:
        """Delete some more of the person's tasks from before then; say whether that was all."""
        asked = _asked_by(workspace_id, person, before)
        some = await self._database.write(
            lambda c: _erase_some(c, self._indexes, workspace_id, asked)
        )
        return some.is_all or not some.gone


def erase_tasks_of(
    connection: Connection, indexes: Indexes, workspace_id: WorkspaceId, person: UserId
) -> tuple[TasksErased, int]:
    """Delete the person's tasks that are over; return what went, and how many memories with it.

    Our messages about them and the audit log's texts are noted for removal. What others learned
    from these tasks goes, too: it may repeat them.
    """
    before = connection.execute(_MESSAGES).scalar_one()
    asked = _asked_by(workspace_id, person, now_utc())
    over = asked & _IS_SHOWN & ~is_under_way()
    all_over = connection.execute(select(func.count()).select_from(tasks).where(over)).scalar_one()
    some = _erase_some(connection, indexes, workspace_id, asked)
    messages = connection.execute(_MESSAGES).scalar_one() - before
    if not some.is_all:
        note_tasks(connection, workspace_id, person)
    note_texts(connection, workspace_id, person)
    under_way = select(func.count()).select_from(tasks).where(asked & _IS_SHOWN & is_under_way())
    erased = TasksErased(
        tasks=some.tasks,
        messages=messages,
        under_way=connection.execute(under_way).scalar_one() + some.kept,
        later=all_over - some.tasks - some.kept,
    )
    return erased, some.memories


@dataclass(frozen=True, slots=True, kw_only=True)
class _Some:
    """What went of a person's tasks in one go."""

    tasks: int
    """That threads showed."""
    kept: int
    """Over, with one below them that is not."""
    gone: bool
    """Whether any went."""
    is_all: bool
    memories: int


def _erase_some(
    connection: Connection,
    indexes: Indexes,
    workspace_id: WorkspaceId,
    asked: ColumnElement[bool],
) -> _Some:
    over = _over(connection, asked & _IS_SHOWN)
    gone = erase_tasks(connection, over[:MOST_TASKS], in_slack=True)
    unseen = _over(connection, asked & ~_IS_SHOWN)
    gone += erase_tasks(connection, unseen[:MOST_TASKS])
    forgotten = [
        forget_from(connection, indexes, workspace_id, OriginOf.TASK, task_id) for task_id in gone
    ]
    roots = set(over) & set(gone)
    return _Some(
        tasks=len(roots),
        kept=len(over[:MOST_TASKS]) - len(roots),
        gone=bool(gone),
        is_all=max(len(over), len(unseen)) <= MOST_TASKS,
        memories=sum(one.memories for one in forgotten),
    )


def _asked_by(workspace_id: WorkspaceId, person: UserId, before: datetime) -> ColumnElement[bool]:
    """Return the condition for tasks that nobody delegated and this person asked for by then."""
    return and_(
        tasks.c.workspace_id == workspace_id,
        tasks.c.parent_id.is_(None),
        tasks.c.created_at <= before,
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
