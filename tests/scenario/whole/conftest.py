"""The whole bot in this process: the real composition root in a real local workspace."""

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent_engine.types import ChannelId, Thread, WorkspaceId
from bot.app import run_bot
from bot.local_slack.config import LocalWorkspaceConfig
from bot.local_slack.server import LocalWorkspace
from bot.manifest import load_manifest
from bot.settings import Settings
from tests.scenario.whole.town import Town


@asynccontextmanager
async def open_town(home: Path, workspace: LocalWorkspace, **settings):
    """Run the bot until the block ends."""
    facts = {
        "SLACK_BOT_TOKEN": workspace.bot_token,
        "SLACK_APP_TOKEN": workspace.app_token,
        "SLACK_API_URL": workspace.api_url,
        "TREADLE_HOME": home,
        # A model that each bot would load has its own test.
        "TREADLE_EMBEDDING_MODEL": "none",
        **settings,
    }
    ready = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as group:
        bot = group.create_task(run_bot(Settings.model_validate(facts), ready=ready))
        await asyncio.wait((ready, bot), return_when=asyncio.FIRST_COMPLETED)
        if bot.done():
            bot.result()
        yield Town(workspace, ready.result())
        bot.cancel()


@pytest.fixture
async def workspace():
    config = LocalWorkspaceConfig(
        manifest=load_manifest(), with_guest=True, retry_delays_s=(0.0, 0.2, 0.5)
    )
    async with LocalWorkspace(config) as opened:
        yield opened


@pytest.fixture
async def town(tmp_path, workspace, request, monkeypatch):
    """The bot with the offline model, unless the test's ``settings`` marker says otherwise."""
    monkeypatch.setattr("bot.model_source.find_local_model", _no_local_model)
    marker = request.node.get_closest_marker("settings")
    async with open_town(tmp_path, workspace, **(marker.kwargs if marker else {})) as opened:
        yield opened


async def _no_local_model():
    return None


def pytest_configure(config):
    config.addinivalue_line("markers", "settings(**values): settings of the bot in this test")


__all__ = ["ChannelId", "Thread", "WorkspaceId", "open_town"]
