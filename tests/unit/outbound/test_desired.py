"""Who gets which message when: a table of cases."""

from dataclasses import replace
from datetime import timedelta

import pytest

from agent_engine.places import Post, PostKind, PostState
from agent_engine.types import (
    ActionType,
    EndReason,
    MemoryUse,
    PersonMessage,
    Resolution,
    StepStatus,
    TaskStatus,
    UserId,
    Wait,
    WaitKind,
)
from bot.outbound.desired import desired
from tests.fakes.runs import AT, THREAD, a_plan, a_run, a_step, answered, ended

RUN = a_run()
DIRECT = replace(RUN, plan=a_plan(a_step(1, kind=ActionType.ANSWER)))
PLANNED = replace(RUN, plan=a_plan(a_step(1, "Look", StepStatus.STARTED)))
ASK = Wait(id="w", kind=WaitKind.QUESTION, step=1, question="Which?")
ASKING = replace(PLANNED, waits=(ASK,), status=TaskStatus.WAITING)
TIMER = replace(PLANNED, waits=(replace(ASK, kind=WaitKind.TIMER),), status=TaskStatus.WAITING)
REPEATING = replace(ASKING, waits=(replace(ASK, kind=WaitKind.REPEAT),))
STOPPED = ended(PLANNED, EndReason.STOPPED, by="U1")
STOPPED_QUEUED = ended(RUN, EndReason.STOPPED, by="U1")
REPLIED = replace(ASKING, waits=(replace(ASK, resolution=Resolution(value="x", at=AT)),))


def posted(*names, state=PostState.POSTED, step=None):
    kinds = {"plan": PostKind.PLAN, "answer:0": PostKind.ANSWER, "question:w": PostKind.QUESTION}
    return {
        f"run:r1:{name}": Post(
            key=f"run:r1:{name}",
            thread=THREAD,
            kind=kinds.get(name, PostKind.NOTICE),
            state=state,
            step=step,
            ts="1.2",
            created_at=AT,
        )
        for name in names
    }


def keys(wanted):
    return [message.post.key.removeprefix("run:r1:") for message in wanted.messages]


