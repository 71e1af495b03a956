"""The live plan message."""

import re
from dataclasses import replace

from hypothesis import given, settings

from agent_engine.types import (
    ActionType,
    AgentAction,
    CancelRequest,
    EndReason,
    Limits,
    StepStatus,
    Usage,
    Wait,
    WaitKind,
)
from bot.outbound.blocks import ids
from bot.outbound.blocks.answer import answer_messages
from bot.outbound.blocks.notice import end_content
from bot.outbound.blocks.plan import MAX_ROWS, has_real_steps, plan_content, plan_hash
from bot.outbound.blocks.rating_form import rated_steps
from tests.fakes.blocks import all_texts, check_content
from tests.fakes.runs import UNHURRIED, a_plan, a_run, a_step, answered, ended, runs

PLAN = a_plan(
    a_step(1, "Read the log", StepStatus.DONE, outcome="3 errors found"),
    a_step(2, "Search the web", StepStatus.STARTED),
    a_step(3, "Fix it"),
)


def cards(content):
    return [(t["title"], t["status"]) for b in content.blocks for t in b.get("tasks", [])]


def labels(content):
    return [
        e["text"]["text"] for b in content.blocks for e in b.get("elements", []) if "value" in e
    ]


@given(runs())
@settings(UNHURRIED, max_examples=150)
def test_slack_takes_every_plan_message(run):
    check_content(plan_content(run))


@given(runs())
@settings(UNHURRIED, max_examples=60)
def test_a_plan_message_stays_inside_slacks_undocumented_size(run):
    content = plan_content(run)
    rows = [t for b in content.blocks for t in b.get("tasks", [])]
    outputs = [r["output"]["elements"][0]["elements"][0]["text"] for r in rows if "output" in r]
    weight = sum(len(r["title"].encode()) for r in rows) + 2 * sum(len(o.encode()) for o in outputs)
    assert len(rows) <= MAX_ROWS
    assert weight <= 9_000


def test_steps_show_their_state_and_outcome():
    content = plan_content(a_run(plan=PLAN))
    assert cards(content) == [
        ("Read the log", "complete"),
        ("Search the web", "in_progress"),
        ("Fix it", "pending"),
    ]
    assert "3 errors found" in all_texts(content)
    assert "Working · Find the cause (1 of 3 steps)" in content.text


def test_failed_and_stopped_steps_are_errors():
    plan = a_plan(
        a_step(1, status=StepStatus.FAILED, outcome="no such host"),
        a_step(2, status=StepStatus.STOPPED),
    )
    assert [status for _, status in cards(plan_content(a_run(plan=plan)))] == ["error", "error"]


def test_the_steps_of_a_sub_goal_are_marked():
    plan = a_plan(a_step(1, "Goal"), a_step(2, "Part", parent=1, depth=1))
    assert cards(plan_content(a_run(plan=plan)))[1][0] == "↳ Part"


def test_a_changed_plan_says_why_and_what():
    plan = a_plan(
        a_step(1, "Read", StepStatus.FAILED),
        a_step(2, "Parse", StepStatus.DROPPED),
        a_step(3, "Search instead"),
        version=2,
        because="the file does not exist",
    )
    content = plan_content(a_run(plan=plan))
    said = all_texts(content)
    assert (
        "Changed the plan: the file does not exist; dropped “Parse”; added “Search instead”" in said
    )
    assert "Parse" not in [title for title, _ in cards(content)]


def test_a_plan_that_was_reviewed_and_kept_says_why():
    plan = replace(PLAN, version=2, because="someone wrote in the thread")
    said = all_texts(plan_content(a_run(plan=plan)))
    assert "Reviewed the plan: someone wrote in the thread" in said
    assert "Changed" not in said
    grown = replace(PLAN, version=2, because="")
    assert "Reviewed" not in all_texts(plan_content(a_run(plan=grown)))


def test_a_run_that_continues_an_earlier_one_says_so():
    plan = replace(PLAN, because="continued")
    assert "Goes on with the earlier work." in all_texts(plan_content(a_run(plan=plan)))


def test_a_first_plan_tells_of_no_change():
    assert "Changed" not in all_texts(plan_content(a_run(plan=PLAN)))


def test_a_queued_run_says_its_place():
    content = plan_content(a_run(queue_place=3))
    assert "In line, place 3" in content.text
    check_content(content)


def test_a_resumed_run_says_so_until_it_ends():
    run = a_run(plan=PLAN, attempts=2)
    assert "Resumed after a restart" in all_texts(plan_content(run))
    assert "Resumed" not in all_texts(plan_content(ended(run, EndReason.FAILED)))


def test_what_a_run_waits_for_is_said():
    waits = (Wait(id="w", kind=WaitKind.QUESTION, step=2, question="Which?"),)
    content = plan_content(a_run(plan=PLAN, waits=waits))
    assert "Waiting for an answer to its question" in all_texts(content)
    assert content.text.startswith("Waiting for you")


def test_usage_is_shown_with_its_limits_while_running():
    usage = Usage(iterations=3, seconds=12.4, prompt_tokens=4_000, completion_tokens=210, usd=0.012)
    run = a_run(plan=PLAN, usage=usage, limits=Limits(usd=1.0))
    said = all_texts(plan_content(run))
    limited = (
        "12 s of 15 min · 3 steps begun, at most 10 · 4,210 of 200,000 tokens · $0.01 of $1.00"
    )
    assert limited in said


