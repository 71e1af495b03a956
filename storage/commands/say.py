"""Someone says something in a thread: it starts, continues, steers or answers a task."""

from dataclasses import replace

from sqlalchemy import bindparam, select
from sqlalchemy.engine import Connection

from agent_engine.commands import Amend, Declined, Outcome, Repeated, Say, Started, Steered
from agent_engine.types import (
    PersonMessage,
    Resolution,
    RunId,
    Scope,
    Task,
    TaskId,
    Thread,
    Wait,
    WaitKind,
)
from storage.compiled import fetch_one
from storage.endings import resolve
from storage.inbox import tell
from storage.mapping import AnyRow
from storage.new_runs import (
    NewRun,
    Place,
    add_first_messages,
    add_messages,
    add_run,
    add_task,
    known_agent,
    reopen_task,
    thread_row_id,
)
from storage.snapshots import live_waits
from storage.tables import messages
from storage.task_lines import thread_run

_KNOWN_MESSAGE = select(messages.c.seq).where(
    messages.c.task_id == bindparam("task"), messages.c.message_id == bindparam("message")
)


def say(connection: Connection, command: Say) -> Outcome:
    """Do with the message what the thread's state asks for."""
    found = thread_run(connection, command.thread)
    if found is None:
        return _start_task(connection, command) if command.starts else Declined(why="no_task")
    if not command.continues:
        return Declined(why="no_task")
    if _is_known(connection, found.task_id, command.message):
        return Repeated()
    if found.end_reason is None:
        return _steer(connection, found, command.message)
    return _continue(connection, found, command)


def amend(connection: Connection, command: Amend) -> Outcome:
    """Tell the run that is under way what a message says now; it never answers a question."""
    found = thread_run(connection, command.thread)
    if found is None:
        return Declined(why="no_task")
    if _is_known(connection, found.task_id, command.message):
        return Repeated()
    if found.end_reason is not None:
        return Declined(why="already_ended")
    tell(connection, found.run_id)
    add_messages(connection, found.task_id, [command.message])
    return Steered(run_id=RunId(found.run_id))


def _start_task(connection: Connection, command: Say) -> Started:
    thread = command.thread
    agent = known_agent(connection, thread.workspace_id, command.agent_id)
    thread_id = thread_row_id(connection, thread)
    task = Task(
        description=command.message.text,
        parameters=command.parameters,
        assigned_agent=agent.id,
    )
    scope = _scope(thread, command)
    add_task(connection, task, scope, Place(own=thread_id, show=thread_id))
    context = {
        message.id: replace(message, steers=False)
        for message in command.earlier
        if message.id != command.message.id
    }
    add_first_messages(connection, task.id, [*context.values(), command.message])
    run = NewRun(
        task_id=task.id,
        scope=scope,
        show_thread_id=thread_id,
        requester=command.message.author,
        priority=task.priority,
        limits=command.limits or agent.limits,
    )
    return Started(run_id=add_run(connection, run), task_id=task.id)


def _steer(connection: Connection, found: AnyRow, message: PersonMessage) -> Steered:
    # Telling comes first: whoever says something to the same run meanwhile waits for this row.
    tell(connection, found.run_id)
    question = _open_question(connection, found.run_id, message)
    if question is not None:
        resolution = Resolution(value=message.text, by=message.author)
        resolve(connection, found.run_id, question.id, resolution)
        message = replace(message, steers=False)
    add_messages(connection, found.task_id, [message])
    return Steered(run_id=RunId(found.run_id))


def _continue(connection: Connection, found: AnyRow, command: Say) -> Started:
    agent = known_agent(connection, command.thread.workspace_id, command.agent_id)
    task_id = TaskId(found.task_id)
    before = add_messages(connection, task_id, [command.message])
    reopen_task(connection, task_id)
    run = NewRun(
        task_id=task_id,
        scope=_scope(command.thread, command),
        show_thread_id=found.thread_id,
        requester=command.message.author,
        priority=found.priority,
        limits=command.limits or agent.limits,
        messages_read=before,
    )
    return Started(run_id=add_run(connection, run), task_id=task_id)


def _open_question(connection: Connection, run_id: str, message: PersonMessage) -> Wait | None:
    """Return the oldest open question that this person may answer."""
    for wait in live_waits(connection, run_id):
        is_open = wait.kind is WaitKind.QUESTION and wait.resolution is None
        if is_open and wait.asked_of in (None, message.author):
            return wait
    return None


def _is_known(connection: Connection, task_id: str, message: PersonMessage) -> bool:
    where = {"task": task_id, "message": message.id}
    return fetch_one(connection, _KNOWN_MESSAGE, where) is not None


def _scope(thread: Thread, command: Say) -> Scope:
    return Scope(
        workspace_id=thread.workspace_id,
        channel_id=thread.channel_id,
        agent_id=command.agent_id,
    )
