"""Slack's raw dicts become typed events here, once.

Tolerant of whatever arrives: what cannot be read is an ``Unreadable`` with a reason, never an
exception. It must not decide what an event means; that is ``routing``.
"""

from collections.abc import Callable, Mapping
from typing import Any

from agent_engine.places import ChannelKind
from agent_engine.types import ChannelId, UserId, WorkspaceId
from bot.inbound.slack_events import (
    AppUninstalled,
    Author,
    ButtonPressed,
    ChannelArchived,
    ChannelDeleted,
    ChannelLeft,
    ChannelRenamed,
    ChannelUnarchived,
    ContextChanged,
    HomeOpened,
    MemberJoined,
    MemberLeft,
    MessageDeleted,
    MessageEdited,
    MessageMetadata,
    MessagePosted,
    Origin,
    ReactionAdded,
    ReactionRemoved,
    SessionRenamed,
    SessionStopped,
    SlackEvent,
    SlackFile,
    SlashCommand,
    TokensRevoked,
    Unreadable,
    ViewSubmitted,
)

Raw = Mapping[str, Any]


def read_event(body: Raw) -> SlackEvent | Unreadable:
    """Read an Events API delivery: the outer ``event_callback`` with its ``event``."""
    event = _object(body, "event")
    reader = _READERS.get(_text(event, "type"))
    if reader is None:
        return Unreadable(reason=f"unknown event type {_text(event, 'type')[:60]!r}")
    try:
        return reader(event, _origin_of_event(body))
    except _MissingError as missing:
        return Unreadable(reason=f"{_text(event, 'type')} without {missing}")


def read_history(
    message: Raw, *, workspace_id: WorkspaceId, channel_id: ChannelId, kind: ChannelKind | None
) -> MessagePosted | Unreadable:
    """Read one message as ``conversations.history`` and ``conversations.replies`` return it."""
    try:
        origin = Origin(workspace_id=workspace_id)
        return _posted({**message, "channel": channel_id}, origin, kind=kind)
    except _MissingError as missing:
        return Unreadable(reason=f"message without {missing}")


def read_command(body: Raw) -> SlashCommand | Unreadable:
    """Read a slash command."""
    try:
        return SlashCommand(
            origin=Origin(workspace_id=WorkspaceId(_text(body, "team_id"))),
            user_id=UserId(_needed(body, "user_id")),
            channel_id=ChannelId(_needed(body, "channel_id")),
            command=_needed(body, "command"),
            text=_text(body, "text"),
            channel_name=_text(body, "channel_name"),
            trigger_id=_text(body, "trigger_id"),
            response_url=_text(body, "response_url"),
        )
    except _MissingError as missing:
        return Unreadable(reason=f"command without {missing}")


def read_button(body: Raw) -> ButtonPressed | Unreadable:
    """Read a ``block_actions`` payload; of several actions the first counts."""
    actions = body.get("actions")
    action = actions[0] if isinstance(actions, list) and actions else None
    if not isinstance(action, Mapping):
        return Unreadable(reason="block_actions without actions")
    container, view = _object(body, "container"), _object(body, "view")
    message = _object(body, "message")
    channel = _text(_object(body, "channel"), "id") or _text(container, "channel_id")
    thread_ts = _text(container, "thread_ts") or _text(message, "thread_ts")
    message_ts = _text(container, "message_ts") or _text(message, "ts")
    try:
        return ButtonPressed(
            origin=_origin_of_interaction(body),
            user_id=UserId(_needed(_object(body, "user"), "id")),
            action_id=_needed(action, "action_id"),
            value=_chosen(action),
            block_id=_text(action, "block_id"),
            action_ts=_text(action, "action_ts"),
            channel_id=ChannelId(channel) if channel else None,
            message_ts=message_ts or None,
            thread_ts=thread_ts or None,
            is_ephemeral=container.get("is_ephemeral") is True,
            trigger_id=_text(body, "trigger_id"),
            response_url=_text(body, "response_url"),
            view_id=_text(view, "id"),
            callback_id=_text(view, "callback_id"),
            private_metadata=_text(view, "private_metadata"),
            home_workspace_id=_home(body),
        )
    except _MissingError as missing:
        return Unreadable(reason=f"block_actions without {missing}")


