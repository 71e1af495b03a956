"""Buttons and modals: what was clicked or submitted becomes commands, and answers become views."""

import logging
from collections.abc import Mapping
from dataclasses import replace

from agent_engine.commands import Declined, Rate, Rated, Unrate
from agent_engine.types import LOW_RATING_BELOW, ChannelId, JsonObject
from bot.inbound import acts, sentences
from bot.inbound.call_desk import CallDesk
from bot.inbound.facts import Do, Facts, Open, beside_field, refusal, why_unwelcome
from bot.inbound.front_desk import Place
from bot.inbound.intake import Surroundings
from bot.inbound.lesson_desk import LessonDesk
from bot.inbound.membership import is_member
from bot.inbound.memory_browser import MemoryBrowser, NewView
from bot.inbound.memory_desk import MemoryDesk
from bot.inbound.screens import FormErrors, StepRating
from bot.inbound.slack_events import Author, ButtonPressed, HomeOpened, ViewSubmitted
from bot.outbound.blocks import ids
from bot.outbound.content import Content

logger = logging.getLogger(__name__)


class FormDesk:
    """Takes clicks and submissions."""

    def __init__(self, around: Surroundings, calls: CallDesk) -> None:
        self._around = around
        self._calls = calls
        self._lessons = LessonDesk(around)
        self._memories = MemoryBrowser(around, MemoryDesk(around))

    async def press(self, event: ButtonPressed) -> None:
        """Take a click. Raises StorageError when its command could not be stored."""
        action = ids.read_action(event.action_id, event.value)
        place = self._place_of_button(event)
        if action is None:
            await self._unknown(event, place)
            return
        if isinstance(action, ids.MemoryAction):
            await self._memories.press(event, action, place)
            return
        if place is None:
            place = await self._place_of_run(event, action)
        if place is None:
            await self._renew_home(event)
            return
        if isinstance(action, ids.AskedAction):
            await self._calls.press(event, action, place)
        elif isinstance(action, ids.LessonAction):
            await self._lessons.press(event, action, place)
        else:
            await self._press_plain(event, action, place)

    async def _press_plain(
        self, event: ButtonPressed, action: ids.PlainAction, place: Place
    ) -> None:
        facts = await self._facts(place, home=event.home_workspace_id)
        if isinstance(action, ids.StopRun):
            facts = replace(facts, run=await self._around.run(action.run_id, place))
        route = acts.route_button(event, action, facts)
        match route:
            case Open(form=form):
                await self._open(form, event, place)
            case Do(command=Rate()):
                await self._rate(route, event, action, place)
            case _:
                await self._around.desk.carry_out(route, place)

    async def submit(self, event: ViewSubmitted) -> Mapping[str, str] | NewView:
        """Take a submitted modal; return what is wrong, by block id, empty when all is well.

        Or return what the modal shows next, where it stays open.
        """
        form = ids.read_form(event.callback_id, event.private_metadata)
        if form is None:
            logger.info("form_ignored", extra={"reason": "unknown"})
            return {}
        if isinstance(form, ids.CallForm):
            return await self._calls.submit(form, event)
        if isinstance(form, ids.CorrectForm):
            return await self._lessons.submit(form, event)
        if isinstance(form, ids.MemoryForm):
            return await self._memories.submit(form, event)
        place = Place(
            workspace_id=self._around.whoami.us.workspace_id,
            channel_id=ChannelId(_channel_of(form)),
            user_id=event.user_id,
        )
        facts = await self._facts(place, home=event.home_workspace_id)
        if why_unwelcome(facts):
            return beside_field(event, refusal(facts))
        match form:
            case ids.AgentForm():
                return await self._save_agent(form, event, place)
            case ids.StepRatingForm():
                return await self._rate_steps(form, event, place)
            case ids.WhyForm():
                return await self._tell_why(form, event, place)

    # -- clicks ----------------------------------------------------------------------------------

    async def _rate(
        self, route: Do, event: ButtonPressed, action: ids.PlainAction, place: Place
    ) -> None:
        """Store a rating by button; a low one opens the form at once, for a click can."""
        outcome = await self._around.engine.carry_out(route.command, keys=route.keys)
        if isinstance(outcome, Declined):
            await self._around.desk.tell(place, Content(text=sentences.TASK_IS_GONE))
        if not isinstance(outcome, Rated) or not isinstance(action, ids.RateAnswer):
            return
        if outcome.rating is None or outcome.rating >= LOW_RATING_BELOW:
            return
        form = ids.WhyForm(
            channel_id=place.channel_id,
            message_ts=event.message_ts or "",
            choice=acts.FEEDBACK_BUTTON,
            rating=action.rating,
        )
        await self._open(form, event, place)

    async def _open(self, form: ids.PlainForm, event: ButtonPressed, place: Place) -> None:
        view = await self._view(form, place)
        if view is None:
            await self._around.desk.tell(place, Content(text=sentences.TASK_IS_GONE))
            return
        await self._around.desk.open(event.trigger_id, view, place)

    async def _view(self, form: ids.PlainForm, place: Place) -> JsonObject | None:
        screens = self._around.desk.screens
        match form:
            case ids.AgentForm(channel_id=channel_id):
                there = replace(place, channel_id=ChannelId(channel_id))
                channel = await self._around.channels.peek(there.workspace_id, there.channel_id)
                agent = await self._around.channels.agent(channel)
                return await self._around.desk.agent_form(agent, there)
            case ids.StepRatingForm(run_id=run_id):
                run = await self._around.run(run_id, place)
                return None if run is None else screens.steps_form(run, form)
            case ids.WhyForm():
                return screens.why_form(form)

    async def _renew_home(self, event: ButtonPressed) -> None:
        """Show the Home tab as it is now: the task of the click is gone, and its line with it."""
        logger.info("click_ignored", extra={"reason": "nowhere"})
        opened = HomeOpened(origin=event.origin, user_id=event.user_id, tab="home")
        await self._around.hooks.home_opened(opened)

    async def _unknown(self, event: ButtonPressed, place: Place | None) -> None:
        logger.info("click_ignored", extra={"reason": "unknown_action"})
        if place is not None and event.action_id.startswith("treadle"):
            await self._around.desk.tell(place, Content(text=sentences.UNKNOWN_BUTTON))

    # -- submissions -----------------------------------------------------------------------------

    async def _save_agent(
        self, form: ids.AgentForm, event: ViewSubmitted, place: Place
    ) -> Mapping[str, str]:
        if not await is_member(self._around, place):
            return beside_field(event, sentences.MEMBERS_ONLY)
        channels = self._around.channels
        channel = await channels.meet(place.workspace_id, place.channel_id, None)
        profile = await channels.agent(channel)
        if profile.id != form.agent_id:
            return beside_field(event, sentences.AGENT_CHANGED)
        wanted = self._around.desk.screens.read_agent(profile, event.values)
        if isinstance(wanted, FormErrors):
            return wanted.errors
        await channels.give_own_agent(channel, wanted)
        logger.info("agent_edited", extra={"agent": wanted.id, "by": event.user_id})
        return {}

    async def _rate_steps(
        self, form: ids.StepRatingForm, event: ViewSubmitted, place: Place
    ) -> Mapping[str, str]:
        filled = self._around.desk.screens.read_steps(event.values)
        about = Unrate(
            workspace_id=place.workspace_id,
            channel_id=place.channel_id,
            message_ts=form.message_ts,
            by=event.user_id,
            choice="",
        )
        text = self._around.redact(filled.text)
        for chosen in filled.ratings:
            command = _step_command(about, chosen, text)
            key = f"view:{event.view_id}:{chosen.step}"
            if errors := await self._rate_by_form(command, event, key=key):
                return errors
        return {}

    async def _tell_why(
        self, form: ids.WhyForm, event: ViewSubmitted, place: Place
    ) -> Mapping[str, str]:
        rate = Rate(
            workspace_id=place.workspace_id,
            channel_id=place.channel_id,
            message_ts=form.message_ts,
            by=event.user_id,
            choice=form.choice,
            rating=form.rating,
            text=self._around.redact(self._around.desk.screens.read_why(event.values)),
        )
        return await self._rate_by_form(rate, event, key=f"view:{event.view_id}")

    async def _rate_by_form(
        self, rating: Rate | Unrate, event: ViewSubmitted, *, key: str
    ) -> Mapping[str, str]:
        outcome = await self._around.engine.carry_out(rating, keys=[key])
        is_gone = isinstance(outcome, Declined)
        return beside_field(event, sentences.TASK_IS_GONE) if is_gone else {}

    # -- where and who ---------------------------------------------------------------------------

    async def _facts(self, place: Place, *, home: str | None) -> Facts:
        author = Author(user_id=place.user_id, home_workspace_id=home)
        return await self._around.facts_at(place, author)

    def _place_of_button(self, event: ButtonPressed) -> Place | None:
        if event.channel_id is None:
            return None
        thread_ts = event.thread_ts or (None if event.is_ephemeral else event.message_ts)
        return Place(
            workspace_id=self._around.whoami.us.workspace_id,
            channel_id=event.channel_id,
            user_id=event.user_id,
            thread_ts=thread_ts,
        )

    async def _place_of_run(self, event: ButtonPressed, action: ids.Action) -> Place | None:
        """Find the place for a click in the Home tab: that of the run, or of the agent."""
        us = self._around.whoami.us
        match action:
            case ids.EditAgent(channel_id=channel_id):
                return Place(
                    workspace_id=us.workspace_id,
                    channel_id=ChannelId(channel_id),
                    user_id=event.user_id,
                )
            case (
                ids.StopRun(run_id=run_id)
                | ids.AgainRun(run_id=run_id)
                | ids.ExtendRun(run_id=run_id)
            ):
                anywhere = Place(
                    workspace_id=us.workspace_id,
                    channel_id=ChannelId(""),
                    user_id=event.user_id,
                )
                run = await self._around.run(run_id, anywhere)
                if run is None or run.thread is None:
                    return None
                thread = run.thread
                return replace(anywhere, channel_id=thread.channel_id, thread_ts=thread.thread_ts)
            case _:
                return None


def _channel_of(form: ids.PlainForm) -> str:
    return form.channel_id


def _step_command(about: Unrate, chosen: StepRating, text: str) -> Rate | Unrate:
    """Return what the choice asks for; ``about`` says whose choice about which message it is."""
    choice = f"step:{chosen.step}"
    if chosen.rating is None:
        return replace(about, choice=choice)
    return Rate(
        workspace_id=about.workspace_id,
        channel_id=about.channel_id,
        message_ts=about.message_ts,
        by=about.by,
        choice=choice,
        rating=chosen.rating,
        text=text,
        step=chosen.step,
        at=about.at,
    )
