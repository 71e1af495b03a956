"""Makes actions out of a drafted plan, checked against the tools and agents there are.

On the first try every problem goes back to the model; on the last try what cannot be carried out
is left out. A tool or agent that is not offered is never proposed.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent_engine.planners.numbering import Numbered, in_order
from agent_engine.planners.plan_reply import MAIN_PARAMETER, Draft, DraftStep
from agent_engine.planners.references import REFERENCE, referenced_steps
from agent_engine.planners.structured import UnfitError
from agent_engine.ports import PlanningContext, ToolSpec
from agent_engine.types import ActionType, AgentAction, AgentId, Check


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a plan may be made of."""

    tools: Mapping[str, ToolSpec]
    actions: frozenset[str]
    delegates: frozenset[AgentId]
    first: int
    known: frozenset[int]
    max_steps: int


def bounds(
    context: PlanningContext, tools: Sequence[ToolSpec], actions: Sequence[str], *, max_steps: int
) -> Bounds:
    """Return the bounds of a plan that is made in this context."""
    return Bounds(
        tools={tool.name: tool for tool in tools},
        actions=frozenset(actions),
        delegates=frozenset(context.delegates),
        first=context.next_step,
        known=frozenset(s.number for s in context.steps if s.number < context.next_step),
        max_steps=max_steps,
    )


def plan_actions(draft: Draft, limits: Bounds, *, last_try: bool) -> tuple[AgentAction, ...]:
    """Return the draft's steps as actions.

    A step that only writes the answer is left out: the answer is written from the observations.

    Raises:
        UnfitError: something is wrong; on the last try only when nothing is left of a plan.
    """
    problems: list[str] = []
    proposed: list[Numbered] = []
    left_out: set[int] = set()
    for step in draft.steps:
        if step.action == ActionType.ANSWER:
            continue
        try:
            proposed.append(Numbered(number=step.number, action=_action(step, limits)))
        except UnfitError as problem:
            problems.append(f"step {step.number}: {problem}")
            left_out.add(step.number)
    proposed = _without_dependents(proposed, left_out)
    ordered = in_order(
        proposed, first=limits.first, known=limits.known - left_out, limit=limits.max_steps
    )
    problems += ordered.problems
    if problems and not (last_try and ordered.actions):
        raise UnfitError("; ".join(problems[:_MAX_PROBLEMS]))
    return ordered.actions


_MAX_PROBLEMS = 4


def _without_dependents(proposed: Sequence[Numbered], left_out: set[int]) -> list[Numbered]:
    """Leave out, too, what uses the result of a step that was left out."""
    kept = list(proposed)
    while left_out:
        lost = [s for s in kept if not left_out.isdisjoint(referenced_steps(s.action.parameters))]
        if not lost:
            break
        left_out.update(step.number for step in lost)
        kept = [step for step in kept if step.number not in left_out]
    return kept


# -- one action ----------------------------------------------------------------------------------


def _action(step: DraftStep, limits: Bounds) -> AgentAction:
    if step.action not in limits.actions:
        words = ", ".join(sorted(limits.actions))
        raise UnfitError(f"there is no action {step.action[:60]!r}; the actions are {words}")
    kind = ActionType(step.action)
    if kind is ActionType.USE_TOOL:
        parameters = tool_arguments(step, limits.tools)
    else:
        parameters = inner_parameters(kind, step.arguments, step.description)
        _check_delegate(kind, parameters, limits.delegates)
    check, value = _check(step)
    return AgentAction(
        action_type=kind,
        tool_name=step.tool if kind is ActionType.USE_TOOL else None,
        parameters=parameters,
        description=step.description or _default_description(kind, step),
        expected_outcome=step.expected_outcome,
        depends_on=step.depends_on,
        check=check,
        check_value=value,
    )


def _default_description(kind: ActionType, step: DraftStep) -> str:
    return f"Use {step.tool}" if kind is ActionType.USE_TOOL else kind.value.capitalize()


def _check_delegate(
    kind: ActionType, parameters: Mapping[str, Any], delegates: frozenset[AgentId]
) -> None:
    if kind is ActionType.DELEGATE and parameters["agent"] not in delegates:
        raise UnfitError(f"there is no agent {str(parameters['agent'])[:60]!r} to delegate to")


def _check(step: DraftStep) -> tuple[Check, str]:
    try:
        check = Check(step.check)
    except ValueError:
        return Check.SUCCEEDS, ""
    if check is Check.CONTAINS:
        return (check, step.check_value) if step.check_value.strip() else (Check.SUCCEEDS, "")
    if check is Check.JUDGE and not step.expected_outcome:
        return Check.SUCCEEDS, ""
    return check, ""


def tool_arguments(step: DraftStep, tools: Mapping[str, ToolSpec]) -> dict[str, Any]:
    """Return the arguments for the step's tool, converted from text where they came as text.

    Raises UnfitError when there is no such tool or a required argument is missing.
    """
    tool = tools.get(step.tool)
    if tool is None:
        names = ", ".join(tools) or "none"
        raise UnfitError(f"there is no tool {step.tool[:60]!r}; the tools are: {names}")
    properties = tool.parameters_schema.get("properties", {})
    arguments = {
        name: _converted(value, properties.get(name)) if name in step.texts else value
        for name, value in step.arguments.items()
    }
    missing = [n for n in tool.parameters_schema.get("required", ()) if n not in arguments]
    if missing:
        raise UnfitError(f"{step.tool} needs the argument {', '.join(missing)}")
    return arguments


def _converted(text: str, schema: object) -> Any:  # noqa: ANN401  # any JSON value
    """Return text as what the schema wants; text stays text where it may, or holds a reference."""
    wanted = _kinds(schema)
    if not wanted or "string" in wanted or REFERENCE.search(text):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text  # the tool's own validation tells the model what is wrong with it


def _kinds(schema: object) -> set[str]:
    """Return the types that a schema allows, those of its alternatives included."""
    if not isinstance(schema, Mapping):
        return set()
    kinds = schema.get("type")
    found = {kinds} if isinstance(kinds, str) else set(kinds or ())
    for alternative in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        found |= _kinds(alternative)
    return found


def inner_parameters(
    kind: ActionType, arguments: Mapping[str, Any], description: str
) -> dict[str, Any]:
    """Return the parameters of an action that uses no tool, the description filling a gap.

    Raises UnfitError when what it needs is missing.
    """
    main = MAIN_PARAMETER.get(kind)
    if main is not None:
        text = str(arguments.get(main) or description).strip()
        if not text:
            raise UnfitError(f"{kind.value} needs the argument {main}")
        return {main: text} | _choices(kind, arguments)
    if kind is ActionType.WAIT:
        return {"seconds": _seconds(arguments.get("seconds"))}
    needed = ("key", "value") if kind is ActionType.REMEMBER else ("agent", "task")
    missing = [name for name in needed if arguments.get(name) in (None, "")]
    if missing:
        raise UnfitError(f"{kind.value} needs the argument {', '.join(missing)}")
    return {name: arguments[name] for name in needed}


def _choices(kind: ActionType, arguments: Mapping[str, Any]) -> dict[str, Any]:
    choices = arguments.get("choices")
    if kind is ActionType.ASK and isinstance(choices, list) and choices:
        return {"choices": [str(choice) for choice in choices]}
    return {}


_LONGEST_WAIT_S = 7 * 24 * 3600.0


def _seconds(value: object) -> float:
    try:
        seconds = float(str(value))
    except ValueError:
        return 1.0
    return min(max(seconds, 0.0), _LONGEST_WAIT_S) if seconds == seconds else 1.0  # noqa: PLR0124  # NaN
