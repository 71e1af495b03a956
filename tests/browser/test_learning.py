"""What goes wrong, is rated and explained becomes a lesson: seen, applied, and taken back."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Locator, expect

from bot.local_slack.config import LocalWorkspaceConfig
from bot.local_slack.server import LocalWorkspace
from bot.manifest import load_manifest
from bot.outbound import pacing
from bot.outbound.pacing import Rate
from tests.browser.open_page import OpenPage
from tests.fakes.openai_server import Says, as_json
from tests.scenario.whole.models import open_model_town, plan, prompt, purpose
from tests.scenario.whole.town import Town

PROBLEM = "Sum up the revenue of {}: sold for 60 and 40, taken back for 12."
REASON = "You left out what was taken back."
LESSON = {
    "wrong": "What was taken back was left out.",
    "next_time": "Subtract what was taken back before you sum up revenue.",
    "applies_when": "Revenue is summed up.",
}
WITHOUT, WITH = "60 + 40", "60 + 40 - 12"


def script(body, _index):
    """A model that leaves refunds out until it is told of the lesson."""
    asked = prompt(body)
    if "rated the work" in asked:
        return as_json(LESSON)
    if purpose(body) == "plan":
        learned = LESSON["next_time"] in asked
        sums = ("60 + 40", WITH if learned else WITHOUT)
        return plan(*(("calculate", {"expression": one}) for one in sums))
    return Says(text="The revenue is 88." if WITH in asked else "The revenue is 100.")


@pytest_asyncio.fixture(loop_scope="session")
async def workspace() -> AsyncIterator[LocalWorkspace]:
    """A workspace that the whole bot is installed in."""
    config = LocalWorkspaceConfig(manifest=load_manifest(), enforce_rate_limits=False)
    async with LocalWorkspace(config) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def town(
    tmp_path: Path, workspace: LocalWorkspace, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Town]:
    """The whole bot, which need not wait for Slack's limits here."""
    quick = Rate(per_minute=60_000, burst=3)
    monkeypatch.setitem(pacing._CHANNEL_RATES, "chat.postMessage", quick)
    async with open_model_town(tmp_path, workspace, monkeypatch, script) as (opened, _):
        yield opened


async def solved(page: OpenPage, town: Town, month: str) -> Locator:
    """Ask in the channel, open the thread, wait until it is answered; return the thread."""
    ts = await town.mention(PROBLEM.format(month))
    await page.go("general", ts)
    await expect(page.thread.get_by_label("Bad")).to_be_visible(timeout=30_000)
    return page.thread


async def test_a_task_that_went_wrong_teaches_the_next_one_until_that_is_forgotten(
    page: OpenPage, town: Town
) -> None:
    thread = await solved(page, town, "October")
    await expect(thread).to_contain_text("The revenue is 100.")
    await thread.get_by_label("Bad").click()
    await page.dialog.locator("textarea").fill(REASON)
    await page.dialog.get_by_role("button", name="Send").click()
    await expect(thread).to_contain_text(f"Lesson for next time: {LESSON['next_time']}")
    october = page.tab.url

    thread = await solved(page, town, "November")
    await expect(thread).to_contain_text("Applied 1 lesson.")
    await expect(thread).to_contain_text("The revenue is 88.")

    await page.tab.goto(october)
    await page.thread.get_by_role("button", name="Forget").click()
    await expect(page.thread).to_contain_text("Forgotten.")

    thread = await solved(page, town, "December")
    await expect(thread).to_contain_text("The revenue is 100.")
    await expect(thread).not_to_contain_text("lesson")
