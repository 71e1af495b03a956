"""How records look on the wire: Slack's JSON for messages, channels, users, files, views. Pure."""

from urllib.parse import quote

from agent_engine.image_headers import HEADER_BYTES, image_header
from bot.local_slack.core import Core
from bot.local_slack.records import Channel, ChannelKind, Json, Message, Person, SharedFile, View

_FILE_TYPES = {"text/plain": "text", "text/csv": "csv", "text/markdown": "markdown"}
_SHOWN_REPLY_USERS = 5
_SMALLEST_VERSION = 360
"""Pixels of the version of a picture that Slack has even of pictures that are no larger."""


def message_json(core: Core, message: Message, *, with_metadata: bool = False) -> Json:
    """Give a message as the app sees it, in history and in events."""
    shape: Json = {"type": "message", "user": message.user, "text": message.text, "ts": message.ts}
    shape["team"] = core.state.team_id
    optional = {
        "blocks": message.blocks,
        "attachments": message.attachments,
        "bot_id": message.bot_id,
        "app_id": message.app_id,
        "username": message.username,
        "thread_ts": message.thread_ts,
        "subtype": _subtype(message),
        "edited": message.edited,
        "client_msg_id": message.client_msg_id,
        "metadata": message.metadata if with_metadata else None,
        "icons": _icons(message),
        "files": _files(core, message),
        "reactions": reactions_json(message),
        "bot_profile": _bot_profile(core, message),
    }
    shape |= {name: value for name, value in optional.items() if value}
    if message.replies:
        shape |= _thread_summary(core, message)
    if message.thread_ts not in (None, message.ts):
        root = core.state.channels[message.channel].messages.get(message.thread_ts or "")
        shape |= {"parent_user_id": root.user} if root else {}
    if message.stream is not None:
        shape["streaming_state"] = "in_progress" if message.is_streaming else "completed"
    return shape


def reactions_json(message: Message) -> list[Json]:
    """Give the reactions of a message in the order in which they were first used."""
    return [
        {"name": name, "count": len(users), "users": list(users)}
        for name, users in message.reactions.items()
    ]


def channel_json(core: Core, channel: Channel) -> Json:
    """Give a channel as conversations.info shows it to the bot."""
    bot = core.state.bot.id
    shape: Json = {
        "id": channel.id,
        "created": channel.created,
        "is_channel": channel.kind is ChannelKind.CHANNEL,
        "is_group": channel.kind is ChannelKind.PRIVATE,
        "is_im": channel.kind is ChannelKind.IM,
        "is_mpim": channel.kind is ChannelKind.MPIM,
        "is_private": channel.kind is not ChannelKind.CHANNEL,
        "is_archived": channel.is_archived,
        "is_general": channel.name == "general",
        "is_member": bot in channel.members,
        "is_ext_shared": _has_stranger(core, channel),
        "context_team_id": core.state.team_id,
    }
    if channel.kind is ChannelKind.IM:
        return shape | {"user": next((m for m in channel.members if m != bot), bot)}
    return shape | {
        "name": channel.name,
        "name_normalized": channel.name,
        "creator": channel.creator,
        "num_members": len(channel.members),
        "topic": {"value": channel.topic, "creator": "", "last_set": 0},
        "purpose": {"value": channel.purpose, "creator": "", "last_set": 0},
    }


def user_json(core: Core, person: Person) -> Json:
    """Give a user as users.info shows him."""
    team_id = core.state.team_id
    profile: Json = {
        "display_name": person.display_name,
        "real_name": person.display_name,
        "team": team_id,
        "email": f"{person.name}@{core.state.domain}.example",
    }
    if person.bot_id:
        profile |= {"bot_id": person.bot_id, "api_app_id": person.app_id}
    return {
        "id": person.id,
        "team_id": team_id,
        "name": person.name,
        "real_name": person.display_name,
        "deleted": False,
        "color": person.color,
        "tz": person.tz,
        "tz_offset": 0,
        "is_bot": person.is_bot,
        "is_app_user": person.id == core.state.bot.id,
        "is_admin": False,
        "is_owner": False,
        "is_restricted": person.is_restricted,
        "is_ultra_restricted": False,
        "is_stranger": person.is_stranger,
        "profile": profile,
    }


