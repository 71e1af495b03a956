"""How the page sees the workspace: the JSON of its state, messages and threads. Pure.

The contract with the page is fixed in docs/local-workspace.md.
"""

from urllib.parse import quote

from bot.local_slack import shapes, streams
from bot.local_slack.core import Core
from bot.local_slack.records import Channel, ChannelKind, Json, Message, Session

_KINDS = {
    ChannelKind.CHANNEL: "channel",
    ChannelKind.PRIVATE: "private",
    ChannelKind.IM: "im",
    ChannelKind.MPIM: "mpim",
}


def state_json(core: Core, user: str) -> Json:
    """Give everything the page needs to begin with, as one person sees it."""
    state, bot = core.state, core.state.bot
    home = core.modals.homes.get(user)
    shown = [c for c in state.channels.values() if can_see(c, user)]
    prompts = core.sessions.prompts
    return {
        "workspace": {"id": state.team_id, "name": state.name, "domain": state.domain},
        "me": user,
        "app": {
            "app_id": state.app_id,
            "bot_user_id": bot.id,
            "bot_id": bot.bot_id,
            "name": core.manifest.app_name,
        },
        "users": users_json(core),
        "channels": [channel_json(core, c, user) for c in shown],
        "commands": [
            {"command": c.command, "description": c.description, "usage_hint": c.usage_hint}
            for c in core.manifest.commands
        ],
        "suggested_prompts": {c.id: prompts[c.id] for c in shown if c.id in prompts},
        "home": shapes.view_json(core, home) if home else None,
        "connected": core.deliveries.transport.connected,
    }


def users_json(core: Core) -> list[Json]:
    """Give everybody in the workspace."""
    return [
        {
            "id": p.id,
            "name": p.name,
            "display_name": p.display_name,
            "is_bot": p.is_bot,
            "is_restricted": p.is_restricted,
            "is_stranger": p.is_stranger,
            "color": p.color,
            "presence": "active" if p.is_online else "away",
        }
        for p in core.state.people.values()
    ]


def can_see(channel: Channel, user: str) -> bool:
    """True if this person may look into the channel."""
    return channel.kind is ChannelKind.CHANNEL or user in channel.members


def channel_json(core: Core, channel: Channel, user: str) -> Json:
    """Give a channel as one person sees it in the list."""
    last_read = channel.last_read.get(user, "")
    unread = _unread(channel, last_read, user)
    is_member = user in channel.members
    shape: Json = {
        "id": channel.id,
        "name": channel.name,
        "kind": _KINDS[channel.kind],
        "topic": channel.topic,
        "is_archived": channel.is_archived,
        "is_member": is_member,
        "bot_is_member": core.state.bot.id in channel.members,
        "members": list(channel.members),
        "unread": len(unread) if is_member else 0,
        "mentions": sum(f"<@{user}>" in m.text for m in unread) if is_member else 0,
    }
    if channel.kind is ChannelKind.IM:
        shape["user"] = next((m for m in channel.members if m != user), user)
    return shape


def message_json(core: Core, message: Message, user: str) -> Json:
    """Give a message as one person sees it; an open stream shows its rest to its recipient only."""
    shape = shapes.message_json(core, message, with_metadata=True)
    shape |= {"channel": message.channel, "reactions": shapes.reactions_json(message)}
    if message.icon_emoji:
        shape["icon_emoji"] = message.icon_emoji
    if message.icon_url:
        shape["icon_url"] = message.icon_url
    if message.ephemeral_to is not None:
        shape["ephemeral"] = True
    if message.is_streaming:
        shape["streaming"] = True
        shape |= _others_view(message, user)
    for file in shape.get("files", []):
        file["url_private"] = _file_url(file, user)
        file["url_private_download"] = file["url_private"] + "&download=1"
    return shape


def history_json(core: Core, channel: Channel, user: str, *, before: str, limit: int) -> Json:
    """Give the latest messages of a channel before a timestamp, oldest first."""
    stamps = [ts for ts in channel.roots if not before or ts < before]
    shown = stamps[-limit:]
    messages = [message_json(core, channel.messages[ts], user) for ts in shown]
    if not before:
        messages += _ephemerals(core, channel.id, user, thread_ts=None)
        messages.sort(key=lambda m: str(m["ts"]))
    return {"messages": messages, "has_more": len(stamps) > len(shown)}


def thread_json(core: Core, channel: Channel, ts: str, user: str) -> Json:
    """Give a thread with its session."""
    thread = core.state.thread(channel, ts)
    root = thread[0]
    messages = [message_json(core, m, user) for m in thread]
    own = _ephemerals(core, channel.id, user, thread_ts=root.ts)
    messages = [messages[0], *sorted(messages[1:] + own, key=lambda m: str(m["ts"]))]
    session = core.sessions.find(channel.id, root.ts)
    return {"messages": messages, "session": session_json(session)}


def session_json(session: Session | None) -> Json:
    """Give what is shown beside a thread."""
    if session is None:
        return {"status": None, "title": None, "status_text": ""}
    status = session.status.value if session.status else None
    return {"status": status, "title": session.title, "status_text": session.status_text}


def _unread(channel: Channel, last_read: str, user: str) -> list[Message]:
    found = []
    for ts in reversed(channel.roots):
        if ts <= last_read:
            break
        if channel.messages[ts].user != user:
            found.append(channel.messages[ts])
    return found


def _ephemerals(core: Core, channel: str, user: str, *, thread_ts: str | None) -> list[Json]:
    return [
        message_json(core, m, user)
        for m in core.state.ephemerals.values()
        if m.channel == channel and m.ephemeral_to == user and m.thread_ts == thread_ts
    ]


def _others_view(message: Message, user: str) -> Json:
    recipient = message.stream.recipient if message.stream else None
    if recipient in (None, user):
        return {}
    return streams.first_flush(message) or {"text": "", "blocks": None}


def _file_url(file: Json, user: str) -> str:
    return f"/_page/file/{file['id']}/{quote(str(file['name']))}?user={user}"
