"""Deleting what is over and old: tasks, and figures. Found by an index, a few in a transaction."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Delete, bindparam, delete, exists, or_, select
from sqlalchemy.engine import Connection

from agent_engine.memories import MemoryKind, OriginOf
from agent_engine.types import TaskId
from storage.compiled import fetch_values
from storage.erasing import erase_tasks, family, pieces
from storage.memory.deleting import delete_alone
from storage.memory.searching import Indexes
from storage.opinions import opinions
from storage.tables import (
    agents,
    feedback,
    lessons,
    memories,
    memory_origins,
    memory_shelves,
    runs,
    tasks,
    usage,
)

FAMILIES_AT_ONCE = 10
"""Tasks with what they delegated: a run has hundreds of rows, and others wait meanwhile."""
ROWS_AT_ONCE = 1_000

_analyses = runs.alias("analyses")
_ROOTS = (
    select(tasks.c.id)
    .where(tasks.c.parent_id.is_(None), tasks.c.completed_at <= bindparam("before"))
    .order_by(tasks.c.completed_at, tasks.c.id)
    .limit(FAMILIES_AT_ONCE)
    .offset(bindparam("behind"))
)
_YOUNG = (
    select(runs.c.id)
    .where(
        runs.c.task_id.in_(bindparam("tasks", expanding=True)),
        or_(
            runs.c.ended_at > bindparam("before"),
            exists().where(
                lessons.c.run_id == runs.c.id,
                _analyses.c.id == lessons.c.analysis_id,
                _analyses.c.ended_at > bindparam("before"),
            ),
        ),
    )
    .limit(1)
)
_RATED = (
    select(feedback.c.run_id)
    .where(
        feedback.c.task_id.in_(bindparam("tasks", expanding=True)), feedback.c.run_id.is_not(None)
    )
    .distinct()
)
_EPISODES = (
    select(memories.c.id, memories.c.shelf_id)
    .join(memory_origins, memory_origins.c.memory_id == memories.c.id)
    .join(memory_shelves, memory_shelves.c.id == memories.c.shelf_id)
    .where(
        memory_origins.c.what == str(OriginOf.RUN),
        memory_origins.c.ref.in_(bindparam("runs", expanding=True)),
        memory_shelves.c.kind == str(MemoryKind.EPISODE),
        ~memories.c.pinned,
    )
)
_workspaces = select(agents.c.workspace_id).distinct().subquery()
"""The indexes by time begin with the workspace."""
USAGE = delete(usage).where(
    usage.c.id.in_(
        select(usage.c.id)
        .join(_workspaces, _workspaces.c.workspace_id == usage.c.workspace_id)
        .where(usage.c.at <= bindparam("before"))
        .limit(ROWS_AT_ONCE)
    )
)
RATINGS = delete(feedback).where(
    feedback.c.id.in_(
        select(feedback.c.id)
        .join(_workspaces, _workspaces.c.workspace_id == feedback.c.workspace_id)
        .where(
            feedback.c.given_at <= bindparam("before"),
            ~exists().where(runs.c.id == feedback.c.run_id),
        )
        .limit(ROWS_AT_ONCE)
    )
)
"""Of runs that are gone: what was learned from the others rests on them."""


class Piece(NamedTuple):
    """What became of the old things that one transaction looked at."""

    gone: int
    stayed: int = 0


def erase_old_tasks(
    connection: Connection, indexes: Indexes, before: datetime, *, behind: int
) -> Piece:
    """Delete some tasks that nobody delegated and that ended before, each with its family.

    It stays while one of the family has ended since, or is under way. ``behind`` is how many of the
    oldest are known to stay.
    """
    roots = fetch_values(connection, _ROOTS, {"before": before, "behind": behind})
    old = [root for root in roots if not _is_young(connection, root, before)]
    gone = erase_tasks(connection, old)
    _delete_episodes_rated_low(connection, indexes, gone)
    return Piece(gone=len(gone), stayed=len(set(roots) - set(gone)))


def delete_rows(connection: Connection, some: Delete, before: datetime) -> Piece:
    """Delete some rows that are older than this."""
    return Piece(gone=connection.execute(some, {"before": before}).rowcount)


def _is_young(connection: Connection, root: TaskId, before: datetime) -> bool:
    return any(
        connection.execute(_YOUNG, {"tasks": some, "before": before}).first()
        for level in family(connection, root)
        for some in pieces(level)
    )


def _delete_episodes_rated_low(
    connection: Connection, indexes: Indexes, task_ids: Sequence[TaskId]
) -> None:
    """Delete what came of runs that people rated low.

    It was not told to planners as long as the run could say so.
    """
    for some in pieces(task_ids):
        rated = connection.execute(_RATED, {"tasks": some}).scalars()
        low = [run_id for run_id in rated if opinions(connection, run_id).is_low]
        found = connection.execute(_EPISODES, {"runs": low}).all() if low else ()
        delete_alone(connection, indexes, {row.id: row.shelf_id for row in found})
