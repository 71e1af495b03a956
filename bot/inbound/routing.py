"""What a message means: typed event and facts in, a command or a reply out. Pure.

Nothing here waits, stores or calls Slack. Sentences for people are in ``sentences``.
"""

from dataclasses import replace

from agent_engine.commands import Amend, Say
from agent_engine.places import ChannelKind
from agent_engine.types import (
    AgentProfile,
    Attachment,
    ChannelId,
    FollowUps,
    PersonMessage,
    Thread,
    UserId,
)
from bot.inbound import sentences, words
from bot.inbound.acts import stop_thread
from bot.inbound.facts import (
    Do,
    Facts,
    Ignored,
    Reply,
    Route,
    Show,
    Us,
    delivery_keys,
    refusal,
    why_unwelcome,
)
from bot.inbound.moments import sent_at
from bot.inbound.slack_events import MessageEdited, MessagePosted, SlackFile
from bot.inbound.words import Verb

SLACKBOT = UserId("USLACKBOT")
MAX_TEXT = 40_000
"""Characters of one message that are taken in; Slack itself cuts there."""
MAX_FILES = 20
"""Files of one message that are taken in."""
MAX_FILE_NAME = 255

_WRITTEN = frozenset({"", "file_share", "thread_broadcast", "me_message", "bot_message"})
"""Message subtypes that are someone's words rather than Slack's own remarks."""


def is_direct(kind: ChannelKind | None, channel_id: ChannelId) -> bool:
    """Say whether this is the bot's conversation with one person."""
    return kind is ChannelKind.DIRECT or (kind is None and channel_id.startswith("D"))


def is_ours(event: MessagePosted | MessageEdited, us: Us) -> bool:
    """Say whether we wrote the message."""
    author = event.author
    return author.user_id == us.user_id or (
        author.bot_id is not None and author.bot_id == us.bot_id
    )


def is_addressed(event: MessagePosted, us: Us) -> bool:
    """Say whether the message speaks to the bot."""
    if is_direct(event.kind, event.channel_id):
        return True
    return event.is_mention_event or us.user_id in words.mentioned(event.text)


def glance(event: MessagePosted, us: Us) -> Ignored | None:
    """Sort out, without any facts, the many messages that are not for us."""
    if event.subtype not in _WRITTEN:
        return Ignored(reason=f"subtype:{event.subtype}")
    if is_ours(event, us):
        return Ignored(reason="own")
    if event.author.user_id is None and event.author.bot_id is None:
        return Ignored(reason="no_author")
    if event.author.user_id == SLACKBOT:
        return Ignored(reason="slackbot")
    if event.thread_ts is None and not is_addressed(event, us):
        return Ignored(reason="not_addressed")
    return None


def thread_of(event: MessagePosted | MessageEdited) -> Thread:
    """Return the thread of a message: the one it is in, or the one it is the root of."""
    return Thread(
        workspace_id=event.origin.workspace_id,
        channel_id=event.channel_id,
        thread_ts=event.thread_ts or event.ts,
    )


def message_key(channel_id: ChannelId, ts: str) -> str:
    """Return the key under which a message is taken in once, by whatever event it comes."""
    return f"msg:{channel_id}:{ts}"


def route_message(event: MessagePosted, facts: Facts) -> Route:
    """Say what a message means: a task, a follow-up, a verb, or nothing."""
    if ignored := glance(event, facts.us):
        return ignored
    addressed = is_addressed(event, facts.us)
    if refused := _not_welcome(event, facts, addressed=addressed):
        return refused
    if not addressed:
        return _follow_up(event, facts)
    if _speaks_to_another_first(event, facts):
        return Ignored(reason="speaks_to_another")
    text = words.without_mention(event.text, facts.us.user_id)
    if verb := words.mention_verb(text):
        return _verb(verb, event, facts)
    if not text and not event.files:
        return Reply(text=sentences.empty_mention(facts.us.user_id))
    return _say(event, facts, text=text, starts=True)


def route_edit(event: MessageEdited, facts: Facts) -> Route:
    """Say what an edit means: new words for a task that was told the old ones, or nothing.

    A message that meant nothing before its edit is taken as if it were new: an empty mention that
    got its problem, or words that only now mention us.
    """
    if ignored := glance_edit(event, facts.us):
        return ignored
    posted = as_posted(event)
    if refused := _not_welcome(posted, facts, addressed=False):
        return refused
    if _meant_nothing(event, facts):
        if is_addressed(posted, facts.us):
            return route_message(posted, facts)
        return Ignored(reason="not_addressed")
    if facts.latest_run is None:
        return Ignored(reason="no_task")
    text = words.without_mention(event.text, facts.us.user_id)
    if verb := words.mention_verb(text) if is_addressed(posted, facts.us) else None:
        return _verb(verb, posted, facts)
    message = _person_message(posted, text=text, id_suffix=f"#edited{event.edited_ts}")
    return Do(command=Amend(thread=thread_of(event), message=message), keys=_edit_keys(event))


def glance_edit(event: MessageEdited, us: Us) -> Ignored | None:
    """Sort out, without any facts, the edits that changed no words, and our own."""
    if is_ours(event, us):
        return Ignored(reason="own")
    if event.text == event.previous_text:
        return Ignored(reason="same_words")
    if event.previous_text is None and not event.was_edited_by_person:
        return Ignored(reason="same_words")
    return None


