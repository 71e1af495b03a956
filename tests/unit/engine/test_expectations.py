"""Whether what came is what was expected."""

import pytest

from agent_engine.expectations import needs_judge, surprise
from agent_engine.types import ActionType, AgentAction, Check
from tests.fakes.snapshots import an_observation


def action(check=Check.SUCCEEDS, value="", expected=""):
    return AgentAction(
        action_type=ActionType.USE_TOOL, check=check, check_value=value, expected_outcome=expected
    )


@pytest.mark.parametrize(
    ("wanted", "came", "words"),
    [
        (action(), an_observation(result="1"), None),
        (action(), an_observation(success=False, error="no such file"), "no such file"),
        (action(), an_observation(success=False), "it failed"),
        (action(), an_observation(unexpected="two rows"), "two rows"),
        (action(), an_observation(unexpected=True), "something unexpected came"),
        (action(), an_observation(replan_requested=True), "the tool asks for another plan"),
        (action(Check.NOT_EMPTY), an_observation(stdout="x"), None),
        (action(Check.NOT_EMPTY), an_observation(stdout="", exit_code=0), "nothing came"),
        (action(Check.NOT_EMPTY), an_observation(items=[]), "nothing came"),
        (action(Check.NOT_EMPTY), an_observation(result=0), None),
        (action(Check.CONTAINS, "Turin"), an_observation(stdout="TURIN\n"), None),
        (action(Check.CONTAINS, "Turin"), an_observation(stdout="Oslo"), "'Turin' was expected"),
        (action(Check.JUDGE, expected="a poem"), an_observation(stdout="Oslo"), None),
    ],
)
def test_a_difference_is_said_in_one_sentence(wanted, came, words):
    said = surprise(wanted, came)
    assert (said is None) if words is None else words in said


def test_text_beyond_what_a_model_is_shown_counts():
    came = an_observation(stdout="head … tail")
    whole = type(came)(
        observation_type="tool_result", content=came.content, full_output="the needle is here"
    )
    assert surprise(action(Check.CONTAINS, "needle"), whole) is None


@pytest.mark.parametrize(
    ("wanted", "came", "needed"),
    [
        (action(Check.JUDGE, expected="a poem"), an_observation(stdout="x"), True),
        (action(Check.JUDGE, expected=" "), an_observation(stdout="x"), False),
        (action(Check.JUDGE, expected="a poem"), an_observation(success=False), False),
        (action(expected="a poem"), an_observation(stdout="x"), False),
    ],
)
def test_only_words_about_something_that_came_need_a_judge(wanted, came, needed):
    assert needs_judge(wanted, came) is needed