def read_view(body: Raw) -> ViewSubmitted | Unreadable:
    """Read a ``view_submission`` payload."""
    view = _object(body, "view")
    try:
        return ViewSubmitted(
            origin=_origin_of_interaction(body),
            user_id=UserId(_needed(_object(body, "user"), "id")),
            callback_id=_needed(view, "callback_id"),
            view_id=_text(view, "id"),
            values=_object(_object(view, "state"), "values"),
            private_metadata=_text(view, "private_metadata"),
            trigger_id=_text(body, "trigger_id"),
            view_hash=_text(view, "hash"),
            home_workspace_id=_home(body),
        )
    except _MissingError as missing:
        return Unreadable(reason=f"view_submission without {missing}")


def reaction_name(raw: str) -> str:
    """Return a reaction's name without colons and skin tone, one name for each meaning.

    >>> reaction_name(":thumbsup::skin-tone-3:")
    '+1'
    """
    name = raw.strip(":").split("::", 1)[0]
    return _REACTION_ALIASES.get(name, name)


# ------------------------------------------------------------------------------------------------


class _MissingError(Exception):
    """A field is missing without which the event means nothing."""


_REACTION_ALIASES = {
    "thumbsup": "+1",
    "thumbsdown": "-1",
    "stop_sign": "octagonal_sign",
    "no_entry_sign": "no_entry",
    "heavy_multiplication_x": "x",
}

# Joins tell a letter, and "C" is said of private channels, too.
_KINDS = {
    "channel": ChannelKind.PUBLIC,
    "group": ChannelKind.PRIVATE,
    "G": ChannelKind.PRIVATE,
    "im": ChannelKind.DIRECT,
    "mpim": ChannelKind.GROUP,
}


def _object(raw: Raw, key: str) -> Raw:
    value = raw.get(key)
    return value if isinstance(value, Mapping) else {}


def _text(raw: Raw, key: str) -> str:
    value = raw.get(key)
    return value if isinstance(value, str) else ""


def _needed(raw: Raw, key: str) -> str:
    if value := _text(raw, key):
        return value
    raise _MissingError(key)


def _origin_of_event(body: Raw) -> Origin:
    # In a shared channel the outer team can be the other organisation's; the authorization is ours.
    granted = body.get("authorizations")
    first = granted[0] if isinstance(granted, list) and granted else None
    ours = _text(first, "team_id") if isinstance(first, Mapping) else ""
    return Origin(
        workspace_id=WorkspaceId(ours or _text(body, "team_id")),
        delivery_id=_text(body, "event_id"),
        is_external=body.get("is_ext_shared_channel") is True,
    )


def _origin_of_interaction(body: Raw) -> Origin:
    team = _text(_object(body, "team"), "id") or _text(_object(body, "user"), "team_id")
    return Origin(workspace_id=WorkspaceId(team))


def _home(body: Raw) -> str | None:
    return _text(_object(body, "user"), "team_id") or None


def _author(raw: Raw) -> Author:
    user, bot = _text(raw, "user"), _text(raw, "bot_id")
    home = _text(raw, "user_team") or _text(raw, "source_team") or _text(raw, "team")
    return Author(
        user_id=UserId(user) if user else None,
        bot_id=bot or None,
        app_id=_text(raw, "app_id") or None,
        home_workspace_id=home or None,
        is_stranger=_object(raw, "user_profile").get("is_stranger") is True,
    )


def _files(raw: Raw) -> tuple[SlackFile, ...]:
    listed = raw.get("files")
    if not isinstance(listed, list):
        return ()
    files = (_file(item) for item in listed if isinstance(item, Mapping))
    return tuple(file for file in files if file is not None)


def _file(raw: Raw) -> SlackFile | None:
    if not (file_id := _text(raw, "id")):
        return None
    size = raw.get("size")
    return SlackFile(
        id=file_id,
        name=_text(raw, "name") or _text(raw, "title") or file_id,
        mimetype=_text(raw, "mimetype"),
        size=size if isinstance(size, int) and not isinstance(size, bool) else 0,
        url=_text(raw, "url_private_download") or _text(raw, "url_private"),
    )


