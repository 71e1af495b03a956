"""The planner that asks a language model for a whole plan at once.

It may call its model and nothing else: what it proposes is checked and carried out elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from agent_engine.planners.growing_answer import GrowingAnswer
from agent_engine.planners.plan_actions import Bounds, bounds, plan_actions
from agent_engine.planners.plan_reply import Draft, read_draft
from agent_engine.planners.plan_schema import (
    MAX_SUB_GOALS,
    MIN_SUB_GOALS,
    action_words,
    plan_format,
)
from agent_engine.planners.prompts import (
    FENCE_RULE,
    Fence,
    context_parts,
    history,
    introduction,
    render_context,
    render_now,
    render_tools,
    seen_history,
    step_line,
)
from agent_engine.planners.stepwise import StepwisePlanner
from agent_engine.planners.structured import (
    Question,
    UnfitError,
    UnreadableReplyError,
    ask,
    is_prose,
)
from agent_engine.ports import ModelClient, PlanningContext, Role, StepResult, ToolSpec, Turn
from agent_engine.tokens import estimate_tokens, shorten
from agent_engine.types import ActionType, AgentAction, Check, Plan, Proposal, StepStatus

PLAN_MODES = ("answer", "plan", "ask", "stepwise")
SPLIT_MODES = ("answer", "plan", "ask", "split")
REPLAN_MODES = ("plan", "done", "ask")

_PLAN_TASK = """\
You make the plan for a task; a program carries it out and shows you what came of it.
Reply with one JSON object. "mode" is one of:
- "answer": you can answer well at once, without tools. Write the whole answer into "answer".
- "plan": work with tools is needed. Put the steps into "steps", as few as do the job.
- "ask": only the person knows what is missing. Put it into "question", likely replies into \
"choices".
"""
_STEPWISE_MODE = """\
- "stepwise": each step depends on what the one before finds, so no plan can be made. \
Leave "steps" empty.
"""
_SPLIT_MODE = """\
- "split": the task is too big for one plan. Put 3 to 5 parts into "sub_goals", each a goal of its \
own that will be planned when it is reached; "depends_on" are numbers of earlier parts.
"""
_REPLAN_TASK = """\
You go on with a task that is under way. Some steps are done; look at what came of them.
Reply with one JSON object. "mode" is one of:
- "plan": more has to be done. Put the steps that are to be done now into "steps"; they replace \
those still planned. Do not repeat what worked; try another way where something failed.
- "done": nothing more is needed, or nothing more can be done. Leave "steps" empty.
- "ask": only the person knows what is missing. Put it into "question", likely replies into \
"choices".
"""
_STEP_RULES = """\
A step has "step" (its number, the first is {first}), "description" (one short line for people), \
"action", "tool" (for use_tool, else ""), "arguments" (a list of name and value), "depends_on" \
(numbers of steps that must be done before; steps that need not wait for each other run at the \
same time), "expected_outcome" (one line) and "check": "succeeds", "not_empty", "contains" (the \
result has "check_value" in it) or "judge" (compare in words).
To use the result of a step in an argument write {{{{step{first}}}}} or one field of it, \
{{{{step{first}.stdout}}}}. Make no step for writing the answer: it is written from the results."""

_ACTION_HELP = {
    ActionType.USE_TOOL: "use_tool: arguments as the tool needs them",
    ActionType.THINK: "think: thought",
    ActionType.ASK: "ask: question",
    ActionType.WAIT: "wait: seconds",
    ActionType.RECALL: "recall: query (search your memory)",
    ActionType.REMEMBER: "remember: key, value (only if the person wants it kept)",
    ActionType.DELEGATE: "delegate: agent, task",
}

_EXAMPLE_STEPS = (
    '[{"step":1,"description":"Read the notes","action":"use_tool","tool":"file_operations",'
    '"arguments":[{"name":"operation","value":"read"},{"name":"path","value":"notes.txt"}],'
    '"depends_on":[],"expected_outcome":"the text of the file","check":"not_empty",'
    '"check_value":""},{"step":2,"description":"Keep a copy","action":"use_tool",'
    '"tool":"file_operations","arguments":[{"name":"operation","value":"write"},{"name":"path",'
    '"value":"copy.txt"},{"name":"content","value":"{{step1.content}}"}],"depends_on":[1],'
    '"expected_outcome":"the file is written","check":"succeeds","check_value":""}]'
)

_OVERHEAD_TOKENS = 200
_FALLBACK_GOAL_TOKENS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What one planning question is about."""

    context: PlanningContext
    tools: tuple[ToolSpec, ...]
    modes: tuple[str, ...]
    purpose: str
    instructions: str
    """What the reply's modes mean."""
    data: dict[str, Any]
    """Sections for ``render_context``."""
    goal: str


