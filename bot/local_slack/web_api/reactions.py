"""reactions.*, pins.* and bookmarks.*: what hangs on messages and channels."""

import re

from bot.local_slack import shapes
from bot.local_slack.errors import RefusedError
from bot.local_slack.records import Json, Message
from bot.local_slack.web_api.call import ApiCall, Method

_NAME = re.compile(r"^[a-z0-9_+'-]{1,100}(::skin-tone-[2-6])?$")
_ALIASES = {"thumbsup": "+1", "thumbsdown": "-1"}
_WRITE = ("reactions:write",)


def add(call: ApiCall) -> Json:
    """React to a message as the bot."""
    message = _message(call, in_channel=True)
    call.state.react(message, user=call.bot_id, name=reaction_name(call.args.need("name")))
    return {}


def remove(call: ApiCall) -> Json:
    """Take the bot's reaction back."""
    message = _message(call, in_channel=True)
    call.state.unreact(message, user=call.bot_id, name=reaction_name(call.args.need("name")))
    return {}


def get(call: ApiCall) -> Json:
    """Give a message with its reactions."""
    message = _message(call, in_channel=False)
    shape = shapes.message_json(call.core, message)
    return {"type": "message", "channel": message.channel, "message": shape}


def pin(call: ApiCall) -> Json:
    """Pin a message to its channel."""
    message = _message(call, in_channel=True)
    pins = call.state.channels[message.channel].pins
    if message.ts in pins:
        raise RefusedError("already_pinned")
    pins.append(message.ts)
    return {}


def unpin(call: ApiCall) -> Json:
    """Take a pin away."""
    message = _message(call, in_channel=True)
    pins = call.state.channels[message.channel].pins
    if message.ts not in pins:
        raise RefusedError("no_pin")
    pins.remove(message.ts)
    return {}


def list_pins(call: ApiCall) -> Json:
    """List the pinned messages of a channel."""
    channel = call.member_channel()
    pinned = [channel.messages[ts] for ts in channel.pins if ts in channel.messages]
    items = [{"type": "message", "message": shapes.message_json(call.core, m)} for m in pinned]
    return {"items": items}


def add_bookmark(call: ApiCall) -> Json:
    """Put a link into a channel's bookmark bar."""
    channel = call.member_channel("channel_id")
    bookmark = {
        "id": call.core.mint.id("Bk"),
        "channel_id": channel.id,
        "title": call.args.need("title"),
        "type": call.args.need("type"),
        "link": call.args.text("link"),
        "emoji": call.args.text("emoji"),
    }
    channel.bookmarks.append(bookmark)
    return {"bookmark": bookmark}


def list_bookmarks(call: ApiCall) -> Json:
    """List a channel's bookmarks."""
    return {"bookmarks": list(call.member_channel("channel_id").bookmarks)}


def reaction_name(given: str) -> str:
    """Check a reaction's name and resolve the two aliases of the thumbs."""
    name = given.strip(":")
    if not _NAME.match(name):
        raise RefusedError("invalid_name")
    base, colons, tone = name.partition("::")
    return _ALIASES.get(base, base) + colons + tone


def _message(call: ApiCall, *, in_channel: bool) -> Message:
    channel = call.member_channel() if in_channel else call.channel()
    if in_channel and channel.is_archived:
        raise RefusedError("is_archived")
    return call.state.message(channel.id, call.args.need("timestamp", error="no_item_specified"))


METHODS = {
    "bookmarks.add": Method(run=add_bookmark, scopes=("bookmarks:write",)),
    "bookmarks.list": Method(run=list_bookmarks, scopes=("bookmarks:read",)),
    "pins.add": Method(run=pin, scopes=("pins:write",)),
    "pins.list": Method(run=list_pins, scopes=("pins:read",)),
    "pins.remove": Method(run=unpin, scopes=("pins:write",)),
    "reactions.add": Method(run=add, scopes=_WRITE),
    "reactions.get": Method(run=get, scopes=("reactions:read",)),
    "reactions.remove": Method(run=remove, scopes=_WRITE),
}
