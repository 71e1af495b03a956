from dataclasses import replace

import pytest

from agent_engine.errors import ModelRefusedError, ModelUnavailableError
from agent_engine.models.scripted import ScriptedModel
from agent_engine.planners.stepwise import StepwisePlanner
from agent_engine.ports import Dialect, ModelReply, PlanningContext, ToolRequest
from agent_engine.types import ActionType, AgentId
from tests.fakes.models import (
    CALCULATE,
    SEARCH,
    TOOLS,
    action_json,
    connected,
    done_step,
    plan_of,
    results,
    tool,
)
from tests.fakes.openai_server import (
    FIBONACCI_PROBLEM,
    Formats,
    OpenAIServer,
    echo5,
    fibonacci,
    strict_problems,
)

CONTEXT = PlanningContext()
NATIVE = {"dialect": None}


def call(name="calculate", arguments='{"expression": "1 + 1"}'):
    return ToolRequest(name=name, arguments=arguments)


async def next_action(*replies, native=True, context=CONTEXT, tools=TOOLS, seen=None):
    dialect = Dialect(native_tools=True if native else None)
    with ScriptedModel(*replies, dialect=dialect) as model:
        planner = StepwisePlanner(model)
        if seen is None:
            proposal = await planner.create_plan("the goal", context, tools)
        else:
            plan = plan_of(*seen, open_ended=True)
            proposal = await planner.replan(plan, results(*seen), context, tools)
    return proposal, model


# -- native calls --------------------------------------------------------------------------------


async def test_a_native_call_becomes_an_action():
    proposal, model = await next_action(call())
    assert proposal.open_ended
    assert proposal[0].action_type is ActionType.USE_TOOL
    assert (proposal[0].tool_name, proposal[0].parameters) == (
        "calculate",
        {"expression": "1 + 1"},
    )
    assert proposal[0].description == "calculate: 1 + 1"
    assert model.requests[0].reply_format is None


async def test_several_native_calls_become_independent_actions():
    proposal, _ = await next_action((call(), call(arguments='{"expression": "2"}')))
    assert len(proposal) == 2
    assert all(action.depends_on == () for action in proposal)


async def test_text_without_a_call_is_the_answer():
    proposal, _ = await next_action("<think>easy</think>It is 2.")
    assert proposal[0].action_type is ActionType.ANSWER
    assert proposal[0].parameters == {"text": "It is 2."}


async def test_the_engines_own_actions_are_offered_as_tools():
    context = replace(CONTEXT, delegates=(AgentId("anna"),))
    proposal, model = await next_action(
        call("delegate", '{"agent": "anna", "task": "look"}'), context=context
    )
    names = [tool.name for tool in model.requests[0].tools]
    assert names == [
        "calculate", "code_execution", "file_operations", "ask", "wait", "recall", "remember",
        "delegate",
    ]  # fmt: skip
    assert proposal[0].action_type is ActionType.DELEGATE
    assert proposal[0].parameters == {"agent": "anna", "task": "look"}


async def test_a_real_tool_keeps_its_name():
    ask = tool("ask", ("question",), question={"type": "string"})
    proposal, model = await next_action(call("ask", '{"question": "?"}'), tools=(ask,))
    assert [t.name for t in model.requests[0].tools].count("ask") == 1
    assert (proposal[0].action_type, proposal[0].tool_name) == (ActionType.USE_TOOL, "ask")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (call("teleport", "{}"), "there is no tool 'teleport'"),
        (call(arguments="{not json"), "no JSON object"),
        (call(arguments="[1]"), "no JSON object"),
        (call(arguments="{}"), "needs the argument expression"),
        (call("delegate", '{"agent": "x", "task": "y"}'), "there is no tool 'delegate'"),
        (call("recall", "{}"), "recall needs the argument query"),
        ("", "the reply was empty"),
    ],
)
async def test_a_call_that_cannot_be_made_is_told_once(wrong, words):
    proposal, model = await next_action(wrong, call())
    assert words in model.requests[1].turns[-1].text
    assert (proposal[0].tool_name, proposal.degraded) == ("calculate", "repaired")


async def test_good_calls_are_made_and_bad_ones_left_out_and_named():
    proposal, _ = await next_action((call("teleport", "{}"), call()))
    assert [a.tool_name for a in proposal] == ["calculate"]
    assert "teleport" in proposal.note


async def test_without_a_usable_call_and_with_results_nothing_more_is_proposed():
    bad = call("teleport", "{}")
    proposal, _ = await next_action(bad, bad, seen=(done_step(1),))
    assert (len(proposal), proposal.degraded) == (0, "one_step")


async def test_without_a_usable_call_or_result_it_thinks_and_is_asked_again():
    bad = call("teleport", "{}")
    proposal, _ = await next_action(bad, bad)
    assert proposal[0].action_type is ActionType.THINK
    assert proposal.open_ended


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "calculate", "arguments": {"expression": "17 * 23"}}',
        '```json\n{"name": "calculate", "arguments": {"expression": "17 * 23"}}\n```',
        '[{"name": "calculate", "arguments": "{\\"expression\\": \\"17 * 23\\"}"}]',
    ],
)
async def test_a_call_written_as_text_is_made_and_native_calls_given_up(text):
    proposal, model = await next_action(text)
    assert proposal[0].parameters == {"expression": "17 * 23"}
    assert model.dialect.native_tools is False


async def test_json_that_names_no_tool_is_an_answer():
    proposal, model = await next_action('{"name": "Anna", "age": 3}')
    assert proposal[0].action_type is ActionType.ANSWER
    assert model.dialect.native_tools is True


