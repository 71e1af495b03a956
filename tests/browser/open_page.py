"""An open page: going places, writing, and finding things as a person would."""

from dataclasses import dataclass, field
from functools import partial
from typing import Literal, Self

from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    expect,
)

from bot.local_slack.server import LocalWorkspace

WIDE = {"width": 1280, "height": 860}
WAIT_MS = 5_000
UNREACHABLE = "net::ERR_"

expect.set_options(timeout=WAIT_MS)


def note_console(errors: list[str], message: ConsoleMessage) -> None:
    """Keep what the page complains about; a server that is gone is told by the browser."""
    if message.type == "error" and UNREACHABLE not in message.text:
        errors.append(message.text)


@dataclass(slots=True, kw_only=True)
class OpenPage:
    """One browser tab of one person."""

    tab: Page
    context: BrowserContext
    workspace: LocalWorkspace
    errors: list[str] = field(default_factory=list)

    @classmethod
    async def open(
        cls,
        browser: Browser,
        workspace: LocalWorkspace,
        *,
        width: int = WIDE["width"],
        scheme: Literal["light", "dark"] = "light",
    ) -> Self:
        """Open an empty tab with its own profile."""
        context = await browser.new_context(
            viewport={"width": width, "height": WIDE["height"]}, color_scheme=scheme
        )
        context.set_default_timeout(WAIT_MS)
        opened = cls(tab=await context.new_page(), context=context, workspace=workspace)
        opened.tab.on("pageerror", lambda error: opened.errors.append(str(error)))
        opened.tab.on("console", partial(note_console, opened.errors))
        return opened

    async def close(self) -> None:
        """Close the tab with its profile."""
        await self.context.close()

    async def go(self, place: str, thread_ts: str | None = None, *, user: str = "ada") -> None:
        """Open a channel by name or id, "home", or a thread, and wait until it is there."""
        person = self.workspace.person(user).id
        where = place if place == "home" else self.workspace.channel(place).id
        address = f"{self.workspace.url}/?user={person}#/{where}"
        await self.tab.goto(address + (f"/{thread_ts}" if thread_ts else ""))
        await expect(self.tab.locator(".main-head h1").first).to_be_visible()
        await expect(self.tab.locator(".link-state.bad")).to_have_count(0)

    @property
    def composer(self) -> Locator:
        """The channel's composer."""
        return self.tab.locator("#main .composer-field")

    @property
    def reply_field(self) -> Locator:
        """The thread's composer."""
        return self.tab.locator("#thread .composer-field")

    @property
    def main(self) -> Locator:
        """The middle of the page."""
        return self.tab.locator("#main")

    @property
    def thread(self) -> Locator:
        """The thread panel."""
        return self.tab.locator("#thread")

    @property
    def dialog(self) -> Locator:
        """The topmost open dialog."""
        return self.tab.locator("dialog[open]").last

    def message(self, text: str, *, within: Locator | None = None) -> Locator:
        """The message that contains a text."""
        return (within or self.main).locator(".msg").filter(has_text=text)

    async def write(self, text: str) -> None:
        """Type a message in the channel and press Enter."""
        await self.composer.fill(text)
        await self.composer.press("Enter")

    async def tool(self, message: Locator, name: str) -> None:
        """Use a button of a message's toolbar: react, reply, edit or more."""
        await message.hover()
        await message.locator(f"[data-tool={name}]").click()
