"""Storing a new task, and a new run of a task, with the wake-up that starts it."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy.engine import Connection

from agent_engine.errors import UnknownAgentError
from agent_engine.ports import WakeupKind
from agent_engine.types import (
    AgentId,
    AgentProfile,
    Limits,
    PersonMessage,
    RunId,
    Scope,
    Task,
    TaskId,
    TaskStatus,
    Thread,
    WorkspaceId,
    new_id,
    now_utc,
)
from storage.compiled import execute, execute_many, fetch_one, fetch_values
from storage.dirt import mark_dirty
from storage.mapping import agent_from, message_values
from storage.tables import agents, dependencies, messages, runs, tasks, threads
from storage.upsert import insert_or_ignore
from storage.wakeup_rows import write_wakeup


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a task is talked about (``own``) and where people see what becomes of it (``show``)."""

    own: int | None = None
    show: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """What a run starts with."""

    task_id: TaskId
    scope: Scope
    show_thread_id: int | None
    requester: str | None
    priority: int
    limits: Limits
    messages_read: int = 0


_AGENT = select(agents).where(
    agents.c.workspace_id == bindparam("workspace_id"), agents.c.agent_id == bindparam("agent_id")
)
_THREAD = select(threads.c.id).where(
    threads.c.workspace_id == bindparam("workspace_id"),
    threads.c.channel_id == bindparam("channel_id"),
    threads.c.thread_ts == bindparam("thread_ts"),
)
_INSERT_TASK = insert(tasks)
_INSERT_DEPENDENCIES = insert(dependencies)
_INSERT_MESSAGES = insert(messages)
_LAST_MESSAGE = select(func.coalesce(func.max(messages.c.seq), 0)).where(
    messages.c.task_id == bindparam("task_id")
)
_number = (
    select(func.coalesce(func.max(runs.c.number), 0) + 1)
    .where(runs.c.task_id == bindparam("of_task"))
    .scalar_subquery()
)
_changed_seq = (
    select(threads.c.dirty_seq + 1).where(threads.c.id == bindparam("shown_in")).scalar_subquery()
)
_INSERT_RUN = insert(runs).values(number=_number, changed_seq=func.coalesce(_changed_seq, 0))
_REOPEN_TASK = (
    update(tasks)
    .where(tasks.c.id == bindparam("task"))
    .values(status=str(TaskStatus.PENDING), completed_at=None, result=None)
)


def known_agent(
    connection: Connection, workspace_id: WorkspaceId, agent_id: AgentId
) -> AgentProfile:
    """Return the agent. Raises UnknownAgentError when there is none."""
    row = fetch_one(connection, _AGENT, {"workspace_id": workspace_id, "agent_id": agent_id})
    if row is None:
        raise UnknownAgentError
    return agent_from(row)


def thread_row_id(connection: Connection, thread: Thread) -> int:
    """Return the number of the thread's row, which is made where there is none."""
    where = asdict(thread)
    insert_or_ignore(connection, threads, [{**where, "dirty_at": now_utc()}])
    found: list[int] = fetch_values(connection, _THREAD, where)
    return found[0]


def add_task(connection: Connection, task: Task, scope: Scope, place: Place) -> None:
    """Store the task; its run is another matter."""
    values = {
        "id": task.id,
        **asdict(scope),
        "thread_id": place.own,
        "show_thread_id": place.show,
        "parent_id": task.parent_id,
        "description": task.description,
        "priority": task.priority,
        "parameters": dict(task.parameters),
        "status": str(TaskStatus.PENDING),
        "created_at": task.created_at,
    }
    execute(connection, _INSERT_TASK, values)
    rows = [
        {"task_id": task.id, "position": position, "depends_on": depends_on}
        for position, depends_on in enumerate(task.dependencies)
    ]
    execute_many(connection, _INSERT_DEPENDENCIES, rows)


def add_messages(connection: Connection, task_id: str, heard: Iterable[PersonMessage]) -> int:
    """Append the messages to the task's thread and return how many there were before."""
    before: int = fetch_values(connection, _LAST_MESSAGE, {"task_id": task_id})[0]
    add_first_messages(connection, task_id, heard, before=before)
    return before


def add_first_messages(
    connection: Connection, task_id: str, heard: Iterable[PersonMessage], *, before: int = 0
) -> None:
    """Store the messages of a new task, or those after the first ``before``."""
    rows = [
        message_values(task_id, seq, message) for seq, message in enumerate(heard, start=before + 1)
    ]
    execute_many(connection, _INSERT_MESSAGES, rows)


def add_run(connection: Connection, new: NewRun) -> RunId:
    """Store a pending run of the task, with its wake-up, and return its id."""
    run_id = RunId(new_id())
    values = {
        "id": run_id,
        "task_id": new.task_id,
        **asdict(new.scope),
        "show_thread_id": new.show_thread_id,
        "requester": new.requester,
        "priority": new.priority,
        "status": str(TaskStatus.PENDING),
        "created_at": now_utc(),
        "limits": asdict(new.limits),
        "messages_read": new.messages_read,
        "warned_of": [],
        "memories_used": [],
    }
    places = {"of_task": new.task_id, "shown_in": new.show_thread_id}
    execute(connection, _INSERT_RUN, {**values, **places})
    write_wakeup(connection, run_id, WakeupKind.START)
    mark_dirty(connection, new.show_thread_id)
    return run_id


def reopen_task(connection: Connection, task_id: str) -> None:
    """Set the task back to pending, for it is run once more."""
    execute(connection, _REOPEN_TASK, {"task": task_id})
