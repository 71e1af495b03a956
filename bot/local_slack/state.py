"""People, channels, messages and reactions of a local workspace: the single source of truth.

Every mutation keeps Slack's rules (membership, archiving, ownership), changes records and tells
the hub. It knows nothing of HTTP, tokens or deliveries.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from bot.local_slack.changes import (
    ChannelChanged,
    EphemeralPosted,
    EphemeralRemoved,
    Hub,
    MemberJoined,
    MemberLeft,
    MessageEdited,
    MessagePosted,
    MessageRemoved,
    MessageTouched,
    Reacted,
    Unreacted,
)
from bot.local_slack.config import ChannelSeed, LocalWorkspaceConfig, PersonSeed
from bot.local_slack.errors import RefusedError
from bot.local_slack.mint import Mint
from bot.local_slack.records import Channel, ChannelKind, Json, Message, Person, Stream

_COLORS = ("4bbe2e", "e7392d", "3c989f", "674b1b", "e96699", "9e3997", "db3150", "5a4592")
_MAX_DIFFERENT_REACTIONS = 23
"""Slack's documented number of different reactions a person can add to one message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What someone wants to say, before it has a timestamp."""

    channel: str
    user: str
    text: str = ""
    blocks: list[Json] | None = None
    attachments: list[Json] | None = None
    files: list[str] = field(default_factory=list)
    thread_ts: str | None = None
    is_broadcast: bool = False
    subtype: str | None = None
    metadata: Json | None = None
    bot_id: str | None = None
    app_id: str | None = None
    username: str | None = None
    icon_emoji: str | None = None
    icon_url: str | None = None
    client_msg_id: str | None = None
    stream: Stream | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """The new content of a message; `blocks` None removes them."""

    text: str
    blocks: list[Json] | None = None
    attachments: list[Json] | None = None
    metadata: Json | None = None
    marks_edited: bool = True


