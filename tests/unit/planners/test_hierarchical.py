from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from agent_engine.models.scripted import ScriptedModel
from agent_engine.planners.hierarchical import HierarchicalPlanner
from agent_engine.ports import PlanningContext
from agent_engine.types import ActionType
from tests.fakes.models import TOOLS, done_step, plan_json, plan_of, step_json
from tests.fakes.openai_server import strict_problems

CONTEXT = PlanningContext()


def split(*goals):
    parts = [{"goal": goal, "depends_on": []} for goal in goals]
    return plan_json(mode="split", sub_goals=parts)


async def planned(*replies, context=CONTEXT, **options):
    with ScriptedModel(*replies) as model:
        planner = HierarchicalPlanner(model, **options)
        return await planner.create_plan("a big goal", context, TOOLS), model


async def test_a_complex_goal_becomes_sub_goals():
    reply = split("find", "compare", "write")
    reply["sub_goals"][2]["depends_on"] = [1, 2, 3, 9]
    proposal, model = await planned(reply, context=replace(CONTEXT, next_step=5))
    assert [a.action_type for a in proposal] == [ActionType.SUB_GOAL] * 3
    assert [a.parameters["goal"] for a in proposal] == ["find", "compare", "write"]
    assert [a.depends_on for a in proposal] == [(), (), (5, 6)]
    assert not list(strict_problems(model.requests[0].reply_format.schema))


async def test_a_simple_goal_is_planned_at_once():
    proposal, model = await planned(plan_json(step_json(1)))
    assert [a.action_type for a in proposal] == [ActionType.USE_TOOL]
    assert len(model.requests) == 1


async def test_a_plain_question_is_answered_in_one_call():
    proposal, _ = await planned(plan_json(mode="answer", answer="Paris"))
    assert proposal[0].action_type is ActionType.ANSWER


async def test_too_few_parts_are_planned_as_one_goal():
    proposal, model = await planned(split("all of it", "rest"), plan_json(step_json(1)))
    assert [a.action_type for a in proposal] == [ActionType.USE_TOOL]
    assert "split" not in model.requests[1].reply_format.schema["properties"]["mode"]["enum"]


async def test_too_many_parts_are_joined_into_five():
    proposal, _ = await planned(split(*"abcdefg"))
    assert len(proposal) == 5
    assert proposal[4].parameters["goal"] == "e; then f; then g"


async def test_at_the_greatest_depth_only_concrete_actions_are_proposed():
    deep = replace(CONTEXT, depth=3)
    stubborn = split("a", "b", "c")
    proposal, model = await planned(stubborn, plan_json(step_json(1)), context=deep)
    assert [a.action_type for a in proposal] == [ActionType.USE_TOOL]
    assert model.requests[0].reply_format.schema["properties"]["mode"]["enum"] == [
        "answer",
        "plan",
        "ask",
    ]


async def test_a_sub_goal_in_the_steps_is_no_way_round_the_bound():
    deep = replace(CONTEXT, depth=3)
    step = step_json(1, "", action="sub_goal", arguments={"goal": "again"})
    reply = plan_json(step, step_json(2))
    proposal, _ = await planned(reply, reply, context=deep)
    assert [a.action_type for a in proposal] == [ActionType.USE_TOOL]


async def test_the_answer_to_a_sub_goal_is_a_thought_for_it_must_not_end_the_task():
    for depth in (1, 3):
        reply = plan_json(mode="answer", answer="It is 7.")
        (action,), _ = await planned(reply, context=replace(CONTEXT, depth=depth))
        assert action.action_type is ActionType.THINK
        assert action.parameters == {"thought": "It is 7."}


async def test_a_sub_goal_is_planned_with_what_is_known_by_then():
    context = replace(CONTEXT, depth=1, next_step=2, steps=(done_step(1, {"found": "the key"}),))
    _, model = await planned(plan_json(step_json(2)), context=context)
    assert "the key" in model.requests[0].turns[1].text


async def test_planning_again_is_done_as_for_a_single_goal():
    with ScriptedModel(plan_json(mode="done")) as model:
        planner = HierarchicalPlanner(model)
        proposal = await planner.replan(plan_of(done_step(1)), (), CONTEXT, TOOLS)
    assert len(proposal) == 0
    assert model.requests[0].purpose == "replan"


@given(st.data(), st.integers(0, 3))
async def test_whatever_the_model_says_goals_never_lie_deeper_than_allowed(data, max_depth):
    def stubborn(_asked):
        if data.draw(st.booleans(), label="splits"):
            return split("a", "b", "c")
        sub_goal = step_json(1, "", action="sub_goal", arguments={"goal": "again"})
        return plan_json(data.draw(st.sampled_from([step_json(1), sub_goal])))

    model = ScriptedModel(*[stubborn] * 2_000)
    planner = HierarchicalPlanner(model, max_depth=max_depth)
    waiting, deepest = [0], 0
    while waiting:
        depth = waiting.pop()
        deepest = max(deepest, depth)
        proposal = await planner.create_plan("g", replace(CONTEXT, depth=depth), TOOLS)
        assert len(proposal) > 0
        below = [a for a in proposal if a.action_type is ActionType.SUB_GOAL]
        waiting += [depth + 1] * (1 if below else 0)
    assert deepest <= max_depth
