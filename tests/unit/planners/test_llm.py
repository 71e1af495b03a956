import json
from dataclasses import replace

import pytest

from agent_engine.errors import ModelRefusedError, ModelReplyError, ModelUnavailableError
from agent_engine.models.scripted import ScriptedModel
from agent_engine.planners.llm import PLAN_MODES, SPLIT_MODES, LLMPlanner
from agent_engine.ports import JsonSchemaFormat, ModelReply, PlanningContext
from agent_engine.tokens import estimate_tokens
from agent_engine.types import ActionType, AgentId, Check, StepStatus
from tests.fakes.models import (
    SEARCH,
    TOOLS,
    action_json,
    connected,
    done_step,
    plan_json,
    plan_of,
    results,
    step_json,
    tool,
)
from tests.fakes.openai_server import (
    FIBONACCI_PROBLEM,
    Formats,
    OpenAIServer,
    fibonacci,
    strict_problems,
)

CONTEXT = PlanningContext()
SAVE = {"operation": "write", "path": "a.txt", "content": "{{step1.result}}"}


async def planned(*replies, context=CONTEXT, tools=TOOLS, goal="the goal", **options):
    with ScriptedModel(*replies) as model:
        proposal = await LLMPlanner(model, **options).create_plan(goal, context, tools)
    return proposal, model


async def replanned(*replies, context=CONTEXT, plan=None, seen=(), tools=TOOLS):
    with ScriptedModel(*replies) as model:
        plan = plan or plan_of(done_step(1))
        proposal = await LLMPlanner(model).replan(plan, seen, context, tools)
    return proposal, model


async def test_a_plan_becomes_actions():
    steps = (
        step_json(1, expected_outcome="2", check="contains", check_value="2"),
        step_json(2, "file_operations", arguments=SAVE, depends_on=[1]),
    )
    proposal, model = await planned(plan_json(*steps))
    first, second = proposal
    assert (first.action_type, first.tool_name) == (ActionType.USE_TOOL, "calculate")
    assert first.parameters == {"expression": "1 + 1"}
    assert (first.check, first.check_value, first.expected_outcome) == (Check.CONTAINS, "2", "2")
    assert second.depends_on == (1,)
    assert second.parameters == SAVE
    assert (proposal.degraded, proposal.open_ended) == ("", False)
    assert len(model.requests) == 1


async def test_a_plain_question_is_answered_in_one_call():
    proposal, model = await planned(plan_json(mode="answer", answer="Paris."))
    assert [a.action_type for a in proposal] == [ActionType.ANSWER]
    assert proposal[0].parameters == {"text": "Paris."}
    assert len(model.requests) == 1


async def test_what_only_the_person_knows_is_asked():
    proposal, _ = await planned(plan_json(mode="ask", question="Which?", choices=["a", "b"]))
    assert proposal[0].action_type is ActionType.ASK
    assert proposal[0].parameters == {"question": "Which?", "choices": ["a", "b"]}


async def test_where_no_plan_can_be_made_it_goes_step_by_step():
    action = action_json(tool="calculate", arguments={"expression": "1"})
    proposal, model = await planned(plan_json(mode="stepwise"), action)
    assert proposal.open_ended
    assert proposal[0].tool_name == "calculate"
    assert "step by step" in model.requests[1].turns[0].text


async def test_the_schema_is_one_that_strict_servers_take_and_names_the_tools():
    context = replace(CONTEXT, delegates=(AgentId("anna"),))
    _, model = await planned(plan_json(mode="answer", answer="x"), context=context)
    wanted = model.requests[0].reply_format
    assert isinstance(wanted, JsonSchemaFormat)
    assert not list(strict_problems(wanted.schema))
    step = wanted.schema["properties"]["steps"]["items"]["properties"]
    assert step["tool"]["enum"] == ["", "calculate", "code_execution", "file_operations"]
    assert set(step["action"]["enum"]) == {
        "use_tool", "think", "ask", "wait", "recall", "remember", "delegate",
    }  # fmt: skip


async def test_without_tools_memory_or_agents_their_actions_are_not_offered():
    context = replace(CONTEXT, capabilities=())
    _, model = await planned(plan_json(mode="answer", answer="x"), context=context, tools=())
    step = model.requests[0].reply_format.schema["properties"]["steps"]["items"]["properties"]
    assert set(step["action"]["enum"]) == {"think", "ask", "wait"}
    assert "There are no tools." in model.requests[0].turns[0].text


async def test_the_request_is_the_planners():
    _, model = await planned(plan_json(mode="answer", answer="x"))
    asked = model.requests[0]
    assert (asked.purpose, asked.temperature, asked.max_tokens) == ("plan", 0.1, 2_000)
    assert asked.tools == ()


# -- what a model gets wrong ---------------------------------------------------------------------


async def test_an_unknown_tool_is_told_and_can_be_repaired():
    wrong = plan_json(step_json(1, "teleport"))
    proposal, model = await planned(wrong, plan_json(step_json(1)))
    assert "there is no tool 'teleport'" in model.requests[1].turns[-1].text
    assert (proposal[0].tool_name, proposal.degraded) == ("calculate", "repaired")


