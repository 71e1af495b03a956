"""Writing a run's events as rows: what ``run_state.apply`` means, said in SQL.

The caller has fenced the run's row before. Full outputs and the log's bodies go to tables of their
own, so that the hot rows stay small.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from agent_engine.errors import FencedError, UnapprovedError
from agent_engine.events import (
    Ended,
    ModelCalled,
    PlanMade,
    Recalled,
    Remembered,
    RepetitionWarned,
    RunEvent,
    Slept,
    StepFinished,
    StepStarted,
    WaitOpened,
)
from agent_engine.run_state import status_after
from agent_engine.types import (
    APPROVE,
    AgentObservation,
    ApprovedCall,
    Step,
    StepStatus,
    TaskStatus,
    WaitKind,
)
from storage.analyses import analyse_what_was_rated
from storage.compiled import execute, execute_many, fetch_one, fetch_values
from storage.endings import EndedRun, write_end
from storage.examples import exemplify
from storage.learning import is_drawn_from_another_run, write_lesson
from storage.mapping import (
    AnyRow,
    Values,
    approved_from,
    approved_json,
    observation_json,
    step_values,
    wait_values,
)
from storage.memory.of_runs import logged_of, write_memory
from storage.memory.searching import Indexes
from storage.opinions import opinions
from storage.snapshots import read_steps_whole
from storage.sub_tasks import start_sub_task
from storage.tables import events, outputs, plans, reservations, runs, steps, tasks, waits
from storage.upsert import insert_or_replace
from storage.usage_rows import write_usage

_LOG = insert(events)
_START = (
    update(steps)
    .where(steps.c.run_id == bindparam("run"), steps.c.number == bindparam("step"))
    .values(
        status=str(StepStatus.STARTED),
        attempt=bindparam("new_attempt"),
        started_at=bindparam("at"),
    )
)
_APPROVE = (
    update(steps)
    .where(steps.c.run_id == bindparam("run"), steps.c.number == bindparam("step"))
    .values(approved=bindparam("by_whom"))
)
_APPROVED = select(steps.c.approved).where(
    steps.c.run_id == bindparam("run"), steps.c.number == bindparam("step")
)
# An approver who changed the arguments is asked about those, whose digest only the tool can say.
_USE_APPROVAL = (
    update(waits)
    .where(
        waits.c.run_id == bindparam("run"),
        waits.c.step == bindparam("number"),
        waits.c.kind == str(WaitKind.APPROVAL),
        waits.c.value == APPROVE,
        waits.c.resolved_by.is_not_distinct_from(bindparam("approver", type_=waits.c.value.type)),
        (waits.c.digest == bindparam("approved_digest")) | waits.c.arguments.is_not(None),
        ~waits.c.over,
    )
    .values(over=True)
    .returning(waits.c.wait_id)
)
_FINISH = (
    update(steps)
    .where(steps.c.run_id == bindparam("run"), steps.c.number == bindparam("step"))
    .values(
        {
            "status": bindparam("new_status"),
            "observation": bindparam("seen"),
            "surprise": bindparam("new_surprise"),
            "ended_at": bindparam("at"),
        }
    )
)
_AWAIT = (
    update(steps)
    .where(steps.c.run_id == bindparam("run"), steps.c.number == bindparam("step"))
    .values(status=str(StepStatus.WAITING))
)
_DELETE_STEPS = delete(steps).where(
    steps.c.run_id == bindparam("run"), steps.c.number == bindparam("step")
)
_WARNED = update(runs).where(runs.c.id == bindparam("run")).values(warned_of=bindparam("keys"))
_WARNINGS = select(runs.c.warned_of).where(runs.c.id == bindparam("run"))
_SLEEP = (
    update(runs)
    .where(runs.c.id == bindparam("run"))
    .values(status=str(TaskStatus.WAITING), has_slot=False)
)
_TASK_WAITS = (
    update(tasks).where(tasks.c.id == bindparam("task")).values(status=str(TaskStatus.WAITING))
)
_INSERT_WAIT = insert(waits)
_CLOSE_WAITS = (
    update(waits)
    .where(waits.c.run_id == bindparam("run"), waits.c.step == bindparam("number"))
    .values(over=True)
)
_SETTLE = delete(reservations).where(reservations.c.id == bindparam("reservation"))


def write_events(
    connection: Connection, run: AnyRow, happened: Sequence[RunEvent], *, indexes: Indexes
) -> None:
    """Write the events in order, and the log.

    ``run`` has the columns that the fence returns, ``indexes`` find what is remembered. Raises
    FencedError when an attempt of a step was started before, and UnapprovedError when one is to
    start without the approval that it names.
    """
    first = run.event_seq - len(happened) + 1
    may_wait = run.has_waits or any(isinstance(event, WaitOpened) for event in happened)
    numbered = list(enumerate(happened, start=first))
    _write_log(connection, run.id, numbered)
    for are_starts, alike in groupby(numbered, lambda entry: isinstance(entry[1], StepStarted)):
        if are_starts:
            started = [event for _, event in alike if isinstance(event, StepStarted)]
            _start_steps(connection, run.id, started, may_wait=may_wait)
        else:
            for seq, event in alike:
                _write(connection, run, seq, event, indexes)


def _write_log(
    connection: Connection, run_id: str, numbered: Sequence[tuple[int, RunEvent]]
) -> None:
    rows = [_log_row(run_id, seq, event) for seq, event in numbered]
    try:
        execute_many(connection, _LOG, rows)
    except IntegrityError as error:
        raise FencedError("This attempt of the step was started before.") from error


def _write(
    connection: Connection, run: AnyRow, seq: int, event: RunEvent, indexes: Indexes
) -> None:
    match event:
        case StepFinished():
            _finish_step(connection, run.id, event)
        case StepStarted():
            _start_steps(connection, run.id, [event], may_wait=True)
        case PlanMade():
            store_plan(connection, run.id, event)
        case ModelCalled():
            _account(connection, run, event)
        case RepetitionWarned(key=key):
            [keys] = fetch_values(connection, _WARNINGS, {"run": run.id})
            execute(connection, _WARNED, {"run": run.id, "keys": [*keys, key]})
        case Recalled() | Remembered():
            _write_memory(connection, run.id, event, indexes)
        case WaitOpened():
            _open_wait(connection, run, seq, event)
        case Slept():
            execute(connection, _SLEEP, {"run": run.id})
            execute(connection, _TASK_WAITS, {"task": run.task_id})
        case Ended():
            ended = EndedRun(run_id=run.id, task_id=run.task_id, show_thread_id=run.show_thread_id)
            write_end(connection, ended, event)
            _learn_from_end(connection, run, indexes)


def _learn_from_end(connection: Connection, run: AnyRow, indexes: Indexes) -> None:
    """Learn from how people rated the run while it was under way."""
    rated = opinions(connection, run.id)
    analyse_what_was_rated(connection, run, rated)
    if rated.favour > 0:
        exemplify(connection, indexes, run.id, before=0)


def _write_memory(
    connection: Connection, run_id: str, event: Recalled | Remembered, indexes: Indexes
) -> None:
    if isinstance(event, Remembered) and is_drawn_from_another_run(run_id, event):
        write_lesson(connection, run_id, event, indexes)
    else:
        write_memory(connection, run_id, event, indexes)


def _start_steps(
    connection: Connection, run_id: str, started: Sequence[StepStarted], *, may_wait: bool
) -> None:
    rows: list[Values] = [
        {"run": run_id, "step": event.step, "new_attempt": event.attempt, "at": event.at}
        for event in started
    ]
    execute_many(connection, _START, rows)
    for event in started:
        if event.approved is not None:
            _use_approval(connection, run_id, event.step, event.approved)
        if may_wait or event.attempt > 1:
            execute(connection, _CLOSE_WAITS, {"run": run_id, "number": event.step})


def _use_approval(connection: Connection, run_id: str, number: int, approved: ApprovedCall) -> None:
    """Note what the step starts under, which its own wait must allow, or an earlier start."""
    given = {"run": run_id, "number": number, "approver": approved.by}
    used = fetch_one(connection, _USE_APPROVAL, {**given, "approved_digest": approved.digest})
    step = {"run": run_id, "step": number}
    if used is None and not _was_started_under(connection, step, approved):
        raise UnapprovedError
    execute(connection, _APPROVE, {**step, "by_whom": approved_json(approved)})


def _was_started_under(connection: Connection, step: Values, approved: ApprovedCall) -> bool:
    bodies = fetch_values(connection, _APPROVED, step)
    return any(body and approved_from(body).digest == approved.digest for body in bodies)


def _finish_step(connection: Connection, run_id: str, event: StepFinished) -> None:
    values = {
        "run": run_id,
        "step": event.step,
        "new_status": str(status_after(event)),
        "seen": observation_json(event.observation),
        "new_surprise": event.surprise,
        "at": event.at,
    }
    execute(connection, _FINISH, values)
    _store_output(connection, run_id, event.step, event.observation)


def _store_output(
    connection: Connection, run_id: str, step: int, observation: AgentObservation | None
) -> None:
    if observation is not None and observation.full_output is not None:
        values = {"run_id": run_id, "step": step, "full_output": observation.full_output}
        insert_or_replace(connection, outputs, values)


def store_plan(connection: Connection, run_id: str, event: PlanMade) -> None:
    """Make the run's plan equal to the event's, but for what stands in the run's own row."""
    plan = event.plan
    version = {
        "run_id": run_id,
        "version": plan.version,
        "open_ended": plan.open_ended,
        "because": plan.because,
        "planner": plan.planner,
        "made_at": event.at,
    }
    insert_or_replace(connection, plans, version)
    if event.changed is None:
        _store_all_steps(connection, run_id, plan.steps)
    else:
        changed = frozenset(event.changed)
        _store_steps(connection, run_id, [s for s in plan.steps if s.number in changed])


