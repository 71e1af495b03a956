"""chat.*: posting, ephemeral messages, updates, deletions, permalinks and streams."""

from dataclasses import replace

from bot.local_slack import shapes, streams
from bot.local_slack.block_rules import Surface
from bot.local_slack.errors import RefusedError
from bot.local_slack.records import Channel, Json, Message, SessionStatus
from bot.local_slack.state import Draft, Edit
from bot.local_slack.web_api.call import ApiCall, Method
from bot.local_slack.web_api.content import (
    read_blocks,
    read_content,
    read_metadata,
    require_something,
)

_MAX_UPDATE_TEXT = 4_000
_WRITE = ("chat:write",)


def post_message(call: ApiCall) -> Json:
    """Post to a channel, thread or person."""
    channel = place(call)
    content = read_content(call)
    require_something(content)
    draft = replace(
        own_draft(call, channel),
        text=content.text,
        blocks=content.blocks,
        attachments=content.attachments,
        metadata=content.metadata,
        thread_ts=_thread(call, channel),
        is_broadcast=call.args.is_set("reply_broadcast") and call.args.has("thread_ts"),
    )
    message = call.state.post(draft)
    settle_status(call, message)
    shape = shapes.message_json(call.core, message, with_metadata=True)
    return {"channel": channel.id, "ts": message.ts, "message": shape}


def post_ephemeral(call: ApiCall) -> Json:
    """Show a message to one member of a channel."""
    channel = call.member_channel()
    user = call.args.need("user")
    if user not in call.state.people:
        raise RefusedError("user_not_found")
    if user not in channel.members:
        raise RefusedError("user_not_in_channel")
    if channel.is_archived:
        raise RefusedError("is_archived")
    content = read_content(call)
    require_something(content)
    draft = replace(
        own_draft(call, channel),
        text=content.text,
        blocks=content.blocks,
        attachments=content.attachments,
        thread_ts=call.args.text("thread_ts"),
    )
    return {"message_ts": call.state.post_ephemeral(draft, to=user).ts}


def update(call: ApiCall) -> Json:
    """Replace the content of an own message."""
    message = _own_message(call, refusal="cant_update_message")
    if message.is_streaming:
        raise RefusedError("streaming_state_conflict")
    content = read_content(call)
    require_something(content)
    if len(content.text) > _MAX_UPDATE_TEXT:
        raise RefusedError("msg_too_long")
    has_text = call.args.has("text") or call.args.has("markdown_text")
    edit = Edit(
        text=content.text if has_text else message.text,
        blocks=content.blocks if has_text or content.blocks else message.blocks,
        attachments=content.attachments if has_text else message.attachments,
        metadata=content.metadata,
        marks_edited=not content.blocks,
    )
    call.state.edit(message, edit)
    shape = shapes.message_json(call.core, message, with_metadata=True)
    return {
        "channel": message.channel,
        "ts": message.ts,
        "text": message.text,
        "message": shape,
    }


def delete(call: ApiCall) -> Json:
    """Delete an own message."""
    message = _own_message(call, refusal="cant_delete_message")
    call.state.delete(message)
    return {"channel": message.channel, "ts": message.ts}


def get_permalink(call: ApiCall) -> Json:
    """Give the address of a message."""
    channel = call.channel()
    message = call.state.message(channel.id, call.args.need("message_ts"))
    return {"channel": channel.id, "permalink": shapes.permalink(call.core, message)}


def start_stream(call: ApiCall) -> Json:
    """Begin a message that is written bit by bit."""
    channel = place(call)
    draft = replace(own_draft(call, channel), thread_ts=_thread(call, channel))
    message = streams.start(call.core, draft, _stream_options(call, channel))
    settle_status(call, message)
    return {"channel": channel.id, "ts": message.ts}


def append_stream(call: ApiCall) -> Json:
    """Write more of a streamed message."""
    message = _own_message(call, refusal="message_not_owned_by_app")
    streams.append(call.core, message, _stream_input(call))
    return {"channel": message.channel, "ts": message.ts}