def test_only_the_plans_own_steps_are_counted_as_so_many_of_so_many():
    content = plan_content(a_run(plan=PLAN, usage=Usage(iterations=2)))
    assert re.findall(r"\d+ of \d+ steps", all_texts(content)) == ["1 of 3 steps"]
    assert "2 steps begun, at most 10" in all_texts(content)


def test_a_step_that_failed_or_was_stopped_is_not_counted_as_done():
    plan = a_plan(a_step(1, status=StepStatus.FAILED), a_step(2, status=StepStatus.STOPPED))
    run = ended(a_run(plan=plan), EndReason.STOPPED, by="U1")
    assert plan_content(run).text.endswith("(0 of 2 steps)")


def test_writing_the_answer_is_no_step_of_the_plan():
    done = replace(PLAN.steps[0], status=StepStatus.DONE)
    plan = a_plan(done, a_step(2, "Tell", StepStatus.DONE, kind=ActionType.ANSWER))
    run = answered(a_run(plan=plan, usage=Usage(iterations=1)))
    assert plan_content(run).text.endswith("(1 of 1 step)")
    assert "1 step" in all_texts(answer_messages(run, run.answer).contents[0])
    assert [step.number for step in rated_steps(run)] == [1]


def test_usage_alone_is_not_worth_an_edit_but_an_end_is():
    run = a_run(plan=PLAN)
    used = replace(run, usage=Usage(seconds=5, prompt_tokens=7))
    assert plan_hash(run) == plan_hash(used)
    assert plan_hash(run) != plan_hash(ended(run, EndReason.STOPPED))


def test_a_running_task_can_be_stopped_once():
    run = a_run(plan=PLAN)
    assert labels(plan_content(run)) == ["Stop"]
    stopping = replace(run, cancel=CancelRequest(reason="enough"))
    assert labels(plan_content(stopping)) == []
    assert plan_content(stopping).text.startswith("Stopping")


def test_an_end_that_a_new_message_tells_is_only_named_in_the_plan():
    content = plan_content(ended(a_run(plan=PLAN), EndReason.FAILED, "The log is gone."))
    assert labels(content) == ["Rate a step"]
    assert "The log is gone." not in all_texts(content)
    assert content.text.startswith("Failed")


def test_a_stop_by_the_requester_is_told_by_the_plan_with_its_buttons():
    run = ended(a_run(plan=PLAN), EndReason.STOPPED, "stopped by a person", by="U1")
    content = plan_content(run)
    assert labels(content) == ["Run again", "Continue", "Rate a step"]
    assert "Stopped by <@U1>." in all_texts(content)


def test_a_good_end_offers_to_rate_steps_and_leaves_out_what_was_not_needed():
    plan = a_plan(
        *PLAN.steps[:1], a_step(2, "Never needed"), a_step(3, "Tell", kind=ActionType.ANSWER)
    )
    content = plan_content(answered(a_run(plan=plan)))
    assert labels(content) == ["Rate a step"]
    assert cards(content) == [("Read the log", "complete")]


def test_the_buttons_say_which_run_they_mean():
    content = end_content(ended(a_run(plan=PLAN), EndReason.LIMIT))
    elements = [e for b in content.blocks for e in b.get("elements", []) if "value" in e]
    read = [ids.read_action(e["action_id"], e["value"]) for e in elements]
    assert read[:2] == [
        ids.AgainRun(run_id="r1", keep_work=False),
        ids.AgainRun(run_id="r1", keep_work=True),
    ]


def test_many_finished_steps_are_folded_into_one_line():
    done = [a_step(n, f"Step {n}", StepStatus.DONE, outcome="ok") for n in range(1, 101)]
    content = plan_content(a_run(plan=a_plan(*done, a_step(101, "Now", StepStatus.STARTED))))
    titles = [title for title, _ in cards(content)]
    assert titles[0].endswith("earlier steps done")
    assert titles[-1] == "Now"
    assert len(titles) <= MAX_ROWS


def test_steps_far_ahead_are_counted():
    content = plan_content(a_run(plan=a_plan(*[a_step(n, f"Step {n}") for n in range(1, 201)])))
    titles = [title for title, _ in cards(content)]
    assert titles[0] == "Step 1"
    assert titles[-1].startswith("… and ")
    assert len(titles) - 1 + int(titles[-1].split()[2]) == 200


def test_the_plain_variant_says_the_same_without_the_new_blocks():
    content = plan_content(a_run(plan=PLAN))
    kinds = {block["type"] for block in content.plain_blocks}
    assert kinds == {"section", "context", "actions"}
    assert "✅ Read the log: 3 errors found" in str(content.plain_blocks)


def test_only_more_than_an_answer_is_a_real_plan():
    answer = a_step(1, kind=ActionType.ANSWER)
    assert not has_real_steps(None)
    assert not has_real_steps(a_plan(answer))
    assert has_real_steps(a_plan(a_step(1), answer))
    unknown = replace(answer, action=AgentAction(action_type="dance"))
    assert has_real_steps(a_plan(unknown))


def test_an_answer_after_a_failed_step_is_not_simply_done():
    plan = a_plan(a_step(1, status=StepStatus.FAILED), a_step(2, status=StepStatus.DONE))
    assert "Done, 1 step failed" in plan_content(answered(a_run(plan=plan))).text
    clean = a_plan(a_step(1, status=StepStatus.DONE))
    assert "failed" not in plan_content(answered(a_run(plan=clean))).text
