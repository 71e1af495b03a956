"""The planner that needs no language model: fixed rules for a few kinds of wishes.

It really plans what it understands, with the tools there are, and says plainly what it does not
understand. It never guesses and never asks a model.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from agent_engine.planners.phrases import read_goal
from agent_engine.planners.references import (
    reference,
    referenced_steps,
    renumbered,
    without_references,
)
from agent_engine.planners.wishes import (
    Calculate,
    Fetch,
    Nothing,
    OnFile,
    Recall,
    Remember,
    RunCode,
    Unclear,
    Wish,
    WriteFile,
)
from agent_engine.ports import ModelClient, PlanningContext, StepResult, ToolSpec
from agent_engine.types import (
    ActionType,
    AgentAction,
    Check,
    Plan,
    Proposal,
    Step,
    StepStatus,
)

CALCULATE = "calculate"
CODE_EXECUTION = "code_execution"
FILE_OPERATIONS = "file_operations"
API_CALL = "api_call"
MEMORY = "memory"

_ABILITIES: Mapping[str, str] = {
    CALCULATE: "work out arithmetic: `calculate 17 * 23`",
    CODE_EXECUTION: "run a code block (Python, JavaScript or bash): `run this:` and the block",
    FILE_OPERATIONS: "write, read, list and delete files: `write 'hello' to notes.txt`",
    API_CALL: "fetch an allowed address: `fetch https://example.com`",
    MEMORY: "keep facts: `remember that …`, `what do you know about …`",
}

_NO_MODEL = "I am no language model, so I only understand a few kinds of requests."


class OfflinePlanner:
    """Plans by rules; the same goal and tools always give the same plan."""

    def __init__(self, model: ModelClient) -> None:
        del model  # every planner is made around a model; this one needs none

    async def create_plan(
        self, goal: str, context: PlanningContext, available_tools: Sequence[ToolSpec]
    ) -> Proposal:
        """Propose the steps that the goal names, or one answer that says what is possible."""
        tools = frozenset(tool.name for tool in available_tools)
        if context.remembers:
            tools |= {MEMORY}
        wishes = read_goal(goal)
        problem = _problem(wishes, tools)
        if problem is not None:
            return _said(problem, tools)
        return Proposal(actions=_actions(wishes, context.next_step))

    async def replan(
        self,
        current_plan: Plan,
        execution_results: Sequence[StepResult],
        new_context: PlanningContext,
        available_tools: Sequence[ToolSpec],
    ) -> Proposal:
        """Propose what can still be done, then what the newest message adds.

        Steps that need a failed one are left out: by rules alone there is no other way to try.
        """
        del execution_results
        kept, note = still_planned(current_plan, first=new_context.next_step)
        newest = newest_wish(new_context)
        if newest is None or _is_planned(newest, current_plan):
            return Proposal(actions=kept, note=note)
        context = replace(new_context, next_step=new_context.next_step + len(kept))
        added = await self.create_plan(newest, context, available_tools)
        return Proposal(actions=(*kept, *added.actions), note=note)


def plan_by_rules(
    goal: str, available_tools: Sequence[ToolSpec], *, first: int
) -> tuple[AgentAction, ...]:
    """Return the steps that the goal names; empty when any part of it is not understood."""
    wishes = read_goal(goal)
    if _problem(wishes, frozenset(tool.name for tool in available_tools)) is not None:
        return ()
    return _actions(wishes, first)


def still_planned(plan: Plan, *, first: int) -> tuple[tuple[AgentAction, ...], str]:
    """Return what of a plan can still be done, and a line on what needs a step that failed."""
    possible = _still_possible(plan)
    return _moved_behind(possible, first), _given_up(plan, possible)


def newest_wish(context: PlanningContext) -> str | None:
    """Return what a person said last to steer the task; None when nobody did."""
    said = [message.text for message in context.conversation if message.steers]
    return said[-1] if said else None


# -- from wishes to actions ----------------------------------------------------------------------


def _problem(wishes: Sequence[Wish], tools: frozenset[str]) -> str | None:
    """Return why these wishes cannot be planned, in a sentence; None when they can."""
    unclear = [wish.text for wish in wishes if isinstance(wish, Unclear)]
    if not wishes or (unclear and len(unclear) == len(wishes)):
        return _NO_MODEL
    if unclear:
        return f"{_NO_MODEL} I did not start, for I do not understand this part: {_quote(unclear)}"
    missing = sorted({_tool_of(wish) for wish in wishes} - tools)
    if MEMORY in missing:
        return "I can remember nothing here: this agent has no memory beyond its task."
    if missing:
        names = " and ".join(f"`{name}`" for name in missing)
        return f"I understand what you want, but it needs {names}, which is not available here."
    return _dangling(wishes)


def _dangling(wishes: Sequence[Wish]) -> str | None:
    """Refuse a first wish that speaks of a result there is not yet."""
    match wishes[0]:
        case WriteFile(content=None):
            return "You want a result saved, but there is none yet: say what to work out first."
        case Calculate(expression=expression) if "{last}" in expression:
            return "You speak of a result, but there is none yet: say what to work out first."
        case _:
            return None


def _actions(wishes: Sequence[Wish], first: int) -> tuple[AgentAction, ...]:
    actions: list[AgentAction] = []
    last = ""
    for number, wish in enumerate(wishes, start=first):
        action = _action(wish, last)
        depends_on = _order(wishes, number - first, first)
        ahead = frozenset(n for n in referenced_steps(action.parameters) if n >= number)
        safe = without_references(action.parameters, ahead)
        actions.append(replace(action, parameters=safe, depends_on=depends_on))
        last = _result_of(wish, number) or last
    return tuple(actions)


def _order(wishes: Sequence[Wish], index: int, first: int) -> tuple[int, ...]:
    """Make steps that may touch files wait for the one before; sums may run side by side."""
    if index == 0 or (isinstance(wishes[index], Calculate) and _only_sums(wishes[:index])):
        return ()
    return (first + index - 1,)


def _only_sums(wishes: Sequence[Wish]) -> bool:
    return all(isinstance(wish, Calculate) for wish in wishes)


def _action(wish: Wish, last: str) -> AgentAction:
    match wish:
        case Calculate(expression=expression):
            worked = expression.replace("{last}", last)
            said = expression.replace("({last})", "{last}").replace("{last}", "the result")
            return _use(CALCULATE, {"expression": worked}, f"Calculate {said}", "a number")
        case RunCode(language=language, code=code, stdin=stdin):
            arguments = {"language": language, "code": code} | ({"stdin": stdin} if stdin else {})
            said = f"Run the {_NAMES[language]} code"
            return _use(CODE_EXECUTION, arguments, said, "the code ends without an error")
        case WriteFile(path=path, content=content):
            what = "the result" if content is None else "the text"
            arguments = {"operation": "write", "path": path, "content": content or last}
            return _use(
                FILE_OPERATIONS, arguments, f"Write {what} to {path}", "the file is written"
            )
        case OnFile(operation=operation, path=path):
            said = _FILE_WORDS[operation].format(path=path)
            return _use(FILE_OPERATIONS, {"operation": operation, "path": path}, said, "")
        case Fetch(url=url):
            return _use(API_CALL, {"method": "GET", "url": url}, f"Fetch {url}", "a page or data")
        case Remember(fact=fact):
            parameters = {"key": _key(fact), "value": fact}
            return AgentAction(
                action_type=ActionType.REMEMBER,
                parameters=parameters,
                description=f"Remember {fact}",
            )
        case Recall(query=query):
            about = f"Look up what is known about {query}" if query else "Look up what is known"
            return AgentAction(
                action_type=ActionType.RECALL, parameters={"query": query}, description=about
            )
        case Nothing() | Unclear():
            raise ValueError("only wishes that were understood become actions")


_NAMES = {"python": "Python", "javascript": "JavaScript", "bash": "bash"}
_FILE_WORDS = {
    "read": "Read {path}",
    "list": "List the files in {path}",
    "exists": "Look whether {path} exists",
    "delete": "Delete {path}",
}
_DESCRIPTION_CHARS = 120


def _use(tool: str, arguments: dict[str, str], description: str, expected: str) -> AgentAction:
    line = " ".join(description.split())
    return AgentAction(
        action_type=ActionType.USE_TOOL,
        tool_name=tool,
        parameters=arguments,
        description=line if len(line) <= _DESCRIPTION_CHARS else f"{line[:_DESCRIPTION_CHARS]}…",
        expected_outcome=expected,
        check=Check.SUCCEEDS,
    )


def _tool_of(wish: Wish) -> str:
    match wish:
        case Calculate():
            return CALCULATE
        case RunCode():
            return CODE_EXECUTION
        case WriteFile() | OnFile():
            return FILE_OPERATIONS
        case Fetch():
            return API_CALL
        case Remember() | Recall():
            return MEMORY
        case Nothing() | Unclear():
            return ""


def _result_of(wish: Wish, number: int) -> str:
    """Return the reference to what a later "the result" means; empty when there is nothing."""
    match wish:
        case Calculate():
            return reference(number, "result")
        case RunCode():
            return reference(number, "stdout")
        case OnFile(operation="read"):
            return reference(number, "content")
        case OnFile(operation="list") | Fetch():
            # Without a field a reference always stands for text, which a file needs.
            return reference(number)
        case _:
            return ""


def _key(fact: str) -> str:
    return "_".join(re.findall(r"\w+", fact.lower())[:6]) or "fact"


def _quote(texts: Sequence[str]) -> str:
    return "; ".join(f"“{text[:200]}”" for text in texts[:3])


def _said(problem: str, tools: frozenset[str]) -> Proposal:
    can = [f"- {words}" for tool, words in _ABILITIES.items() if tool in tools]
    joined = "\n\nSeveral of these can be joined by “then”: "
    example = "`calculate 17 * 23 then save the result to answer.txt`"
    lines = ["I can:", *can] if can else ["Nothing else is available to me here either."]
    both = {CALCULATE, FILE_OPERATIONS} <= tools
    text = f"{problem}\n\n" + "\n".join(lines) + (f"{joined}{example}" if both else "")
    action = AgentAction(
        action_type=ActionType.ANSWER,
        parameters={"text": text},
        description="Say what is possible without a language model",
    )
    return Proposal(actions=(action,), note="No language model is configured.")


# -- planning again ------------------------------------------------------------------------------


def _still_possible(plan: Plan) -> tuple[Step, ...]:
    """Return the pending steps that need no failed one."""
    lost = {step.number for step in plan.steps if step.status in _LOST}
    kept: list[Step] = []
    for step in plan.steps:
        if step.status is StepStatus.PENDING:
            if lost.isdisjoint(step.depends_on) and lost.isdisjoint(_needs(step)):
                kept.append(step)
            else:
                lost.add(step.number)
    return tuple(kept)


def _moved_behind(steps: Sequence[Step], first: int) -> tuple[AgentAction, ...]:
    numbers = {step.number: first + index for index, step in enumerate(steps)}
    return tuple(_moved(step, numbers) for step in steps)


def _given_up(plan: Plan, possible: Sequence[Step]) -> str:
    """Say what is not done because it needs a step that failed; empty when that is nothing."""
    pending = [step for step in plan.steps if step.status is StepStatus.PENDING]
    lost = [step.action.description for step in pending if step not in possible]
    return f"Not done, for a step before it failed: {'; '.join(lost)}." if lost else ""


_LOST = frozenset({StepStatus.FAILED, StepStatus.DROPPED, StepStatus.STOPPED})


def _needs(step: Step) -> frozenset[int]:
    return referenced_steps(step.action.parameters)


def _moved(step: Step, numbers: Mapping[int, int]) -> AgentAction:
    return replace(
        step.action,
        parameters=renumbered(step.action.parameters, numbers),
        depends_on=tuple(sorted(numbers.get(n, n) for n in step.depends_on)),
    )


def _is_planned(goal: str, plan: Plan) -> bool:
    """Say whether all that the goal wants is in the plan already."""
    wishes = read_goal(goal)
    if not wishes or any(isinstance(wish, Unclear) for wish in wishes):
        return bool(plan.steps) and not wishes
    described = {step.action.description for step in plan.steps}
    planned = {_without_numbers(text) for text in described}
    wanted = {_without_numbers(action.description) for action in _actions(wishes, 1)}
    return wanted <= planned


def _without_numbers(description: str) -> str:
    return re.sub(r"\{\{step\d+", "{{step", description)
