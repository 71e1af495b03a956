"""The modal of memories and the bars of ratings, as people see them in a browser."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import expect

from bot.local_slack.config import LocalWorkspaceConfig
from bot.local_slack.server import LocalWorkspace
from bot.manifest import load_manifest
from bot.outbound import pacing
from bot.outbound.pacing import Rate
from tests.browser.open_page import OpenPage
from tests.scenario.whole.conftest import open_town
from tests.scenario.whole.test_forgotten_tasks import over
from tests.scenario.whole.town import Town


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
    """The whole bot without a language model, which need not wait for Slack's limits here."""

    async def no_model() -> None:
        return None

    monkeypatch.setattr("bot.model_source.find_local_model", no_model)
    quick = Rate(per_minute=60_000, burst=3)
    monkeypatch.setitem(pacing._CHANNEL_RATES, "chat.postMessage", quick)
    async with open_town(tmp_path, workspace) as opened:
        yield opened


async def test_memories_are_searched_corrected_and_forgotten_in_the_modal(
    page: OpenPage, town: Town
) -> None:
    for fact in ("the kiln runs on Tuesdays", "the lathe is broken", "the vault opens at nine"):
        await town.person().slash("general", "/memory", f"remember {fact}")
    ts = await town.mention("what do you know about the kiln?")
    await town.answered(ts)
    await page.go("general", ts)
    await page.thread.get_by_role("button", name="Memories").click()
    await expect(page.dialog).to_contain_text("The answer used 1 memory.")
    await page.dialog.get_by_role("button", name="All that is remembered here").click()
    await expect(page.dialog).to_contain_text("the lathe is broken")

    await page.dialog.locator("input[type=text], textarea").first.fill("lathe")
    await page.dialog.get_by_role("button", name="Search").click()
    await expect(page.dialog).to_contain_text("For “lathe”, best first.")
    await page.dialog.get_by_role("button", name="Correct").click()
    await page.dialog.locator("textarea").fill("the lathe works again")
    await page.dialog.get_by_role("button", name="Save").click()
    await expect(page.dialog).to_contain_text("Corrected.")
    await expect(page.dialog).to_contain_text("the lathe works again")

    await page.dialog.get_by_role("button", name="Forget", exact=True).first.click()
    await page.dialog.get_by_role("button", name="Forget", exact=True).last.click()
    await expect(page.dialog).to_contain_text("2 memories in all.")
    await expect(page.dialog).to_contain_text("Nothing here fits")


async def test_a_forgotten_task_vanishes_from_the_thread_that_is_open(
    page: OpenPage, town: Town
) -> None:
    ts = await town.mention("calculate 17*23 then save the result to answer.txt")
    await town.answered(ts)
    await over(town)
    await page.go("general", ts)
    await town.person().slash("general", "/memory", "forget me")
    await expect(page.thread).to_contain_text("391")
    button = page.main.get_by_role("button", name="Forget my tasks, too")
    await button.click()
    await expect(page.dialog).to_contain_text("This cannot be undone.")
    await page.dialog.get_by_role("button", name="Forget it all").click()
    await expect(page.main).to_contain_text("1 task with plans, results and files")
    await expect(page.thread).not_to_contain_text("391")
    await expect(page.thread).not_to_contain_text("3 B")
    await expect(page.thread).to_contain_text("calculate 17*23")


async def test_home_shows_how_an_agent_was_rated(page: OpenPage, town: Town) -> None:
    ts = await town.mention("calculate 2+2")
    await town.answered(ts)
    answer = town.ours(ts)[-1].ts
    for name, choice in (("ada", "+1"), ("grace", "three")):
        await town.person(name).react("general", answer, choice)
    await town.rated(good=1, low=0)
    await page.go("home")
    await expect(page.main).to_contain_text("4.0 of 5 this week · 2 ratings in 8 weeks")
