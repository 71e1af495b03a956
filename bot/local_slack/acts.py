"""What a person does in Slack, for the page and for tests alike; none waits for the app.

Acts that the app must acknowledge (commands, buttons, modals) are in `interactions.py`.
"""

from dataclasses import dataclass, replace

from bot.local_slack import streams
from bot.local_slack.changes import FileShared
from bot.local_slack.core import Core
from bot.local_slack.errors import RefusedError
from bot.local_slack.events import EventSource
from bot.local_slack.records import Channel, ChannelKind, Message, SharedFile
from bot.local_slack.rich_text import rich_text_block, typed
from bot.local_slack.shared_files import NewFile
from bot.local_slack.state import Draft, Edit
from bot.local_slack.web_api.reactions import reaction_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    """What a person wants to post."""

    channel: str
    text: str
    thread_ts: str | None = None
    files: tuple[str, ...] = ()
    also_to_channel: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file a person shares."""

    channel: str
    name: str
    content: bytes
    comment: str = ""
    thread_ts: str | None = None


class Acts:
    """Carries out what people do; `user` is always the id of who acts."""

    def __init__(self, core: Core, events: EventSource) -> None:
        self._core = core
        self._events = events

    def say(self, user: str, say: Say) -> Message:
        """Post a message as typed: `@name`, `#channel` and links become Slack's marks."""
        state = self._core.state
        person = state.people[user]
        channel = self._core.state.visible(user, say.channel)
        text = self.typed(say.text)
        if not (text.strip() or say.files):
            raise RefusedError("no_text")
        draft = Draft(
            channel=channel.id,
            user=user,
            text=text,
            blocks=self._blocks(text),
            files=list(say.files),
            thread_ts=self._root_ts(channel, say.thread_ts),
            is_broadcast=say.also_to_channel and say.thread_ts is not None,
            client_msg_id=None if person.is_bot else state.mint.uuid(),
            bot_id=person.bot_id,
            app_id=person.app_id,
        )
        message = state.post(draft)
        channel.last_read[user] = message.ts
        return message

    def edit(self, user: str, *, channel: str, ts: str, text: str) -> None:
        """Change an own message."""
        message = self._own(user, channel, ts, refusal="cant_update_message")
        wire = self.typed(text)
        self._core.state.edit(message, Edit(text=wire, blocks=self._blocks(wire)))

    def delete(self, user: str, *, channel: str, ts: str) -> None:
        """Delete an own message."""
        self._core.state.delete(self._own(user, channel, ts, refusal="cant_delete_message"))

    def react(self, user: str, *, channel: str, ts: str, name: str) -> None:
        """Put a reaction on a message."""
        message = self._core.state.message(self._core.state.visible(user, channel).id, ts)
        self._core.state.react(message, user=user, name=reaction_name(name))

    def unreact(self, user: str, *, channel: str, ts: str, name: str) -> None:
        """Take an own reaction back."""
        message = self._core.state.message(self._core.state.visible(user, channel).id, ts)
        self._core.state.unreact(message, user=user, name=reaction_name(name))

    def unfurl(self, channel: str, ts: str) -> None:
        """Let Slack add a link preview: message_changed although nobody changed the text."""
        state = self._core.state
        message = state.message(channel, ts)
        previous = replace(message)
        message.attachments = [{"fallback": "Preview", "text": "Preview", "id": 1}]
        state.announce_edit(message, previous)

    def upload(self, user: str, upload: Upload) -> tuple[SharedFile, Message]:
        """Share a file with an optional comment."""
        channel = self._core.state.visible(user, upload.channel)
        file = self.keep_file(user, name=upload.name, content=upload.content)
        say = Say(
            channel=channel.id,
            text=upload.comment,
            thread_ts=upload.thread_ts,
            files=(file.id,),
        )
        message = self.say(user, say)
        self.announce_file(file, channel)
        return file, message

    def keep_file(self, user: str, *, name: str, content: bytes) -> SharedFile:
        """Store a file that is not shared yet."""
        files = self._core.files
        file = files.announce(NewFile(name=name, user=user, size=len(content)))
        file.content = content
        return files.complete(file.id, title=None)

    def announce_file(self, file: SharedFile, channel: Channel) -> None:
        """Note that a file is visible in a channel, and tell the app."""
        if channel.id not in file.channels:
            file.channels.append(channel.id)
        change = FileShared(file_id=file.id, user=file.user, channel=channel.id)
        self._core.hub.publish(change)

    def open_dm(self, user: str, *, other: str) -> Channel:
        """Open the direct message with somebody."""
        state = self._core.state
        return state.direct([user, state.person(other).id])

    def open_home(self, user: str) -> None:
        """Look at the app's Home tab."""
        self._open_app(user, tab="home")

    def open_messages_tab(self, user: str) -> Channel:
        """Look at the app's Messages tab, which is the direct message with it."""
        return self._open_app(user, tab="messages")

    def stop_session(self, user: str, *, channel: str, thread_ts: str) -> None:
        """Press Slack's own Stop: streams end, the app is told, the status stays as it is."""
        root = self._core.state.message(self._core.state.visible(user, channel).id, thread_ts)
        streaming = streams.open_streams(self._core, root)
        for message in streaming:
            streams.finalise(self._core, message)
        self._events.session_stopped(user, root=root, streams=[m.ts for m in streaming])

    def create_channel(self, user: str, *, name: str, is_private: bool) -> Channel:
        """Create a channel."""
        kind = ChannelKind.PRIVATE if is_private else ChannelKind.CHANNEL
        return self._core.state.create_channel(name, creator=user, kind=kind)

    def invite(self, user: str, *, channel: str, other: str) -> None:
        """Bring somebody, or the bot, into a channel."""
        place = self._core.state.visible(user, channel)
        other_id = self._core.state.person(other).id
        self._core.state.add_member(place, other_id, inviter=user)

    def join(self, user: str, *, channel: str) -> None:
        """Join a public channel."""
        place = self._core.state.channel(channel)
        if place.kind is not ChannelKind.CHANNEL:
            raise RefusedError("channel_not_found")
        self._core.state.add_member(place, user)

    def leave(self, user: str, *, channel: str) -> None:
        """Leave a channel."""
        self._core.state.remove_member(self._core.state.visible(user, channel), user)

    def archive(self, user: str, *, channel: str) -> None:
        """Archive a channel."""
        self._core.state.archive(self._core.state.visible(user, channel), user=user)

    def delete_channel(self, user: str, *, channel: str) -> None:
        """Delete a channel."""
        self._core.state.delete_channel(self._core.state.visible(user, channel), user=user)

    def rename(self, user: str, *, channel: str, name: str) -> None:
        """Rename a channel."""
        self._core.state.rename(self._core.state.visible(user, channel), name, user=user)

    def rename_session(self, user: str, *, channel: str, thread_ts: str, title: str) -> None:
        """Give an agent session another title; the app is told."""
        place = self._core.state.visible(user, channel)
        session = self._core.sessions.find(place.id, thread_ts)
        previous = session.title if session else None
        self._core.sessions.rename(place.id, thread_ts, title)
        event = {
            "type": "agent_session_title_changed",
            "channel": place.id,
            "user": user,
            "team_id": self._core.state.team_id,
            "thread_ts": thread_ts,
            "title": title,
            "previous_title": previous,
            "event_ts": self._core.mint.ts(),
        }
        self._events.send(event, channel=place)

    def look_at(self, user: str, *, channel: str) -> None:
        """Look at a channel beside the app's pane: app_context_changed."""
        state = self._core.state
        entity = {
            "type": "slack#/types/channel_id",
            "value": self._core.state.visible(user, channel).id,
            "team_id": state.team_id,
        }
        event = {
            "type": "app_context_changed",
            "channel": state.direct([user, state.bot.id]).id,
            "user": user,
            "context": {"entities": [entity]},
            "event_ts": self._core.mint.ts(),
        }
        self._events.send(event, channel=None)

    def uninstall(self) -> None:
        """Remove the app from the workspace: it is told, and its tokens end."""
        bot = self._core.state.bot.id
        ts = self._core.mint.ts()
        revoked = {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": [bot]}, "event_ts": ts}
        self._events.send(revoked, channel=None)
        self._events.send({"type": "app_uninstalled", "event_ts": ts}, channel=None)
        self._core.installation.scopes_by_token.clear()

    def typed(self, text: str) -> str:
        """Turn typed text into wire text."""
        return typed(text, user_id=self._user_id, channel_id=self._channel_id)

    def _root_ts(self, channel: Channel, ts: str | None) -> str | None:
        if ts is None:
            return None
        named = channel.messages.get(ts)
        return (named.thread_ts or ts) if named else ts

    def _own(self, user: str, channel: str, ts: str, *, refusal: str) -> Message:
        message = self._core.state.message(self._core.state.visible(user, channel).id, ts)
        if message.user != user or message.subtype == "tombstone":
            raise RefusedError(refusal)
        return message

    def _blocks(self, text: str) -> list[dict[str, object]] | None:
        return [rich_text_block(text, block_id=self._core.mint.hex(5))] if text else None

    def _open_app(self, user: str, *, tab: str) -> Channel:
        state = self._core.state
        channel = state.direct([user, state.bot.id])
        self._events.home_opened(user, channel=channel, tab=tab)
        return channel

    def _user_id(self, name: str) -> str | None:
        people = self._core.state.people.values()
        return next((p.id for p in people if p.name == name), None)

    def _channel_id(self, name: str) -> str | None:
        channels = self._core.state.channels.values()
        return next((c.id for c in channels if c.name == name and not c.is_direct), None)