def _metadata(raw: Raw) -> MessageMetadata | None:
    metadata = _object(raw, "metadata")
    event_type = _text(metadata, "event_type")
    if not event_type:
        return None
    return MessageMetadata(event_type=event_type, payload=_object(metadata, "event_payload"))


def _channel_kind(event: Raw) -> ChannelKind | None:
    return _KINDS.get(_text(event, "channel_type"))


def _posted(event: Raw, origin: Origin, *, kind: ChannelKind | None) -> MessagePosted:
    thread_ts, ts = _text(event, "thread_ts"), _needed(event, "ts")
    return MessagePosted(
        origin=origin,
        channel_id=ChannelId(_needed(event, "channel")),
        ts=ts,
        author=_author(event),
        text=_text(event, "text"),
        thread_ts=thread_ts if thread_ts != ts and thread_ts else None,
        kind=kind,
        subtype=_text(event, "subtype"),
        is_mention_event=_text(event, "type") == "app_mention",
        files=_files(event),
        metadata=_metadata(event),
    )


def _read_mention(event: Raw, origin: Origin) -> SlackEvent:
    return _posted(event, origin, kind=_channel_kind(event))


def _read_message(event: Raw, origin: Origin) -> SlackEvent:
    match _text(event, "subtype"):
        case "message_changed":
            return _edited(event, origin)
        case "message_deleted":
            return _deleted(event, origin)
        case "message_replied":
            # Says only that a thread grew; the reply itself is its own event.
            raise _MissingError("a message of its own")
        case _:
            return _posted(event, origin, kind=_channel_kind(event))


def _edited(event: Raw, origin: Origin) -> SlackEvent:
    message, previous = _object(event, "message"), _object(event, "previous_message")
    ts, thread_ts = _needed(message, "ts"), _text(message, "thread_ts")
    mark, mark_before = _object(message, "edited"), _object(previous, "edited")
    if _text(message, "subtype") == "tombstone":
        return _deleted({**event, "deleted_ts": ts, "previous_message": message}, origin)
    return MessageEdited(
        origin=origin,
        channel_id=ChannelId(_needed(event, "channel")),
        ts=ts,
        edited_ts=_text(mark, "ts") or _text(event, "event_ts") or _text(event, "ts") or ts,
        author=_author(message),
        text=_text(message, "text"),
        previous_text=_text(previous, "text") if previous else None,
        was_edited_by_person=bool(mark) and _text(mark, "ts") != _text(mark_before, "ts"),
        thread_ts=thread_ts if thread_ts and thread_ts != ts else None,
        kind=_channel_kind(event),
        files=_files(message),
    )


def _deleted(event: Raw, origin: Origin) -> MessageDeleted:
    previous = _object(event, "previous_message")
    ts, thread_ts = _needed(event, "deleted_ts"), _text(previous, "thread_ts")
    return MessageDeleted(
        origin=origin,
        channel_id=ChannelId(_needed(event, "channel")),
        ts=ts,
        author=_author(previous),
        thread_ts=thread_ts if thread_ts and thread_ts != ts else None,
    )


def _read_reaction(event: Raw, origin: Origin) -> SlackEvent:
    item = _object(event, "item")
    if _text(item, "type") not in ("message", ""):
        raise _MissingError("a message it belongs to")
    kind = ReactionAdded if _text(event, "type") == "reaction_added" else ReactionRemoved
    return kind(
        origin=origin,
        channel_id=ChannelId(_needed(item, "channel")),
        ts=_needed(item, "ts"),
        user_id=UserId(_needed(event, "user")),
        name=reaction_name(_needed(event, "reaction")),
        event_ts=_text(event, "event_ts"),
        author_id=UserId(_text(event, "item_user")) or None,
    )


def _read_home(event: Raw, origin: Origin) -> SlackEvent:
    channel = _text(event, "channel")
    return HomeOpened(
        origin=origin,
        user_id=UserId(_needed(event, "user")),
        tab=_text(event, "tab") or "home",
        channel_id=ChannelId(channel) if channel else None,
    )


