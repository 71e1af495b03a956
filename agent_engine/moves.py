"""What an agent has to do next, from what is stored of a run and nothing else.

Pure: asked again with the same snapshot, ``next_move`` says the same. This is what lets a run
survive any crash, and what lets the agent be read and tested as a table of cases.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from agent_engine.limits import exceeded
from agent_engine.planners.plan import (
    blocked_steps,
    children,
    is_direct_answer,
    ready_steps,
    was_planned,
)
from agent_engine.types import (
    ActionType,
    RunSnapshot,
    Step,
    StepStatus,
)
from agent_engine.types import Wait as OpenWait

MAX_PARALLEL_STEPS = 4


class PlanReason(StrEnum):
    """Why a plan is wanted."""

    FIRST = "first"
    TOLD = "told"
    """People said something that the plan does not know yet."""
    SURPRISE = "surprise"
    """What came is not what was expected."""
    EXTEND = "extend"
    """The plan is open-ended and its steps are done."""
    CONTINUE = "continue"
    """The run goes on where an ended one stopped."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Ask the planner."""

    reason: PlanReason
    because: str = ""


@dataclass(frozen=True, slots=True)
class Act:
    """Carry these steps out, at the same time."""

    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait for the outside: let go of the run until something comes."""

    waits: tuple[OpenWait, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """Write the answer; ``incomplete_because`` says why the work is not all done."""

    incomplete_because: str = ""


@dataclass(frozen=True, slots=True)
class Stop:
    """End the run before it is done: someone stopped it, or a limit is used up."""

    limit: str = ""
    """One sentence about the limit; empty when a person stopped it."""
    name: str = ""
    """Which limit it is."""


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing is left to do."""


Move = Plan | Act | Wait | Answer | Stop | Done


def next_move(run: RunSnapshot) -> Move:
    """Say what the agent has to do now."""
    if run.end is not None:
        return Done()
    if run.cancel is not None:
        return Stop()
    if run.plan is None:
        return Plan(PlanReason.FIRST)
    if resumable := _interrupted_or_resolved(run):
        return Act(resumable)
    if run.unread:
        return Plan(PlanReason.TOLD, "someone wrote in the thread")
    return _go_on(run)


def _go_on(run: RunSnapshot) -> Move:
    plan = run.plan
    if plan is None or is_direct_answer(plan) or _has_final_result(run):
        return Answer()
    if over := _used_up(run):
        return over
    if plan.because == "continued" and plan.version == 1:
        return Plan(PlanReason.CONTINUE, "the task is continued where it ended")
    if surprise := _surprise(run):
        return surprise
    if ready := ready_steps(plan):
        return Act(ready[: _at_once(run)])
    return _wait_or_finish(run)


def _at_once(run: RunSnapshot) -> int:
    """How many steps may be carried out at the same time without passing the limit of steps."""
    cap = run.limits.iterations
    return (
        min(MAX_PARALLEL_STEPS, max(1, cap - run.usage.iterations)) if cap else MAX_PARALLEL_STEPS
    )


def _wait_or_finish(run: RunSnapshot) -> Move:
    plan = run.plan
    if plan is not None and (finished := _finished_sub_goals(run)):
        return Act(finished)
    if run.waits:
        return Wait(run.waits)
    if plan is not None and plan.open_ended and not _answers(run):
        return Plan(PlanReason.EXTEND)
    return Answer(_what_is_missing(run))


def _interrupted_or_resolved(run: RunSnapshot) -> tuple[Step, ...]:
    """Steps that a dead worker left under way, and waiting ones whose wait is over."""
    resolved = {wait.step for wait in run.waits if wait.resolution is not None}
    return tuple(
        step
        for step in run.steps
        if (step.status is StepStatus.STARTED and not _is_open_sub_goal(run, step))
        or (step.status is StepStatus.WAITING and step.number in resolved)
    )


def _is_open_sub_goal(run: RunSnapshot, step: Step) -> bool:
    """A sub-goal stays started while its own steps are worked on."""
    plan = run.plan
    is_sub_goal = step.action.action_type == ActionType.SUB_GOAL
    return plan is not None and is_sub_goal and was_planned(plan, step.number)


def _finished_sub_goals(run: RunSnapshot) -> tuple[Step, ...]:
    plan = run.plan
    if plan is None:
        return ()
    blocked = {step.number for step in blocked_steps(plan)}
    return tuple(
        step
        for step in run.steps
        if step.status is StepStatus.STARTED
        and _is_open_sub_goal(run, step)
        and all(c.status.is_final or c.number in blocked for c in children(plan, step.number))
    )


def _has_final_result(run: RunSnapshot) -> bool:
    return any(
        step.observation is not None
        and step.observation.success
        and step.observation.content.get("final_result") is not None
        for step in run.steps
    )


def _used_up(run: RunSnapshot) -> Stop | None:
    error = exceeded(_before_answer(run))
    return Stop(limit=str(error), name=error.name) if error is not None else None


def _before_answer(run: RunSnapshot) -> RunSnapshot:
    """A run whose steps are all done may still answer, whatever it used for them."""
    plan = run.plan
    nothing_left = plan is not None and not plan.open_ended and not ready_steps(plan)
    if not nothing_left or run.waits:
        return run
    return replace(run, limits=replace(run.limits, iterations=0))


def _surprise(run: RunSnapshot) -> Plan | None:
    allowed = run.limits.replans
    if allowed and run.usage.replans >= allowed:
        return None
    found = [step for step in run.steps if step.surprise]
    if not found or (run.plan is not None and run.plan.open_ended):
        return None
    reasons = "; ".join(f"step {step.number}: {step.surprise}" for step in found)
    return Plan(PlanReason.SURPRISE, reasons)


def _answers(run: RunSnapshot) -> bool:
    return any(
        step.action.action_type == ActionType.ANSWER and step.status is StepStatus.PENDING
        for step in run.steps
    )


def _what_is_missing(run: RunSnapshot) -> str:
    missing = () if run.plan is None else blocked_steps(run.plan)
    if not missing:
        return ""
    numbers = ", ".join(str(step.number) for step in missing)
    return f"not carried out, for what they needed failed: step {numbers}"
