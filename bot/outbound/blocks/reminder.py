"""The one message that reminds people of what a run waits for. Pure."""

from collections.abc import Sequence

from agent_engine.types import RunSnapshot, Step, UserId, Wait, WaitKind
from bot.outbound.blocks import wording
from bot.outbound.blocks.approval import asked_people
from bot.outbound.blocks.parts import person, quiet, section
from bot.outbound.content import Content
from bot.outbound.text import escape, one_line

_WHAT = {
    WaitKind.QUESTION: "an answer",
    WaitKind.REPEAT: "a decision about a step that may already have happened",
    WaitKind.APPROVAL: "a decision",
}


def reminder_content(run: RunSnapshot, wait: Wait) -> Content:
    """Remind those who may answer, once."""
    asked = " ".join(person(user) for user in _asked(run, wait))
    what = _WHAT.get(wait.kind, "you")
    about = escape(one_line(wait.question, 200))
    said = f"{asked} This task is still waiting for {what}" + (f": {about}" if about else ".")
    return Content(text=said, blocks=(section(said),))


def settled_reminder(step: Step | None) -> Content:
    """Say that what people were reminded of is not open any more; mentions nobody."""
    about = f": {one_line(wording.step_title(step.action), 200)}" if step else ""
    line = f"A reminder stood here; it is settled{about}."
    return Content(text=escape(line), blocks=(quiet(line),))


def _asked(run: RunSnapshot, wait: Wait) -> Sequence[UserId | None]:
    return asked_people(run, wait) or (run.requester,)