@pytest.mark.parametrize(
    ("case", "run", "posts", "expected"),
    [
        ("nothing yet", RUN, {}, []),
        ("a direct answer under way", DIRECT, {}, []),
        ("a direct answer", answered(DIRECT), {}, ["answer:0"]),
        ("a plan", PLANNED, {}, ["plan"]),
        ("a queued run", replace(RUN, queue_place=1), {}, ["plan"]),
        ("a queued run that got its slot", RUN, posted("plan"), ["plan"]),
        ("an answer after a plan", answered(PLANNED), posted("plan"), ["answer:0", "plan"]),
        ("an answer so quick that no plan was shown", answered(PLANNED), {}, ["plan", "answer:0"]),
        ("an answer whose plan was left out", answered(PLANNED), posted("answer:0"), ["answer:0"]),
        ("a question", ASKING, posted("plan"), ["question:w", "plan"]),
        ("a question before any plan message", ASKING, {}, ["question:w", "plan"]),
        ("a repeat", REPEATING, posted("plan"), ["question:w", "plan"]),
        ("a timer", TIMER, posted("plan"), ["plan"]),
        ("a reply", REPLIED, posted("plan", "question:w"), ["question:w", "plan"]),
        ("a reply to what was never asked", REPLIED, posted("plan"), ["plan"]),
        ("a question long gone", PLANNED, posted("plan", "question:w"), ["question:w", "plan"]),
        ("a failure without plan", ended(RUN, EndReason.FAILED), {}, ["end"]),
        (
            "a failure with a plan",
            ended(PLANNED, EndReason.FAILED),
            posted("plan"),
            ["end", "plan"],
        ),
        (
            "a failure before the plan was shown",
            ended(PLANNED, EndReason.FAILED),
            {},
            ["plan", "end"],
        ),
        (
            "a failure whose plan was left out",
            ended(PLANNED, EndReason.FAILED),
            posted("end"),
            ["end"],
        ),
        ("a limit with a plan", ended(PLANNED, EndReason.LIMIT), posted("plan"), ["end", "plan"]),
        ("a stop by the requester", STOPPED, posted("plan"), ["plan"]),
        ("a stop by the requester while queued", STOPPED_QUEUED, posted("plan"), ["plan"]),
        ("a stop by the requester without plan", STOPPED_QUEUED, {}, ["end"]),
        (
            "a stop by someone else",
            ended(PLANNED, EndReason.STOPPED, by="U2"),
            posted("plan"),
            ["end", "plan"],
        ),
        (
            "a stop by nobody, for the channel is lost",
            ended(PLANNED, EndReason.STOPPED, "the channel was archived"),
            posted("plan"),
            ["end", "plan"],
        ),
        (
            "a stop by the requester whose plan message is gone",
            STOPPED,
            posted("plan", state=PostState.ABANDONED),
            ["end"],
        ),
        (
            "a failure whose plan message is gone",
            ended(PLANNED, EndReason.FAILED),
            posted("plan", state=PostState.ABANDONED),
            ["end"],
        ),
        (
            "a limit with an answer",
            replace(answered(PLANNED), end=ended(RUN, EndReason.LIMIT).end),
            posted("plan"),
            ["answer:0", "plan"],
        ),
        (
            "a limit with an answer and without plan",
            replace(answered(DIRECT), end=ended(RUN, EndReason.LIMIT).end),
            {},
            ["answer:0"],
        ),
        (
            "a stop by someone else that keeps what was done",
            replace(answered(PLANNED), end=ended(RUN, EndReason.STOPPED, by="U2").end),
            posted("plan"),
            ["answer:0", "plan"],
        ),
    ],
)
def test_what_a_thread_shows(case, run, posts, expected):
    assert keys(desired([run], posts, shown_status=None)) == expected, case


@pytest.mark.parametrize(
    ("run", "shown", "status"),
    [
        (RUN, None, "processing"),
        (RUN, "processing", None),
        (RUN, "active", "processing"),
        (ASKING, "processing", "suspended"),
        (REPEATING, "processing", "suspended"),
        (TIMER, "processing", None),
        (replace(ASKING, status=TaskStatus.RUNNING), "processing", None),
        (REPLIED, "suspended", "processing"),
        (answered(RUN), "processing", "active"),
        (answered(RUN), "active", None),
        (answered(RUN), None, None),
        (ended(RUN, EndReason.STOPPED), "suspended", "active"),
    ],
)
def test_what_the_session_shows(run, shown, status):
    assert desired([run], {}, shown_status=shown).session == status


def test_without_session_status_a_run_has_a_plan_message_from_the_start():
    assert keys(desired([RUN], {}, shown_status=None, early_plan=True)) == ["plan"]
    assert keys(desired([answered(RUN)], {}, shown_status=None, early_plan=True)) == ["answer:0"]


def test_only_a_plan_that_will_change_again_is_not_waited_for():
    [plan] = desired([PLANNED], {}, shown_status=None).messages
    assert not plan.patient
    assert not plan.is_last
    [plan] = desired([STOPPED], {}, shown_status=None).messages
    assert plan.patient
    assert plan.is_last


def test_an_end_that_is_told_elsewhere_waits_for_no_plan_that_was_never_shown():
    plan, end = desired([ended(PLANNED, EndReason.FAILED)], {}, shown_status=None).messages
    assert (plan.only_if_free, end.only_if_free) == (True, False)


