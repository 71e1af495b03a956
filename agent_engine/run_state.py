"""How events change a snapshot: a pure fold, the meaning of every event in one place.

A store must come to the same snapshot when it writes the events as rows and reads them back.
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import reduce

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
from agent_engine.types import (
    APPROVE,
    ApprovedCall,
    MemoryUse,
    ModelCall,
    Plan,
    RunSnapshot,
    Step,
    StepStatus,
    TaskStatus,
    Usage,
    Wait,
    WaitKind,
)


def apply(run: RunSnapshot, events: Iterable[RunEvent], *, worked_s: float = 0.0) -> RunSnapshot:
    """Return the snapshot as it is after the events."""
    if worked_s:
        usage = replace(run.usage, seconds=run.usage.seconds + worked_s)
        run = replace(run, usage=usage)
    return reduce(_after, events, run)


def may_start(run: RunSnapshot, event: StepStarted) -> bool:
    """Say whether the step may start under the approval that the event names, if it names one.

    A person approved this very call, or changed the arguments when they approved it, and it was not
    used yet; or the step was started under it before. No other step may use it.
    """
    approved = event.approved
    if approved is None:
        return True
    earlier = next((step.approved for step in run.steps if step.number == event.step), None)
    if earlier is not None and earlier.digest == approved.digest:
        return True
    return any(_allows(wait, approved) for wait in run.waits if wait.step == event.step)


def status_after(event: StepFinished) -> StepStatus:
    """Return the status that a step has once this event is stored."""
    if event.stopped:
        return StepStatus.STOPPED
    return StepStatus.DONE if event.observation.success else StepStatus.FAILED


def usage_after(usage: Usage, call: ModelCall) -> Usage:
    """Return what is used up once the call is settled."""
    tokens = call.prompt_tokens + call.completion_tokens
    return replace(
        usage,
        model_calls=usage.model_calls + 1,
        prompt_tokens=usage.prompt_tokens + call.prompt_tokens,
        completion_tokens=usage.completion_tokens + call.completion_tokens,
        usd=usage.usd + (call.usd or 0.0),
        unpriced_tokens=usage.unpriced_tokens + (tokens if call.usd is None else 0),
    )


def _after(run: RunSnapshot, event: RunEvent) -> RunSnapshot:
    match event:
        case PlanMade():
            return _planned(run, event)
        case StepStarted() | StepFinished():
            return _stepped(run, event)
        case ModelCalled(call=call):
            return replace(run, usage=usage_after(run.usage, call))
        case RepetitionWarned(key=key):
            return replace(run, warned_of=(*run.warned_of, key))
        case Recalled() | Remembered():
            return _told(run, event.uses) if isinstance(event, Recalled) else run
        case WaitOpened(wait=wait):
            plan = _plan_with(run, wait.step, status=StepStatus.WAITING)
            return replace(run, plan=plan, waits=(*run.waits, wait))
        case Slept():
            task = replace(run.task, status=TaskStatus.WAITING)
            return replace(run, task=task, status=TaskStatus.WAITING)
        case Ended():
            return _ended(run, event)


def _told(run: RunSnapshot, uses: Iterable[MemoryUse]) -> RunSnapshot:
    known = {use.id for use in run.memories_used}
    new = tuple(use for use in uses if use.id not in known)
    return replace(run, memories_used=(*run.memories_used, *new))


def _planned(run: RunSnapshot, event: PlanMade) -> RunSnapshot:
    usage = run.usage
    if event.counts_as_replan:
        usage = replace(usage, replans=usage.replans + 1)
    return replace(run, plan=event.plan, messages_read=event.messages_read, usage=usage)


def _stepped(run: RunSnapshot, event: StepStarted | StepFinished) -> RunSnapshot:
    return _started(run, event) if isinstance(event, StepStarted) else _finished(run, event)


def _started(run: RunSnapshot, event: StepStarted) -> RunSnapshot:
    plan = _plan_with(
        run,
        event.step,
        status=StepStatus.STARTED,
        attempt=event.attempt,
        started_at=event.at,
        **({"approved": event.approved} if event.approved is not None else {}),
    )
    usage = run.usage
    if event.attempt == 1:
        usage = replace(usage, iterations=usage.iterations + 1)
    waits = tuple(w for w in run.waits if w.step != event.step)
    return replace(run, plan=plan, usage=usage, waits=waits)


def _finished(run: RunSnapshot, event: StepFinished) -> RunSnapshot:
    plan = _plan_with(
        run,
        event.step,
        status=status_after(event),
        observation=event.observation,
        surprise=event.surprise,
        ended_at=event.at,
    )
    waits = tuple(w for w in run.waits if w.step != event.step)
    return replace(run, plan=plan, waits=waits)


def _allows(wait: Wait, approved: ApprovedCall) -> bool:
    resolution, call = wait.resolution, wait.call
    if wait.kind is not WaitKind.APPROVAL or resolution is None or call is None:
        return False
    is_same = resolution.arguments is not None or call.digest == approved.digest
    return resolution.value == APPROVE and resolution.by == approved.by and is_same


def _ended(run: RunSnapshot, event: Ended) -> RunSnapshot:
    result = run.task.result
    if event.answer is not None:
        result = {"answer": event.answer.text, "files": list(event.answer.files)}
    task = replace(run.task, status=event.status, completed_at=event.end.at, result=result)
    return replace(
        run, task=task, status=event.status, end=event.end, answer=event.answer, waits=()
    )


def _plan_with(run: RunSnapshot, number: int, **changes: object) -> Plan:
    """Return the run's plan with the step changed; one that it does not have changes nothing."""
    if run.plan is None:
        raise KeyError(number)
    steps = tuple(_changed(step, number, changes) for step in run.plan.steps)
    return replace(run.plan, steps=steps)


def _changed(step: Step, number: int, changes: dict[str, object]) -> Step:
    return replace(step, **changes) if step.number == number else step  # type: ignore[arg-type]  # names are those of Step's fields
