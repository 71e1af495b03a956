"""Whether a person is in a channel: asked of Slack about what stays open longer than a click."""

import asyncio
import logging

from agent_engine.places import ChannelKind
from bot.errors import SlackError
from bot.inbound.front_desk import Place
from bot.inbound.intake import Surroundings

MEMBERS_S = 1.5
MAX_MEMBER_PAGES = 20

logger = logging.getLogger(__name__)


async def is_member(around: Surroundings, place: Place) -> bool:
    """Ask Slack; where it cannot be asked, nobody is."""
    cursor: str | None = None
    try:
        async with asyncio.timeout(MEMBERS_S):
            for _ in range(MAX_MEMBER_PAGES):
                members, cursor = await around.talk.members(place.channel_id, cursor=cursor or None)
                if place.user_id in members:
                    return True
                if not cursor:
                    return False
    except (SlackError, TimeoutError) as error:
        logger.warning("members_unknown", extra={"error": repr(error)[:200]})
    return False


async def may_read(around: Surroundings, place: Place) -> bool:
    """Say whether the channel is open to the person now: everybody may join a public one."""
    channel = await around.channels.peek(place.workspace_id, place.channel_id)
    if channel.kind in {ChannelKind.PUBLIC, ChannelKind.DIRECT}:
        return True
    return await is_member(around, place)
