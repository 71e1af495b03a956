"""Someone, or the loss of its channel, stops runs."""

from sqlalchemy import bindparam, select
from sqlalchemy.engine import Connection

from agent_engine.commands import (
    Cancel,
    CancelChannel,
    Cancelled,
    CancelThread,
    Declined,
    Outcome,
)
from agent_engine.types import RunId
from storage.endings import stop
from storage.tables import runs
from storage.task_lines import thread_run

_EXISTS = select(runs.c.id).where(runs.c.id == bindparam("run"))
_OF_CHANNEL = (
    select(runs.c.id)
    .where(
        runs.c.workspace_id == bindparam("workspace_id"),
        runs.c.channel_id == bindparam("channel_id"),
        runs.c.end_reason.is_(None),
    )
    .order_by(runs.c.created_at, runs.c.id)
)


def stop_run(connection: Connection, command: Cancel) -> Outcome:
    """Stop one run."""
    if stop(connection, command.run_id, reason=command.reason, by=command.by):
        return Cancelled(run_ids=(command.run_id,))
    is_known = connection.execute(_EXISTS, {"run": command.run_id}).first() is not None
    return Declined(why="already_ended" if is_known else "no_task")


def stop_thread(connection: Connection, command: CancelThread) -> Outcome:
    """Stop the run of the thread's task."""
    found = thread_run(connection, command.thread)
    if found is None:
        return Declined(why="no_task")
    if stop(connection, found.run_id, reason=command.reason, by=command.by):
        return Cancelled(run_ids=(RunId(found.run_id),))
    return Declined(why="already_ended")


def stop_channel(connection: Connection, command: CancelChannel) -> Outcome:
    """Stop every run of the channel; there may be none."""
    where = {"workspace_id": command.workspace_id, "channel_id": command.channel_id}
    found = connection.execute(_OF_CHANNEL, where).scalars().all()
    stopped = [
        RunId(run_id)
        for run_id in found
        if stop(connection, run_id, reason=command.reason, by=None)
    ]
    return Cancelled(run_ids=tuple(stopped))
