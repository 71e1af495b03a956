"""The page in a real browser against a real local workspace, all in one event loop."""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from bot.local_slack.config import LocalWorkspaceConfig
from bot.local_slack.server import LocalWorkspace
from tests.browser.app_on_page import AppOnPage
from tests.browser.open_page import OpenPage

HERE = Path(__file__).parent
BROWSER_NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def browser_path() -> str | None:
    """The installed browser, or None."""
    return next((path for name in BROWSER_NAMES if (path := shutil.which(name))), None)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run these tests in the session's loop; leave them out, aloud, where no browser is."""
    ours = [item for item in items if HERE in item.path.parents]
    for item in ours:
        item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
    if not ours or browser_path():
        return
    if os.environ.get("CI") == "true":  # noqa: TID251 - the test run's own environment
        raise pytest.UsageError("Chromium is missing, and CI must not leave browser tests out.")
    config.hook.pytest_deselected(items=ours)
    items[:] = [item for item in items if item not in ours]
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.write_line(f"{len(ours)} browser tests left out: no Chromium is installed.")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One browser for all tests; each test gets its own profile."""
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=browser_path(), args=[*FLAGS])
        yield opened
        await opened.close()


@pytest_asyncio.fixture(loop_scope="session")
async def workspace() -> AsyncIterator[LocalWorkspace]:
    """A fresh workspace without rate limits."""
    async with LocalWorkspace(LocalWorkspaceConfig(enforce_rate_limits=False)) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def app(workspace: LocalWorkspace) -> AsyncIterator[AppOnPage]:
    """A small Slack app, connected to the workspace."""
    async with AppOnPage(workspace) as connected:
        yield connected


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, workspace: LocalWorkspace) -> AsyncIterator[OpenPage]:
    """The page as ada sees it; errors in it fail the test."""
    opened = await OpenPage.open(browser, workspace)
    yield opened
    await opened.close()
    assert opened.errors == []