def _store_all_steps(connection: Connection, run_id: str, planned: Sequence[Step]) -> None:
    """Make the run's steps equal to these; only new and changed ones are written."""
    stored = {step.number: step for step in read_steps_whole(connection, run_id)}
    changed = [step for step in planned if stored.pop(step.number, None) != step]
    _store_steps(connection, run_id, changed)
    gone = [{"run": run_id, "step": number} for number in stored]
    execute_many(connection, _DELETE_STEPS, gone)


def _store_steps(connection: Connection, run_id: str, changed: Sequence[Step]) -> None:
    for step in changed:
        insert_or_replace(connection, steps, step_values(run_id, step))
        _store_output(connection, run_id, step.number, step.observation)


def _open_wait(connection: Connection, run: AnyRow, seq: int, event: WaitOpened) -> None:
    values = wait_values(run.id, seq, event.wait)
    execute(connection, _INSERT_WAIT, values)
    execute(connection, _AWAIT, {"run": run.id, "step": event.wait.step})
    if event.sub_task is not None:
        start_sub_task(connection, run, event.wait, event.sub_task)


def _account(connection: Connection, run: AnyRow, event: ModelCalled) -> None:
    whose = {
        "run_id": run.id,
        "workspace_id": run.workspace_id,
        "channel_id": run.channel_id,
        "agent_id": run.agent_id,
        "requester": run.requester,
    }
    write_usage(connection, whose, event.call, at=event.at)
    if event.call.reservation is not None:
        execute(connection, _SETTLE, {"reservation": event.call.reservation})


