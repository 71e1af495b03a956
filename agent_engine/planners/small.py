"""The planner for very small language models, which cannot make plans.

Rules plan what they understand without asking the model; a program that is wanted is written by the
model and put into a plan by rules; a file that is spoken of is read first; anything else the model
answers in its own words. It may call its model and nothing else.
"""

from collections.abc import Sequence
from typing import Any

from agent_engine.errors import ModelReplyError
from agent_engine.planners.offline import (
    CODE_EXECUTION,
    FILE_OPERATIONS,
    newest_wish,
    plan_by_rules,
    still_planned,
)
from agent_engine.planners.programs import ProgramWish, program_in, program_wish
from agent_engine.planners.references import reference
from agent_engine.planners.small_prompts import (
    answer_request,
    only_repeats,
    program_request,
    spoken,
)
from agent_engine.ports import ModelClient, PlanningContext, StepResult, ToolSpec
from agent_engine.types import ActionType, AgentAction, Check, Plan, Proposal, Step

MOST_CORRECTIONS = 2
MOST_FILES = 2


class SmallModelPlanner:
    """Plans by rules; its model writes programs and plain answers."""

    def __init__(self, model: ModelClient) -> None:
        self._model = model

    async def create_plan(
        self, goal: str, context: PlanningContext, available_tools: Sequence[ToolSpec]
    ) -> Proposal:
        """Propose the steps that rules find in the goal, with what the model writes for them."""
        by_rules = plan_by_rules(goal, available_tools, first=context.next_step)
        if by_rules:
            return Proposal(actions=by_rules)
        tools = frozenset(tool.name for tool in available_tools)
        wish = program_wish(goal)
        if wish is not None and CODE_EXECUTION in tools:
            return await self._program(wish, context, tools)
        if FILE_OPERATIONS in tools and (paths := spoken_of(goal, context.files)):
            return Proposal(actions=tuple(_read(path) for path in paths))
        return await self._answer(goal, context)

    async def replan(
        self,
        current_plan: Plan,
        execution_results: Sequence[StepResult],
        new_context: PlanningContext,
        available_tools: Sequence[ToolSpec],
    ) -> Proposal:
        """Propose a corrected program, or what can still be done and what was said since."""
        tools = frozenset(tool.name for tool in available_tools)
        newest = newest_wish(new_context)
        wish = program_wish(new_context.goal)
        wrong = _wrong_programs(execution_results)
        if wish is not None and wrong and CODE_EXECUTION in tools:
            return await self._corrected(wish, wrong, new_context, tools)
        kept, note = still_planned(current_plan, first=new_context.next_step)
        if newest is None or newest == new_context.goal:
            return Proposal(actions=kept, note=note)
        added = plan_by_rules(newest, available_tools, first=new_context.next_step + len(kept))
        return Proposal(actions=(*kept, *added), note=note)

    # -- programs --------------------------------------------------------------------------------

    async def _program(
        self, wish: ProgramWish, context: PlanningContext, tools: frozenset[str]
    ) -> Proposal:
        code = await self._written(wish, ())
        if not code or only_repeats(code, wish.what):
            raise ModelReplyError("the language model wrote no program")
        return Proposal(actions=_program_steps(wish, code, context.next_step, tools))

    async def _corrected(
        self,
        wish: ProgramWish,
        wrong: Sequence[tuple[str, str]],
        context: PlanningContext,
        tools: frozenset[str],
    ) -> Proposal:
        """Propose a program that differs from those that failed; nothing when there is none."""
        given_up = Proposal(actions=(), note="The model found no program that works.")
        if len(wrong) > MOST_CORRECTIONS:
            return given_up
        code = await self._written(wish, wrong)
        if not code or code in (failed for failed, _ in wrong):
            return given_up
        return Proposal(actions=_program_steps(wish, code, context.next_step, tools))

    async def _written(self, wish: ProgramWish, wrong: Sequence[tuple[str, str]]) -> str:
        request = program_request(wish.what, wish.language, wrong=wrong)
        reply = await self._model.complete(request)
        return program_in(spoken(reply))

    # -- answers ---------------------------------------------------------------------------------

    async def _answer(self, goal: str, context: PlanningContext) -> Proposal:
        reply = await self._model.complete(answer_request(goal, context))
        text = spoken(reply) or reply.refusal
        if not text or only_repeats(text, goal):
            raise ModelReplyError("the language model gave no answer")
        action = AgentAction(
            action_type=ActionType.ANSWER, parameters={"text": text}, description="Answer"
        )
        return Proposal(actions=(action,))


def spoken_of(goal: str, files: Sequence[str]) -> tuple[str, ...]:
    """Return the files of the task folder that the goal names."""
    words = goal.lower()
    return tuple(path for path in files if path.lower() in words)[:MOST_FILES]


def _program_steps(
    wish: ProgramWish, code: str, first: int, tools: frozenset[str]
) -> tuple[AgentAction, ...]:
    run = _use(
        CODE_EXECUTION,
        {"language": wish.language, "code": code},
        f"Run the program: {wish.what}",
        expected="the program prints something and ends without an error",
        check=Check.NOT_EMPTY,
    )
    if FILE_OPERATIONS not in tools:
        return (run,)
    output = reference(first, "stdout")
    saved = [
        _write(path, content, after=first)
        for path, content in ((wish.program_path, code), (wish.output_path, output))
        if path
    ]
    return (run, *saved)


def _write(path: str, content: str, *, after: int) -> AgentAction:
    arguments = {"operation": "write", "path": path, "content": content}
    return _use(FILE_OPERATIONS, arguments, f"Write {path}", depends_on=(after,))


def _read(path: str) -> AgentAction:
    return _use(FILE_OPERATIONS, {"operation": "read", "path": path}, f"Read {path}")


_DESCRIPTION_CHARS = 120


def _use(  # noqa: PLR0913 - a keyword per trait of a step
    tool: str,
    arguments: dict[str, Any],
    description: str,
    *,
    expected: str = "",
    check: Check = Check.SUCCEEDS,
    depends_on: tuple[int, ...] = (),
) -> AgentAction:
    line = description if len(description) <= _DESCRIPTION_CHARS else f"{description[:119]}…"
    return AgentAction(
        action_type=ActionType.USE_TOOL,
        tool_name=tool,
        parameters=arguments,
        description=line,
        expected_outcome=expected,
        check=check,
        depends_on=depends_on,
    )


def _wrong_programs(results: Sequence[StepResult]) -> tuple[tuple[str, str], ...]:
    """Return programs that failed or printed nothing, each with what was wrong, in order."""
    ran = [seen for seen in results if seen.step.action.tool_name == CODE_EXECUTION]
    if not ran or ran[-1].step.surprise is None:
        return ()
    return tuple((_code(seen.step), _what_was_wrong(seen)) for seen in ran if seen.step.surprise)


def _code(step: Step) -> str:
    return str(step.action.parameters.get("code", ""))


def _what_was_wrong(seen: StepResult) -> str:
    errors = str(seen.result.get("stderr") or seen.result.get("error") or "").strip()
    last = errors.splitlines()[-1] if errors else ""
    return f"That fails with: {last}." if last else "That prints nothing. Print the result."
