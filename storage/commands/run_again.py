"""Someone runs an ended task once more: from the start, or going on with what was done."""

from sqlalchemy import bindparam, select, update
from sqlalchemy.engine import Connection

from agent_engine.commands import Declined, Outcome, RunAgain, Started
from agent_engine.events import PlanMade
from agent_engine.types import Limits, Plan, RunId, StepStatus, TaskId
from storage.compiled import execute
from storage.mapping import AnyRow, scope_from
from storage.new_runs import NewRun, add_run, reopen_task
from storage.run_events import store_plan
from storage.snapshots import read_run, read_steps_whole
from storage.tables import runs

CONTINUED = "continued"
"""Why the plan of a run that goes on with earlier work was made: nothing in it was planned anew."""
_KEPT = frozenset({StepStatus.DONE, StepStatus.FAILED, StepStatus.STOPPED, StepStatus.PENDING})
"""What was done, and what was still to be done: the planner may take that up again."""
_HAS_PLAN = (
    update(runs).where(runs.c.id == bindparam("run")).values(plan_version=bindparam("version"))
)
_ACTIVE = select(runs.c.id).where(runs.c.task_id == bindparam("task"), runs.c.end_reason.is_(None))


def run_again(connection: Connection, command: RunAgain) -> Outcome:
    """Store a new run of the task, for whom the ended one was for."""
    try:
        ended = read_run(connection, command.run_id)
    except KeyError:
        return Declined(why="no_task")
    if connection.execute(_ACTIVE, {"task": ended.task_id}).first() is not None:
        return Declined(why="still_running")
    reopen_task(connection, ended.task_id)
    run = NewRun(
        task_id=TaskId(ended.task_id),
        scope=scope_from(ended),
        show_thread_id=ended.show_thread_id,
        requester=ended.requester,
        priority=ended.priority,
        limits=command.limits or Limits(**ended.limits),
    )
    run_id = add_run(connection, run)
    if command.keep_work:
        _keep_work(connection, ended, run_id)
    return Started(run_id=run_id, task_id=TaskId(ended.task_id))


def _keep_work(connection: Connection, ended: AnyRow, run_id: RunId) -> None:
    done = [step for step in read_steps_whole(connection, ended.id) if step.status in _KEPT]
    if done:
        plan = Plan(version=1, steps=tuple(done), because=CONTINUED, planner=ended.planner)
        store_plan(connection, run_id, PlanMade(plan=plan, messages_read=0))
        execute(connection, _HAS_PLAN, {"run": run_id, "version": plan.version})
