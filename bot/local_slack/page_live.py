"""Live frames for the page: every change that one person may see, over one WebSocket."""

import asyncio
import logging
from typing import assert_never

from aiohttp import WSMsgType, web

from bot.local_slack import page_shapes, shapes
from bot.local_slack.changes import (
    Change,
    ChannelChanged,
    ConnectionsChanged,
    EphemeralPosted,
    EphemeralRemoved,
    FaultsChanged,
    HomePublished,
    MemberJoined,
    MemberLeft,
    MessageEdited,
    MessagePosted,
    MessageRemoved,
    MessageTouched,
    PromptsSuggested,
    Reacted,
    SessionChanged,
    TrafficRecorded,
    Unreacted,
    ViewOpened,
    ViewRefused,
    ViewRemoved,
    ViewUpdated,
)
from bot.local_slack.core import Core
from bot.local_slack.records import Json, Message
from bot.local_slack.traffic import Exchange

logger = logging.getLogger(__name__)

_MAX_QUEUED = 2_000
"""Frames a slow page may fall behind before it is disconnected and has to reload."""


class LivePage:
    """One open page of one person."""

    def __init__(self, core: Core, user: str) -> None:
        self._core = core
        self._user = user
        self._queue: asyncio.Queue[Json | None] = asyncio.Queue(_MAX_QUEUED)

    async def serve(self, ws: web.WebSocketResponse) -> None:
        """Send frames until the page goes or falls too far behind."""
        stop = self._core.hub.listen(self._on_change)
        try:
            async with asyncio.TaskGroup() as group:
                sender = group.create_task(self._send(ws))
                async for message in ws:
                    if message.type is WSMsgType.ERROR:
                        break
                sender.cancel()
        finally:
            stop()

    async def _send(self, ws: web.WebSocketResponse) -> None:
        while (frame := await self._queue.get()) is not None:
            try:
                await ws.send_json(frame)
            except ConnectionError:
                return
        await ws.close()

    def _on_change(self, change: Change) -> None:
        frame = frame_of(self._core, change, self._user)
        if frame is None:
            return
        if self._queue.full():
            logger.warning("local_slack_page_too_slow")
            while not self._queue.empty():
                self._queue.get_nowait()
            frame = None
        self._queue.put_nowait(frame)


def frame_of(core: Core, change: Change, user: str) -> Json | None:
    """Make the frame of a change for one person; None if it is not for him."""
    match change:
        case MessagePosted() | MessageEdited() | MessageTouched() | MessageRemoved():
            return _message_frame(core, change, user)
        case EphemeralPosted() | EphemeralRemoved():
            return _ephemeral_frame(core, change, user)
        case ViewOpened() | ViewUpdated() | ViewRemoved() | ViewRefused() | HomePublished():
            return _view_frame(core, change, user)
        case (
            MemberJoined(channel=channel)
            | MemberLeft(channel=channel)
            | ChannelChanged(channel=channel)
        ):
            shape = page_shapes.channel_json(core, channel, user)
            is_seen = page_shapes.can_see(channel, user)
            return {"type": "channel", "channel": shape} if is_seen else None
        case SessionChanged() | PromptsSuggested():
            return _side_frame(core, change, user)
        case _:
            return _place_frame(core, change, user) or _machine_frame(change)


def _message_frame(
    core: Core,
    change: MessagePosted | MessageEdited | MessageTouched | MessageRemoved,
    user: str,
) -> Json | None:
    message = change.message
    if not page_shapes.can_see(core.state.channels[message.channel], user):
        return None
    if isinstance(change, MessageRemoved):
        return {"type": "message_deleted", "channel": message.channel, "ts": message.ts}
    kind = "message" if isinstance(change, MessagePosted) else "message_changed"
    shape = page_shapes.message_json(core, message, user)
    return {"type": kind, "channel": message.channel, "message": shape}


def _ephemeral_frame(
    core: Core, change: EphemeralPosted | EphemeralRemoved, user: str
) -> Json | None:
    message = change.message
    if message.ephemeral_to != user:
        return None
    if isinstance(change, EphemeralRemoved):
        return {"type": "message_deleted", "channel": message.channel, "ts": message.ts}
    shape = page_shapes.message_json(core, message, user)
    return {"type": "ephemeral", "channel": message.channel, "message": shape}


def _reaction_frame(core: Core, message: Message, user: str) -> Json | None:
    if not page_shapes.can_see(core.state.channels[message.channel], user):
        return None
    return {
        "type": "reaction",
        "channel": message.channel,
        "ts": message.ts,
        "reactions": shapes.reactions_json(message),
    }


def _view_frame(
    core: Core,
    change: ViewOpened | ViewUpdated | ViewRemoved | ViewRefused | HomePublished,
    user: str,
) -> Json | None:
    view = change.view
    if view.user != user:
        return None
    shape = shapes.view_json(core, view)
    match change:
        case ViewOpened():
            return {"type": "view_open", "view": shape, "trigger_user": view.user}
        case ViewUpdated():
            return {"type": "view_update", "view": shape}
        case ViewRemoved():
            return {"type": "view_close", "view_id": view.id}
        case ViewRefused(errors=errors):
            return {"type": "view_errors", "view_id": view.id, "errors": errors}
        case HomePublished():
            return {"type": "home", "view": shape}


def _side_frame(core: Core, change: SessionChanged | PromptsSuggested, user: str) -> Json | None:
    match change:
        case SessionChanged(session=session):
            beside = page_shapes.session_json(session)
            place = {"channel": session.channel, "thread_ts": session.thread_ts}
            frame = {"type": "session", **place, **beside}
        case PromptsSuggested(channel=channel, prompts=prompts):
            frame = {"type": "suggested_prompts", "channel": channel, **prompts}
        case _:
            assert_never(change)
    return frame if page_shapes.can_see(core.state.channels[frame["channel"]], user) else None


def _place_frame(core: Core, change: Change, user: str) -> Json | None:
    match change:
        case Reacted() | Unreacted():
            return _reaction_frame(core, change.message, user)
        case MemberJoined() | MemberLeft() | ChannelChanged():
            shape = page_shapes.channel_json(core, change.channel, user)
            is_own_exit = isinstance(change, MemberLeft) and change.user == user
            is_seen = is_own_exit or page_shapes.can_see(change.channel, user)
            return {"type": "channel", "channel": shape} if is_seen else None
        case _:
            return None


def _machine_frame(change: Change) -> Json | None:
    match change:
        case ConnectionsChanged(connected=connected):
            return {"type": "connected", "n": connected}
        case TrafficRecorded(entry=Exchange() as entry):
            return {"type": "traffic", "entry": entry.as_json()}
        case FaultsChanged(faults=faults):
            return {"type": "faults", "faults": faults}
        case _:
            return None
