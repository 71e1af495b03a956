"""A local workspace and a small, real Bolt app for the scenarios in this folder."""

from collections.abc import AsyncIterator

import pytest
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.local_slack.server import LocalWorkspace
from tests.scenario.local_slack.app import QUICK, client_of, new_app


@pytest.fixture
async def workspace() -> AsyncIterator[LocalWorkspace]:
    async with LocalWorkspace(QUICK) as running:
        yield running


@pytest.fixture
async def client(workspace: LocalWorkspace) -> AsyncWebClient:
    return client_of(workspace)


@pytest.fixture
async def app(workspace: LocalWorkspace) -> AsyncApp:
    return new_app(workspace)
