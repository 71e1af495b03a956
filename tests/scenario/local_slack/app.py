"""How the scenarios run an unchanged Bolt app against the local workspace."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.local_slack.config import LocalWorkspaceConfig
from bot.local_slack.server import LocalWorkspace

QUICK = LocalWorkspaceConfig(retry_delays_s=(0.0, 0.05, 0.1))
IMPATIENT = replace(QUICK, ack_timeout_s=0.5)


def client_of(workspace: LocalWorkspace) -> AsyncWebClient:
    return AsyncWebClient(workspace.bot_token, base_url=workspace.api_url, retry_handlers=[])


def new_app(workspace: LocalWorkspace) -> AsyncApp:
    return AsyncApp(
        client=client_of(workspace),
        signing_secret=workspace.signing_secret,
        ignoring_self_events_enabled=False,
    )


@asynccontextmanager
async def connected(workspace: LocalWorkspace, app: AsyncApp) -> AsyncIterator[None]:
    """Run the app in Socket Mode."""
    handler = AsyncSocketModeHandler(app, workspace.app_token, ping_interval=1)
    before = workspace.connected
    await handler.connect_async()
    await workspace.until(lambda: workspace.connected > before)
    try:
        yield
    finally:
        await handler.close_async()


def bodies(workspace: LocalWorkspace, event_type: str) -> list[dict[str, Any]]:
    """Give the event bodies that were delivered, repeats included."""
    return [e.request["payload"] for e in workspace.traffic if e.name == event_type]


async def error_of(call: Any) -> str:
    """Give Slack's error word of a failing call."""
    try:
        await call
    except SlackApiError as error:
        return str(error.response["error"])
    raise AssertionError("the call did not fail")
