"""Finding tasks and their newest runs: for lists, and for the commands that name a thread."""

from collections.abc import Sequence
from dataclasses import asdict

import sqlalchemy as sa
from sqlalchemy import bindparam, exists, select
from sqlalchemy.engine import Connection

from agent_engine.commands import TaskLine
from agent_engine.types import (
    AgentId,
    ChannelId,
    EndReason,
    RunId,
    TaskId,
    Thread,
    UserId,
    WorkspaceId,
)
from storage.compiled import fetch_one
from storage.mapping import AnyRow, thread_from
from storage.snapshots import queue_place
from storage.tables import runs, tasks, threads

_newer = runs.alias("newer")
_is_newest = ~exists().where(_newer.c.task_id == runs.c.task_id, _newer.c.number > runs.c.number)
_THREAD_RUN = (
    select(
        threads.c.id.label("thread_id"),
        tasks.c.id.label("task_id"),
        tasks.c.priority,
        runs.c.id.label("run_id"),
        runs.c.end_reason,
        runs.c.agent_id,
    )
    .join(tasks, tasks.c.thread_id == threads.c.id)
    .join(runs, runs.c.task_id == tasks.c.id)
    .where(
        threads.c.workspace_id == bindparam("workspace_id"),
        threads.c.channel_id == bindparam("channel_id"),
        threads.c.thread_ts == bindparam("thread_ts"),
    )
    .order_by(runs.c.number.desc())
    .limit(1)
)
_LINES = (
    select(
        runs,
        tasks.c.description,
        threads.c.thread_ts,
    )
    .join(tasks, tasks.c.id == runs.c.task_id)
    .outerjoin(threads, threads.c.id == tasks.c.thread_id)
    # What no thread shows is no task that somebody asked for: an analysis.
    .where(
        runs.c.workspace_id == bindparam("workspace_id"),
        runs.c.show_thread_id.is_not(None),
        _is_newest,
    )
    .order_by(runs.c.end_reason.is_not(None), runs.c.created_at.desc(), runs.c.id)
    .limit(bindparam("most", type_=sa.Integer))
)
_LINES_OF_CHANNEL = _LINES.where(runs.c.channel_id == bindparam("channel_id"))


def thread_run(connection: Connection, thread: Thread) -> AnyRow | None:
    """Return the thread's task with its newest run; None when the thread has no task."""
    return fetch_one(connection, _THREAD_RUN, asdict(thread))


def newest_run(connection: Connection, thread: Thread) -> RunId | None:
    """Return the newest run of the thread's task; None when it has none."""
    row = thread_run(connection, thread)
    return None if row is None else RunId(row.run_id)


def task_lines(
    connection: Connection, workspace_id: WorkspaceId, *, channel_id: ChannelId | None, limit: int
) -> Sequence[TaskLine]:
    """Return the newest run of each task: those under way first, then recent ones."""
    parameters = {"workspace_id": workspace_id, "most": limit}
    if channel_id is None:
        rows = connection.execute(_LINES, parameters)
    else:
        rows = connection.execute(_LINES_OF_CHANNEL, {**parameters, "channel_id": channel_id})
    return [_line(connection, row) for row in rows.all()]


def _line(connection: Connection, row: AnyRow) -> TaskLine:
    return TaskLine(
        task_id=TaskId(row.task_id),
        run_id=RunId(row.id),
        description=row.description,
        status=row.status,
        thread=thread_from(row),
        agent_id=AgentId(row.agent_id),
        requester=None if row.requester is None else UserId(row.requester),
        created_at=row.created_at,
        ended_at=row.ended_at,
        queue_place=queue_place(connection, row.id) if row.queued else None,
        end_reason=None if row.end_reason is None else EndReason(row.end_reason),
    )