async def test_a_tool_that_stays_unknown_is_left_out_with_what_uses_its_result():
    wrong = plan_json(
        step_json(1, "teleport"),
        step_json(2, arguments={"expression": "{{step1.x}} + 1"}),
        step_json(3, arguments={"expression": "{{step2.result}}"}),
        step_json(4, depends_on=[1]),
    )
    proposal, _ = await planned(wrong, wrong)
    assert [a.description for a in proposal] == ["Step 4"]
    assert proposal[0].depends_on == ()


async def test_a_missing_required_argument_is_told():
    wrong = plan_json(step_json(1, "code_execution", arguments={"language": "python"}))
    _, model = await planned(wrong, plan_json(step_json(1)))
    assert "code_execution needs the argument code" in model.requests[1].turns[-1].text


async def test_an_unknown_agent_to_delegate_to_is_left_out():
    delegate = step_json(
        1, "", action="delegate", arguments={"agent": "mallory", "task": "everything"}
    )
    wrong = plan_json(delegate, step_json(2))
    context = replace(CONTEXT, delegates=(AgentId("anna"),))
    proposal, _ = await planned(wrong, wrong, context=context)
    assert [a.action_type for a in proposal] == [ActionType.USE_TOOL]


async def test_values_that_came_as_text_become_what_the_tool_wants():
    arguments = {"query": "12", "num_results": "3"}
    steps = (
        step_json(1, "web_search", arguments=arguments),
        step_json(2, "web_search", arguments={"query": "x", "num_results": "{{step1.count}}"}),
        step_json(3, "web_search", arguments={"query": "x", "num_results": "many"}),
    )
    proposal, _ = await planned(plan_json(*steps), tools=(SEARCH,))
    assert proposal[0].parameters == {"query": "12", "num_results": 3}
    assert proposal[1].parameters["num_results"] == "{{step1.count}}"
    assert proposal[2].parameters["num_results"] == "many"


async def test_values_for_alternatives_of_types_are_converted_too():
    either = {"anyOf": [{"type": "integer"}, {"type": "null"}]}
    made = tool("t", (), a=either, b=either, c={"type": ["array", "null"]}, d={})
    arguments = {"a": "3", "b": "null", "c": "[1]", "d": "4"}
    proposal, _ = await planned(plan_json(step_json(1, "t", arguments=arguments)), tools=(made,))
    assert proposal[0].parameters == {"a": 3, "b": None, "c": [1], "d": "4"}


async def test_a_step_that_only_writes_the_answer_is_left_out():
    answer = step_json(2, "", action="answer", arguments={"text": "It is {{step1.result}}"})
    proposal, _ = await planned(plan_json(step_json(1), answer))
    assert [a.action_type for a in proposal] == [ActionType.USE_TOOL]


async def test_steps_are_renumbered_to_follow_those_done():
    context = replace(CONTEXT, next_step=3, steps=(done_step(1), done_step(2)))
    steps = (step_json(1), step_json(2, "file_operations", arguments=SAVE, depends_on=[1]))
    proposal, _ = await planned(plan_json(*steps), context=context)
    assert proposal[1].depends_on == (3,)
    assert proposal[1].parameters["content"] == "{{step3.result}}"


async def test_more_steps_than_allowed_are_told_then_cut():
    many = plan_json(*(step_json(n) for n in range(1, 6)))
    proposal, model = await planned(many, many, max_steps=3)
    assert len(proposal) == 3
    assert model.requests[0].reply_format.schema["properties"]["steps"]["maxItems"] == 3


async def test_a_plan_without_steps_is_told():
    proposal, model = await planned(plan_json(), plan_json(mode="answer", answer="ok"))
    assert "no steps" in model.requests[1].turns[-1].text
    assert proposal[0].parameters == {"text": "ok"}


async def test_a_judged_check_needs_words_to_judge_by():
    proposal, _ = await planned(plan_json(step_json(1, check="judge")))
    assert proposal[0].check is Check.SUCCEEDS


async def test_prose_twice_is_taken_as_the_answer_and_said_so():
    proposal, _ = await planned("Paris is the capital.", "It is Paris.")
    assert proposal[0].action_type is ActionType.ANSWER
    assert proposal[0].parameters == {"text": "It is Paris."}
    assert proposal.degraded == "one_step"
    assert proposal.note


async def test_broken_json_twice_is_no_answer_but_a_thought():
    proposal, _ = await planned('{"mode": "plan", "steps": [', "```json\n{oops")
    assert proposal[0].action_type is ActionType.THINK
    assert proposal.degraded == "one_step"


async def test_a_refusal_is_the_answer():
    proposal, _ = await planned(ModelReply(text="", refusal="I cannot help with that."))
    assert proposal[0].parameters == {"text": "I cannot help with that."}


@pytest.mark.parametrize(
    "error", [ModelUnavailableError("down"), ModelRefusedError("key", status=401)]
)
async def test_a_model_that_cannot_be_used_is_heard_of(error):
    with pytest.raises(type(error)):
        await planned(error)


