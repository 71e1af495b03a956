"""What is shown of lessons: their line, what became of it, and that they are applied."""

from dataclasses import replace

import pytest

from agent_engine.places import Post, PostKind, PostState
from agent_engine.types import Lesson, MemoryUse, StepStatus, UserId
from bot.outbound.blocks import ids
from bot.outbound.blocks.answer import answer_messages
from bot.outbound.blocks.lesson import correct_modal, lesson_content, read_correction
from bot.outbound.blocks.plan import plan_content
from bot.outbound.desired import desired
from tests.fakes.blocks import all_texts, check_content, check_view
from tests.fakes.runs import AT, THREAD, a_plan, a_run, a_step, answered

LESSON = Lesson(id="7", person=UserId("U2"), text="Subtract <!channel> refunds.\nAlways.")
RETIRED = replace(LESSON, is_retired=True)
FORGOTTEN = replace(LESSON, text="")
DONE = answered(a_run(plan=a_plan(a_step(1, "Look", StepStatus.DONE))))
TOLD = tuple(MemoryUse(id=n, kind=kind) for n, kind in enumerate(("lesson", "fact", "lesson")))


@pytest.mark.parametrize("lesson", [LESSON, RETIRED, FORGOTTEN, replace(LESSON, text="x" * 4_000)])
def test_slack_would_take_every_line(lesson):
    check_content(lesson_content(DONE.run_id, lesson))


def test_a_lesson_is_one_line_that_can_be_forgotten_and_corrected():
    content = lesson_content(DONE.run_id, LESSON)
    shown = "Lesson for next time: Subtract &lt;!channel&gt; refunds. Always."
    assert content.text == shown
    names = [e["text"]["text"] for e in content.blocks[-1]["elements"]]
    assert names == ["Forget", "Correct"]


def test_a_retired_lesson_says_why_and_can_still_be_forgotten():
    content = lesson_content(DONE.run_id, RETIRED)
    assert "Not applied any more, for the rating was taken back" in content.text
    assert [e["text"]["text"] for e in content.blocks[-1]["elements"]] == ["Forget"]


def test_a_forgotten_lesson_leaves_one_word():
    content = lesson_content(DONE.run_id, FORGOTTEN)
    assert content.text == "Forgotten."
    assert "Subtract" not in all_texts(content)


def test_the_form_begins_with_the_lessons_words_and_is_read_back():
    form = ids.CorrectForm(run_id=DONE.run_id, lesson_id="7", channel_id="C1")
    view = correct_modal(form, LESSON)
    check_view(view)
    [field] = view["blocks"]
    assert field["element"]["initial_value"].startswith("Subtract")
    assert read_correction({"words": {"words": {"value": " Ask me. "}}}) == "Ask me."
    assert read_correction({}) == ""


def lines(run, posts=None):
    wanted = desired([run], posts or {}, shown_status=None).messages
    return [message for message in wanted if message.post.kind is PostKind.LESSON]


def known(state):
    key = "run:r1:lesson:7"
    ts = "1.5" if state is PostState.POSTED else None
    post = Post(key=key, thread=THREAD, kind=PostKind.LESSON, state=state, ts=ts, created_at=AT)
    return {key: post}


def test_a_lesson_is_told_under_a_key_of_its_own():
    [line] = lines(replace(DONE, lessons=(LESSON,)))
    assert (line.post.key, line.only_if_left) == ("run:r1:lesson:7", False)


@pytest.mark.parametrize("gone", [RETIRED, FORGOTTEN])
def test_one_that_is_gone_is_only_spoken_of_where_it_was_told(gone):
    run = replace(DONE, lessons=(gone,))
    assert lines(run) == []
    assert lines(run, known(PostState.ABANDONED)) == []
    [left] = lines(run, known(PostState.INTENDED))
    [told] = lines(run, known(PostState.POSTED))
    assert (left.only_if_left, told.only_if_left) == (True, False)


def test_the_plan_and_the_answer_say_how_many_lessons_are_applied():
    working = a_run(plan=a_plan(a_step(1)), memories_used=TOLD)
    assert "Applying 2 lessons." in all_texts(plan_content(working))
    done = replace(DONE, memories_used=TOLD[:1])
    assert "Applied 1 lesson." in all_texts(plan_content(done))
    [answer] = answer_messages(done, done.answer).contents
    assert "1 lesson applied" in all_texts(answer)
    assert "lesson" not in all_texts(plan_content(a_run(plan=a_plan(a_step(1)))))
