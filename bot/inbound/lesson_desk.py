"""Clicks and forms about what was learned from a run: forgotten, or put in people's own words.

Who may is looked up anew at every click, for buttons stay in Slack for ever: whoever gave the
rating, whoever asked for the task, and admins.
"""

from collections.abc import Mapping

from agent_engine.commands import CorrectLesson, Declined, ForgetLesson
from agent_engine.types import ChannelId, Lesson, RunSnapshot
from bot.inbound import sentences
from bot.inbound.facts import (
    Facts,
    beside_field,
    click_keys,
    may_change_lesson,
    refusal,
    why_unwelcome,
)
from bot.inbound.front_desk import Place
from bot.inbound.intake import Surroundings
from bot.inbound.slack_events import Author, ButtonPressed, ViewSubmitted
from bot.outbound.blocks import ids
from bot.outbound.blocks.lesson import correct_modal, read_correction
from bot.outbound.content import Content


class LessonDesk:
    """Takes what people want done about lessons."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around

    async def press(self, event: ButtonPressed, action: ids.LessonAction, place: Place) -> None:
        """Take a click. Raises StorageError when its command could not be stored."""
        found = await self._find(action, place, home=event.home_workspace_id)
        if isinstance(found, str):
            await self._tell(place, found)
            return
        match action:
            case ids.ForgetLesson():
                command = ForgetLesson(
                    run_id=action.run_id, lesson_id=action.lesson_id, by=event.user_id
                )
                outcome = await self._around.engine.carry_out(command, keys=click_keys(event))
                if isinstance(outcome, Declined):
                    await self._tell(place, sentences.NO_LESSON)
            case ids.CorrectLesson():
                await self._open(event, action, place, found)

    async def submit(self, form: ids.CorrectForm, event: ViewSubmitted) -> Mapping[str, str]:
        """Take a submitted form; return what is wrong, by block id, empty when all is well."""
        place = Place(
            workspace_id=self._around.whoami.us.workspace_id,
            channel_id=ChannelId(form.channel_id),
            user_id=event.user_id,
        )
        found = await self._find(form, place, home=event.home_workspace_id)
        if isinstance(found, str):
            return beside_field(event, found)
        text = read_correction(event.values)
        if not text:
            return beside_field(event, sentences.EMPTY_LESSON)
        command = CorrectLesson(
            run_id=form.run_id,
            lesson_id=form.lesson_id,
            text=self._around.redact(text),
            by=event.user_id,
        )
        outcome = await self._around.engine.carry_out(command, keys=[f"view:{event.view_id}"])
        return beside_field(event, sentences.NO_LESSON) if isinstance(outcome, Declined) else {}

    # --------------------------------------------------------------------------------------------

    async def _find(
        self, about: ids.LessonAction | ids.CorrectForm, place: Place, *, home: str | None
    ) -> Lesson | str:
        """Return the lesson when this person may change it, else a sentence that says why not."""
        author = Author(user_id=place.user_id, home_workspace_id=home)
        facts = await self._around.facts_at(place, author)
        if why_unwelcome(facts):
            return refusal(facts)
        run = await self._around.run(about.run_id, place)
        if run is None:
            return sentences.LESSON_WITHOUT_TASK
        lesson = next((lesson for lesson in run.lessons if lesson.id == about.lesson_id), None)
        if lesson is None or not lesson.text:
            return sentences.NO_LESSON
        return self._or_refusal(lesson, run, facts)

    @staticmethod
    def _or_refusal(lesson: Lesson, run: RunSnapshot, facts: Facts) -> Lesson | str:
        if may_change_lesson(facts, lesson, run):
            return lesson
        return sentences.may_not_change_lesson(lesson.person)

    async def _open(
        self, event: ButtonPressed, action: ids.CorrectLesson, place: Place, lesson: Lesson
    ) -> None:
        form = ids.CorrectForm(
            run_id=action.run_id, lesson_id=action.lesson_id, channel_id=place.channel_id
        )
        view = correct_modal(form, lesson)
        await self._around.desk.open(event.trigger_id, view, place)

    async def _tell(self, place: Place, sentence: str) -> None:
        await self._around.desk.tell(place, Content(text=sentence))
