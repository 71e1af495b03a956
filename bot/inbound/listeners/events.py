"""Bolt registrations for the Events API: every event type that the manifest subscribes to."""

import logging
import re
from collections.abc import Mapping
from typing import Any

from slack_bolt.async_app import AsyncApp

from bot.inbound.intake import Intake
from bot.inbound.lanes import Underway
from bot.inbound.read_slack import READABLE_EVENTS, read_event
from bot.inbound.slack_events import Unreadable
from bot.logs import log_context

EVENTS = tuple(sorted(READABLE_EVENTS))

logger = logging.getLogger(__name__)


def attach_events(app: AsyncApp, intake: Intake, underway: Underway) -> None:
    """Let every event in the table reach the intake; acknowledged when that returns."""

    async def take(body: Mapping[str, Any]) -> None:
        event = read_event(body)
        with underway.one(), log_context(delivery_id=str(body.get("event_id") or "")):
            if isinstance(event, Unreadable):
                logger.info("delivery_unreadable", extra={"reason": event.reason})
            else:
                await intake.take(event)

    # One listener for all: Bolt asks listeners one after the other.
    app.event(re.compile(rf"^(?:{'|'.join(EVENTS)})$"))(take)