class LLMPlanner:
    """Makes a plan with one model call, a second only to repair the first.

    Args:
        model: the run's model.
        temperature: how freely it writes; plans want little.
        max_tokens: how long its reply may be.
        max_steps: how many steps one plan may have.
    """

    def __init__(
        self,
        model: ModelClient,
        *,
        temperature: float = 0.1,
        max_tokens: int = 2_000,
        max_steps: int = 12,
    ) -> None:
        self._model = model
        self._temperature = temperature
        self._max_tokens = max_tokens
        self._max_steps = max_steps

    async def create_plan(
        self, goal: str, context: PlanningContext, available_tools: Sequence[ToolSpec]
    ) -> Proposal:
        """Propose a plan for the goal, or the answer itself when no tool is needed."""
        return await self.create_plan_in(PLAN_MODES, goal, context, available_tools)

    async def create_plan_in(
        self,
        modes: tuple[str, ...],
        goal: str,
        context: PlanningContext,
        available_tools: Sequence[ToolSpec],
    ) -> Proposal:
        """Propose a plan that is of one of these modes; with ``split`` it may be sub-goals."""
        older, newest = history(context.steps, first=context.next_step)
        extra = {"stepwise": _STEPWISE_MODE, "split": _SPLIT_MODE}
        asked = _Asked(
            context=context,
            tools=tuple(available_tools),
            modes=modes,
            purpose="plan",
            instructions=_PLAN_TASK + "".join(extra.get(mode, "") for mode in modes),
            data={**context_parts(context), "older_steps": older, "results": newest},
            goal=goal,
        )
        return await self._proposal(asked)

    async def replan(
        self,
        current_plan: Plan,
        execution_results: Sequence[StepResult],
        new_context: PlanningContext,
        available_tools: Sequence[ToolSpec],
    ) -> Proposal:
        """Propose what replaces the pending steps; empty when nothing more is to be done."""
        if current_plan.open_ended:
            stepwise = StepwisePlanner(self._model)
            return await stepwise.replan(
                current_plan, execution_results, new_context, available_tools
            )
        older, newest = seen_history(execution_results, first=new_context.next_step)
        first = new_context.next_step
        waiting = (s for s in current_plan.steps if s.status is StepStatus.PENDING)
        pending = [step_line(step, first=first) for step in waiting]
        parts = context_parts(new_context)
        asked = _Asked(
            context=_with_known(new_context, current_plan),
            tools=tuple(available_tools),
            modes=REPLAN_MODES,
            purpose="replan",
            instructions=_REPLAN_TASK,
            data={**parts, "older_steps": older, "results": newest, "pending": pending},
            goal=new_context.goal,
        )
        return await self._proposal(asked)

    async def _proposal(self, asked: _Asked) -> Proposal:
        words = self._words(asked)
        limits = bounds(asked.context, asked.tools, words, max_steps=self._max_steps)

        def read(value: Any, last_try: bool) -> Proposal:  # noqa: ANN401, FBT001  # Read's shape
            return _read(read_draft(value), asked, limits, last_try=last_try)

        try:
            understood = await ask(self._model, self._question(asked, words), read)
        except UnreadableReplyError as error:
            if asked.purpose == "replan":
                raise
            return _one_step(asked.goal, error)
        proposal = replace(understood.value, degraded=understood.degraded)
        if proposal.open_ended:
            stepwise = StepwisePlanner(self._model)
            return await stepwise.create_plan(asked.goal, asked.context, asked.tools)
        return proposal

    def _words(self, asked: _Asked) -> list[str]:
        memory = "memory" in asked.context.capabilities
        return action_words(asked.tools, asked.context.delegates, memory=memory)

    def _question(self, asked: _Asked, words: list[str]) -> Question:
        fence = Fence()
        system = "\n".join(filter(None, _system_parts(asked, words)))
        notes = _notes(asked.context, fence)
        spent = estimate_tokens(system) + estimate_tokens(notes) + _OVERHEAD_TOKENS
        budget = asked.context.token_budget - spent - self._max_tokens
        data = render_context(fence, budget_tokens=budget, goal=asked.goal, **asked.data)
        user = f"{render_now(asked.context.now)}{data}{notes}"
        schema = plan_format(asked.tools, words, asked.modes, max_steps=self._max_steps)
        tell = asked.context.on_answer if "answer" in asked.modes else None
        return Question(
            turns=(Turn(role=Role.SYSTEM, text=system), Turn(role=Role.USER, text=user)),
            purpose=asked.purpose,
            reply_format=schema,
            example=_examples(asked),
            temperature=self._temperature,
            max_tokens=self._max_tokens,
            on_text=GrowingAnswer(tell, word="mode", text="answer") if tell else None,
        )


def _examples(asked: _Asked) -> str:
    """Return one reply of each plain kind that is offered, a line each."""
    kinds = {
        "answer": _example("answer", asked.modes, answer="Rome is the capital of Italy."),
        "done": _example("done", asked.modes),
        "plan": _example("plan", asked.modes, steps=_EXAMPLE_STEPS),
    }
    return "\n".join(line for mode, line in kinds.items() if mode in asked.modes)


def _example(mode: str, modes: Sequence[str], *, answer: str = "", steps: str = "[]") -> str:
    parts = ',"sub_goals":[]' if "split" in modes else ""
    said = f'"answer":"{answer}","question":"","choices":[]'
    return f'{{"mode":"{mode}",{said},"steps":{steps}{parts}}}'


