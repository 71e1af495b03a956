"""Reading a run whole: the statements, and the function that makes a snapshot of what they find.

Nothing here writes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam, func, select
from sqlalchemy.engine import Connection

from agent_engine.types import PersonMessage, RunSnapshot, Step, StepStatus, Task, Wait, WaitKind
from storage.compiled import fetch_all, fetch_one, fetch_values
from storage.lessons import lessons_of
from storage.mapping import (
    AnyRow,
    message_from,
    snapshot_from,
    step_from,
    task_from,
    wait_from,
)
from storage.proposed import proposed_of
from storage.tables import (
    agents,
    dependencies,
    messages,
    outputs,
    plans,
    runs,
    steps,
    tasks,
    threads,
    waits,
)

FOR_PEOPLE = tuple(map(str, (WaitKind.QUESTION, WaitKind.REPEAT, WaitKind.APPROVAL)))
"""The kinds of waits that people end."""

_RUN = (
    select(
        runs,
        *(column.label(f"task_{column.name}") for column in tasks.c if column.name != "id"),
        *(column.label(f"profile_{column.name}") for column in agents.c),
        threads.c.thread_ts,
        plans.c.open_ended,
        plans.c.because,
        plans.c.planner,
    )
    .join(tasks, tasks.c.id == runs.c.task_id)
    .join(
        agents,
        (agents.c.workspace_id == runs.c.workspace_id) & (agents.c.agent_id == runs.c.agent_id),
    )
    .outerjoin(threads, threads.c.id == tasks.c.thread_id)
    .outerjoin(plans, (plans.c.run_id == runs.c.id) & (plans.c.version == runs.c.plan_version))
    .where(runs.c.id == bindparam("run_id"))
)
_STEPS = select(steps).where(steps.c.run_id == bindparam("run_id")).order_by(steps.c.number)
_OUTPUTS = select(outputs.c.step, outputs.c.full_output).where(
    outputs.c.run_id == bindparam("run_id")
)
_MESSAGES = (
    select(messages).where(messages.c.task_id == bindparam("task_id")).order_by(messages.c.seq)
)
_LIVE_WAITS = (
    select(waits)
    .join(steps, (steps.c.run_id == waits.c.run_id) & (steps.c.number == waits.c.step))
    .where(
        waits.c.run_id == bindparam("run_id"),
        ~waits.c.over,
        *(steps.c.status != str(status) for status in StepStatus if status.is_final),
    )
    .order_by(waits.c.position)
)
_SHOWN_WAITS = (
    select(waits)
    .join(steps, (steps.c.run_id == waits.c.run_id) & (steps.c.number == waits.c.step))
    .join(runs, runs.c.id == waits.c.run_id)
    .where(
        waits.c.run_id == bindparam("run_id"),
        sa.or_(
            sa.and_(
                waits.c.resolved_at.is_not(None),
                sa.or_(*(waits.c.kind == kind for kind in FOR_PEOPLE)),
            ),
            sa.and_(
                runs.c.end_reason.is_(None),
                ~waits.c.over,
                *(steps.c.status != str(status) for status in StepStatus if status.is_final),
            ),
        ),
    )
    .order_by(waits.c.position)
)
_DEPENDENCIES = (
    select(dependencies.c.depends_on)
    .where(dependencies.c.task_id == bindparam("task_id"))
    .order_by(dependencies.c.position)
)
_EARLIER_ANSWERS = (
    select(runs.c.answer)
    .where(
        runs.c.task_id == bindparam("task_id"),
        runs.c.number < bindparam("number"),
        runs.c.answer.is_not(None),
    )
    .order_by(runs.c.number)
)
_me = runs.alias("me")
_QUEUE_PLACE = (
    select(func.count() + 1)
    .select_from(runs)
    .join(_me, _me.c.id == bindparam("run_id"))
    .where(
        runs.c.workspace_id == _me.c.workspace_id,
        runs.c.queued,
        sa.or_(
            runs.c.agent_id == _me.c.agent_id,
            runs.c.channel_id == _me.c.channel_id,
            runs.c.requester == _me.c.requester,
        ),
        sa.tuple_(runs.c.priority, runs.c.created_at, runs.c.id)
        < sa.tuple_(_me.c.priority, _me.c.created_at, _me.c.id),
    )
)


def read_run(connection: Connection, run_id: str) -> AnyRow:
    """Return the run's row, with its task, agent, thread and plan; KeyError when there is none."""
    row = fetch_one(connection, _RUN, {"run_id": run_id})
    if row is None:
        raise KeyError(run_id)
    return row


