"""Pictures for the documentation: the real bot in the local workspace, seen in a real browser.

``make screenshots`` writes ``docs/images/``. Nothing is drawn by hand: people post, the bot works,
the page is photographed. It must not be imported by the bot.
"""

import argparse
import asyncio
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.async_api import Browser, Page, async_playwright

from bot.agents_file import AgentsFile
from bot.app import run_bot
from bot.local_slack.config import LocalWorkspaceConfig
from bot.local_slack.records import Message
from bot.local_slack.server import LocalWorkspace
from bot.manifest import load_manifest
from bot.settings import Settings
from bot.tables.agents import AgentTable

IMAGES = Path(__file__).parent.parent / "docs" / "images"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SIZE = {"width": 1200, "height": 1060}
PATIENCE_S = 30.0
SETTLED_MS = 500
"""The page fades some things in; nothing is waited for otherwise."""

CHANNEL = "data"
NEWS = "The figures for 2025 are in: 1,820 looms sold, after 1,400 the year before."
EARLIER = "what is 15% of 1,240?"
PROBLEM = "calculate (1820 / 1400 - 1) * 100, then save the result to growth.txt"
REPLY = """calculate 1820 * 1.3, then run this
```python
import time
time.sleep(20)
```"""


class TroubleError(Exception):
    """The pictures cannot be taken; says why."""


async def take(folder: Path) -> list[Path]:
    """Write the pictures into an existing folder and return their paths."""
    async with open_town() as workspace, open_browser() as browser:
        ts = await work_in_thread(workspace)
        place = f"{workspace.channel(CHANNEL).id}/{ts}"
        taken = []
        for name, scheme in (("thread.png", "light"), ("thread-dark.png", "dark")):
            async with open_page(browser, workspace, place, scheme=scheme) as page:
                await page.screenshot(path=folder / name)
            taken.append(folder / name)
        return taken


async def work_in_thread(workspace: LocalWorkspace) -> str:
    """Have one problem solved and a second one in progress, in one thread; return its ts."""
    await workspace.person("grace").post(CHANNEL, NEWS)
    await solved(workspace, "linus", EARLIER)
    ts = await solved(workspace, "ada", PROBLEM)
    answer = next(m for m in workspace.thread(CHANNEL, ts) if "markdown" in _block_types(m))
    await workspace.person("grace").react(CHANNEL, answer.ts, "+1")
    await workspace.person("ada").post(CHANNEL, REPLY, thread_ts=ts)
    await workspace.until(lambda: is_step_in_progress(workspace, ts, "Run"), PATIENCE_S)
    return ts


async def solved(workspace: LocalWorkspace, person: str, problem: str) -> str:
    """Mention the bot with a problem, wait until it is done, and return the thread's ts."""
    text = f"<@{workspace.bot_user_id}> {problem}"
    ts = await workspace.person(person).post(CHANNEL, text)
    place = workspace.channel(CHANNEL).id
    unfinished = (None, "processing")
    await workspace.until(lambda: workspace.session_status(place, ts) not in unfinished, PATIENCE_S)
    return ts


def is_step_in_progress(workspace: LocalWorkspace, ts: str, title: str) -> bool:
    """Say whether a plan in the thread shows a step of this title in progress."""
    blocks = [block for m in workspace.thread(CHANNEL, ts) for block in m.blocks or ()]
    steps = [step for block in blocks for step in block.get("tasks", ())]
    return any(s["status"] == "in_progress" and title in s["title"] for s in steps)


@asynccontextmanager
async def open_town() -> AsyncIterator[LocalWorkspace]:
    """Run the bot in a local workspace, with the offline planner, until the block ends."""
    config = LocalWorkspaceConfig(manifest=load_manifest())
    with TemporaryDirectory(prefix="treadle-pictures-") as home:
        async with LocalWorkspace(config) as workspace, asyncio.TaskGroup() as group:
            ready = asyncio.get_running_loop().create_future()
            bot = group.create_task(run_bot(_settings(workspace, Path(home)), ready=ready))
            await asyncio.wait((ready, bot), return_when=asyncio.FIRST_COMPLETED)
            if bot.done():
                raise TroubleError("The bot ended before it was ready.")
            yield workspace
            bot.cancel()


def _settings(workspace: LocalWorkspace, home: Path) -> Settings:
    facts = {
        "SLACK_BOT_TOKEN": workspace.bot_token,
        "SLACK_APP_TOKEN": workspace.app_token,
        "SLACK_API_URL": workspace.api_url,
        "TREADLE_HOME": home,
        "file": AgentsFile(agent=AgentTable.model_validate({"planner": "offline"})),
    }
    return Settings.model_validate(facts)


@asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    """Start the installed Chromium."""
    program = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if program is None:
        raise TroubleError("Chromium is not installed; on Debian: apt install chromium.")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        await browser.close()


@asynccontextmanager
async def open_page(
    browser: Browser, workspace: LocalWorkspace, place: str, *, scheme: str = "light"
) -> AsyncIterator[Page]:
    """Show a place as Ada sees it: a channel's id, with a thread's ts behind a slash, or home."""
    ada = workspace.person("ada").id
    context = await browser.new_context(
        viewport={"width": SIZE["width"], "height": SIZE["height"]},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
    )
    page = await context.new_page()
    await page.goto(f"{workspace.url}/?user={ada}#/{place}")
    await page.locator(".main-head h1").first.wait_for()
    await page.wait_for_timeout(SETTLED_MS)
    yield page
    await context.close()


def _block_types(message: Message) -> set[str]:
    return {block["type"] for block in message.blocks or ()}


def main() -> int:
    """Take the pictures and name them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=IMAGES)
    try:
        folder = parser.parse_args().folder
        folder.mkdir(parents=True, exist_ok=True)
        taken = asyncio.run(take(folder))
    except TroubleError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for path in taken:
        sys.stdout.write(f"{path} ({path.stat().st_size // 1000} kB)\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
