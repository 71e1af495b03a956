"""Part of the composition root: puts together what fetches people's files from settings."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agent_engine.clock import SystemClock
from bot.inbound.attachments import FileCaps, SlackAttachments
from bot.outbound.slack_client import open_slack
from bot.settings import Settings
from bot.toolbox import Toolbox

MEGABYTE = 1_000_000


@asynccontextmanager
async def open_attachments(settings: Settings, toolbox: Toolbox) -> AsyncIterator[SlackAttachments]:
    """Open a client of its own: workers read files by the bot's token, and post nothing with it."""
    table, token = settings.file.files, settings.slack_bot_token
    caps = FileCaps(file=table.max_mb * MEGABYTE, task=table.task_mb * MEGABYTE)
    if token is None:
        yield SlackAttachments(None, toolbox.folders, caps)
        return
    async with open_slack(
        token=token.get_secret_value(),
        clock=SystemClock(),
        base_url=settings.slack_api_url,
        redaction=toolbox.redaction,
    ) as slack:
        yield SlackAttachments(slack, toolbox.folders, caps)
