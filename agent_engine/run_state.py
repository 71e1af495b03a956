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
    RepetitionWarned,
    RunEvent,
    Slept,
    StepFinished,
    StepStarted,
    WaitOpened,
)
from agent_engine.types import (
    ModelCall,
    Plan,
    RunSnapshot,
    Step,
    StepStatus,
    TaskStatus,
    Usage,
)


def apply(run: RunSnapshot, events: Iterable[RunEvent], *, worked_s: float = 0.0) -> RunSnapshot:
    """Return the snapshot as it is after the events."""
    usage = replace(run.usage, seconds=run.usage.seconds + worked_s)
    return reduce(_after, events, replace(run, usage=usage))


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
        case StepStarted():
            return _started(run, event)
        case StepFinished():
            return _finished(run, event)
        case ModelCalled(call=call):
            return replace(run, usage=usage_after(run.usage, call))
        case RepetitionWarned(key=key):
            return replace(run, warned_of=(*run.warned_of, key))
        case WaitOpened(wait=wait):
            waiting = _with_step(run, wait.step, status=StepStatus.WAITING)
            return replace(waiting, waits=(*run.waits, wait))
        case Slept():
            task = replace(run.task, status=TaskStatus.WAITING)
            return replace(run, task=task, status=TaskStatus.WAITING)
        case Ended():
            return _ended(run, event)


def _planned(run: RunSnapshot, event: PlanMade) -> RunSnapshot:
    more = 1 if event.counts_as_replan else 0
    return replace(
        run,
        plan=event.plan,
        messages_read=event.messages_read,
        usage=replace(run.usage, replans=run.usage.replans + more),
    )


def _started(run: RunSnapshot, event: StepStarted) -> RunSnapshot:
    first_attempt = event.attempt == 1
    started = _with_step(
        run,
        event.step,
        status=StepStatus.STARTED,
        attempt=event.attempt,
        started_at=event.at,
    )
    more = 1 if first_attempt else 0
    return replace(
        started,
        usage=replace(run.usage, iterations=run.usage.iterations + more),
        waits=tuple(w for w in run.waits if w.step != event.step),
    )


def _finished(run: RunSnapshot, event: StepFinished) -> RunSnapshot:
    finished = _with_step(
        run,
        event.step,
        status=status_after(event),
        observation=event.observation,
        surprise=event.surprise,
        ended_at=event.at,
    )
    return replace(finished, waits=tuple(w for w in run.waits if w.step != event.step))


def _ended(run: RunSnapshot, event: Ended) -> RunSnapshot:
    result = run.task.result
    if event.answer is not None:
        result = {"answer": event.answer.text, "files": list(event.answer.files)}
    task = replace(run.task, status=event.status, completed_at=event.end.at, result=result)
    return replace(
        run, task=task, status=event.status, end=event.end, answer=event.answer, waits=()
    )


def _with_step(run: RunSnapshot, number: int, **changes: object) -> RunSnapshot:
    if run.plan is None:
        raise KeyError(number)
    steps = tuple(_changed(step, number, changes) for step in run.plan.steps)
    return replace(run, plan=_with_steps(run.plan, steps))


def _with_steps(plan: Plan, steps: tuple[Step, ...]) -> Plan:
    return replace(plan, steps=steps)


def _changed(step: Step, number: int, changes: dict[str, object]) -> Step:
    return replace(step, **changes) if step.number == number else step  # type: ignore[arg-type]  # names are those of Step's fields
