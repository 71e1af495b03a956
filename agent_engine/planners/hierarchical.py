"""The planner for big goals: it splits one into sub-goals, each planned when it is reached.

The loop calls ``create_plan`` again for every sub-goal, one level deeper and with the results known
by then. At ``max_depth`` only concrete actions are proposed, so the depth has an end.
"""

from collections.abc import Sequence
from dataclasses import replace

from agent_engine.planners.llm import PLAN_MODES, SPLIT_MODES, LLMPlanner
from agent_engine.ports import ModelClient, PlanningContext, StepResult, ToolSpec
from agent_engine.types import ActionType, Plan, Proposal

DEFAULT_MAX_DEPTH = 3


class HierarchicalPlanner:
    """Splits a complex goal into 3 to 5 sub-goals; plans a simple one, or the deepest, at once.

    One model call decides and plans. Should the model split into fewer than three parts, the goal
    is planned as one.

    Args:
        model: the run's model.
        max_depth: how many sub-goals deep a goal can lie; at that depth nothing is split.
    """

    def __init__(self, model: ModelClient, *, max_depth: int = DEFAULT_MAX_DEPTH) -> None:
        self._planner = LLMPlanner(model)
        self._max_depth = max_depth

    async def create_plan(
        self, goal: str, context: PlanningContext, available_tools: Sequence[ToolSpec]
    ) -> Proposal:
        """Propose sub-goals for a complex goal, else a plan or the answer."""
        proposal = Proposal(actions=())
        if context.depth < self._max_depth:
            proposal = await self._planner.create_plan_in(
                SPLIT_MODES, goal, context, available_tools
            )
        if not proposal.actions:
            proposal = await self._concrete(goal, context, available_tools)
        return _without_answers(proposal) if context.depth > 0 else proposal

    async def replan(
        self,
        current_plan: Plan,
        execution_results: Sequence[StepResult],
        new_context: PlanningContext,
        available_tools: Sequence[ToolSpec],
    ) -> Proposal:
        """Plan again as the planner for single goals does."""
        return await self._planner.replan(
            current_plan, execution_results, new_context, available_tools
        )

    async def _concrete(
        self, goal: str, context: PlanningContext, available_tools: Sequence[ToolSpec]
    ) -> Proposal:
        modes = PLAN_MODES if context.depth == 0 else _NESTED_MODES
        return await self._planner.create_plan_in(modes, goal, context, available_tools)


def _without_answers(proposal: Proposal) -> Proposal:
    """Keep a sub-goal's answer as a thought: an answer would end the whole task."""
    actions = tuple(
        replace(
            action,
            action_type=ActionType.THINK,
            parameters={"thought": action.parameters["text"]},
            description="Note what is known already",
        )
        if action.action_type is ActionType.ANSWER
        else action
        for action in proposal.actions
    )
    return replace(proposal, actions=actions)


_NESTED_MODES = ("answer", "plan", "ask")
"""A sub-goal's plan must come to an end by itself, so it cannot be open-ended."""
