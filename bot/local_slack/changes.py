"""What just changed in the workspace, and who is told. The hub tells; it decides nothing."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from bot.local_slack.records import Channel, Json, Message, Session, View


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePosted:
    """A message appeared in a channel or thread."""

    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageEdited:
    """A message reads differently now; `previous` is a copy from before."""

    message: Message
    previous: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageTouched:
    """Something on a message changed that raises no event: a thread summary, a stream's append."""

    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRemoved:
    """A message is gone; the record still holds what it was."""

    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class EphemeralPosted:
    """A message was shown to one person only."""

    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class EphemeralRemoved:
    """A message shown to one person was taken away."""

    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Reacted:
    """Somebody put a reaction on a message."""

    message: Message
    user: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreacted:
    """Somebody took a reaction back."""

    message: Message
    user: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberJoined:
    """Somebody is a member of a channel now."""

    channel: Channel
    user: str
    inviter: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberLeft:
    """Somebody is no member of a channel any more."""

    channel: Channel
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelChanged:
    """A channel was created, renamed, archived or given a topic; `event` is Slack's word for it."""

    channel: Channel
    event: str
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionChanged:
    """A session's status, title or status line changed."""

    session: Session


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewOpened:
    """A modal was opened or pushed for its user."""

    view: View


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewUpdated:
    """A modal shows something else now."""

    view: View


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewRemoved:
    """A modal was closed."""

    view: View


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewRefused:
    """A submitted modal came back with errors by block id."""

    view: View
    errors: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class HomePublished:
    """A person's Home tab shows something else now."""

    view: View


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptsSuggested:
    """Suggested prompts were pinned in a direct message."""

    channel: str
    prompts: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionsChanged:
    """The number of connected apps changed."""

    connected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficRecorded:
    """One more exchange with the app was recorded."""

    entry: object
    """A `traffic.Exchange`; untyped here because traffic itself tells the hub."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultsChanged:
    """The injected faults are different now."""

    faults: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class FileShared:
    """A file was shared in a channel."""

    file_id: str
    user: str
    channel: str


Change: TypeAlias = (
    MessagePosted
    | MessageEdited
    | MessageTouched
    | MessageRemoved
    | EphemeralPosted
    | EphemeralRemoved
    | Reacted
    | Unreacted
    | MemberJoined
    | MemberLeft
    | ChannelChanged
    | SessionChanged
    | ViewOpened
    | ViewUpdated
    | ViewRemoved
    | ViewRefused
    | HomePublished
    | PromptsSuggested
    | ConnectionsChanged
    | TrafficRecorded
    | FaultsChanged
    | FileShared
)


class Hub:
    """Tells listeners of every change at once, and wakes whoever waits for the next one."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[Change], None]] = []
        self._next = asyncio.Event()

    def listen(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Add a listener; the function returned removes it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def publish(self, change: Change) -> None:
        """Tell everybody, in the order in which they began to listen."""
        for listener in tuple(self._listeners):
            listener(change)
        done, self._next = self._next, asyncio.Event()
        done.set()

    async def next_change(self, *, at_most_s: float | None = None) -> None:
        """Wait until something changes after this call, or for so long."""
        waiting = self._next
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(at_most_s):
                await waiting.wait()