def file_json(core: Core, file: SharedFile) -> Json:
    """Give a file as messages and files.info show it."""
    name = quote(file.name, safe="")
    url = f"{core.base_url}/files-pri/{core.state.team_id}-{file.id}/"
    filetype = _FILE_TYPES.get(file.mimetype) or file.name.rpartition(".")[2] or "binary"
    return {
        "id": file.id,
        "created": file.created,
        "timestamp": file.created,
        "name": file.name,
        "title": file.title,
        "mimetype": file.mimetype,
        "filetype": filetype,
        "pretty_type": filetype.upper(),
        "user": file.user,
        "size": len(file.content) if file.content is not None else file.announced_size,
        "mode": "hosted",
        "is_external": False,
        "is_public": False,
        "url_private": url + name,
        "url_private_download": f"{url}download/{name}",
        "permalink": f"{core.base_url}/files/{file.user}/{file.id}/{name}",
        "channels": list(file.channels),
        "file_access": "visible",
        **_picture_json(file, url + name),
    }


def shares_json(core: Core, file: SharedFile) -> Json:
    """Give the messages that share a file, as files.info alone shows them."""
    shares: Json = {}
    known = core.state.channels
    for channel in (known[at] for at in file.channels if at in known):
        kind = "public" if channel.kind is ChannelKind.CHANNEL else "private"
        found = [
            {"ts": message.ts, **({"thread_ts": t} if (t := message.thread_ts) else {})}
            for message in channel.messages.values()
            if file.id in message.files
        ]
        shares.setdefault(kind, {})[channel.id] = found
    return shares


def view_json(core: Core, view: View) -> Json:
    """Give a view with its state, as views.* and view_submission carry it."""
    shape: Json = {
        "private_metadata": "",
        "callback_id": "",
        "external_id": "",
        "clear_on_close": False,
        "notify_on_close": False,
        "close": None,
        "submit": None,
    }
    shape |= view.payload
    return shape | {
        "id": view.id,
        "team_id": core.state.team_id,
        "state": {"values": view.values},
        "hash": view.hash,
        "root_view_id": view.root_view_id,
        "previous_view_id": view.previous_view_id,
        "app_id": core.state.app_id,
        "app_installed_team_id": core.state.team_id,
        "bot_id": core.state.bot.bot_id,
    }


def permalink(core: Core, message: Message) -> str:
    """Give the address of a message on the local page."""
    link = f"{core.base_url}/archives/{message.channel}/p{message.ts.replace('.', '')}"
    if message.thread_ts not in (None, message.ts):
        link += f"?thread_ts={message.thread_ts}&cid={message.channel}"
    return link


def _subtype(message: Message) -> str | None:
    if message.subtype:
        return message.subtype
    if message.files:
        return "file_share"
    if message.is_broadcast:
        return "thread_broadcast"
    return "bot_message" if message.username else None


def _icons(message: Message) -> Json | None:
    if message.icon_emoji:
        return {"emoji": message.icon_emoji}
    return {"image_48": message.icon_url} if message.icon_url else None


def _files(core: Core, message: Message) -> list[Json]:
    known = core.files.files
    return [file_json(core, known[f]) for f in message.files if f in known]


def _picture_json(file: SharedFile, url: str) -> Json:
    """Give what Slack adds for a picture.

    Of its smaller versions there is only the one that is the picture itself: none is made here.
    """
    start = (file.content or b"")[:HEADER_BYTES]
    header = image_header(start) if file.mimetype.startswith("image/") else None
    if header is None:
        return {}
    shape: Json = {"original_w": header.width, "original_h": header.height}
    if header.longest > _SMALLEST_VERSION:
        return shape
    smaller = f"thumb_{_SMALLEST_VERSION}"
    return shape | {smaller: url, f"{smaller}_w": header.width, f"{smaller}_h": header.height}


def _bot_profile(core: Core, message: Message) -> Json | None:
    if message.bot_id is None:
        return None
    person = core.state.people[message.user]
    return {
        "id": message.bot_id,
        "app_id": message.app_id,
        "name": person.name,
        "deleted": False,
        "team_id": core.state.team_id,
    }


def _thread_summary(core: Core, message: Message) -> Json:
    messages = core.state.channels[message.channel].messages
    users = list(dict.fromkeys(messages[ts].user for ts in message.replies))
    return {
        "reply_count": len(message.replies),
        "reply_users_count": len(users),
        "reply_users": users[:_SHOWN_REPLY_USERS],
        "latest_reply": message.replies[-1],
    }


def _has_stranger(core: Core, channel: Channel) -> bool:
    return any(core.state.people[m].is_stranger for m in channel.members)
