"""Carries out what routing decided: commands to the engine, sentences and screens to the person.

A command that cannot be stored raises, so that Slack delivers the event again. A sentence that
cannot be shown is logged and left: nothing depends on it.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from agent_engine.commands import (
    Cancel,
    CancelThread,
    Command,
    Declined,
    Outcome,
    Rate,
    Rated,
)
from agent_engine.engine import Engine
from agent_engine.errors import RequestError
from agent_engine.places import RatedWeek
from agent_engine.safeguards import ApprovalStore, StandingRule
from agent_engine.types import (
    LOW_RATING_BELOW,
    AgentProfile,
    ChannelId,
    JsonObject,
    Thread,
    UserId,
    WorkspaceId,
)
from bot.errors import SlackError
from bot.inbound import sentences
from bot.inbound.channels import ChannelDirectory
from bot.inbound.facts import Do, Ignored, Open, Reply, Route, Show
from bot.inbound.lanes import OnceOnly
from bot.inbound.screens import Screens
from bot.inbound.talk import SlackTalk
from bot.inbound.whoami import Whoami
from bot.inbound.words import Verb
from bot.outbound.blocks import ids
from bot.outbound.content import Content
from bot.ports import FigureStore

OPEN_S = 2.0
"""The trigger that opens a modal lives for three seconds."""
_CLICKED = (Cancel, CancelThread)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where somebody did something, and so where to answer."""

    workspace_id: WorkspaceId
    channel_id: ChannelId
    user_id: UserId
    thread_ts: str | None = None
    occasion: str = ""
    """Names what is answered, so that it is answered once; empty when it cannot repeat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontDesk:
    """The one place that acts on routes."""

    engine: Engine
    channels: ChannelDirectory
    talk: SlackTalk
    screens: Screens
    standing: ApprovalStore
    figures: FigureStore
    whoami: Whoami
    is_silent: bool = False
    """Says nothing to anybody, for what is taken in a second time."""
    _said: OnceOnly = field(default_factory=OnceOnly)

    async def carry_out(self, route: Route, place: Place) -> Outcome | None:
        """Do what the route says. Raises StorageError when a command could not be stored."""
        match route:
            case Do(command=command, keys=keys):
                return await self._do(command, keys, place)
            case Reply(text=text):
                await self.tell(place, Content(text=text))
            case Show(verb=verb):
                await self.tell(place, await self.screen(verb, place))
            case Open(form=form):
                logger.info("delivery_ignored", extra={"reason": "form_without_trigger"})
                del form
            case Ignored(reason=reason):
                logger.debug("delivery_ignored", extra={"reason": reason})
        return None

    async def tell(self, place: Place, content: Content) -> None:
        """Show something to the person alone, once per occasion."""
        if self.is_silent:
            return
        if place.occasion and not self._said.claim(place.occasion):
            return
        try:
            await self.talk.post_ephemeral(
                place.channel_id, place.user_id, content, thread_ts=place.thread_ts
            )
        except SlackError as error:
            self._said.release(place.occasion)
            logger.warning("sentence_not_shown", extra={"error": str(error)})

    async def open(self, trigger_id: str, view: JsonObject, place: Place) -> None:
        """Open a modal for the person, or say that Slack did not."""
        try:
            async with asyncio.timeout(OPEN_S):
                await self.talk.open_view(trigger_id, view)
        except (SlackError, TimeoutError) as error:
            logger.warning("form_not_opened", extra={"error": repr(error)[:200]})
            await self.tell(place, Content(text=sentences.FORM_NOT_OPENED))

    async def screen(self, verb: Verb, place: Place) -> Content:
        """Return what a verb shows here."""
        match verb:
            case Verb.HELP:
                return self.screens.help(None)
            case Verb.SOLVE | Verb.STOP | Verb.MEMORY:
                return self.screens.help(verb)
            case Verb.TASKS:
                return await self._tasks(place)
            case Verb.AGENT:
                return await self._agent(place)
            case Verb.STATUS:
                return await self._status(place)
            case Verb.RULES:
                return self.screens.rules(await self.rules(place))

    async def rules(self, place: Place) -> Sequence[StandingRule]:
        """Return the standing rules of a channel."""
        return await self.standing.rules(place.workspace_id, channel_id=place.channel_id)

    async def agent_form(self, profile: AgentProfile, place: Place) -> JsonObject:
        """Return the modal that edits a channel's agent, with how it was rated there."""
        rules, weeks = await self.rules(place), await self._rated(place)
        return self.screens.agent_form(profile, place.channel_id, rules=len(rules), weeks=weeks)

    # --------------------------------------------------------------------------------------------

    async def _do(self, command: Command, keys: tuple[str, ...], place: Place) -> Outcome | None:
        try:
            outcome = await self.engine.carry_out(command, keys=keys)
        except RequestError as error:
            await self.tell(place, Content(text=error.message))
            return None
        match outcome:
            case Declined(why=why):
                logger.info("command_declined", extra={"why": why})
                # Words are never answered with "too late": people also edit and chat in threads.
                if isinstance(command, _CLICKED) and (sentence := sentences.declined(why)):
                    await self.tell(place, Content(text=sentence))
            case Rated(rating=int(rating)) if rating < LOW_RATING_BELOW:
                await self._ask_why(command, place)
            case _:
                pass
        return outcome

    async def _ask_why(self, command: Command, place: Place) -> None:
        """Offer the form after a low rating by reaction; a reaction itself cannot open one."""
        if not isinstance(command, Rate) or command.text or command.step is not None:
            return
        action = ids.TellWhy(
            channel_id=command.channel_id,
            message_ts=command.message_ts,
            choice=command.choice,
            rating=command.rating,
        )
        await self.tell(place, self.screens.low_rating(action))

    async def _tasks(self, place: Place) -> Content:
        lines = await self.engine.tasks(place.workspace_id, channel_id=place.channel_id)
        return self.screens.tasks(lines, workspace_url=self.whoami.identity.workspace_url)

    async def _agent(self, place: Place) -> Content:
        channel = await self.channels.meet(place.workspace_id, place.channel_id, None)
        profile = await self.channels.agent(channel)
        return self.screens.agent(profile, place.channel_id, weeks=await self._rated(place))

    async def _rated(self, place: Place) -> Sequence[RatedWeek]:
        return await self.figures.ratings(place.workspace_id, channel_id=place.channel_id)

    async def _status(self, place: Place) -> Content:
        if place.thread_ts is None:
            return await self._tasks(place)
        thread = Thread(
            workspace_id=place.workspace_id,
            channel_id=place.channel_id,
            thread_ts=place.thread_ts,
        )
        latest = await self.engine.latest_run(thread)
        if latest is None:
            return Content(text=sentences.NO_TASK_HERE)
        return self.screens.status(await self.engine.run(latest))
