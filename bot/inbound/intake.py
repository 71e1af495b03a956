"""Takes events in: gathers the facts, routes, carries out. Everything is stored before it returns.

A failure to store raises, so that the event is not acknowledged and Slack delivers it again; the
keys of the command make the second time harmless. A mention by someone known costs no Slack call.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Protocol

from agent_engine.commands import Outcome, Repeated, Say, Started, Steered
from agent_engine.engine import Engine
from agent_engine.places import Channel, ChannelKind, Post
from agent_engine.redaction import Redact
from agent_engine.types import (
    ChannelId,
    JsonObject,
    PersonMessage,
    RunId,
    RunSnapshot,
    Thread,
    UserId,
)
from bot.errors import SlackError, SlackRefusedError
from bot.inbound import acts, routing, sentences, words
from bot.inbound.channels import ChannelDirectory
from bot.inbound.facts import Do, Facts, Route, Show, why_unwelcome
from bot.inbound.front_desk import FrontDesk, Place
from bot.inbound.lanes import Lanes, OnceOnly
from bot.inbound.moments import is_later, sent_at
from bot.inbound.people import PeopleDirectory
from bot.inbound.read_slack import read_history
from bot.inbound.seen import SeenTracker
from bot.inbound.slack_events import (
    AppUninstalled,
    Author,
    ChannelArchived,
    ChannelDeleted,
    ChannelLeft,
    ChannelRenamed,
    ChannelUnarchived,
    ContextChanged,
    HomeOpened,
    MemberJoined,
    MemberLeft,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    ReactionAdded,
    ReactionRemoved,
    SessionRenamed,
    SessionStopped,
    SlackEvent,
    SlackFile,
    TokensRevoked,
)
from bot.inbound.talk import SlackTalk
from bot.inbound.whoami import Whoami
from bot.outbound.blocks import ids
from bot.outbound.content import Content
from bot.ports import MemoryReader, PostStore

EARLIER_MESSAGES = 100
"""So many of a thread's newest messages, and its first, are context when a task starts in it."""
EARLIER_PAGES = 5
EARLIER_S = 1.5
FRESH = timedelta(seconds=5)
"""A message younger than this may be ours though its ``ts`` is not stored yet."""
FRESH_LOOKS = 5
FRESH_PAUSE_S = 0.2

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """Who else wants to know. Each is awaited before the event is acknowledged; so be quick."""

    own_message: Callable[[MessagePosted], Awaitable[None]]
    """One of our own messages arrived: its ``ts`` is known now."""
    home_opened: Callable[[HomeOpened], Awaitable[None]]
    session_renamed: Callable[[SessionRenamed], Awaitable[None]]
    uninstalled: Callable[[], Awaitable[None]]
    """The workspace has thrown us out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Where facts come from and where messages go."""

    engine: Engine
    channels: ChannelDirectory
    people: PeopleDirectory
    posts: PostStore
    talk: SlackTalk
    whoami: Whoami
    desk: FrontDesk
    seen: SeenTracker
    hooks: Hooks
    redact: Redact
    memories: MemoryReader

    async def facts(self, channel: Channel, author: Author) -> Facts:
        """Gather who the person is and which agent lives here."""
        return Facts(
            us=self.whoami.us,
            agent=await self.channels.agent(channel),
            person=await self.people.who(channel.workspace_id, author),
        )

    async def facts_at(self, place: Place, author: Author) -> Facts:
        """Gather the same where nothing is started, so that no row is made for the channel."""
        channel = await self.channels.peek(place.workspace_id, place.channel_id)
        return await self.facts(channel, author)

    async def run(self, run_id: RunId | None, place: Place) -> RunSnapshot | None:
        """Return the run, if there is one and it belongs to this workspace."""
        if run_id is None:
            return None
        try:
            run = await self.engine.run(run_id)
        except KeyError:
            return None
        return run if run.scope.workspace_id == place.workspace_id else None


class MemoryWords(Protocol):
    """Who answers *memory* in a message."""

    async def answer(
        self, argument: str, place: Place, facts: Facts, *, keys: tuple[str, ...]
    ) -> Content:
        """Do what the words behind the verb say and return what the person is shown."""
        ...


