"""What the agent does next, as a table of cases."""

from dataclasses import replace
from datetime import timedelta

import pytest

from agent_engine import moves
from agent_engine.moves import PlanReason, next_move
from agent_engine.types import (
    ActionType,
    CancelRequest,
    EndReason,
    Limits,
    Resolution,
    RunEnd,
    StepStatus,
    Usage,
    Wait,
    WaitKind,
)
from tests.fakes.snapshots import T0, a_message, a_plan, a_run, a_tool_step, an_answer_step

DONE, FAILED, STARTED = StepStatus.DONE, StepStatus.FAILED, StepStatus.STARTED
WAITING, DROPPED = StepStatus.WAITING, StepStatus.DROPPED
QUESTION = Wait(id="w", kind=WaitKind.QUESTION, step=1, question="Which one?", opened_at=T0)
ANSWERED = replace(QUESTION, resolution=Resolution(value="the first", at=T0))


def numbers(move):
    return [step.number for step in move.steps]


def test_a_run_without_a_plan_is_planned():
    assert next_move(a_run()) == moves.Plan(PlanReason.FIRST)


def test_an_ended_run_is_done():
    end = RunEnd(reason=EndReason.ANSWERED, at=T0)
    assert next_move(a_run(a_tool_step(1), end=end)) == moves.Done()


def test_a_stop_comes_before_everything_else():
    run = a_run(cancel=CancelRequest(reason="enough"), messages=(a_message(),))
    assert next_move(run) == moves.Stop()


def test_independent_steps_are_carried_out_together():
    run = a_run(a_tool_step(1), a_tool_step(2), a_tool_step(3, depends_on=(1,)))
    assert numbers(next_move(run)) == [1, 2]


def test_no_more_than_four_steps_run_at_the_same_time():
    run = a_run(*(a_tool_step(n) for n in range(1, 8)))
    assert numbers(next_move(run)) == [1, 2, 3, 4]


def test_a_step_starts_when_all_it_depends_on_is_done():
    run = a_run(a_tool_step(1, status=DONE), a_tool_step(2, depends_on=(1,)))
    assert numbers(next_move(run)) == [2]


def test_what_people_say_is_planned_in_before_the_next_step():
    run = a_run(a_tool_step(1, status=DONE), a_tool_step(2), messages=(a_message(),))
    assert next_move(run).reason is PlanReason.TOLD


def test_what_was_said_before_the_task_steers_nothing():
    run = a_run(a_tool_step(1), messages=(a_message(steers=False),))
    assert numbers(next_move(run)) == [1]


def test_a_surprise_asks_for_another_plan_and_says_why():
    run = a_run(a_tool_step(1, status=FAILED, surprise="no such file"), a_tool_step(2))
    move = next_move(run)
    assert (move.reason, move.because) == (PlanReason.SURPRISE, "step 1: no such file")


def test_with_all_replans_used_the_rest_is_done_without_what_failed():
    run = a_run(
        a_tool_step(1, status=FAILED, surprise="no such file"),
        a_tool_step(2, depends_on=(1,)),
        a_tool_step(3),
        limits=Limits(replans=2),
        usage=Usage(replans=2),
    )
    assert numbers(next_move(run)) == [3]


def test_an_answer_says_which_steps_could_not_be_carried_out():
    run = a_run(
        a_tool_step(1, status=FAILED),
        a_tool_step(2, depends_on=(1,)),
        a_tool_step(3, depends_on=(2,)),
    )
    assert "step 2, 3" in next_move(run).incomplete_because


def test_a_step_that_a_dead_worker_left_is_taken_up_first():
    run = a_run(a_tool_step(1, status=STARTED), a_tool_step(2), messages=(a_message(),))
    assert numbers(next_move(run)) == [1]


def test_an_open_question_lets_the_run_sleep():
    run = a_run(a_tool_step(1, status=WAITING), waits=(QUESTION,))
    assert next_move(run) == moves.Wait((QUESTION,))


