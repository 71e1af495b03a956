"""What was learned from a low rating, in one line with what can be done about it. Pure."""

from typing import Any

from agent_engine.types import JsonObject, Lesson, RunId, RunSnapshot
from bot.outbound.blocks import ids
from bot.outbound.blocks.forms import modal, read_text, text_field
from bot.outbound.blocks.parts import actions, button, quiet, section
from bot.outbound.content import Content
from bot.outbound.text import count, escape, one_line

LONGEST = 1_000
"""Characters of a lesson that are shown."""
FORGOTTEN = "Forgotten."
LESSON = "lesson"
"""The kind of those memories that are lessons."""

_WORDS = "words"


def lesson_content(run_id: RunId, lesson: Lesson) -> Content:
    """Tell the lesson, or what became of it."""
    if not lesson.text:
        return Content(text=FORGOTTEN, blocks=(quiet(FORGOTTEN),))
    said = one_line(lesson.text, LONGEST)
    forget = button("Forget", ids.ForgetLesson(run_id=run_id, lesson_id=lesson.id))
    if lesson.is_retired:
        line = f"Not applied any more, for the rating was taken back: {said}"
        return Content(text=escape(line), blocks=(quiet(line), actions([forget])))
    text = f"Lesson for next time: {escape(said)}"
    correct = button("Correct", ids.CorrectLesson(run_id=run_id, lesson_id=lesson.id))
    return Content(text=text, blocks=(section(text), actions([forget, correct])))


def correct_modal(form: ids.CorrectForm, lesson: Lesson) -> dict[str, Any]:
    """Render the one-field form with the lesson's words."""
    words = one_line(lesson.text, LONGEST)
    field = text_field(_WORDS, "What should I do next time?", value=words, lines=True)
    return modal(form, title="Correct the lesson", blocks=[field])


def read_correction(values: JsonObject) -> str:
    """Return what was written; empty for nothing."""
    return read_text(values, _WORDS)


def lessons_told(run: RunSnapshot) -> str:
    """Say how many lessons the run was told of: ``2 lessons``; empty for none."""
    told = sum(use.kind == LESSON for use in run.memories_used)
    return count(told, "lesson") if told else ""