def stop_stream(call: ApiCall) -> Json:
    """Finish a streamed message."""
    message = _own_message(call, refusal="message_not_owned_by_app")
    streams.stop(call.core, message, _stream_input(call), _stream_ending(call))
    shape = shapes.message_json(call.core, message, with_metadata=True)
    return {"channel": message.channel, "ts": message.ts, "message": shape}


def place(call: ApiCall) -> Channel:
    """Find where to post: a channel of the bot's, or the direct message of a user id."""
    key = call.args.need("channel", error="channel_not_found")
    if key in call.state.people:
        if key == call.bot_id:
            raise RefusedError("cannot_dm_bot")
        return call.state.direct([call.bot_id, key])
    channel = call.member_channel()
    if channel.is_archived:
        raise RefusedError("is_archived")
    return channel


def own_draft(call: ApiCall, channel: Channel) -> Draft:
    """Begin a message of the calling bot, with another name or icon if it may."""
    args, bot = call.args, call.state.bot
    custom = {name: args.text(name) for name in ("username", "icon_emoji", "icon_url")}
    if any(custom.values()):
        call.require_scope("chat:write.customize")
    return Draft(
        channel=channel.id,
        user=bot.id,
        bot_id=bot.bot_id,
        app_id=bot.app_id,
        username=custom["username"],
        icon_emoji=custom["icon_emoji"],
        icon_url=custom["icon_url"],
    )


def settle_status(call: ApiCall, message: Message) -> None:
    """Take the status line away: a message of the app ends it."""
    if message.thread_ts:
        call.core.sessions.clear_status_text(message.channel, message.thread_ts)


def _thread(call: ApiCall, channel: Channel) -> str | None:
    """Find the root of the thread an argument names; a reply's ts counts as its root's."""
    thread_ts = call.args.text("thread_ts")
    if thread_ts is None:
        return None
    named = channel.messages.get(thread_ts)
    if named is None:
        raise RefusedError("thread_not_found")
    return named.thread_ts or thread_ts


def _own_message(call: ApiCall, *, refusal: str) -> Message:
    channel = call.channel()
    message = call.state.message(channel.id, call.args.need("ts"))
    if message.user != call.bot_id or message.subtype == "tombstone":
        raise RefusedError(refusal)
    return message


def _stream_options(call: ApiCall, channel: Channel) -> streams.Options:
    return streams.Options(
        recipient_user_id=call.args.text("recipient_user_id"),
        recipient_team_id=call.args.text("recipient_team_id"),
        display_mode=call.args.text("task_display_mode") or "timeline",
        needs_recipient=not channel.is_direct,
        content=_stream_input(call),
    )


def _stream_input(call: ApiCall) -> streams.Content:
    return streams.Content(
        markdown_text=call.args.text("markdown_text"),
        chunks=call.args.objects("chunks", error="invalid_chunks"),
    )


def _stream_ending(call: ApiCall) -> streams.Ending:
    status = call.args.text("session_status")
    if status is not None and status not in set(SessionStatus):
        raise RefusedError("invalid_session_status")
    return streams.Ending(
        blocks=read_blocks(call, surface=Surface.MESSAGE),
        metadata=read_metadata(call),
        session_status=SessionStatus(status) if status else SessionStatus.ACTIVE,
    )


METHODS = {
    "chat.appendStream": Method(run=append_stream, scopes=_WRITE),
    "chat.delete": Method(run=delete, scopes=_WRITE),
    "chat.getPermalink": Method(run=get_permalink),
    "chat.postEphemeral": Method(run=post_ephemeral, scopes=_WRITE),
    "chat.postMessage": Method(run=post_message, scopes=_WRITE),
    "chat.startStream": Method(run=start_stream, scopes=_WRITE),
    "chat.stopStream": Method(run=stop_stream, scopes=_WRITE),
    "chat.update": Method(run=update, scopes=_WRITE),
}