def as_posted(event: MessageEdited) -> MessagePosted:
    """Return the message as if it had been written the way it reads now."""
    return MessagePosted(
        origin=event.origin,
        channel_id=event.channel_id,
        ts=event.ts,
        author=event.author,
        text=event.text,
        thread_ts=event.thread_ts,
        kind=event.kind,
        files=event.files,
    )


def say_for(
    event: MessagePosted, *, asker: UserId, agent: AgentProfile, problem: str, key: str
) -> Do:
    """Return the command that starts the task of a root message posted by ``/solve``.

    It comes of the command and again of our own message's event, whichever survives; the message's
    key makes it one task.
    """
    message = PersonMessage(
        id=event.ts, author=asker, text=problem, sent_at=sent_at(event.ts), steers=True
    )
    say = Say(
        thread=thread_of(event), agent_id=agent.id, message=message, starts=True, continues=True
    )
    return Do(command=say, keys=(key, message_key(event.channel_id, event.ts)))


def earlier_message(event: MessagePosted, us: Us) -> PersonMessage | None:
    """Return what was said before a task began, as its context; None for Slack's remarks."""
    if event.subtype not in _WRITTEN or is_ours(event, us):
        return None
    text = words.without_mention(event.text, us.user_id)
    message = _person_message(event, text=text, id_suffix="")
    return replace(message, steers=False) if message.text else None


# ------------------------------------------------------------------------------------------------


def _not_welcome(event: MessagePosted, facts: Facts, *, addressed: bool) -> Route | None:
    """Refuse those who may not ask: with a sentence when they spoke to us, else silently."""
    is_bot = event.author.bot_id is not None or facts.person.is_bot
    if is_bot and not (facts.agent.allow_bots and addressed):
        # A sentence to a bot could be the start of an endless conversation.
        return Ignored(reason="bot")
    unwelcome = why_unwelcome(facts)
    if unwelcome is None:
        return None
    if not addressed:
        return Ignored(reason=unwelcome)
    return Reply(text=refusal(facts))


def _follow_up(event: MessagePosted, facts: Facts) -> Route:
    if facts.latest_run is None:
        return Ignored(reason="no_task")
    if facts.agent.follow_ups is FollowUps.MENTION_ONLY:
        return Ignored(reason="mention_only")
    return _say(event, facts, text=event.text.strip(), starts=False)


def _speaks_to_another_first(event: MessagePosted, facts: Facts) -> bool:
    """In a thread of a mention-only agent, a reply is for whom it mentions first."""
    if facts.agent.follow_ups is not FollowUps.MENTION_ONLY or event.thread_ts is None:
        return False
    if is_direct(event.kind, event.channel_id) or facts.latest_run is None:
        return False
    return words.mentioned(event.text)[:1] not in ((), (facts.us.user_id,))


def _say(event: MessagePosted, facts: Facts, *, text: str, starts: bool) -> Route:
    say = Say(
        thread=thread_of(event),
        agent_id=facts.agent.id,
        message=_person_message(event, text=text, id_suffix=""),
        starts=starts,
        continues=True,
    )
    keys = (*delivery_keys(event.origin), message_key(event.channel_id, event.ts))
    return Do(command=say, keys=keys)


def _person_message(event: MessagePosted, *, text: str, id_suffix: str) -> PersonMessage:
    words_only = words.plain(text)[:MAX_TEXT]
    attached = ", ".join(file.name for file in event.files)
    return PersonMessage(
        id=event.ts + id_suffix,
        author=event.author.user_id or UserId(event.author.bot_id or ""),
        text=words_only or (f"(attached: {attached})" if attached else ""),
        sent_at=sent_at(event.ts),
        files=tuple(map(_attachment, event.files[:MAX_FILES])),
    )


def _attachment(file: SlackFile) -> Attachment:
    name = file.name[:MAX_FILE_NAME]
    return Attachment(id=file.id, name=name, mimetype=file.mimetype[:100], size=file.size)


def _meant_nothing(event: MessageEdited, facts: Facts) -> bool:
    """Say whether no task can have been told the message, the way it read before its edit."""
    if event.previous_text is None:
        return facts.latest_run is None
    before = replace(as_posted(event), text=event.previous_text)
    if not is_addressed(before, facts.us):
        follows = facts.agent.follow_ups is FollowUps.ALWAYS and before.thread_ts is not None
        return not follows or facts.latest_run is None
    text = words.without_mention(before.text, facts.us.user_id)
    said = text or before.files
    return not said or words.mention_verb(text) is not None


def _edit_keys(event: MessageEdited) -> tuple[str, ...]:
    edit = f"edit:{event.channel_id}:{event.ts}:{event.edited_ts}"
    return (*delivery_keys(event.origin), edit)


def _verb(verb: Verb, event: MessagePosted, facts: Facts) -> Route:
    if verb is Verb.MEMORY:
        text = words.without_mention(event.text, facts.us.user_id)
        return Show(verb=verb, argument=words.memory_argument(text) or "")
    if verb is not Verb.STOP:
        return Show(verb=verb)
    if event.thread_ts is None and facts.latest_run is None:
        return Reply(text=sentences.STOP_WHERE)
    keys = (*delivery_keys(event.origin), message_key(event.channel_id, event.ts))
    return stop_thread(thread_of(event), facts, keys=keys)
