"""What a person said while the last answer of a run was being written: nobody has read it.

The run that they meant has ended in the meantime, so its task is run once more, as if they had
spoken a moment later. It happens in the transaction that ends the run; no word falls in between.
"""

from sqlalchemy import bindparam, select
from sqlalchemy.engine import Connection

from agent_engine.types import Limits, TaskId
from storage.compiled import fetch_all, fetch_values
from storage.mapping import scope_from
from storage.new_runs import NewRun, add_run, reopen_task
from storage.tables import messages, runs

_ENDED = select(
    runs.c.task_id,
    runs.c.messages_read,
    runs.c.plan_version,
    runs.c.workspace_id,
    runs.c.channel_id,
    runs.c.agent_id,
    runs.c.show_thread_id,
    runs.c.priority,
    runs.c.limits,
).where(runs.c.id == bindparam("run"))
_UNREAD = (
    select(messages.c.author)
    .where(
        messages.c.task_id == bindparam("task"),
        messages.c.seq > bindparam("read"),
        messages.c.steers,
    )
    .order_by(messages.c.seq)
    .limit(1)
)


def run_again_if_told(connection: Connection, run_id: str) -> None:
    """Start the task's next run if something was said that the ended run has not read."""
    [ended] = fetch_all(connection, _ENDED, {"run": run_id})
    where = {"task": ended.task_id, "read": ended.messages_read}
    unread = fetch_values(connection, _UNREAD, where)
    if not unread or ended.plan_version is None:
        return
    task_id = TaskId(ended.task_id)
    reopen_task(connection, task_id)
    again = NewRun(
        task_id=task_id,
        scope=scope_from(ended),
        show_thread_id=ended.show_thread_id,
        requester=unread[0],
        priority=ended.priority,
        limits=Limits(**ended.limits),
        messages_read=ended.messages_read,
    )
    add_run(connection, again)