def test_other_steps_go_on_while_one_waits():
    run = a_run(a_tool_step(1, status=WAITING), a_tool_step(2), waits=(QUESTION,))
    assert numbers(next_move(run)) == [2]


def test_an_answered_question_finishes_its_step():
    run = a_run(a_tool_step(1, status=WAITING), waits=(ANSWERED,))
    assert numbers(next_move(run)) == [1]


def test_a_plan_that_is_one_answer_is_answered_at_once_whatever_the_limits():
    run = a_run(an_answer_step(1), limits=Limits(iterations=1), usage=Usage(iterations=1))
    assert next_move(run) == moves.Answer()


def test_when_all_steps_are_done_the_answer_is_written():
    assert next_move(a_run(a_tool_step(1, status=DONE))) == moves.Answer()


def test_an_open_ended_plan_is_extended_until_it_answers():
    plan = a_plan(a_tool_step(1, status=DONE), open_ended=True)
    assert next_move(a_run(plan=plan)) == moves.Plan(PlanReason.EXTEND)
    answered = a_plan(a_tool_step(1, status=DONE), an_answer_step(2), open_ended=True)
    assert next_move(a_run(plan=answered)) == moves.Answer()


def test_a_final_result_ends_the_work_though_the_plan_has_more():
    first = a_tool_step(1, status=DONE, result={"final_result": "391"})
    assert next_move(a_run(first, a_tool_step(2))) == moves.Answer()


@pytest.mark.parametrize(
    ("limits", "usage", "words"),
    [
        (Limits(iterations=2), Usage(iterations=2), "steps"),
        (Limits(seconds=60), Usage(seconds=60.5), "working seconds"),
        (Limits(tokens=100), Usage(prompt_tokens=90, completion_tokens=10), "tokens"),
        (Limits(usd=0.5), Usage(usd=0.5), "US dollars"),
    ],
)
def test_a_limit_that_is_used_up_stops_the_run_and_is_named(limits, usage, words):
    move = next_move(a_run(a_tool_step(1), limits=limits, usage=usage))
    assert isinstance(move, moves.Stop)
    assert words in move.limit


def test_the_last_step_that_the_limit_allows_may_still_be_answered_from():
    run = a_run(a_tool_step(1, status=DONE), limits=Limits(iterations=1), usage=Usage(iterations=1))
    assert next_move(run) == moves.Answer()


def test_zero_means_no_limit():
    run = a_run(a_tool_step(1), limits=Limits(iterations=0), usage=Usage(iterations=99))
    assert numbers(next_move(run)) == [1]


def a_sub_goal(**changes):
    return a_tool_step(1, action_type=ActionType.SUB_GOAL, **changes)


def test_a_sub_goal_waits_for_its_own_steps():
    run = a_run(a_sub_goal(status=STARTED), a_tool_step(2, parent=1, depth=1))
    assert numbers(next_move(run)) == [2]


def test_a_sub_goal_is_finished_when_its_steps_are():
    run = a_run(a_sub_goal(status=STARTED), a_tool_step(2, parent=1, depth=1, status=DONE))
    assert numbers(next_move(run)) == [1]


def test_a_sub_goal_whose_steps_were_all_dropped_is_finished_not_planned_again():
    run = a_run(a_sub_goal(status=STARTED), a_tool_step(2, parent=1, depth=1, status=DROPPED))
    assert numbers(next_move(run)) == [1]


def test_a_sub_goal_that_was_not_planned_yet_is_taken_up_again_after_a_crash():
    assert numbers(next_move(a_run(a_sub_goal(status=STARTED)))) == [1]


def test_a_continued_run_is_planned_anew_with_what_was_done():
    plan = a_plan(a_tool_step(1, status=DONE), because="continued")
    assert next_move(a_run(plan=plan)).reason is PlanReason.CONTINUE


def test_a_timer_is_waited_for():
    timer = Wait(id="w", kind=WaitKind.TIMER, step=1, opened_at=T0, until=T0 + timedelta(seconds=1))
    run = a_run(a_tool_step(1, status=WAITING), waits=(timer,))
    assert next_move(run) == moves.Wait((timer,))