def _system_parts(asked: _Asked, words: Sequence[str]) -> list[str]:
    context = asked.context
    actions = "\n".join(f"- {_ACTION_HELP[ActionType(word)]}" for word in words)
    delegates = (
        f"Agents to delegate to: {', '.join(context.delegates)}" if context.delegates else ""
    )
    return [
        introduction(context.agent_name, context.instructions),
        asked.instructions + _STEP_RULES.format(first=context.next_step),
        f"Actions and their arguments:\n{actions}",
        f"Tools:\n{render_tools(asked.tools)}" if asked.tools else "There are no tools.",
        delegates,
        FENCE_RULE,
    ]


def _notes(context: PlanningContext, fence: Fence) -> str:
    lines = []
    if context.because:
        lines.append(f"The plan is made anew because: {fence.clean(shorten(context.because, 300))}")
    if context.warning:
        lines.append(f"Note: {fence.clean(shorten(context.warning, 300))}")
    return "\n\n" + "\n".join(lines) if lines else ""


def _with_known(context: PlanningContext, plan: Plan) -> PlanningContext:
    """Return the context with the finished steps, whose results new steps may refer to."""
    if context.steps:
        return context
    return replace(context, steps=tuple(s for s in plan.steps if s.status.is_final))


# -- reading the reply ---------------------------------------------------------------------------


def _read(draft: Draft, asked: _Asked, limits: Bounds, *, last_try: bool) -> Proposal:
    match draft.mode if draft.mode in asked.modes else _nearest_mode(draft, asked.modes):
        case "answer" if draft.answer:
            return _answer(draft.answer)
        case "ask" if draft.question:
            return _question_to_person(draft)
        case "split":
            return Proposal(actions=_sub_goals(draft, limits.first))
        case "stepwise":
            return Proposal(actions=(), open_ended=True)
        case "done":
            return Proposal(actions=())
        case "plan":
            return _plan(draft, asked, limits, last_try=last_try)
        case _:
            raise UnfitError(f'mode is "{draft.mode}", but "{draft.mode}" is empty')


def _nearest_mode(draft: Draft, modes: Sequence[str]) -> str:
    """Return what a mode that was not offered most likely means."""
    if draft.mode == "answer" and "done" in modes:
        return "done"
    if draft.steps or draft.mode in ("stepwise", "split"):
        return "plan"
    if draft.mode == "done" and draft.answer:
        return "answer"
    raise UnfitError(f"mode must be one of {', '.join(modes)}")


def _plan(draft: Draft, asked: _Asked, limits: Bounds, *, last_try: bool) -> Proposal:
    actions = plan_actions(draft, limits, last_try=last_try)
    if actions or "done" in asked.modes:
        return Proposal(actions=actions)
    if draft.answer:
        return _answer(draft.answer)
    raise UnfitError('mode is "plan", but there are no steps to carry out')


def _answer(text: str) -> Proposal:
    action = AgentAction(
        action_type=ActionType.ANSWER, parameters={"text": text}, description="Answer"
    )
    return Proposal(actions=(action,))


def _question_to_person(draft: Draft) -> Proposal:
    parameters: dict[str, Any] = {"question": draft.question}
    if draft.choices:
        parameters["choices"] = list(draft.choices)
    action = AgentAction(
        action_type=ActionType.ASK, parameters=parameters, description="Ask what is missing"
    )
    return Proposal(actions=(action,))


def _sub_goals(draft: Draft, first: int) -> tuple[AgentAction, ...]:
    """Return the parts as sub-goals; those beyond the most that are allowed join the last."""
    if len(draft.sub_goals) < MIN_SUB_GOALS:
        return ()
    head, tail = draft.sub_goals[: MAX_SUB_GOALS - 1], draft.sub_goals[MAX_SUB_GOALS - 1 :]
    goals = [part.goal for part in head] + (["; then ".join(p.goal for p in tail)] if tail else [])
    return tuple(
        AgentAction(
            action_type=ActionType.SUB_GOAL,
            parameters={"goal": goal},
            description=goal,
            depends_on=tuple(
                sorted({first + n - 1 for n in draft.sub_goals[i].depends_on if 1 <= n <= i})
            ),
            check=Check.SUCCEEDS,
        )
        for i, goal in enumerate(goals)
    )


def _one_step(goal: str, error: UnreadableReplyError) -> Proposal:
    """Fall back to one step: the model's prose where it can stand as an answer, else a thought."""
    prose = error.refusal or error.text
    if is_prose(prose):
        note = "The model's reply was no plan; it is taken as the answer."
        return replace(_answer(prose), degraded="one_step", note=note)
    thought = shorten(goal, _FALLBACK_GOAL_TOKENS)
    action = AgentAction(
        action_type=ActionType.THINK,
        parameters={"thought": thought or "the task"},
        description="Think about the task",
    )
    note = "The model's reply was no plan, so none could be made."
    return Proposal(actions=(action,), degraded="one_step", note=note)
