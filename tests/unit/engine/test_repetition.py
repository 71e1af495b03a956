"""An agent that goes round in circles is noticed."""

import pytest

from agent_engine.repetition import Repetition, repetition
from agent_engine.types import ActionType, StepStatus
from tests.fakes.snapshots import a_run, a_tool_step


def finding(calls):
    """What the last of these calls repeats, when all before it are done."""
    steps = [
        a_tool_step(n, tool=call, status=StepStatus.DONE, parameters={"q": "x"})
        for n, call in enumerate(calls[:-1], start=1)
    ]
    last = a_tool_step(len(calls), tool=calls[-1], parameters={"q": "x"})
    return repetition(a_run(*steps, last), last).repetition


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        ("a", Repetition.NONE),
        ("aa", Repetition.NONE),
        ("aaa", Repetition.WARN),
        ("aaaa", Repetition.STOP),
        ("abca", Repetition.NONE),
        ("abab", Repetition.WARN),
        ("ababab", Repetition.STOP),
        ("cabab", Repetition.WARN),
        ("abcabc", Repetition.NONE),
        ("aabba", Repetition.WARN),
    ],
)
def test_the_same_call_or_two_in_turn_are_noticed(calls, expected):
    assert finding(calls) is expected


def test_the_order_of_arguments_does_not_matter_and_their_values_do():
    first = a_tool_step(1, status=StepStatus.DONE, parameters={"a": 1, "b": 2})
    second = a_tool_step(2, status=StepStatus.DONE, parameters={"b": 2, "a": 1})
    same = a_tool_step(3, parameters={"a": 1, "b": 2})
    other = a_tool_step(3, parameters={"a": 1, "b": 3})
    assert repetition(a_run(first, second, same), same).repetition is Repetition.WARN
    assert repetition(a_run(first, second, other), other).repetition is Repetition.NONE


def test_a_reference_counts_as_what_it_refers_to():
    first = a_tool_step(1, status=StepStatus.DONE, result={"result": "7"}, parameters={"x": "0"})
    by_value = [a_tool_step(n, status=StepStatus.DONE, parameters={"x": "7"}) for n in (2, 3)]
    by_reference = a_tool_step(4, parameters={"x": "{{step1}}"})
    assert repetition(a_run(first, *by_value, by_reference), by_reference).times == 3


def test_thinking_twice_is_no_repetition():
    steps = [
        a_tool_step(n, action_type=ActionType.THINK, status=StepStatus.DONE) for n in range(1, 6)
    ]
    last = a_tool_step(6, action_type=ActionType.THINK)
    assert repetition(a_run(*steps, last), last).repetition is Repetition.NONE