def read_snapshot(connection: Connection, run_id: str, *, full_outputs: bool = True) -> RunSnapshot:
    """Return the run as it stands; its full outputs only where they are asked for."""
    row = read_run(connection, run_id)
    outputs_by_step = _full_outputs(connection, run_id) if full_outputs else {}
    return snapshot_from(
        row,
        task=_task(connection, row),
        messages=read_messages(connection, row.task_id),
        steps=read_steps(connection, run_id, outputs_by_step),
        waits=() if row.end_reason else live_waits(connection, run_id),
        queue_place=queue_place(connection, run_id) if row.queued else None,
        earlier_answers=_earlier_answers(connection, row),
        lessons=lessons_of(connection, run_id) if row.end_reason else (),
    )


def read_shown(connection: Connection, run_id: str) -> RunSnapshot:
    """Return the run as people see it.

    Without full outputs, but with what people decided in it, over though that is, and may confirm.
    """
    run = read_snapshot(connection, run_id, full_outputs=False)
    rows = fetch_all(connection, _SHOWN_WAITS, {"run_id": run_id})
    waits = tuple(wait_from(row) for row in rows)
    return replace(run, waits=waits, proposed=proposed_of(connection, run_id) if run.end else ())


def read_steps(
    connection: Connection, run_id: str, outputs_by_step: Mapping[int, str] | None = None
) -> list[Step]:
    """Return the run's steps by number."""
    found = outputs_by_step or {}
    rows = fetch_all(connection, _STEPS, {"run_id": run_id})
    return [step_from(row, found.get(row.number)) for row in rows]


def read_steps_whole(connection: Connection, run_id: str) -> list[Step]:
    """Return the run's steps by number with their full outputs."""
    return read_steps(connection, run_id, _full_outputs(connection, run_id))


def read_messages(connection: Connection, task_id: str) -> list[PersonMessage]:
    """Return what was said in the task's thread, in the order it was heard."""
    rows = fetch_all(connection, _MESSAGES, {"task_id": task_id})
    return [message_from(row) for row in rows]


def live_waits(connection: Connection, run_id: str) -> list[Wait]:
    """Return the waits whose step is not over: open ones and resolved ones."""
    return [wait_from(row) for row in fetch_all(connection, _LIVE_WAITS, {"run_id": run_id})]


def queue_place(connection: Connection, run_id: str) -> int:
    """Return the run's place among those that wait for the same slots; 1 for the next."""
    place: list[int] = fetch_values(connection, _QUEUE_PLACE, {"run_id": run_id})
    return place[0]


def task_dependencies(connection: Connection, task_id: str) -> Sequence[str]:
    """Return the ids of the tasks that must be completed before this one."""
    return fetch_values(connection, _DEPENDENCIES, {"task_id": task_id})


def _full_outputs(connection: Connection, run_id: str) -> dict[int, Any]:
    rows = fetch_all(connection, _OUTPUTS, {"run_id": run_id})
    return {row.step: row.full_output for row in rows}


def _task(connection: Connection, row: AnyRow) -> Task:
    return task_from(row, task_dependencies(connection, row.task_id))


def _earlier_answers(connection: Connection, row: AnyRow) -> tuple[str, ...]:
    if row.number == 1:
        return ()
    parameters = {"task_id": row.task_id, "number": row.number}
    answers = fetch_values(connection, _EARLIER_ANSWERS, parameters)
    return tuple(answer["text"] for answer in answers)