def test_a_plan_made_with_lessons_is_shown_however_quick_the_answer_came():
    run = replace(answered(PLANNED), memories_used=(MemoryUse(id=1, kind="lesson"),))
    plan, answer = desired([run], {}, shown_status=None).messages
    assert (plan.post.kind, answer.post.kind) == (PostKind.PLAN, PostKind.ANSWER)
    assert not plan.only_if_free
    assert keys(desired([run], posted("answer:0"), shown_status=None)) == ["plan", "answer:0"]
    others = replace(run, memories_used=(MemoryUse(id=1, kind="fact"),))
    assert desired([others], {}, shown_status=None).messages[0].only_if_free
    assert keys(desired([others], posted("answer:0"), shown_status=None)) == ["answer:0"]


@pytest.mark.parametrize(
    "run",
    [
        ended(PLANNED, EndReason.FAILED, "The log is gone."),
        ended(PLANNED, EndReason.LIMIT, "The log is gone."),
        replace(answered(PLANNED), end=ended(RUN, EndReason.FAILED, "The log is gone.").end),
        ended(RUN, EndReason.FAILED, "The log is gone."),
    ],
)
def test_an_unhappy_end_is_said_once_and_with_its_buttons_in_the_same_message(run):
    wanted = desired([run], posted("plan") if run.plan else {}, shown_status=None).messages
    saying = [m for m in wanted if "The log is gone." in str(m.content.blocks)]
    offering = [m for m in wanted if "Run again" in str(m.content.blocks)]
    assert len(saying) == 1
    assert saying == offering
    assert saying[0].post.kind is not PostKind.PLAN


def test_the_hash_of_an_answer_sent_again_is_that_of_the_first():
    [first] = desired([answered(RUN)], {}, shown_status=None).messages
    assert first.resent != first.content
    again = desired([answered(RUN)], {}, shown_status=None).messages[0]
    assert first.body_hash == again.body_hash


def test_answers_of_all_runs_go_before_plans():
    other = a_run("r2", plan=PLANNED.plan)
    wanted = desired([other, answered(RUN)], {}, shown_status=None)
    assert [m.post.key for m in wanted.messages] == ["run:r1:answer:0", "run:r2:plan"]


def test_a_run_that_nobody_sees_shows_nothing():
    wanted = desired([a_run(thread=None)], {}, shown_status="active")
    assert wanted.messages == ()


def test_files_come_with_the_answer():
    run = answered(RUN, files=("out/a.csv", "b.png"))
    files = desired([run], {}, shown_status=None).files
    assert [(f.post.key, f.name, f.path) for f in files] == [
        ("run:r1:file:0", "a.csv", "out/a.csv"),
        ("run:r1:file:1", "b.png", "b.png"),
    ]


def said(after_s):
    at = AT + timedelta(seconds=after_s)
    return PersonMessage(id=str(after_s), author=UserId("U1"), text="?", sent_at=at)


@pytest.mark.parametrize(
    ("case", "said_s", "asked_s"),
    [
        ("no message", [], 0),
        ("the message that started it", [-0.4], -0.4),
        ("Slack's clock is ahead", [0.7], 0.7),
        ("an earlier run's message before it", [-300, -0.4], -0.4),
        ("a message to the run under way", [-0.4, 40], -0.4),
        ("a run started again later", [-3_000], 0),
    ],
)
def test_a_run_was_asked_for_when_the_message_that_started_it_was_written(case, said_s, asked_s):
    run = replace(answered(RUN), messages=tuple(said(each) for each in said_s))
    wanted = desired([run], {}, shown_status=None)
    asked_at_s = AT.timestamp() + asked_s
    assert wanted.asked_at_s == pytest.approx(asked_at_s), case
    assert [each.asked_at_s for each in wanted.messages] == [pytest.approx(asked_at_s)], case


def test_a_thread_is_answered_when_its_newest_run_is():
    assert desired([answered(RUN)], {}, shown_status=None).is_answered
    stopped = ended(RUN, EndReason.STOPPED)
    for runs in ([RUN], [stopped], [answered(RUN), a_run("r2")], []):
        assert not desired(runs, {}, shown_status=None).is_answered
