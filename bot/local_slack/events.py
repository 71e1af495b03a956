"""Turns changes of the workspace into the events the app subscribed to.

Own messages and reactions raise events too, as in Slack, so that loops show in tests.
"""

import time

from bot.local_slack import shapes
from bot.local_slack.changes import (
    Change,
    ChannelChanged,
    FileShared,
    MemberJoined,
    MemberLeft,
    MessageEdited,
    MessagePosted,
    MessageRemoved,
    Reacted,
    Unreacted,
)
from bot.local_slack.core import Core
from bot.local_slack.records import Channel, ChannelKind, Json, Message

_SUBSCRIPTIONS = {
    ChannelKind.CHANNEL: "message.channels",
    ChannelKind.PRIVATE: "message.groups",
    ChannelKind.IM: "message.im",
    ChannelKind.MPIM: "message.mpim",
}
_CHANNEL_EVENTS = ("created", "rename", "archive", "unarchive", "deleted")


class EventSource:
    """Listens to changes and sends the events they raise."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def on_change(self, change: Change) -> None:
        """Send the events of one change, if the app can see it."""
        match change:
            case MessagePosted(message=message):
                self._message_posted(message)
            case MessageEdited(message=message, previous=previous):
                self._message_edited(message, previous)
            case MessageRemoved(message=message):
                self._message_removed(message)
            case Reacted(message=message, user=user, name=name):
                self._reaction("reaction_added", message, user=user, name=name)
            case Unreacted(message=message, user=user, name=name):
                self._reaction("reaction_removed", message, user=user, name=name)
            case _:
                self._on_place_change(change)

    def _on_place_change(self, change: Change) -> None:
        match change:
            case MemberJoined() | MemberLeft():
                self._membership(change)
            case ChannelChanged(event=event) if event in _CHANNEL_EVENTS:
                self._channel(change)
            case FileShared(file_id=file_id, user=user, channel=channel):
                self._file_shared(file_id, user=user, channel=channel)
            case _:
                pass  # Everything else is for people's eyes only.

    def send(self, event: Json, *, channel: Channel | None, subscription: str = "") -> None:
        """Send one event if it is subscribed to and the bot may see its channel."""
        core = self._core
        if not core.installation.scopes_by_token:
            return
        if (subscription or event["type"]) not in core.manifest.bot_events:
            return
        if channel is not None and core.state.bot.id not in channel.members:
            return
        core.deliveries.send_event(self._body(event, channel=channel))

    def session_stopped(self, message_user: str, *, root: Message, streams: list[str]) -> None:
        """Tell the app that a person pressed Stop."""
        event = {
            "type": "agent_session_stopped",
            "channel": root.channel,
            "user": message_user,
            "thread_ts": root.ts,
            "streaming_message_ts": streams,
            "event_ts": self._core.mint.ts(),
        }
        self.send(event, channel=self._core.state.channels[root.channel])

    def home_opened(self, user: str, *, channel: Channel, tab: str) -> None:
        """Tell the app that a person opened its Home or Messages tab."""
        event: Json = {
            "type": "app_home_opened",
            "user": user,
            "channel": channel.id,
            "tab": tab,
            "event_ts": self._core.mint.ts(),
        }
        if tab == "home" and (home := self._core.modals.homes.get(user)):
            event["view"] = shapes.view_json(self._core, home)
        self.send(event, channel=None)

    def _message_posted(self, message: Message) -> None:
        channel = self._core.state.channels[message.channel]
        shape = shapes.message_json(self._core, message) | {
            "channel": channel.id,
            "event_ts": message.ts,
        }
        shape.pop("reactions", None)
        event = shape | {"channel_type": channel.kind.value}
        self.send(event, channel=channel, subscription=_SUBSCRIPTIONS[channel.kind])
        if self._mentions_bot(message) and not channel.is_direct:
            mention = {k: v for k, v in shape.items() if k != "subtype"}
            self.send(mention | {"type": "app_mention"}, channel=channel)

    def _message_edited(self, message: Message, previous: Message) -> None:
        core, channel = self._core, self._core.state.channels[message.channel]
        event = self._hidden(channel, "message_changed") | {
            "message": shapes.message_json(core, message),
            "previous_message": shapes.message_json(core, previous),
        }
        self.send(event, channel=channel, subscription=_SUBSCRIPTIONS[channel.kind])

    def _message_removed(self, message: Message) -> None:
        core, channel = self._core, self._core.state.channels[message.channel]
        event = self._hidden(channel, "message_deleted") | {
            "deleted_ts": message.ts,
            "previous_message": shapes.message_json(core, message),
        }
        self.send(event, channel=channel, subscription=_SUBSCRIPTIONS[channel.kind])

    def _hidden(self, channel: Channel, subtype: str) -> Json:
        ts = self._core.mint.ts()
        return {
            "type": "message",
            "subtype": subtype,
            "hidden": True,
            "channel": channel.id,
            "channel_type": channel.kind.value,
            "ts": ts,
            "event_ts": ts,
        }

    def _reaction(self, kind: str, message: Message, *, user: str, name: str) -> None:
        event = {
            "type": kind,
            "user": user,
            "reaction": name,
            "item": {"type": "message", "channel": message.channel, "ts": message.ts},
            "item_user": message.user,
            "event_ts": self._core.mint.ts(),
        }
        self.send(event, channel=self._core.state.channels[message.channel])

    def _membership(self, change: MemberJoined | MemberLeft) -> None:
        channel, core = change.channel, self._core
        is_join = isinstance(change, MemberJoined)
        event: Json = {
            "type": "member_joined_channel" if is_join else "member_left_channel",
            "user": change.user,
            "channel": channel.id,
            "channel_type": channel.id[0],
            "team": core.state.team_id,
            "event_ts": core.mint.ts(),
        }
        if isinstance(change, MemberJoined) and change.inviter:
            event["inviter"] = change.inviter
        if not is_join and change.user == core.state.bot.id:
            prefix = "group" if channel.kind is ChannelKind.PRIVATE else "channel"
            left = {"type": f"{prefix}_left", "channel": channel.id, "actor_id": change.user}
            self.send(left | {"event_ts": event["event_ts"]}, channel=None)
            return
        self.send(event, channel=channel)

    def _channel(self, change: ChannelChanged) -> None:
        channel = change.channel
        is_private = channel.kind is ChannelKind.PRIVATE
        if is_private and change.event == "created":
            return
        prefix = "group" if is_private else "channel"
        event: Json = {
            "type": f"{prefix}_{change.event}",
            "channel": channel.id,
            "user": change.user,
            "event_ts": self._core.mint.ts(),
        }
        if change.event in ("created", "rename"):
            event["channel"] = {
                "id": channel.id,
                "name": channel.name,
                "created": channel.created,
                "creator": channel.creator,
            }
        self.send(event, channel=channel if is_private else None)

    def _file_shared(self, file_id: str, *, user: str, channel: str) -> None:
        event = {
            "type": "file_shared",
            "file_id": file_id,
            "file": {"id": file_id},
            "user_id": user,
            "channel_id": channel,
            "event_ts": self._core.mint.ts(),
        }
        self.send(event, channel=self._core.state.channels[channel])

    def _mentions_bot(self, message: Message) -> bool:
        bot = self._core.state.bot
        return message.user != bot.id and f"<@{bot.id}>" in message.text

    def _body(self, event: Json, *, channel: Channel | None) -> Json:
        core, state = self._core, self._core.state
        people = state.people
        is_shared = channel is not None and any(people[m].is_stranger for m in channel.members)
        authorization = {
            "enterprise_id": None,
            "team_id": state.team_id,
            "user_id": state.bot.id,
            "is_bot": True,
            "is_enterprise_install": False,
        }
        return {
            "token": "local-verification-token",
            "team_id": state.team_id,
            "api_app_id": state.app_id,
            "type": "event_callback",
            "event": event,
            "event_id": core.mint.id("Ev"),
            "event_time": int(time.time()),
            "authorizations": [authorization],
            "is_ext_shared_channel": is_shared,
            "event_context": "4-" + core.mint.hex(40),
        }
