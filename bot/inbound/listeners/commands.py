"""Bolt registrations for slash commands, whatever they are called here."""

import logging
import re
from collections.abc import Mapping
from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.inbound.lanes import Underway
from bot.inbound.read_slack import read_command
from bot.inbound.slack_events import Unreadable
from bot.inbound.slash import SlashDesk
from bot.logs import log_context

ANY_COMMAND = re.compile(r"^/")

logger = logging.getLogger(__name__)


def attach_commands(app: AsyncApp, desk: SlashDesk, underway: Underway) -> None:
    """Let every command reach the desk; its answer goes out with the acknowledgement, last."""

    async def take(ack: AsyncAck, body: Mapping[str, Any]) -> None:
        command = read_command(body)
        if isinstance(command, Unreadable):
            logger.warning("delivery_unreadable", extra={"reason": command.reason})
            await ack()
            return
        with underway.one(), log_context(delivery_id=f"cmd:{command.trigger_id}"):
            answer = await desk.take(command)
        if answer is None:
            await ack()
        else:
            blocks = [dict(block) for block in answer.blocks]
            await ack(text=answer.text, blocks=blocks or None, response_type="ephemeral")

    app.command(ANY_COMMAND)(take)
