"""conversations.*: channels, their members, their history and threads."""

import re

from bot.local_slack import shapes
from bot.local_slack.errors import RefusedError
from bot.local_slack.records import Channel, ChannelKind, Json, Message
from bot.local_slack.web_api.call import ApiCall, Method, page_of

_NAME = re.compile(r"^[\w\u00c0-\uffff-]{1,80}$")
_READ = ("channels:read", "groups:read", "im:read", "mpim:read")
_HISTORY = ("channels:history", "groups:history", "im:history", "mpim:history")
_MANAGE = ("channels:manage", "groups:write")
_MAX_TOPIC = 250
_HISTORY_LIMIT = 100
_REPLIES_LIMIT = 1000
_KIND_NAMES = {
    ChannelKind.CHANNEL: "public_channel",
    ChannelKind.PRIVATE: "private_channel",
    ChannelKind.IM: "im",
    ChannelKind.MPIM: "mpim",
}


def info(call: ApiCall) -> Json:
    """Describe one channel."""
    channel = call.channel()
    call.require_kind_scope(channel, "read")
    return {"channel": shapes.channel_json(call.core, channel)}


def list_all(call: ApiCall) -> Json:
    """List channels the bot can see, by kinds."""
    types = set((call.args.text("types") or "public_channel").replace(" ", "").split(","))
    skips_archived = call.args.is_set("exclude_archived")
    found = [
        shapes.channel_json(call.core, c)
        for c in call.state.channels.values()
        if _KIND_NAMES[c.kind] in types
        and (c.kind is ChannelKind.CHANNEL or call.bot_id in c.members)
        and not (skips_archived and c.is_archived)
    ]
    page, cursor = page_of(call, found, limit=100)
    return {"channels": page, "response_metadata": {"next_cursor": cursor}}


def members(call: ApiCall) -> Json:
    """List the user ids of a channel."""
    channel = call.channel()
    call.require_kind_scope(channel, "read")
    page, cursor = page_of(call, [{"id": m} for m in channel.members], limit=100)
    return {"members": [m["id"] for m in page], "response_metadata": {"next_cursor": cursor}}


def history(call: ApiCall) -> Json:
    """Give a channel's messages, newest first, without thread replies."""
    channel = call.member_channel()
    call.require_kind_scope(channel, "history")
    stamps = _window(call, list(reversed(channel.roots)))
    return _page(call, [channel.messages[ts] for ts in stamps], limit=_HISTORY_LIMIT)


def replies(call: ApiCall) -> Json:
    """Give a thread: the parent first, then its replies, oldest first."""
    channel = call.member_channel()
    call.require_kind_scope(channel, "history")
    thread = call.state.thread(channel, call.args.need("ts"))
    stamps = set(_window(call, [m.ts for m in thread[1:]]))
    shown = [thread[0], *(m for m in thread[1:] if m.ts in stamps)]
    return _page(call, shown, limit=_REPLIES_LIMIT)


def open_direct(call: ApiCall) -> Json:
    """Open the direct message with one person, or a group message with several."""
    if call.args.text("channel"):
        channel = call.channel()
    else:
        users = call.args.ids("users")
        if not users:
            raise RefusedError("users_list_not_supplied")
        if any(u not in call.state.people for u in users):
            raise RefusedError("user_not_found")
        channel = call.state.direct([call.bot_id, *users])
    return {"channel": {"id": channel.id}}


def create(call: ApiCall) -> Json:
    """Create a channel with the bot as its first member."""
    is_private = call.args.is_set("is_private")
    call.require_scope("groups:write" if is_private else "channels:manage")
    name = _checked_name(call)
    kind = ChannelKind.PRIVATE if is_private else ChannelKind.CHANNEL
    channel = call.state.create_channel(name, creator=call.bot_id, kind=kind)
    return {"channel": shapes.channel_json(call.core, channel)}


def join(call: ApiCall) -> Json:
    """Let the bot join a public channel."""
    channel = call.channel()
    if channel.kind is not ChannelKind.CHANNEL:
        raise RefusedError("method_not_supported_for_channel_type")
    call.state.add_member(channel, call.bot_id)
    return {"channel": shapes.channel_json(call.core, channel)}


def invite(call: ApiCall) -> Json:
    """Add people to a channel."""
    channel = call.member_channel()
    users = call.args.ids("users")
    if not users:
        raise RefusedError("no_user")
    for user in users:
        _require_invitable(call, channel, user)
    for user in users:
        call.state.add_member(channel, user, inviter=call.bot_id)
    return {"channel": shapes.channel_json(call.core, channel)}


def kick(call: ApiCall) -> Json:
    """Remove somebody from a channel."""
    channel = call.member_channel()
    user = call.args.need("user")
    if user == call.bot_id:
        raise RefusedError("cant_kick_self")
    call.state.remove_member(channel, user)
    return {}


