"""Bolt registrations for buttons and other elements of our messages and views."""

import logging
import re
from collections.abc import Mapping
from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.inbound.forms import FormDesk
from bot.inbound.lanes import Underway
from bot.inbound.read_slack import read_button
from bot.inbound.slack_events import Unreadable
from bot.logs import log_context

ANY_ACTION = re.compile(r"")

logger = logging.getLogger(__name__)


def attach_actions(app: AsyncApp, desk: FormDesk, underway: Underway) -> None:
    """Let every click reach the desk, old and foreign ones too; acknowledged last."""

    async def take(ack: AsyncAck, body: Mapping[str, Any]) -> None:
        click = read_button(body)
        if isinstance(click, Unreadable):
            logger.warning("delivery_unreadable", extra={"reason": click.reason})
        else:
            with underway.one(), log_context(delivery_id=f"act:{click.trigger_id}"):
                await desk.press(click)
        await ack()

    app.action(ANY_ACTION)(take)