class Workspace:
    """One Slack workspace in memory."""

    def __init__(
        self, config: LocalWorkspaceConfig, *, mint: Mint, hub: Hub, app_id: str | None = None
    ) -> None:
        self.mint = mint
        self.hub = hub
        self.team_id = mint.id("T")
        self.name = config.name
        self.domain = config.domain
        self.app_id = app_id or mint.id("A")
        self.people: dict[str, Person] = {}
        self.channels: dict[str, Channel] = {}
        self.ephemerals: dict[str, Message] = {}
        self._direct: dict[frozenset[str], str] = {}
        self.bot = self._seed_bot(config.bot_name)
        for person in config.seeded_people:
            self.add_person(person)
        for channel in config.channels:
            self._seed_channel(channel, with_bot=channel.has_bot and config.is_installed)

    # People

    def add_person(self, seed: PersonSeed) -> Person:
        """Let somebody into the workspace; he joins no channel by this."""
        person = Person(
            id=self.mint.id("U"),
            name=seed.name,
            display_name=seed.display_name or seed.name,
            color=_COLORS[len(self.people) % len(_COLORS)],
            tz=seed.tz,
            is_bot=seed.is_bot,
            bot_id=self.mint.id("B") if seed.is_bot else None,
            app_id=self.mint.id("A") if seed.is_bot else None,
            is_restricted=seed.is_restricted,
            is_stranger=seed.is_stranger,
        )
        self.people[person.id] = person
        return person

    def person(self, key: str) -> Person:
        """Find a user by id or name."""
        if found := self.people.get(key):
            return found
        for person in self.people.values():
            if person.name == key:
                return person
        raise RefusedError("user_not_found")

    def humans(self) -> Iterable[Person]:
        """Everybody who is not a bot, in the order of arrival."""
        return (p for p in self.people.values() if not p.is_bot)

    # Channels

    def channel(self, key: str) -> Channel:
        """Find a channel by id or name."""
        if found := self.channels.get(key):
            return found
        name = key.removeprefix("#")
        for channel in self.channels.values():
            if channel.name == name and not channel.is_direct:
                return channel
        raise RefusedError("channel_not_found")

    def visible(self, user: str, key: str) -> Channel:
        """Find a channel this person may look into; others' private places do not exist."""
        channel = self.channel(key)
        if channel.kind is not ChannelKind.CHANNEL and user not in channel.members:
            raise RefusedError("channel_not_found")
        return channel

    def create_channel(self, name: str, *, creator: str, kind: ChannelKind) -> Channel:
        """Create a channel with its creator as the only member."""
        taken = any(c.name == name for c in self.channels.values() if not c.is_direct)
        if taken:
            raise RefusedError("name_taken")
        channel = self._new_channel(name, creator=creator, kind=kind)
        channel.members[creator] = None
        self.hub.publish(ChannelChanged(channel=channel, event="created", user=creator))
        return channel

    def direct(self, users: Iterable[str]) -> Channel:
        """Open the direct or group message between these people; safe to repeat."""
        members = list(dict.fromkeys(users))
        key = frozenset(members)
        if known := self._direct.get(key):
            return self.channels[known]
        is_pair = len(members) <= 2  # noqa: PLR2004 - two make a direct message
        kind = ChannelKind.IM if is_pair else ChannelKind.MPIM
        name = "" if is_pair else "mpdm-" + "--".join(self.people[m].name for m in members) + "-1"
        channel = self._new_channel(name, creator=members[0], kind=kind)
        channel.members.update(dict.fromkeys(members))
        self._direct[key] = channel.id
        self.hub.publish(ChannelChanged(channel=channel, event="opened", user=members[0]))
        return channel

    def add_member(self, channel: Channel, user: str, *, inviter: str | None = None) -> None:
        """Make somebody a member; already being one changes nothing."""
        self._require_open(channel)
        if user in channel.members:
            return
        channel.members[user] = None
        self.hub.publish(MemberJoined(channel=channel, user=user, inviter=inviter))

    def remove_member(self, channel: Channel, user: str) -> None:
        """End a membership."""
        if user not in channel.members:
            raise RefusedError("not_in_channel")
        del channel.members[user]
        self.hub.publish(MemberLeft(channel=channel, user=user))

    def rename(self, channel: Channel, name: str, *, user: str) -> None:
        """Give a channel another name."""
        if any(c.name == name for c in self.channels.values() if not c.is_direct):
            raise RefusedError("name_taken")
        channel.name = name
        self.hub.publish(ChannelChanged(channel=channel, event="rename", user=user))

    def archive(self, channel: Channel, *, user: str) -> None:
        """Close a channel for posts."""
        if channel.is_archived:
            raise RefusedError("already_archived")
        channel.is_archived = True
        self.hub.publish(ChannelChanged(channel=channel, event="archive", user=user))

    def unarchive(self, channel: Channel, *, user: str) -> None:
        """Open an archived channel again."""
        if not channel.is_archived:
            raise RefusedError("not_archived")
        channel.is_archived = False
        self.hub.publish(ChannelChanged(channel=channel, event="unarchive", user=user))

    def delete_channel(self, channel: Channel, *, user: str) -> None:
        """Remove a channel with everything in it."""
        del self.channels[channel.id]
        self.hub.publish(ChannelChanged(channel=channel, event="deleted", user=user))

    def describe(self, channel: Channel, *, topic: str | None, purpose: str | None) -> None:
        """Set topic or purpose; None leaves it."""
        channel.topic = channel.topic if topic is None else topic
        channel.purpose = channel.purpose if purpose is None else purpose
        self.hub.publish(ChannelChanged(channel=channel, event="described", user=channel.creator))

    def mark_read(self, channel: Channel, user: str) -> None:
        """Note that somebody has seen everything in the channel."""
        if channel.roots:
            channel.last_read[user] = channel.roots[-1]

    # Messages

    def message(self, channel: str, ts: str) -> Message:
        """Find a message of a channel's history or threads."""
        found = self.channel(channel).messages.get(ts)
        if found is None:
            raise RefusedError("message_not_found")
        return found

    def post(self, draft: Draft) -> Message:
        """Put a message into a channel or thread, and tell everybody."""
        channel = self.channel(draft.channel)
        self._require_open(channel)
        if draft.user not in channel.members:
            raise RefusedError("not_in_channel")
        message = self._message_of(draft, channel=channel.id)
        root = self._root_of(channel, draft.thread_ts)
        channel.messages[message.ts] = message
        self._list(message, channel=channel, root=root)
        self.hub.publish(MessagePosted(message=message))
        if root is not None:
            self.hub.publish(MessageTouched(message=root))
        return message

    def edit(self, message: Message, edit: Edit) -> None:
        """Replace a message's content."""
        previous = replace(message)
        message.text = edit.text
        message.blocks = edit.blocks
        message.attachments = edit.attachments
        if edit.metadata is not None:
            message.metadata = edit.metadata
        if edit.marks_edited:
            message.edited = {"user": message.user, "ts": self.mint.ts()}
        self.hub.publish(MessageEdited(message=message, previous=previous))

    def touch(self, message: Message) -> None:
        """Tell viewers that a message shows something else, without an event to the app."""
        self.hub.publish(MessageTouched(message=message))

    def announce_edit(self, message: Message, previous: Message) -> None:
        """Raise message_changed for a change made elsewhere, such as an unfurled link."""
        self.hub.publish(MessageEdited(message=message, previous=previous))

    def delete(self, message: Message) -> None:
        """Remove a message; a root with replies leaves a tombstone, as in Slack."""
        channel = self.channels[message.channel]
        if message.replies:
            self._entomb(message)
            return
        del channel.messages[message.ts]
        if message.ts in channel.roots:
            channel.roots.remove(message.ts)
        root = channel.messages.get(message.thread_ts or "")
        if root is not None and message.ts in root.replies:
            root.replies.remove(message.ts)
            self.hub.publish(MessageTouched(message=root))
        self.hub.publish(MessageRemoved(message=message))

    def post_ephemeral(self, draft: Draft, *, to: str) -> Message:
        """Show a message to one member only; it enters no history."""
        message = self._message_of(draft, channel=draft.channel)
        message.ephemeral_to = to
        self.ephemerals[message.ts] = message
        self.hub.publish(EphemeralPosted(message=message))
        return message

    def remove_ephemeral(self, message: Message) -> None:
        """Take a message away from the one person who sees it."""
        if self.ephemerals.pop(message.ts, None) is not None:
            self.hub.publish(EphemeralRemoved(message=message))

    def thread(self, channel: Channel, ts: str) -> list[Message]:
        """Give the root and its replies, oldest first."""
        message = channel.messages.get(ts)
        if message is None:
            raise RefusedError("thread_not_found")
        root = channel.messages.get(message.thread_ts or ts, message)
        return [root, *(channel.messages[r] for r in root.replies)]

    # Reactions

    def react(self, message: Message, *, user: str, name: str) -> None:
        """Put a reaction on a message."""
        users = message.reactions.setdefault(name, [])
        if user in users:
            raise RefusedError("already_reacted")
        if len(message.reactions) > _MAX_DIFFERENT_REACTIONS:
            del message.reactions[name]
            raise RefusedError("too_many_emoji")
        users.append(user)
        self.hub.publish(Reacted(message=message, user=user, name=name))

    def unreact(self, message: Message, *, user: str, name: str) -> None:
        """Take a reaction back."""
        users = message.reactions.get(name, [])
        if user not in users:
            raise RefusedError("no_reaction")
        users.remove(user)
        if not users:
            del message.reactions[name]
        self.hub.publish(Unreacted(message=message, user=user, name=name))

    # Private

    def _seed_bot(self, name: str) -> Person:
        bot = self.add_person(PersonSeed(name=name, display_name=name.capitalize(), is_bot=True))
        bot.app_id = self.app_id
        return bot

    def _seed_channel(self, seed: ChannelSeed, *, with_bot: bool) -> None:
        kind = ChannelKind.PRIVATE if seed.is_private else ChannelKind.CHANNEL
        members = self._seed_members(seed)
        creator = members[0] if members else self.bot.id
        channel = self._new_channel(seed.name, creator=creator, kind=kind)
        channel.topic = seed.topic
        channel.members.update(dict.fromkeys(members))
        if with_bot:
            channel.members[self.bot.id] = None

    def _seed_members(self, seed: ChannelSeed) -> list[str]:
        if seed.members is not None:
            return [self.person(name).id for name in seed.members]
        in_general = seed.name == "general"
        return [
            p.id for p in self.humans() if not p.is_stranger and (in_general or not p.is_restricted)
        ]

    def _new_channel(self, name: str, *, creator: str, kind: ChannelKind) -> Channel:
        channel = Channel(
            id=self.mint.id("D" if kind is ChannelKind.IM else "C"),
            name=name,
            kind=kind,
            creator=creator,
            created=int(time.time()),
        )
        self.channels[channel.id] = channel
        return channel

    def _message_of(self, draft: Draft, *, channel: str) -> Message:
        return Message(
            ts=self.mint.ts(),
            channel=channel,
            user=draft.user,
            text=draft.text,
            blocks=draft.blocks,
            attachments=draft.attachments,
            files=list(draft.files),
            thread_ts=draft.thread_ts,
            subtype=draft.subtype,
            metadata=draft.metadata,
            bot_id=draft.bot_id,
            app_id=draft.app_id,
            username=draft.username,
            icon_emoji=draft.icon_emoji,
            icon_url=draft.icon_url,
            client_msg_id=draft.client_msg_id,
            is_broadcast=draft.is_broadcast,
            stream=draft.stream,
        )

    def _root_of(self, channel: Channel, thread_ts: str | None) -> Message | None:
        if thread_ts is None:
            return None
        root = channel.messages.get(thread_ts)
        if root is None or (root.thread_ts not in (None, root.ts)):
            raise RefusedError("thread_not_found")
        return root

    def _list(self, message: Message, *, channel: Channel, root: Message | None) -> None:
        if root is not None:
            root.replies.append(message.ts)
            root.thread_ts = root.ts
        if root is None or message.is_broadcast:
            channel.roots.append(message.ts)

    def _require_open(self, channel: Channel) -> None:
        if channel.is_archived:
            raise RefusedError("is_archived")

    def _entomb(self, message: Message) -> None:
        previous = replace(message)
        message.subtype = "tombstone"
        message.text = "This message was deleted."
        message.blocks = message.attachments = message.metadata = None
        message.files = []
        message.reactions = {}
        self.hub.publish(MessageEdited(message=message, previous=previous))
