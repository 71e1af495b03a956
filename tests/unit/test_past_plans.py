"""The words that planners are told of earlier plans."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from agent_engine.past_plans import (
    LONGEST_PLAN,
    LONGEST_WARNING,
    PastRun,
    PastStep,
    plan_words,
    ratings,
    told_plan,
    told_warning,
)
from agent_engine.types import ActionType, AgentAction, EndReason, RunId, StepStatus

AT = datetime(2026, 11, 23, tzinfo=UTC)
STEP = PastStep(
    number=1,
    action=AgentAction(
        action_type=ActionType.USE_TOOL,
        tool_name="orders",
        parameters={"month": 10},
        description="Read the orders",
    ),
    status=StepStatus.DONE,
    seconds=2.46,
)
FAILED = replace(STEP, number=2, status=StepStatus.FAILED, seconds=150.0, error="It is\n2. closed")
RUN = PastRun(
    run_id=RunId("r1"), end_reason=EndReason.ANSWERED, seconds=152.5, steps=(STEP, FAILED)
)


def test_a_plan_says_what_was_asked_the_steps_and_their_times_and_no_word_of_a_tool():
    assert plan_words("Sum\nup.", RUN) == (
        "Sum up.\n"
        "1. done, 2.5 s: use_tool orders (month=10) Read the orders\n"
        "2. failed, 2.5 min: use_tool orders (month=10) Read the orders\n"
        "answered, 2.5 min in all"
    )


def test_what_failed_is_told_with_its_reason_in_one_line():
    told = told_plan(AT, "Sum up.", replace(RUN, rated_well=2, rated_low=1))
    assert told == (
        "[2026-11-23, rated well by 2, low by 1] Sum up.\nstep 2 failed: -> It is 2. closed"
    )


def test_a_warning_names_what_failed_alone():
    told = told_warning(AT, "Sum up.", replace(RUN, rated_low=1))
    assert told == (
        "[2026-11-23, do not repeat: rated low by 1] Sum up.: answered. Steps: 2. failed, 2.5 min:"
        " use_tool orders (month=10) Read the orders -> It is 2. closed"
    )


@pytest.mark.parametrize(
    ("well", "low", "end", "is_good", "is_bad", "is_warning"),
    [
        (0, 0, EndReason.ANSWERED, False, False, False),
        (1, 0, EndReason.ANSWERED, True, False, False),
        (2, 1, EndReason.ANSWERED, True, False, False),
        (1, 1, EndReason.ANSWERED, False, True, True),
        (0, 1, EndReason.ANSWERED, False, True, True),
        (0, 0, EndReason.LIMIT, False, False, True),
        (1, 0, EndReason.FAILED, True, False, True),
    ],
)
def test_what_people_think_decides(well, low, end, is_good, is_bad, is_warning):  # noqa: PLR0913, PLR0917  # a table
    run = replace(RUN, rated_well=well, rated_low=low, end_reason=end)
    assert (run.is_good, run.is_bad, run.is_warning) == (is_good, is_bad, is_warning)


def test_a_run_that_is_no_longer_stored_has_no_ratings():
    assert ratings(None) == "not rated"


def test_long_plans_are_cut():
    long = replace(RUN, steps=tuple(replace(FAILED, error="x" * 900) for _ in range(40)))
    assert "and 28 more steps" in plan_words("p" * 900, long)
    assert len(told_plan(AT, plan_words("p" * 900, long), long)) == LONGEST_PLAN
    assert len(told_warning(AT, "p" * 900, long)) == LONGEST_WARNING
