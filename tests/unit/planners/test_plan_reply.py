from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_engine.planners.plan_reply import read_draft
from agent_engine.planners.structured import UnfitError
from tests.fakes.models import plan_json, step_json


def only(value):
    draft = read_draft(value)
    assert len(draft.steps) == 1
    return draft.steps[0]


def test_a_plan_that_keeps_to_the_schema_is_read_as_it_is():
    step = only(plan_json(step_json(4, depends_on=[2], check="contains", check_value="2")))
    assert (step.number, step.action, step.tool) == (4, "use_tool", "calculate")
    assert step.arguments == {"expression": "1 + 1"}
    assert step.texts == {"expression"}
    assert (step.depends_on, step.check, step.check_value) == ((2,), "contains", "2")


@pytest.mark.parametrize(
    "value",
    [
        {"name": "calculate", "arguments": {"expression": "1"}},
        {"name": "calculate", "arguments": '{"expression": "1"}'},
        {"name": "calculate", "parameters": {"expression": "1"}},
        [{"name": "calculate", "arguments": {"expression": "1"}}],
        {"tool_calls": [{"function": {"name": "calculate", "arguments": '{"expression": "1"}'}}]},
        {"action": "use_tool", "tool": "calculate", "arguments": {"expression": "1"}},
        {"action": "tool", "tool_name": "calculate", "args": {"expression": "1"}},
        {"action": "calculate", "arguments": {"expression": "1"}},
        {"plan": [{"tool": "calculate", "arguments": {"expression": "1"}}]},
        {"plan": {"steps": [{"tool": "calculate", "arguments": {"expression": "1"}}]}},
        {"mode": "plan", "steps": {"tool": "calculate", "arguments": {"expression": "1"}}},
        {"mode": "PLAN", "steps": [{"step": "step1", "action": None, "tool": "calculate",
                                    "arguments": [{"name": "expression", "value": "1"}]}]},
    ],
)  # fmt: skip
def test_near_misses_of_a_tool_step_are_understood(value):
    step = only(value)
    assert (step.action, step.tool) == ("use_tool", "calculate")
    assert step.arguments == {"expression": "1"}


@pytest.mark.parametrize(
    "value",
    [
        {"mode": "answer", "answer": "Paris"},
        {"answer": "Paris"},
        {"action": "answer", "text": "Paris"},
        {"action": "respond", "tool": "", "arguments": {}, "text": "Paris"},
        {"action": "finish", "arguments": {"text": "Paris"}},
        {"response": {"mode": "answer", "answer": "Paris"}},
        {"mode": "plan", "steps": [{"action": "answer", "arguments": {"text": "Paris"}}]},
    ],
)
def test_near_misses_of_an_answer_are_understood(value):
    draft = read_draft(value)
    assert (draft.mode, draft.answer) == ("answer", "Paris")


def test_numbers_come_in_many_forms():
    value = {"steps": [{"step": 2.0, "tool": "t", "depends_on": ["1", "step3", True, None, "x"]}]}
    step = only(value)
    assert (step.number, step.depends_on) == (2, (1, 3))


def test_a_step_that_is_only_words_is_a_thought():
    step = only({"steps": ["look around"]})
    assert (step.action, step.description) == ("think", "look around")


def test_an_answer_that_is_no_text_becomes_json_text():
    assert read_draft({"mode": "answer", "answer": {"total": 3}}).answer == '{"total": 3}'


@pytest.mark.parametrize(
    "value",
    [
        3,
        None,
        "text",
        {},
        {"mode": "fly"},
        {"foo": 1},
        {"steps": [3]},
        {"steps": [{"tool": "t", "arguments": "not json"}]},
        {"steps": [{"tool": "t", "arguments": 3}]},
        {"steps": [{"tool": "t", "arguments": [1]}]},
        {"sub_goals": [3]},
    ],
)
def test_what_is_no_plan_is_refused_with_a_reason(value):
    with pytest.raises(UnfitError) as caught:
        read_draft(value)
    assert str(caught.value)


KEYS = st.sampled_from(
    ["mode", "steps", "answer", "question", "choices", "action", "tool", "arguments", "name",
     "plan", "value", "step", "depends_on", "function", "sub_goals", "goal",
     "text", "check", "description"]
)  # fmt: skip
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=4)
    | st.sampled_from(["plan", "answer", "use_tool", "t", "1", "{}"])
)
ANY_JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=15,
)


@given(ANY_JSON)
def test_no_json_breaks_the_reading(value):
    with suppress(UnfitError):
        read_draft(value)