class Intake:
    """The way in for everything that the Events API delivers, and for what was missed."""

    def __init__(self, around: Surroundings, *, memories: MemoryWords) -> None:
        self._around = around
        self._memories = memories
        self._lanes = Lanes()
        self._taken = OnceOnly()
        self._is_replay = False

    def for_replay(self) -> "Intake":
        """Return an intake for what may have been taken in before.

        It says nothing to anybody and carries out only what cannot do harm a second time.
        """
        silent = replace(self._around.desk, is_silent=True)
        replay = Intake(replace(self._around, desk=silent), memories=self._memories)
        replay._lanes = self._lanes  # of the same class
        replay._taken = self._taken  # of the same class
        replay._is_replay = True  # of the same class
        return replay

    async def take(self, event: SlackEvent) -> None:
        """Take one event in. Raises StorageError when it could not be stored."""
        match event:
            case MessagePosted():
                await self._message(self._without_secrets(event))
            case MessageEdited():
                await self._edit(self._edit_without_secrets(event))
            case ReactionAdded() | ReactionRemoved():
                await self._reaction(event)
            case SessionStopped():
                await self._session_stopped(event)
            case MemberJoined() | MemberLeft() | HomeOpened():
                await self._presence(event)
            case (
                ChannelArchived()
                | ChannelUnarchived()
                | ChannelRenamed()
                | ChannelLeft()
                | ChannelDeleted()
            ):
                await self._channel(event)
            case SessionRenamed():
                await self._around.hooks.session_renamed(event)
            case AppUninstalled() | TokensRevoked():
                await self._uninstalled(event)
            case MessageDeleted() | ContextChanged():
                logger.debug("delivery_ignored", extra={"reason": type(event).__name__})

    # -- messages --------------------------------------------------------------------------------

    def _without_secrets(self, event: MessagePosted) -> MessagePosted:
        """Take out what a person should not have pasted, before it is stored and split."""
        files = self._named_without_secrets(event.files)
        return replace(event, text=self._around.redact(event.text), files=files)

    def _edit_without_secrets(self, event: MessageEdited) -> MessageEdited:
        redact, before = self._around.redact, event.previous_text
        previous = None if before is None else redact(before)
        files = self._named_without_secrets(event.files)
        return replace(event, text=redact(event.text), previous_text=previous, files=files)

    def _named_without_secrets(self, files: Sequence[SlackFile]) -> tuple[SlackFile, ...]:
        return tuple(replace(file, name=self._around.redact(file.name)) for file in files)

    async def _message(self, event: MessagePosted) -> None:
        us = self._around.whoami.us
        if routing.is_ours(event, us):
            await self._own_message(event)
        elif ignored := routing.glance(event, us):
            logger.debug("delivery_ignored", extra={"reason": ignored.reason})
        else:
            async with self._lanes.turn(routing.thread_of(event)):
                await self._new_message(event)
        self._around.seen.note(event.origin.workspace_id, event.channel_id, event.ts)

    async def _new_message(self, event: MessagePosted) -> None:
        """Slack tells of a mention twice; the second time there is nothing left to look up."""
        key = f"{event.origin.workspace_id}:{routing.message_key(event.channel_id, event.ts)}"
        if self._taken.knows(key):
            logger.debug("delivery_ignored", extra={"reason": "taken"})
        elif await self._relevant_message(event):
            self._taken.claim(key)

    async def _relevant_message(self, event: MessagePosted) -> bool:
        """Return whether a task has been told, so that the message needs no second look."""
        place = _place_of_message(event)
        latest = await self._latest_run(event)
        if latest is None and not routing.is_addressed(event, self._around.whoami.us):
            logger.debug("delivery_ignored", extra={"reason": "no_task"})
            return False
        met = await self._around.channels.meet(place.workspace_id, place.channel_id, event.kind)
        facts = await self._around.facts(met, event.author)
        facts = replace(facts, latest_run=latest, run=await self._run_to_stop(event, latest))
        route = routing.route_message(event, facts)
        if self._is_replay and not await self._can_replay(route, event, latest):
            return False
        if isinstance(route, Do) and isinstance(route.command, Say) and latest is None:
            route = replace(route, command=await self._with_earlier(route.command, event, facts))
        outcome = await self._do(route, place, facts)
        await self._around.people.refresh(facts.person)
        return _is_told(route, outcome)

    async def _do(self, route: Route, place: Place, facts: Facts) -> Outcome | None:
        if not isinstance(route, Show) or route.verb is not words.Verb.MEMORY:
            return await self._around.desk.carry_out(route, place)
        keys = (f"memory:{place.occasion}",)
        content = await self._memories.answer(route.argument, place, facts, keys=keys)
        await self._around.desk.tell(place, content)
        return None

    async def _latest_run(self, event: MessagePosted | MessageEdited) -> RunId | None:
        """A message that is no reply can have a task only if it was taken in before."""
        if event.thread_ts is None and isinstance(event, MessagePosted):
            return None
        return await self._around.engine.latest_run(routing.thread_of(event))

    async def _run_to_stop(self, event: MessagePosted, latest: RunId | None) -> RunSnapshot | None:
        text = words.without_mention(event.text, self._around.whoami.us.user_id)
        if words.mention_verb(text) is not words.Verb.STOP:
            return None
        return await self._around.run(latest, _place_of_message(event))

    async def _can_replay(self, route: Route, event: MessagePosted, latest: RunId | None) -> bool:
        """A stop, or words from before the task began, must not hit what has begun since."""
        if not isinstance(route, Do) or not isinstance(route.command, Say):
            return False
        run = await self._around.run(latest, _place_of_message(event))
        return run is None or run.task.created_at <= route.command.message.sent_at

    async def _with_earlier(self, say: Say, event: MessagePosted, facts: Facts) -> Say:
        """Add what was said in the thread before, as far as Slack tells it in time."""
        if event.thread_ts is None:
            return say
        try:
            async with asyncio.timeout(EARLIER_S):
                thread = await self._thread(event.channel_id, event.thread_ts)
        except (SlackError, TimeoutError) as error:
            logger.warning("earlier_messages_unread", extra={"error": repr(error)[:200]})
            return say
        said = list(self._context(thread, event))
        said = [*said[:1], *said[1:][-EARLIER_MESSAGES:]]
        welcome = await self._welcome_to_attach([posted for posted, _ in said], facts)
        earlier = [m if posted.ts in welcome else replace(m, files=()) for posted, m in said]
        return replace(say, earlier=tuple(earlier))

    async def _welcome_to_attach(
        self, said: Sequence[MessagePosted], facts: Facts
    ) -> frozenset[str]:
        """Return which messages are of people who could have handed their files over themselves."""
        welcome: set[str] = set()
        with suppress(TimeoutError):  # those not looked at in time count as unwelcome
            async with asyncio.timeout(EARLIER_S):
                for posted in said:
                    if posted.files and posted.author.bot_id is None:
                        person = await self._around.people.who(facts.us.workspace_id, posted.author)
                        if why_unwelcome(replace(facts, person=person)) is None:
                            welcome.add(posted.ts)
        return frozenset(welcome)

    async def _thread(self, channel_id: ChannelId, thread_ts: str) -> list[JsonObject]:
        """Read a thread to its end: Slack gives the oldest first, the newest matter most."""
        messages: list[JsonObject] = []
        cursor: str | None = None
        for _ in range(EARLIER_PAGES):
            page = await self._around.talk.replies(channel_id, thread_ts, cursor=cursor)
            messages += page.messages
            cursor = page.next_cursor
            if cursor is None:
                break
        return messages

    def _context(
        self, thread: Sequence[JsonObject], event: MessagePosted
    ) -> Iterator[tuple[MessagePosted, PersonMessage]]:
        workspace_id, us = event.origin.workspace_id, self._around.whoami.us
        for raw in thread:
            said = read_history(
                raw, workspace_id=workspace_id, channel_id=event.channel_id, kind=event.kind
            )
            if isinstance(said, MessagePosted) and is_later(event.ts, said.ts):
                said = self._without_secrets(said)
                message = routing.earlier_message(said, us)
                if message is not None:
                    yield said, message

    async def _own_message(self, event: MessagePosted) -> None:
        key = ids.read_metadata(_as_metadata(event)) or await self._key_of_root(event)
        if key is None:
            return
        asker = words.asker_of(key)
        if asker is None:
            await self._around.hooks.own_message(event)
        else:
            await self.start_solved(event, asker=asker, key=key)

    async def _key_of_root(self, event: MessagePosted) -> str | None:
        """Look up the key of what looks like a root message of ``/solve``.

        Slack does not promise metadata in message events, so the words only say that it is worth
        asking; the metadata alone decides, for nobody but us can write it.
        """
        if event.thread_ts is not None or not words.is_solve_message(event.text):
            return None
        try:
            page = await self._around.talk.replies(event.channel_id, event.ts, limit=1)
        except SlackRefusedError as refused:
            logger.warning("root_message_unread", extra={"error": refused.error})
            return None
        roots = (raw for raw in page.messages if raw.get("ts") == event.ts)
        return next((ids.read_metadata(root.get("metadata")) for root in roots), None)

    async def start_solved(self, event: MessagePosted, *, asker: UserId, key: str) -> None:
        """Start the task of a root message that ``/solve`` posted; once, however often called."""
        workspace_id = event.origin.workspace_id
        channel = await self._around.channels.meet(workspace_id, event.channel_id, event.kind)
        agent = await self._around.channels.agent(channel)
        problem = words.plain(words.solve_problem(event.text))
        route = routing.say_for(event, asker=asker, agent=agent, problem=problem, key=key)
        place = Place(workspace_id=workspace_id, channel_id=event.channel_id, user_id=asker)
        await self._around.desk.carry_out(route, place)

    async def _edit(self, event: MessageEdited) -> None:
        if ignored := routing.glance_edit(event, self._around.whoami.us):
            logger.debug("delivery_ignored", extra={"reason": ignored.reason})
            return
        async with self._lanes.turn(routing.thread_of(event)):
            latest = await self._latest_run(event)
            posted = routing.as_posted(event)
            if latest is None and not routing.is_addressed(posted, self._around.whoami.us):
                return
            place = _place_of_message(posted)
            facts = await self._around.facts_at(place, event.author)
            run = await self._run_to_stop(posted, latest)
            route = routing.route_edit(event, replace(facts, latest_run=latest, run=run))
            await self._do(route, place, facts)

    # -- reactions and stops ---------------------------------------------------------------------

    async def _reaction(self, event: ReactionAdded | ReactionRemoved) -> None:
        if ignored := acts.glance_reaction(event, self._around.whoami.us):
            logger.debug("delivery_ignored", extra={"reason": ignored.reason})
            return
        workspace_id = event.origin.workspace_id
        post = await self._post_of(event)
        if post is None and event.author_id != self._around.whoami.us.user_id:
            logger.debug("delivery_ignored", extra={"reason": "not_ours"})
            return
        place = Place(
            workspace_id=workspace_id,
            channel_id=event.channel_id,
            user_id=event.user_id,
            thread_ts=None if post is None else post.thread.thread_ts,
            occasion=f"{event.origin.delivery_id}:{event.name}" if event.origin.delivery_id else "",
        )
        author = Author(user_id=event.user_id)
        facts = replace(await self._around.facts_at(place, author), post=post)
        if post is None:
            latest = await self._around.engine.latest_run(_thread_at(event, event.ts))
            facts = replace(facts, latest_run=latest)
        elif event.name in acts.STOPS:
            facts = replace(facts, run=await self._around.run(post.run_id, place))
        await self._around.desk.carry_out(acts.route_reaction(event, facts), place)

    async def _post_of(self, event: ReactionAdded | ReactionRemoved) -> Post | None:
        """Return our post that was reacted to; None when the message is not ours.

        Someone may react before Slack's answer to our own posting has been stored.
        """
        find = partial(
            self._around.posts.find, event.origin.workspace_id, event.channel_id, event.ts
        )
        post = await find()
        fresh = sent_at(event.event_ts) - sent_at(event.ts) < FRESH
        for _ in range(FRESH_LOOKS if fresh and post is None else 0):
            await asyncio.sleep(FRESH_PAUSE_S)
            post = await find()
            if post is not None:
                break
        return post

    async def _session_stopped(self, event: SessionStopped) -> None:
        place = Place(
            workspace_id=event.origin.workspace_id,
            channel_id=event.channel_id,
            user_id=event.user_id,
            thread_ts=event.thread_ts,
            occasion=event.origin.delivery_id,
        )
        facts = await self._around.facts_at(place, Author(user_id=event.user_id))
        latest = await self._around.engine.latest_run(_thread_at(event, event.thread_ts))
        facts = replace(facts, latest_run=latest, run=await self._around.run(latest, place))
        await self._around.desk.carry_out(acts.route_stop(event, facts), place)

    # -- channels and presence -------------------------------------------------------------------

    async def _presence(self, event: MemberJoined | MemberLeft | HomeOpened) -> None:
        us = self._around.whoami.us
        match event:
            case HomeOpened(tab="messages", channel_id=str(channel_id)):
                await self._offer_prompts(event, channel_id=channel_id)
            case HomeOpened():
                await self._around.hooks.home_opened(event)
            case MemberJoined(user_id=user_id) if user_id == us.user_id:
                await self._joined(event)
            case MemberLeft(user_id=user_id) if user_id == us.user_id:
                await self._lost(event, reason=sentences.CHANNEL_LEFT)
            case _:
                logger.debug("delivery_ignored", extra={"reason": "others_presence"})

    async def _joined(self, event: MemberJoined) -> None:
        channels = self._around.channels
        new = await channels.joined(event.origin.workspace_id, event.channel_id, event.kind)
        if new is None or new.kind is ChannelKind.DIRECT:
            return
        agent = await channels.agent(new)
        introduction = self._around.desk.screens.introduction(agent)
        try:
            await self._around.talk.post_message(event.channel_id, introduction)
        except SlackError as error:
            logger.warning("introduction_not_posted", extra={"error": str(error)})

    async def _offer_prompts(self, event: HomeOpened, *, channel_id: str) -> None:
        del channel_id
        if event.channel_id is None:
            return
        try:
            await self._around.talk.set_suggested_prompts(
                event.channel_id,
                self._around.desk.screens.prompts,
                title=sentences.PROMPTS_TITLE,
            )
        except SlackError as error:
            logger.info("prompts_not_set", extra={"error": str(error)})

    async def _channel(
        self,
        event: ChannelArchived | ChannelUnarchived | ChannelRenamed | ChannelLeft | ChannelDeleted,
    ) -> None:
        channels, workspace_id = self._around.channels, event.origin.workspace_id
        match event:
            case ChannelArchived(channel_id=channel_id):
                await self._cancel_all(event, reason=sentences.CHANNEL_ARCHIVED)
                await channels.archived(workspace_id, channel_id, is_archived=True)
            case ChannelUnarchived(channel_id=channel_id):
                await channels.archived(workspace_id, channel_id, is_archived=False)
            case ChannelRenamed(channel_id=channel_id, name=name):
                await channels.renamed(workspace_id, channel_id, name)
            case ChannelLeft():
                await self._lost(event, reason=sentences.CHANNEL_LEFT)
            case ChannelDeleted():
                await self._lost(event, reason=sentences.CHANNEL_DELETED)

    async def _lost(self, event: MemberLeft | ChannelLeft | ChannelDeleted, *, reason: str) -> None:
        await self._cancel_all(event, reason=reason)
        await self._around.channels.left(event.origin.workspace_id, event.channel_id)

    async def _cancel_all(
        self, event: MemberLeft | ChannelLeft | ChannelDeleted | ChannelArchived, *, reason: str
    ) -> None:
        # Without keys: the same loss comes by several events, and cancelling twice is harmless.
        route = acts.lost_channel(
            workspace_id=event.origin.workspace_id, channel_id=event.channel_id, reason=reason
        )
        us = self._around.whoami.us
        place = Place(workspace_id=us.workspace_id, channel_id=event.channel_id, user_id=us.user_id)
        await self._around.desk.carry_out(route, place)

    async def _uninstalled(self, event: AppUninstalled | TokensRevoked) -> None:
        if isinstance(event, TokensRevoked) and not event.is_bot_token:
            return
        # Slack tells it twice: that the app is gone, and that its token is.
        if self._taken.claim(f"uninstalled:{event.origin.workspace_id}"):
            await self._around.hooks.uninstalled()


def _is_told(route: Route, outcome: Outcome | None) -> bool:
    said = isinstance(route, Do) and isinstance(route.command, Say)
    return said and isinstance(outcome, Started | Steered | Repeated)


def _thread_at(event: ReactionAdded | ReactionRemoved | SessionStopped, ts: str) -> Thread:
    return Thread(workspace_id=event.origin.workspace_id, channel_id=event.channel_id, thread_ts=ts)


def _place_of_message(event: MessagePosted) -> Place:
    return Place(
        workspace_id=event.origin.workspace_id,
        channel_id=event.channel_id,
        user_id=event.author.user_id or UserId(event.author.bot_id or ""),
        thread_ts=event.thread_ts,
        occasion=routing.message_key(event.channel_id, event.ts),
    )


def _as_metadata(event: MessagePosted) -> dict[str, object] | None:
    if event.metadata is None:
        return None
    return {
        "event_type": event.metadata.event_type,
        "event_payload": dict(event.metadata.payload),
    }