async def test_an_endpoint_that_refuses_tools_gets_the_object_from_then_on():
    action = action_json(tool="calculate", arguments={"expression": "1"})
    proposal, model = await next_action(ModelRefusedError("tools?", status=400), action)
    assert proposal[0].tool_name == "calculate"
    assert model.dialect.native_tools is False


async def test_a_refusal_that_is_not_about_tools_teaches_nothing():
    refusal = ModelRefusedError("too long", status=400)
    dialect = Dialect(native_tools=True)
    with (
        ScriptedModel(*[refusal] * 4, dialect=dialect) as model,
        pytest.raises(ModelRefusedError),
    ):
        await StepwisePlanner(model).create_plan("g", CONTEXT, TOOLS)
    assert dialect == Dialect(native_tools=True)


@pytest.mark.parametrize(
    "error", [ModelUnavailableError("down"), ModelRefusedError("key", status=401)]
)
async def test_a_model_that_cannot_be_used_is_heard_of(error):
    with pytest.raises(type(error)):
        await next_action(error)


# -- the action object ---------------------------------------------------------------------------


async def test_an_endpoint_not_known_for_tools_gets_a_schema_that_strict_servers_take():
    action = action_json(tool="calculate", arguments={"expression": "1 + 1"})
    proposal, model = await next_action(action, native=False)
    assert proposal[0].parameters == {"expression": "1 + 1"}
    assert proposal.open_ended
    asked = model.requests[0]
    assert asked.tools == ()
    assert not list(strict_problems(asked.reply_format.schema))
    assert "answer" in asked.reply_format.schema["properties"]["action"]["enum"]


@pytest.mark.parametrize(
    ("reply", "kind", "parameters"),
    [
        (action_json("answer", text="2"), "answer", {"text": "2"}),
        (action_json("ask", text="Which?"), "ask", {"question": "Which?"}),
        (action_json("think", text="hm"), "think", {"thought": "hm"}),
        (action_json("recall", text="anna"), "recall", {"query": "anna"}),
        (
            action_json("remember", arguments={"key": "k", "value": "v"}),
            "remember",
            {"key": "k", "value": "v"},
        ),
        (action_json("wait", arguments={"seconds": "5"}), "wait", {"seconds": 5.0}),
        (action_json("wait", arguments={"seconds": "nan"}), "wait", {"seconds": 1.0}),
        (action_json("wait"), "wait", {"seconds": 1.0}),
    ],
)
async def test_every_action_of_the_object_is_understood(reply, kind, parameters):
    proposal, _ = await next_action(reply, native=False)
    assert proposal[0].action_type == kind
    assert proposal[0].parameters == parameters


async def test_numbers_in_the_object_become_numbers():
    action = action_json(tool="web_search", arguments={"query": "x", "num_results": "3"})
    proposal, _ = await next_action(action, native=False, tools=(SEARCH,))
    assert proposal[0].parameters == {"query": "x", "num_results": 3}


async def test_an_empty_answer_is_told():
    _, model = await next_action(action_json("answer"), "It is 2.", native=False)
    assert len(model.requests) == 2


async def test_prose_for_an_object_is_the_answer():
    proposal, _ = await next_action("It is 2.", "Really, 2.", native=False)
    assert proposal[0].parameters == {"text": "Really, 2."}
    assert proposal.degraded == "one_step"


# -- going on ------------------------------------------------------------------------------------


@pytest.mark.parametrize("native", [True, False])
async def test_the_next_action_is_decided_from_goal_and_results(native):
    seen = tuple(
        done_step(n, {"stdout": f"output of {n}"}, outcome=f"outcome {n}") for n in range(1, 8)
    )
    context = replace(CONTEXT, next_step=8, goal="the real goal", warning="you repeat yourself")
    reply = "done" if native else action_json("answer", text="done")
    _, model = await next_action(reply, native=native, context=context, seen=seen)
    text = model.requests[0].turns[1].text
    assert "the real goal" in text
    assert "you repeat yourself" in text
    assert "output of 7" in text
    assert "output of 2" not in text
    assert "outcome 2" in text
    assert [turn.role for turn in model.requests[0].turns] == ["system", "user"]


@pytest.mark.parametrize(
    ("native", "kind"), [(True, Formats.ENFORCED), *((False, kind) for kind in Formats)]
)
async def test_problems_are_worked_through_on_every_rung(native, kind):
    for script, expected in ((echo5, 5), (fibonacci, 2)):
        server = OpenAIServer(script, formats=kind)
        echo = (tool("echo", ("text",), text={"type": "string"}),)
        tools = echo if script is echo5 else TOOLS
        async with connected(server, native_tools=native) as model:
            done = await worked_through(StepwisePlanner(model), tools)
        assert len(done) == expected


async def worked_through(planner, tools):
    """What the engine's loop does, in short."""
    done = []
    proposal = await planner.create_plan(FIBONACCI_PROBLEM, CONTEXT, tools)
    while proposal[0].action_type is not ActionType.ANSWER:
        done += [done_step(len(done) + 1, action=proposal[0])]
        context = replace(CONTEXT, goal=FIBONACCI_PROBLEM, next_step=len(done) + 1)
        plan = plan_of(*done, open_ended=True)
        proposal = await planner.replan(plan, results(*done), context, tools)
    return done


async def test_an_empty_native_reply_with_a_refusal_is_the_answer():
    proposal, _ = await next_action(ModelReply(text="", refusal="No."), tools=(CALCULATE,))
    assert proposal[0].parameters == {"text": "No."}
