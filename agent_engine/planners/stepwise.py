"""The planner for open-ended problems: one action at a time, from what was seen so far.

Native tool calls where the endpoint is known to do them well, else an action as a JSON object. It
keeps no state between calls, so any worker can go on.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from agent_engine.errors import ModelRefusedError
from agent_engine.planners.growing_answer import GrowingAnswer
from agent_engine.planners.native_calls import called, calls_in_words, inner_tools, written_calls
from agent_engine.planners.plan_actions import Bounds, bounds, plan_actions
from agent_engine.planners.plan_reply import read_draft
from agent_engine.planners.plan_schema import (
    action_words,
    arguments_schema,
    closed_object,
    tool_names,
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
)
from agent_engine.planners.reply_parsing import without_thinking
from agent_engine.planners.structured import (
    Question,
    UnfitError,
    UnreadableReplyError,
    ask,
    is_prose,
)
from agent_engine.ports import (
    JsonSchemaFormat,
    ModelClient,
    ModelReply,
    ModelRequest,
    PlanningContext,
    Role,
    StepResult,
    ToolRequest,
    ToolSpec,
    Turn,
)
from agent_engine.tokens import estimate_tokens, shorten
from agent_engine.types import ActionType, AgentAction, Plan, Proposal

logger = logging.getLogger(__name__)

MAX_PARALLEL = 8
"""So many tool calls of one reply are taken; a model that wants more can ask again."""

_NATIVE_TASK = """\
You work on a task step by step with tools. Look at what was done and found so far, then call the \
tool for the next step; several calls at once only if they do not depend on each other. Do not \
repeat a call that worked. When the task is done, or cannot be done, reply with the final answer \
as Markdown text and no call."""

_OBJECT_TASK = """\
You work on a task step by step. Look at what was done and found so far, then choose the next \
action. Reply with one JSON object: "description" (one short line for people), "action", "tool" \
(for use_tool, else ""), "arguments" (a list of name and value), "text".
- use_tool: call a tool with its arguments.
{actions}
- answer: the task is done or cannot be done; "text" is the final answer in Markdown.
Do not repeat a call that worked."""

_OBJECT_HELP = {
    ActionType.THINK: '- think: "text" is a thought to keep.',
    ActionType.ASK: '- ask: "text" is a question that only the person can answer.',
    ActionType.WAIT: "- wait: argument seconds.",
    ActionType.RECALL: '- recall: "text" is what to search your memory for.',
    ActionType.REMEMBER: "- remember: arguments key, value; only if the person wants it kept.",
    ActionType.DELEGATE: "- delegate: arguments agent, task.",
}

_EXAMPLE = (
    '{"description":"Read the notes","action":"use_tool","tool":"file_operations","arguments":'
    '[{"name":"operation","value":"read"},{"name":"path","value":"notes.txt"}],"text":""}'
)
_REFUSED_TOOLS = frozenset({400, 404, 422})
_OVERHEAD_TOKENS = 150


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moment:
    """What the next action is decided from."""

    goal: str
    context: PlanningContext
    tools: tuple[ToolSpec, ...]
    older: Sequence[str]
    newest: Sequence[str]
    purpose: str

    @property
    def words(self) -> list[str]:
        """The actions that can be proposed."""
        memory = "memory" in self.context.capabilities
        return action_words(self.tools, self.context.delegates, memory=memory)


class StepwisePlanner:
    """Proposes the next action, or several independent ones, until it proposes an answer."""

    def __init__(
        self, model: ModelClient, *, temperature: float = 0.1, max_tokens: int = 2_000
    ) -> None:
        self._model = model
        self._temperature = temperature
        self._max_tokens = max_tokens

    async def create_plan(
        self, goal: str, context: PlanningContext, available_tools: Sequence[ToolSpec]
    ) -> Proposal:
        """Propose the first action, or the answer itself."""
        older, newest = history(context.steps, first=context.next_step)
        moment = _Moment(
            goal=goal,
            context=context,
            tools=tuple(available_tools),
            older=older,
            newest=newest,
            purpose="plan",
        )
        return await self._next(moment)

    async def replan(
        self,
        current_plan: Plan,
        execution_results: Sequence[StepResult],
        new_context: PlanningContext,
        available_tools: Sequence[ToolSpec],
    ) -> Proposal:
        """Propose the next action; empty when the model makes no sense and there are results."""
        del current_plan  # its steps with their results are the execution results
        older, newest = seen_history(execution_results, first=new_context.next_step)
        moment = _Moment(
            goal=new_context.goal,
            context=new_context,
            tools=tuple(available_tools),
            older=older,
            newest=newest,
            purpose="replan",
        )
        return await self._next(moment)

    async def _next(self, moment: _Moment) -> Proposal:
        try:
            if self._model.dialect.native_tools is True:
                return await self._native(moment)
            return await self._object(moment)
        except ModelRefusedError as error:
            native = self._model.dialect.native_tools is True
            if not native or error.status not in _REFUSED_TOOLS:
                raise
            # Only remembered once the same question went through without tools.
            proposal = await self._object(moment)
            self._model.dialect.native_tools = False
            return proposal

    # -- native tool calls -----------------------------------------------------------------------

    async def _native(self, moment: _Moment) -> Proposal:
        request = self._native_request(moment)
        limits = _limits(moment)
        reply = await self._model.complete(request)
        try:
            return self._from_native(reply, limits)
        except UnfitError as problem:
            turns = (*request.turns, *_complaint(reply, problem))
        second = await self._model.complete(replace(request, turns=turns))
        try:
            return replace(self._from_native(second, limits), degraded="repaired")
        except UnfitError as still:
            text = without_thinking(second.text)
            unreadable = UnreadableReplyError(str(still), text=text, refusal=second.refusal)
            return _without_action(moment, unreadable)

    def _native_request(self, moment: _Moment) -> ModelRequest:
        system = _joined(
            introduction(moment.context.agent_name, moment.context.instructions),
            _NATIVE_TASK,
            FENCE_RULE,
        )
        return ModelRequest(
            turns=_turns(system, moment, self._max_tokens),
            purpose=moment.purpose,
            temperature=self._temperature,
            max_tokens=self._max_tokens,
            tools=(
                *moment.tools,
                *inner_tools(moment.tools, moment.words, moment.context.delegates),
            ),
        )

    def _from_native(self, reply: ModelReply, limits: Bounds) -> Proposal:
        requests = reply.tool_requests or self._written_calls(reply, limits)
        if not requests:
            text = without_thinking(reply.text) or reply.refusal
            if not text:
                raise UnfitError("the reply was empty")
            return _answer(text)
        actions: list[AgentAction] = []
        problems: list[str] = []
        for call in requests[:MAX_PARALLEL]:
            try:
                actions.append(called(call, limits))
            except UnfitError as problem:
                problems.append(str(problem))
        if not actions:
            raise UnfitError("; ".join(problems[:3]))
        note = f"Left out: {'; '.join(problems[:3])}" if problems else ""
        return Proposal(actions=tuple(actions), open_ended=True, note=note)

    def _written_calls(self, reply: ModelReply, limits: Bounds) -> tuple[ToolRequest, ...]:
        """Return calls that a small model wrote as text, and remember that it does so."""
        calls = written_calls(reply, limits)
        if calls:
            self._model.dialect.native_tools = False
            logger.info("native_tools_unreliable", extra={"model": self._model.name})
        return calls

    # -- an action as a JSON object --------------------------------------------------------------

    async def _object(self, moment: _Moment) -> Proposal:
        limits = _limits(moment)

        def read(value: Any, last_try: bool) -> Proposal:  # noqa: ANN401, FBT001  # Read's shape
            return _from_object(value, limits, last_try=last_try)

        try:
            understood = await ask(self._model, self._object_question(moment), read)
        except UnreadableReplyError as error:
            return _without_action(moment, error)
        return replace(understood.value, degraded=understood.degraded)

    def _object_question(self, moment: _Moment) -> Question:
        words = moment.words
        helps = "\n".join(_OBJECT_HELP[ActionType(w)] for w in words if w != ActionType.USE_TOOL)
        delegates = ", ".join(moment.context.delegates)
        system = _joined(
            introduction(moment.context.agent_name, moment.context.instructions),
            _OBJECT_TASK.format(actions=helps),
            f"Tools:\n{render_tools(moment.tools)}" if moment.tools else "There are no tools.",
            f"Agents to delegate to: {delegates}" if delegates else "",
            FENCE_RULE,
        )
        names = tuple(tool_names(moment.tools))
        tell = moment.context.on_answer
        return Question(
            turns=_turns(system, moment, self._max_tokens),
            purpose=moment.purpose,
            reply_format=_action_format(names, (*words, ActionType.ANSWER.value)),
            example=_EXAMPLE,
            temperature=self._temperature,
            max_tokens=self._max_tokens,
            on_text=GrowingAnswer(tell, word="action", text="text") if tell else None,
        )


# -- asking --------------------------------------------------------------------------------------


def _joined(*parts: str) -> str:
    return "\n".join(filter(None, parts))


def _turns(system: str, moment: _Moment, max_tokens: int) -> tuple[Turn, ...]:
    context = moment.context
    fence = Fence()
    notes = _joined(*(fence.clean(shorten(t, 300)) for t in (context.because, context.warning)))
    spent = estimate_tokens(system) + estimate_tokens(notes) + _OVERHEAD_TOKENS + max_tokens
    data = render_context(
        fence,
        budget_tokens=context.token_budget - spent,
        goal=moment.goal,
        older_steps=moment.older,
        results=moment.newest,
        **context_parts(context),
    )
    ending = f"\n\nNote: {notes}" if notes else ""
    user = f"{render_now(context.now)}{data}{ending}"
    return (Turn(role=Role.SYSTEM, text=system), Turn(role=Role.USER, text=user))


@lru_cache(maxsize=256)
def _action_format(tools: tuple[str, ...], actions: tuple[str, ...]) -> JsonSchemaFormat:
    text = {"type": "string"}
    return JsonSchemaFormat(
        name="action",
        schema=closed_object(
            {
                "description": text,
                "action": {"type": "string", "enum": list(actions)},
                "tool": {"type": "string", "enum": list(tools)},
                "arguments": arguments_schema(),
                "text": text,
            }
        ),
    )


def _limits(moment: _Moment) -> Bounds:
    return bounds(moment.context, moment.tools, moment.words, max_steps=MAX_PARALLEL)


# -- reading -------------------------------------------------------------------------------------


def _from_object(value: Any, limits: Bounds, *, last_try: bool) -> Proposal:  # noqa: ANN401  # JSON
    draft = read_draft(value)
    if draft.mode == "answer" and draft.answer:
        return _answer(draft.answer)
    if draft.mode == "ask" and draft.question:
        parameters = {"question": draft.question}
        action = AgentAction(
            action_type=ActionType.ASK, parameters=parameters, description="Ask what is missing"
        )
        return Proposal(actions=(action,), open_ended=True)
    actions = plan_actions(replace(draft, steps=draft.steps[:1]), limits, last_try=last_try)
    if not actions:
        raise UnfitError('"text" must hold the answer' if draft.mode == "answer" else "no action")
    return Proposal(actions=actions, open_ended=True)


def _answer(text: str) -> Proposal:
    action = AgentAction(
        action_type=ActionType.ANSWER, parameters={"text": text}, description="Answer"
    )
    return Proposal(actions=(action,), open_ended=True)


def _without_action(moment: _Moment, error: UnreadableReplyError) -> Proposal:
    """Fall back when no action could be read: to the prose, to the results, to a thought."""
    prose = error.refusal or error.text
    if is_prose(prose):
        note = "The model's reply was no action; it is taken as the answer."
        return replace(_answer(prose), degraded="one_step", note=note)
    note = "The model's reply was no action."
    if moment.newest:
        return Proposal(actions=(), degraded="one_step", note=note)
    thought = AgentAction(
        action_type=ActionType.THINK,
        parameters={"thought": shorten(moment.goal, 500) or "the task"},
        description="Think about the task",
    )
    return Proposal(actions=(thought,), open_ended=True, degraded="one_step", note=note)


def _complaint(reply: ModelReply, problem: UnfitError) -> tuple[Turn, Turn]:
    """Show the model its own call, in words so that the history stays valid, and what is wrong."""
    wrong = f"That call cannot be made: {problem}\nCall a tool again, correctly."
    return (
        Turn(role=Role.ASSISTANT, text=calls_in_words(reply)),
        Turn(role=Role.USER, text=wrong),
    )