def _log_row(run_id: str, seq: int, event: RunEvent) -> Values:
    step, attempt, body = _logged(event)
    return {
        "run_id": run_id,
        "seq": seq,
        "kind": type(event).__name__,
        "step": step,
        "attempt": attempt,
        "body": body,
        "at": event.at,
    }


class _Logged(NamedTuple):
    """What the log says of an event; results and plans lie in tables of their own."""

    step: int | None
    attempt: int | None
    body: Values


def _start_body(event: StepStarted) -> Values:
    body: Values = {"parameters": event.parameters}
    if event.approved is not None:
        body["approved_by"], body["digest"] = event.approved.by, event.approved.digest
    return body


def _logged(event: RunEvent) -> _Logged:
    match event:
        case StepStarted():
            return _Logged(event.step, event.attempt, _start_body(event))
        case StepFinished():
            body = {"status": str(status_after(event)), "seconds": event.seconds}
            return _Logged(event.step, None, body)
        case PlanMade(plan=plan):
            body = {"version": plan.version, "because": plan.because, "planner": plan.planner}
            return _Logged(None, None, body)
        case ModelCalled(call=call):
            return _Logged(None, None, {"model": call.model, "purpose": call.purpose})
        case RepetitionWarned():
            return _Logged(None, None, {"key": event.key})
        case Recalled() | Remembered():
            return _Logged(None, None, logged_of(event))
        case WaitOpened(wait=wait):
            return _Logged(wait.step, None, {"wait": wait.id, "kind": str(wait.kind)})
        case Slept():
            return _Logged(None, None, {})
        case Ended():
            body = {"status": str(event.status), "reason": str(event.end.reason)}
            return _Logged(None, None, body)