def _read_joined(event: Raw, origin: Origin) -> SlackEvent:
    inviter = _text(event, "inviter")
    return MemberJoined(
        origin=origin,
        channel_id=ChannelId(_needed(event, "channel")),
        user_id=UserId(_needed(event, "user")),
        kind=_channel_kind(event),
        inviter=UserId(inviter) if inviter else None,
    )


def _read_left(event: Raw, origin: Origin) -> SlackEvent:
    return MemberLeft(
        origin=origin,
        channel_id=ChannelId(_needed(event, "channel")),
        user_id=UserId(_needed(event, "user")),
    )


def _read_renamed(event: Raw, origin: Origin) -> SlackEvent:
    channel = _object(event, "channel")
    return ChannelRenamed(
        origin=origin,
        channel_id=ChannelId(_needed(channel, "id")),
        name=_needed(channel, "name"),
    )


def _about_channel(
    kind: Callable[..., SlackEvent],
) -> Callable[[Raw, Origin], SlackEvent]:
    def read(event: Raw, origin: Origin) -> SlackEvent:
        return kind(origin=origin, channel_id=ChannelId(_needed(event, "channel")))

    return read


def _read_stopped(event: Raw, origin: Origin) -> SlackEvent:
    return SessionStopped(
        origin=origin,
        channel_id=ChannelId(_needed(event, "channel")),
        user_id=UserId(_needed(event, "user")),
        thread_ts=_needed(event, "thread_ts"),
    )


def _read_session_renamed(event: Raw, origin: Origin) -> SlackEvent:
    return SessionRenamed(
        origin=origin,
        channel_id=ChannelId(_needed(event, "channel")),
        user_id=UserId(_needed(event, "user")),
        thread_ts=_needed(event, "thread_ts"),
        title=_text(event, "title"),
    )


def _read_context(event: Raw, origin: Origin) -> SlackEvent:
    entities = _object(event, "context").get("entities")
    viewed = (
        _text(entity, "value")
        for entity in (entities if isinstance(entities, list) else ())
        if isinstance(entity, Mapping) and _text(entity, "type") == "slack#/types/channel_id"
    )
    channel = next(viewed, "")
    return ContextChanged(
        origin=origin,
        user_id=UserId(_needed(event, "user")),
        viewed_channel_id=ChannelId(channel) if channel else None,
    )


def _read_uninstalled(_event: Raw, origin: Origin) -> SlackEvent:
    return AppUninstalled(origin=origin)


def _read_revoked(event: Raw, origin: Origin) -> SlackEvent:
    return TokensRevoked(origin=origin, is_bot_token=bool(_object(event, "tokens").get("bot")))


def _chosen(action: Raw) -> str:
    if value := _text(action, "value"):
        return value
    option = _text(_object(action, "selected_option"), "value")
    plain = ("selected_user", "selected_channel", "selected_conversation", "selected_date")
    return option or next((_text(action, key) for key in plain if _text(action, key)), "")


_READERS: Mapping[str, Callable[[Raw, Origin], SlackEvent]] = {
    "app_mention": _read_mention,
    "message": _read_message,
    "reaction_added": _read_reaction,
    "reaction_removed": _read_reaction,
    "app_home_opened": _read_home,
    "member_joined_channel": _read_joined,
    "member_left_channel": _read_left,
    "channel_archive": _about_channel(ChannelArchived),
    "group_archive": _about_channel(ChannelArchived),
    "channel_unarchive": _about_channel(ChannelUnarchived),
    "group_unarchive": _about_channel(ChannelUnarchived),
    "channel_rename": _read_renamed,
    "group_rename": _read_renamed,
    "channel_left": _about_channel(ChannelLeft),
    "group_left": _about_channel(ChannelLeft),
    "channel_deleted": _about_channel(ChannelDeleted),
    "group_deleted": _about_channel(ChannelDeleted),
    "agent_session_stopped": _read_stopped,
    "agent_session_title_changed": _read_session_renamed,
    "app_context_changed": _read_context,
    "app_uninstalled": _read_uninstalled,
    "tokens_revoked": _read_revoked,
}

READABLE_EVENTS = frozenset(_READERS)
"""Every event type that becomes a typed event; the manifest subscribes to these."""
