"""The plan as a value: numbering, dependencies, ready steps, and references between steps.

Pure. A reference is ``{{step2}}`` (the main text of the result) or ``{{step2.stdout}}`` (a field of
it, nested fields joined by dots). A string that is nothing but a reference to a field becomes the
value itself; inside a longer string the value becomes text. What a step returned is never searched
for references again.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from agent_engine.errors import ToolError
from agent_engine.types import (
    ActionType,
    AgentAction,
    AgentObservation,
    JsonObject,
    Plan,
    Proposal,
    Step,
    StepStatus,
)

_REFERENCE = re.compile(r"\{\{\s*step\s*_?(\d+)((?:\.[A-Za-z0-9_\-]+|\[\d+\])*)\s*\}\}")
_PATH_PART = re.compile(r"\.([A-Za-z0-9_\-]+)|\[(\d+)\]")
_MAIN_FIELDS = ("result", "stdout", "content", "answer", "reply", "thought", "value", "data")
"""What a whole-result reference means inside a text, in order of preference."""


def first_plan(proposal: Proposal, *, planner: str) -> Plan:
    """Return version 1 of a plan."""
    steps = _new_steps(proposal, first=1, known=frozenset(), parent=None, depth=0)
    return Plan(version=1, steps=steps, open_ended=proposal.open_ended, planner=planner)


def replanned(plan: Plan, proposal: Proposal, *, because: str) -> Plan:
    """Return the next version: pending steps dropped, the proposed ones behind what was done.

    Steps under way stay. Surprises count as dealt with.
    """
    kept = tuple(_settled(step) for step in plan.steps)
    added = _new_steps(proposal, first=plan.next_number, known=_numbers(kept), parent=None, depth=0)
    return replace(
        plan,
        version=plan.version + 1,
        steps=(*kept, *added),
        open_ended=proposal.open_ended,
        because=because,
    )


def extended(plan: Plan, proposal: Proposal) -> Plan:
    """Return the next version of an open-ended plan: the proposed steps follow what was done."""
    kept = tuple(_without_surprise(step) for step in plan.steps)
    added = _new_steps(proposal, first=plan.next_number, known=_numbers(kept), parent=None, depth=0)
    return replace(
        plan, version=plan.version + 1, steps=(*kept, *added), open_ended=proposal.open_ended
    )


def with_sub_steps(plan: Plan, sub_goal: Step, proposal: Proposal) -> Plan:
    """Return the next version with the steps of a sub-goal that was reached."""
    added = _new_steps(
        proposal,
        first=plan.next_number,
        known=_numbers(plan.steps),
        parent=sub_goal.number,
        depth=sub_goal.depth + 1,
    )
    return replace(plan, version=plan.version + 1, steps=(*plan.steps, *added))


def kept(plan: Plan, *, because: str) -> Plan:
    """Return the next version of a plan that stays as it is, its surprises dealt with."""
    steps = tuple(_without_surprise(step) for step in plan.steps)
    return replace(plan, version=plan.version + 1, steps=steps, because=because)


def changed_steps(before: Plan | None, plan: Plan) -> tuple[int, ...]:
    """Return the numbers of the steps that are new or differ from those of the plan before."""
    known = {step.number: step for step in before.steps} if before is not None else {}
    return tuple(step.number for step in plan.steps if known.get(step.number) != step)


def ready_steps(plan: Plan) -> tuple[Step, ...]:
    """Return the pending steps all of whose dependencies are done; answers wait for all others."""
    done = {step.number for step in plan.steps if step.status is StepStatus.DONE}
    return tuple(
        step
        for step in plan.steps
        if step.status is StepStatus.PENDING
        and step.action.action_type != ActionType.ANSWER
        and done.issuperset(step.depends_on)
        and _parent_is_open(plan, step)
    )


def blocked_steps(plan: Plan) -> tuple[Step, ...]:
    """Return the pending steps that can never start, for something they need was not done."""
    dead = {s.number for s in plan.steps if s.status.is_final and s.status is not StepStatus.DONE}
    blocked: list[Step] = []
    for step in plan.steps:
        if step.status is StepStatus.PENDING and dead.intersection(step.depends_on):
            dead.add(step.number)
            blocked.append(step)
    return tuple(blocked)


def children(plan: Plan, number: int) -> tuple[Step, ...]:
    """Return the steps of a sub-goal, dropped ones left out."""
    return tuple(step for step in plan.live_steps if step.parent == number)


def was_planned(plan: Plan, number: int) -> bool:
    """Say whether a sub-goal was given steps of its own, even if they were dropped since."""
    return any(step.parent == number for step in plan.steps)


def answer_step(plan: Plan) -> Step | None:
    """Return the pending step that answers; None when the plan has none."""
    pending = (step for step in plan.steps if step.status is StepStatus.PENDING)
    return next((s for s in pending if s.action.action_type == ActionType.ANSWER), None)


def is_direct_answer(plan: Plan) -> bool:
    """Say whether the plan is one answer and nothing else."""
    live = plan.live_steps
    return len(live) == 1 and live[0].action.action_type == ActionType.ANSWER


def references(value: Any) -> frozenset[int]:  # noqa: ANN401 - any JSON value
    """Return the numbers of the steps that the strings in a JSON value refer to."""
    return frozenset(int(match[1]) for text in _strings(value) for match in _found(text))


def resolve(parameters: JsonObject, steps: Sequence[Step]) -> dict[str, Any]:
    """Return the parameters with every reference replaced by what the step returned.

    Raises:
        ToolError: a reference names a step or a field that is not there; the message lists what is.
    """
    if not references(parameters):
        return dict(parameters)
    results = {s.number: s.observation for s in steps if s.observation is not None}
    return {key: _resolved(value, results) for key, value in parameters.items()}


def main_text(result: JsonObject) -> str:
    """Return what a whole result means as text: its main field, or all of it as JSON."""
    for name in _MAIN_FIELDS:
        if name in result and result[name] is not None:
            return _as_text(result[name])
    return json.dumps(dict(result), ensure_ascii=False)


def _new_steps(
    proposal: Proposal, *, first: int, known: frozenset[int], parent: int | None, depth: int
) -> tuple[Step, ...]:
    return tuple(
        Step(
            number=number,
            action=action,
            depends_on=_dependencies(action, number=number, first=first, known=known),
            parent=parent,
            depth=depth,
        )
        for number, action in enumerate(proposal, start=first)
    )


def _dependencies(
    action: AgentAction, *, number: int, first: int, known: frozenset[int]
) -> tuple[int, ...]:
    wanted = {*action.depends_on, *references(action.parameters)}
    return tuple(sorted(n for n in wanted if n in known or first <= n < number))


def _numbers(steps: Sequence[Step]) -> frozenset[int]:
    return frozenset(step.number for step in steps)


def _settled(step: Step) -> Step:
    if step.status is StepStatus.PENDING:
        return replace(step, status=StepStatus.DROPPED)
    return _without_surprise(step)


def _without_surprise(step: Step) -> Step:
    return step if step.surprise is None else replace(step, surprise=None)


def _parent_is_open(plan: Plan, step: Step) -> bool:
    return step.parent is None or not plan.step(step.parent).status.is_final


def _strings(value: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _strings(item)


def _found(text: str) -> Iterator[re.Match[str]]:
    return _REFERENCE.finditer(text) if "{{" in text else iter(())


def _resolved(value: Any, results: Mapping[int, AgentObservation]) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        return _resolved_text(value, results)
    if isinstance(value, Mapping):
        return {key: _resolved(item, results) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_resolved(item, results) for item in value]
    return value


def _resolved_text(text: str, results: Mapping[int, AgentObservation]) -> Any:  # noqa: ANN401 - any JSON value
    whole = _REFERENCE.fullmatch(text.strip())
    if whole and whole[2]:
        return _looked_up(whole, results)
    return _REFERENCE.sub(lambda match: _as_text(_looked_up(match, results)), text)


def _looked_up(match: re.Match[str], results: Mapping[int, AgentObservation]) -> Any:  # noqa: ANN401 - any JSON value
    number, path = int(match[1]), match[2]
    observation = results.get(number)
    if observation is None:
        raise ToolError(f"{match[0]} refers to step {number}, which has no result")
    if not path:
        return main_text(observation.content)
    value: Any = observation.content
    for part in _PATH_PART.finditer(path):
        value = _member(value, part, reference=match[0])
    return value


def _member(value: Any, part: re.Match[str], *, reference: str) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, Mapping) and part[1] is not None and part[1] in value:
        return value[part[1]]
    index = part[2] if part[2] is not None else part[1]
    if isinstance(value, list) and index.isdigit() and int(index) < len(value):
        return value[int(index)]
    there = ", ".join(value) if isinstance(value, Mapping) else type(value).__name__
    raise ToolError(f"{reference} refers to a field that is not there; there is: {there}")


def _as_text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
