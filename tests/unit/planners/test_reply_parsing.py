import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent_engine.planners.reply_parsing import json_candidates, without_thinking
from agent_engine.ports import ModelReply, ToolRequest


def first(text, **fields):
    return next(json_candidates(ModelReply(text=text, **fields)), None)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}',
        '  {"a": 1}\n',
        '```json\n{"a": 1}\n```',
        '```\n{"a": 1}\n```',
        'Sure, here you are:\n```json\n{"a": 1}\n```\nEnjoy! {"b": 2}',
        'The plan is {"a": 1} and that is all {"b": 2}',
        'I think {this} works: {"a": 1}',
        '<think>maybe {"b": 2}?</think>{"a": 1}',
        'maybe {"b": 2}?</think>{"a": 1}',
        '<thinking>\n{"b": 2}\n</thinking>\n\n{"a": 1}',
        '{"a": 1} {"b": 2}',
    ],
)
def test_the_object_is_found_however_it_is_wrapped(text):
    assert first(text) == {"a": 1}


@pytest.mark.parametrize(
    "text",
    ["", "just prose", "<think>{} never ends", '{"a": ', "[1, 2, 3", '{"a": NaN}', "```json\n```"],
)
def test_prose_and_broken_json_hold_no_object(text):
    assert first(text) is None


def test_tool_calls_come_first():
    call = ToolRequest(name="f", arguments='{"x": 1}')
    assert first('{"a": 1}', tool_requests=(call,)) == {"name": "f", "arguments": '{"x": 1}'}
    assert len(first("", tool_requests=(call, call))) == 2


def test_line_breaks_inside_strings_are_forgiven():
    assert first('{"code": "a\nb"}') == {"code": "a\nb"}


def test_a_brace_inside_a_string_ends_nothing():
    assert first('say {"a": "}", "b": "{"} end') == {"a": "}", "b": "{"}


@given(st.text(st.sampled_from('{}[]",:`\\ntrue1.5<think>/ \n'), max_size=200))
@example("[" * 5_000)
@example('{"a":' * 5_000)
@example("{" * 100_000)
@example("1" * 10_000)
@example('{"a": ' + "9" * 5_000 + "}")
def test_no_text_breaks_the_search(text):
    for value in json_candidates(ModelReply(text=text)):
        assert isinstance(value, dict | list)


@given(st.dictionaries(st.text(max_size=5), st.none() | st.integers() | st.text(), min_size=1))
def test_any_object_is_found_in_a_fence_between_prose(value):
    text = f"Here:\n```json\n{json.dumps(value)}\n```\nDone."
    if "```" not in json.dumps(value):
        assert first(text) == value


def test_text_without_thinking_is_left_alone():
    assert without_thinking(" I think so. ") == "I think so."
