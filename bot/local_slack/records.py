"""The things a local workspace remembers. Records change only through `state.Workspace`."""

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]


class ChannelKind(StrEnum):
    """The four places of Slack; the value is the `channel_type` of its message events."""

    CHANNEL = "channel"
    PRIVATE = "group"
    IM = "im"
    MPIM = "mpim"


class SessionStatus(StrEnum):
    """What an agent session can be in."""

    ACTIVE = "active"
    PROCESSING = "processing"
    SUSPENDED = "suspended"
    CLOSED = "closed"


@dataclass(slots=True, kw_only=True)
class Person:
    """A user of the workspace: a person, the app's bot user, or another app's bot user."""

    id: str
    name: str
    display_name: str
    color: str
    tz: str = "UTC"
    is_bot: bool = False
    bot_id: str | None = None
    app_id: str | None = None
    is_restricted: bool = False
    is_stranger: bool = False
    is_online: bool = True


@dataclass(slots=True, kw_only=True)
class Stream:
    """A message that is still being written by chat.appendStream."""

    recipient: str | None
    display_mode: str
    started_s: float
    """Monotonic time of the start; streams end by age."""
    is_open: bool = True
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when it is open no longer."""
    mode: str | None = None
    """`text` or `chunks`, fixed by the first content."""
    parts: list[Json] = field(default_factory=list)
    """Chunks in order of arrival, neighbours of the same text or task merged."""
    plan_title: str | None = None
    size: int = 0
    """Weighted bytes so far, task details and output counted double."""
    first_flush: Json | None = None
    """What people other than the recipient see until the stream stops."""


@dataclass(slots=True, kw_only=True)
class Message:
    """One message of a channel or thread; `ts` is its id within the channel."""

    ts: str
    channel: str
    user: str
    text: str
    blocks: list[Json] | None = None
    attachments: list[Json] | None = None
    files: list[str] = field(default_factory=list)
    bot_id: str | None = None
    app_id: str | None = None
    username: str | None = None
    icon_emoji: str | None = None
    icon_url: str | None = None
    thread_ts: str | None = None
    subtype: str | None = None
    metadata: Json | None = None
    edited: Json | None = None
    client_msg_id: str | None = None
    reactions: dict[str, list[str]] = field(default_factory=dict)
    replies: list[str] = field(default_factory=list)
    is_broadcast: bool = False
    ephemeral_to: str | None = None
    """The only person who sees it; such a message is in no history."""
    stream: Stream | None = None

    @property
    def is_streaming(self) -> bool:
        """True while a stream is open on this message."""
        return self.stream is not None and self.stream.is_open


@dataclass(slots=True, kw_only=True)
class Channel:
    """A channel, private channel, direct message or group message."""

    id: str
    name: str
    kind: ChannelKind
    creator: str
    created: int
    members: dict[str, None] = field(default_factory=dict)
    """A set that keeps the order of joining."""
    topic: str = ""
    purpose: str = ""
    is_archived: bool = False
    messages: dict[str, Message] = field(default_factory=dict)
    """All messages of history and threads by ts, in order."""
    roots: list[str] = field(default_factory=list)
    """The ts of what channel history shows: roots and broadcasts, oldest first."""
    last_read: dict[str, str] = field(default_factory=dict)
    pins: list[str] = field(default_factory=list)
    bookmarks: list[Json] = field(default_factory=list)

    @property
    def is_direct(self) -> bool:
        """True for direct and group messages, which have no membership rules of channels."""
        return self.kind in (ChannelKind.IM, ChannelKind.MPIM)


@dataclass(slots=True, kw_only=True)
class SharedFile:
    """A file: announced first, then filled with bytes, then shared by a message."""

    id: str
    name: str
    title: str
    mimetype: str
    user: str
    created: int
    content: bytes | None = None
    announced_size: int = 0
    channels: list[str] = field(default_factory=list)
    is_complete: bool = False


@dataclass(slots=True, kw_only=True)
class View:
    """A modal or a Home tab with what the person has entered so far."""

    id: str
    hash: str
    user: str
    payload: Json
    """What the app sent: type, title, blocks, callback_id, private_metadata and so on."""
    values: Json = field(default_factory=dict)
    root_view_id: str = ""
    previous_view_id: str | None = None

    @property
    def external_id(self) -> str | None:
        """The app's own id of the view, if it gave one."""
        given = self.payload.get("external_id")
        return str(given) if given else None


@dataclass(slots=True, kw_only=True)
class Session:
    """An agent session on a thread, with the status line that shares its place."""

    channel: str
    thread_ts: str
    status: SessionStatus | None = None
    title: str | None = None
    initiator: str | None = None
    status_text: str = ""
    status_until_s: float = 0.0


@dataclass(slots=True, kw_only=True)
class Trigger:
    """Permission to open one modal, handed out with an interaction."""

    user: str
    issued_s: float
    is_used: bool = False


@dataclass(slots=True, kw_only=True)
class ResponseUrl:
    """Where an interaction may be answered without a token, a few times and for a while."""

    channel: str
    user: str
    issued_s: float
    message_ts: str | None = None
    uses: int = 0
    thread_ts: str | None = None