def leave(call: ApiCall) -> Json:
    """Let the bot leave a channel."""
    channel = call.channel()
    if call.bot_id not in channel.members:
        return {"not_in_channel": True}
    call.state.remove_member(channel, call.bot_id)
    return {}


def rename(call: ApiCall) -> Json:
    """Rename a channel that the bot is in."""
    channel = call.member_channel()
    if channel.creator != call.bot_id:
        raise RefusedError("not_authorized")
    call.state.rename(channel, _checked_name(call), user=call.bot_id)
    return {"channel": shapes.channel_json(call.core, channel)}


def archive(call: ApiCall) -> Json:
    """Archive a channel."""
    channel = call.member_channel()
    if channel.name == "general":
        raise RefusedError("cant_archive_general")
    call.state.archive(channel, user=call.bot_id)
    return {}


def unarchive(call: ApiCall) -> Json:
    """Open an archived channel again."""
    call.state.unarchive(call.channel(), user=call.bot_id)
    return {}


def set_topic(call: ApiCall) -> Json:
    """Set a channel's topic."""
    channel = call.member_channel()
    topic = _short(call, "topic")
    call.state.describe(channel, topic=topic, purpose=None)
    return {"channel": shapes.channel_json(call.core, channel)}


def set_purpose(call: ApiCall) -> Json:
    """Set a channel's purpose."""
    channel = call.member_channel()
    purpose = _short(call, "purpose")
    call.state.describe(channel, topic=None, purpose=purpose)
    return {"channel": shapes.channel_json(call.core, channel), "purpose": purpose}


def _window(call: ApiCall, stamps: list[str]) -> list[str]:
    """Keep the timestamps between oldest and latest."""
    oldest, latest = call.args.text("oldest") or "0", call.args.text("latest") or "9" * 17
    is_inclusive = call.args.is_set("inclusive")

    def is_inside(ts: str) -> bool:
        if is_inclusive and ts in (oldest, latest):
            return True
        return float(oldest) < float(ts) < float(latest)

    return [ts for ts in stamps if is_inside(ts)]


def _page(call: ApiCall, messages: list[Message], *, limit: int) -> Json:
    with_metadata = call.args.is_set("include_all_metadata")
    found = [{"ts": m.ts} for m in messages]
    page, cursor = page_of(call, found, limit=limit)
    shown = {m["ts"] for m in page}
    return {
        "messages": [
            shapes.message_json(call.core, m, with_metadata=with_metadata)
            for m in messages
            if m.ts in shown
        ],
        "has_more": bool(cursor),
        "response_metadata": {"next_cursor": cursor},
    }


def _checked_name(call: ApiCall) -> str:
    name = call.args.need("name", error="invalid_name_required").lower().lstrip("#")
    if not _NAME.match(name):
        raise RefusedError("invalid_name_specials" if len(name) <= 80 else "invalid_name_maxlength")  # noqa: PLR2004 - Slack's limit
    return name


def _short(call: ApiCall, name: str) -> str:
    value = call.args.text(name) or ""
    if len(value) > _MAX_TOPIC:
        raise RefusedError("too_long")
    return value


def _require_invitable(call: ApiCall, channel: Channel, user: str) -> None:
    if user not in call.state.people:
        raise RefusedError("user_not_found")
    if user == call.bot_id:
        raise RefusedError("cant_invite_self")
    if user in channel.members:
        raise RefusedError("already_in_channel")


METHODS = {
    "conversations.archive": Method(run=archive, scopes=_MANAGE),
    "conversations.create": Method(run=create, scopes=_MANAGE),
    "conversations.history": Method(run=history, scopes=_HISTORY),
    "conversations.info": Method(run=info, scopes=_READ),
    "conversations.invite": Method(
        run=invite,
        scopes=(
            "channels:write.invites",
            "channels:manage",
            "groups:write.invites",
            "groups:write",
        ),
    ),
    "conversations.join": Method(run=join, scopes=("channels:join",)),
    "conversations.kick": Method(run=kick, scopes=_MANAGE),
    "conversations.leave": Method(run=leave, scopes=_MANAGE),
    "conversations.list": Method(run=list_all, scopes=_READ),
    "conversations.members": Method(run=members, scopes=_READ),
    "conversations.open": Method(run=open_direct, scopes=("im:write", "mpim:write")),
    "conversations.rename": Method(run=rename, scopes=_MANAGE),
    "conversations.replies": Method(run=replies, scopes=_HISTORY),
    "conversations.setPurpose": Method(run=set_purpose, scopes=("channels:write.topic", *_MANAGE)),
    "conversations.setTopic": Method(run=set_topic, scopes=("channels:write.topic", *_MANAGE)),
    "conversations.unarchive": Method(run=unarchive, scopes=_MANAGE),
}
