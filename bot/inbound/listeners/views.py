"""Bolt registrations for submitted modals."""

import logging
import re
from collections.abc import Mapping
from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.inbound.forms import FormDesk
from bot.inbound.lanes import Underway
from bot.inbound.memory_browser import NewView
from bot.inbound.read_slack import read_view
from bot.inbound.slack_events import Unreadable
from bot.logs import log_context

ANY_VIEW = re.compile(r"")

logger = logging.getLogger(__name__)


def attach_views(app: AsyncApp, desk: FormDesk, underway: Underway) -> None:
    """Let every submission reach the desk; what is wrong with it is shown in the modal."""

    async def take(ack: AsyncAck, body: Mapping[str, Any]) -> None:
        view = read_view(body)
        if isinstance(view, Unreadable):
            logger.warning("delivery_unreadable", extra={"reason": view.reason})
            await ack()
            return
        with underway.one(), log_context(delivery_id=f"view:{view.view_id}"):
            said = await desk.submit(view)
        if isinstance(said, NewView):
            await ack(response_action="update", view=dict(said.view))
        elif said:
            await ack(response_action="errors", errors=dict(said))
        else:
            await ack()

    app.view(ANY_VIEW)(take)