# -- planning again ------------------------------------------------------------------------------


async def test_a_replan_sees_the_last_five_results_in_full_and_older_ones_in_a_line():
    steps = [
        done_step(n, {"stdout": f"output of {n}"}, outcome=f"outcome of {n}") for n in range(1, 9)
    ]
    context = replace(CONTEXT, next_step=9, goal="the goal", because="step 8 surprised")
    plan = plan_of(*steps)
    _, model = await replanned(
        plan_json(mode="done"), context=context, plan=plan, seen=results(*steps)
    )
    text = model.requests[0].turns[1].text
    for number in range(1, 4):
        assert f"outcome of {number}" in text
        assert f"output of {number}" not in text
    for number in range(4, 9):
        assert f"output of {number}" in text
    assert "the goal" in text
    assert "step 8 surprised" in text
    assert model.requests[0].purpose == "replan"


async def test_done_is_an_empty_proposal():
    proposal, _ = await replanned(plan_json(mode="done"))
    assert len(proposal) == 0


async def test_an_answer_in_a_replan_means_that_nothing_more_is_to_be_done():
    proposal, _ = await replanned(plan_json(mode="answer", answer="42"))
    assert len(proposal) == 0


async def test_a_replan_may_refer_to_results_that_are_there():
    context = replace(CONTEXT, next_step=3)
    plan = plan_of(done_step(1), done_step(2, status=StepStatus.FAILED))
    step = step_json(3, "file_operations", arguments=SAVE, depends_on=[1])
    proposal, _ = await replanned(plan_json(step), context=context, plan=plan)
    assert proposal[0].depends_on == (1,)
    assert proposal[0].parameters["content"] == "{{step1.result}}"


async def test_a_replan_shows_what_is_still_planned():
    pending = done_step(2, description="Save it", status=StepStatus.PENDING)
    _, model = await replanned(plan_json(mode="done"), plan=plan_of(done_step(1), pending))
    assert "Save it" in model.requests[0].turns[1].text


async def test_a_replan_that_cannot_be_read_is_an_error_so_that_the_plan_is_kept():
    with pytest.raises(ModelReplyError):
        await replanned("prose", "more prose")


async def test_an_open_ended_plan_goes_on_step_by_step():
    action = action_json(tool="calculate", arguments={"expression": "1"})
    proposal, _ = await replanned(action, plan=plan_of(done_step(1), open_ended=True))
    assert proposal.open_ended


# -- on a server ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(Formats))
async def test_the_fibonacci_problem_is_planned_on_every_rung(kind):
    server = OpenAIServer(fibonacci, formats=kind)
    async with connected(server) as model:
        planner = LLMPlanner(model)
        proposal = await planner.create_plan(FIBONACCI_PROBLEM, CONTEXT, TOOLS)
    run, save = proposal
    assert (run.tool_name, save.tool_name) == ("code_execution", "file_operations")
    assert save.parameters["content"] == "{{step1.stdout}}"
    assert save.depends_on == (1,)


@pytest.mark.parametrize("modes", [PLAN_MODES, SPLIT_MODES])
async def test_a_prompt_without_tools_is_short_and_shows_replies_of_its_own_shape(modes):
    with ScriptedModel(plan_json(mode="answer", answer="x")) as model:
        await LLMPlanner(model).create_plan_in(modes, "the goal", CONTEXT, ())
    (asked,) = model.requests
    system = asked.turns[0].text
    assert estimate_tokens(system) < 1_200
    properties = asked.reply_format.schema["properties"]
    for line in system.rpartition("For example:\n")[2].splitlines():
        example = json.loads(line)
        assert set(example) == set(properties)
        assert example["mode"] in modes


async def test_a_new_plan_is_shown_examples_of_what_it_may_be():
    _, model = await replanned(plan_json(mode="done"))
    lines = model.requests[0].turns[0].text.rpartition("For example:\n")[2].splitlines()
    assert [json.loads(line)["mode"] for line in lines] == ["done", "plan"]


# -- told while it grows -------------------------------------------------------------------------


async def test_a_direct_answer_is_told_while_it_grows():
    told = []
    context = replace(CONTEXT, on_answer=told.append)
    await planned(plan_json(mode="answer", answer="Paris, on the Seine."), context=context)
    assert told[-1] == "Paris, on the Seine."


async def test_of_a_plan_with_steps_nothing_is_told():
    told = []
    await planned(plan_json(step_json(1)), context=replace(CONTEXT, on_answer=told.append))
    assert told == []


async def test_a_reply_that_has_to_be_repaired_is_taken_back():
    told = []
    broken = plan_json(mode="answer", answer="Paris")
    del broken["mode"]
    broken = {"mode": "answer", **broken, "steps": [7]}
    again = plan_json(mode="answer", answer="Paris.")
    await planned(broken, again, context=replace(CONTEXT, on_answer=told.append))
    assert told == ["Paris", "", "Paris."]
