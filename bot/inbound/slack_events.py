"""Everything that Slack can tell the bot, as frozen typed events. Values only.

Slack's raw dicts become these in ``read_slack``, once; nothing further in knows the dicts. What an
event means is decided in ``routing`` and ``acts``.
"""

from dataclasses import dataclass

from agent_engine.places import ChannelKind
from agent_engine.types import ChannelId, JsonObject, UserId, WorkspaceId


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Which delivery an event came with."""

    workspace_id: WorkspaceId
    """The workspace the bot is installed in, not the one its author is from."""
    delivery_id: str = ""
    """Slack's event id, the same for every retry; empty for what was read from history."""
    is_external: bool = False
    """The channel is shared with another organisation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who said something, as far as the event tells."""

    user_id: UserId | None = None
    bot_id: str | None = None
    app_id: str | None = None
    home_workspace_id: str | None = None
    """The workspace the person is from; None when the event does not say."""
    is_stranger: bool = False
    """Slack says that the person is from another organisation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackFile:
    """A file attached to a message; its content is fetched elsewhere."""

    id: str
    name: str
    mimetype: str = ""
    size: int = 0
    url: str = ""
    """Needs the bot's token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageMetadata:
    """What the poster attached to a message for machines."""

    event_type: str
    payload: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePosted:
    """Someone wrote a message, in a channel, a group or directly to the bot."""

    origin: Origin
    channel_id: ChannelId
    ts: str
    author: Author
    text: str = ""
    """As Slack sends it: escaped, with its own marks for links and mentions."""
    thread_ts: str | None = None
    """None for a message that is not a reply."""
    kind: ChannelKind | None = None
    """None where the event does not say, as with ``app_mention``."""
    subtype: str = ""
    """Empty for what people write; ``channel_join``, ``bot_message`` … for the rest."""
    is_mention_event: bool = False
    """Came as ``app_mention``; the same message also comes as ``message``."""
    files: tuple[SlackFile, ...] = ()
    metadata: MessageMetadata | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageEdited:
    """A message changed: its words, or only the previews that hang on it."""

    origin: Origin
    channel_id: ChannelId
    ts: str
    edited_ts: str
    author: Author
    text: str
    previous_text: str | None
    """None when the event does not tell the words from before."""
    was_edited_by_person: bool
    """The message carries Slack's mark of an edit; link previews leave none."""
    thread_ts: str | None = None
    kind: ChannelKind | None = None
    files: tuple[SlackFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageDeleted:
    """A message is gone."""

    origin: Origin
    channel_id: ChannelId
    ts: str
    author: Author
    thread_ts: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReactionAdded:
    """Someone reacted to a message."""

    origin: Origin
    channel_id: ChannelId
    ts: str
    user_id: UserId
    name: str
    """Without colons and skin tone; ``thumbsup`` is ``+1``."""
    event_ts: str = ""
    """When it was done."""
    author_id: UserId | None = None
    """Who wrote the message, where Slack says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReactionRemoved:
    """Someone took a reaction back."""

    origin: Origin
    channel_id: ChannelId
    ts: str
    user_id: UserId
    name: str
    event_ts: str = ""
    author_id: UserId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ButtonPressed:
    """Someone used a button, a menu or another element of a message, the Home tab or a modal."""

    origin: Origin
    user_id: UserId
    action_id: str
    value: str
    """Of the button, or of the option chosen; empty for elements without one."""
    block_id: str = ""
    action_ts: str = ""
    channel_id: ChannelId | None = None
    """None in the Home tab and in modals."""
    message_ts: str | None = None
    thread_ts: str | None = None
    is_ephemeral: bool = False
    trigger_id: str = ""
    response_url: str = ""
    view_id: str = ""
    callback_id: str = ""
    """Which modal of ours the click was in; empty for none."""
    private_metadata: str = ""
    home_workspace_id: str | None = None
    """The workspace the person is from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewSubmitted:
    """Someone sent a modal off."""

    origin: Origin
    user_id: UserId
    callback_id: str
    view_id: str
    values: JsonObject
    """Block id to action id to the element's state, as Slack sends it."""
    private_metadata: str = ""
    trigger_id: str = ""
    view_hash: str = ""
    home_workspace_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SlashCommand:
    """Someone gave a slash command."""

    origin: Origin
    user_id: UserId
    channel_id: ChannelId
    command: str
    """With the slash, as the app declares it."""
    text: str = ""
    channel_name: str = ""
    trigger_id: str = ""
    response_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeOpened:
    """Someone opened the app's Home tab, or its Messages tab."""

    origin: Origin
    user_id: UserId
    tab: str
    """``home`` or ``messages``."""
    channel_id: ChannelId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberJoined:
    """Someone, perhaps the bot, joined a channel."""

    origin: Origin
    channel_id: ChannelId
    user_id: UserId
    kind: ChannelKind | None = None
    inviter: UserId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberLeft:
    """Someone, perhaps the bot, left a channel."""

    origin: Origin
    channel_id: ChannelId
    user_id: UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelArchived:
    """A channel was archived."""

    origin: Origin
    channel_id: ChannelId


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelUnarchived:
    """A channel came back from the archive."""

    origin: Origin
    channel_id: ChannelId


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelRenamed:
    """A channel has another name and is still the same channel."""

    origin: Origin
    channel_id: ChannelId
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelLeft:
    """The bot is no longer in a channel."""

    origin: Origin
    channel_id: ChannelId


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelDeleted:
    """A channel is gone."""

    origin: Origin
    channel_id: ChannelId


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStopped:
    """Someone pressed Slack's own stop button."""

    origin: Origin
    channel_id: ChannelId
    user_id: UserId
    thread_ts: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRenamed:
    """Someone gave the thread's session another title."""

    origin: Origin
    channel_id: ChannelId
    user_id: UserId
    thread_ts: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextChanged:
    """Someone looks at something else while the bot's panel is open."""

    origin: Origin
    user_id: UserId
    viewed_channel_id: ChannelId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AppUninstalled:
    """The app was taken out of the workspace."""

    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class TokensRevoked:
    """Tokens of the app are no longer valid."""

    origin: Origin
    is_bot_token: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """Something arrived that is none of the above."""

    reason: str


SlackEvent = (
    MessagePosted
    | MessageEdited
    | MessageDeleted
    | ReactionAdded
    | ReactionRemoved
    | HomeOpened
    | MemberJoined
    | MemberLeft
    | ChannelArchived
    | ChannelUnarchived
    | ChannelRenamed
    | ChannelLeft
    | ChannelDeleted
    | SessionStopped
    | SessionRenamed
    | ContextChanged
    | AppUninstalled
    | TokensRevoked
)
"""What the Events API delivers."""
