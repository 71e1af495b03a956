"""The page as a whole: DM, Home, inspector, themes, widths, hostile text, failures."""

import re

from playwright.async_api import Browser, expect
from slack_sdk.web.async_client import AsyncWebClient

from bot.local_slack.config import LocalWorkspaceConfig
from bot.local_slack.server import LocalWorkspace
from tests.browser.app_on_page import AppOnPage
from tests.browser.open_page import OpenPage


async def test_a_suggested_prompt_is_sent_with_one_click(
    page: OpenPage, app: AppOnPage, workspace: LocalWorkspace
) -> None:
    app.stay_quiet()
    await page.go("general")
    await page.tab.locator(".side-item", has_text="Messages").click()
    await expect(page.main.get_by_role("heading", name="Treadle").first).to_be_visible()
    await app.client.assistant_threads_setSuggestedPrompts(
        channel_id=workspace.dm("ada").id,
        title="Begin with",
        prompts=[{"title": "Run code", "message": "Run this: print(2**64)"}],
    )
    prompt = page.main.locator(".prompt", has_text="Run code")
    await prompt.click()
    await expect(page.message("Run this: print(2**64)")).to_be_visible()


async def test_home_shows_what_the_app_publishes_and_its_buttons_work(
    page: OpenPage, app: AppOnPage
) -> None:
    def home(text: str) -> dict[str, object]:
        button = {
            "type": "button",
            "action_id": "again",
            "text": {"type": "plain_text", "text": "Again"},
        }
        section = {"type": "section", "text": {"type": "mrkdwn", "text": text}, "accessory": button}
        return {"type": "home", "blocks": [section]}

    @app.bolt.event("app_home_opened")
    async def opened(event: dict[str, str], client: AsyncWebClient) -> None:
        if event["tab"] == "home":
            await client.views_publish(user_id=event["user"], view=home("*2 tasks* are running"))

    @app.bolt.action("again")
    async def again(ack, body, client: AsyncWebClient) -> None:
        await ack()
        await client.views_publish(user_id=body["user"]["id"], view=home("nothing runs"))

    app.stay_quiet()
    await page.go("home")
    await expect(page.main.locator("strong")).to_have_text("2 tasks")
    await page.main.get_by_role("button", name="Again").click()
    await expect(page.main).to_contain_text("nothing runs")


async def test_the_inspector_shows_traffic_live_filters_and_shows_details(
    page: OpenPage, app: AppOnPage, workspace: LocalWorkspace
) -> None:
    app.stay_quiet()
    await page.go("general")
    await page.tab.get_by_role("button", name="Inspector").click()
    await app.say(workspace.channel("general").id, "watch me")
    row = page.tab.locator(".traffic-row", has_text="chat.postMessage")
    await row.click()
    detail = page.tab.locator(".traffic-detail")
    await expect(detail).to_contain_text('"watch me"')
    assert workspace.bot_token not in await page.tab.locator("#inspector").inner_text()
    await page.tab.get_by_label("Filter the traffic").fill("no such thing")
    await expect(row).to_have_count(0)
    await expect(page.tab.locator(".traffic")).to_contain_text("Nothing fits the filter.")


async def test_fault_switches_change_the_server(page: OpenPage, workspace: LocalWorkspace) -> None:
    await page.go("general")
    await page.tab.get_by_role("button", name="Inspector").click()
    await page.tab.get_by_role("tab", name="Faults").click()
    await page.tab.get_by_label("Deliver out of order").check()
    await workspace.until(lambda: workspace.faults.out_of_order)
    await page.tab.get_by_label("Method that fails").fill("chat.update")
    await page.tab.get_by_role("button", name="Make it fail").click()
    await expect(page.tab.locator(".fault-rules code")).to_have_text("chat.update")
    assert workspace.faults.fail_api["chat.update"]["status"] == 429
    await page.tab.get_by_role("button", name="Reset all faults").click()
    await expect(page.tab.locator(".fault-rules code")).to_have_count(0)
    assert not workspace.faults.out_of_order


async def test_the_theme_follows_the_system_until_it_is_chosen(
    browser: Browser, workspace: LocalWorkspace
) -> None:
    page = await OpenPage.open(browser, workspace, scheme="dark")
    await page.go("general")
    root = page.tab.locator("html")
    await expect(root).to_have_attribute("data-theme", "dark")
    background = "() => getComputedStyle(document.body).backgroundColor"
    dark = await page.tab.evaluate(background)
    await page.tab.get_by_role("button", name="Theme: as the system").click()
    await expect(root).to_have_attribute("data-theme", "light")
    assert await page.tab.evaluate(background) != dark
    await page.tab.reload()
    await expect(root).to_have_attribute("data-theme", "light")
    await page.close()
    assert page.errors == []


WIDE_THINGS = f"https://example.com/{'a' * 300} `{'b' * 300}`\n```{'c' * 300}```"
WIDE_BLOCKS = [
    {"type": "header", "text": {"type": "plain_text", "text": "h" * 140}},
    {"type": "section", "text": {"type": "mrkdwn", "text": WIDE_THINGS}, "accessory": {
        "type": "button", "action_id": "x", "text": {"type": "plain_text", "text": "w" * 70}}},
    {"type": "section", "fields": [{"type": "mrkdwn", "text": WIDE_THINGS}] * 2},
    {"type": "context", "elements": [{"type": "mrkdwn", "text": WIDE_THINGS}]},
]  # fmt: skip
TOO_WIDE = """(place) => [...document.querySelectorAll(`${place}, ${place} *`)]
  .filter((node) => !node.closest("pre") && node.clientWidth > 0)
  .filter((node) => node.scrollWidth > node.clientWidth + 1)
  .map((node) => node.className)"""


async def test_home_and_a_thread_hold_long_words_and_code_in_a_narrow_window(
    browser: Browser, app: AppOnPage, workspace: LocalWorkspace
) -> None:
    app.stay_quiet()
    ada = workspace.person("ada").id
    await app.client.views_publish(user_id=ada, view={"type": "home", "blocks": WIDE_BLOCKS})
    task = {"type": "task_card", "task_id": "a", "title": "t" * 200, "status": "pending"}
    plan = {"type": "plan", "title": "p" * 200, "tasks": [task]}
    markdown = {"type": "markdown", "text": WIDE_THINGS.replace("```", "\n```\n")}
    root = await workspace.person("grace").post("general", "look")
    await app.say(
        workspace.channel("general").id, "x", thread_ts=root, blocks=[plan, markdown, *WIDE_BLOCKS]
    )
    page = await OpenPage.open(browser, workspace, width=400)
    await page.go("home")
    await expect(page.main).to_contain_text("example.com")
    assert await page.tab.evaluate(TOO_WIDE, ".home-scroll") == []
    await page.tab.goto(f"{workspace.url}/?user={ada}#/{workspace.channel('general').id}/{root}")
    await expect(page.thread).to_contain_text("example.com")
    assert await page.tab.evaluate(TOO_WIDE, "#thread .msg") == []
    await page.close()
    assert page.errors == []


async def test_in_a_narrow_window_the_thread_takes_the_whole_view(
    browser: Browser, workspace: LocalWorkspace
) -> None:
    long_word = "Pneumonoultramicroscopicsilicovolcanoconiosis" * 4
    await workspace.person("grace").post("general", f"{long_word} and\n```{'x' * 300}```")
    page = await OpenPage.open(browser, workspace, width=360)
    await page.go("general")
    assert await page.tab.evaluate("document.documentElement.scrollWidth") == 360
    await page.tool(page.message("Pneumono"), "reply")
    await expect(page.thread).to_be_visible()
    await expect(page.main).to_be_hidden()
    await page.thread.get_by_role("button", name="Back to the channel").click()
    await expect(page.main).to_be_visible()
    await expect(page.thread).to_be_hidden()
    await page.main.get_by_role("button", name="Show the sidebar").click()
    await page.tab.locator(".side-item", has_text="data").click()
    await expect(page.main.locator("h1")).to_have_text("data")
    await expect(page.tab.locator("#sidebar")).to_be_hidden()
    await page.close()
    assert page.errors == []


HOSTILE = (
    '<img src=x onerror="window.__hacked = 1"> '
    "[click](javascript:window.__hacked=2) <script>window.__hacked = 3</script> "
    "![x](http://evil.example/pixel.png) [d](data:text/html,hi) **<b>bold</b>**"
)


async def test_hostile_text_stays_text_wherever_it_is_rendered(
    page: OpenPage, app: AppOnPage, workspace: LocalWorkspace
) -> None:
    app.stay_quiet()
    asked: list[str] = []
    page.tab.on("request", lambda request: asked.append(request.url))
    channel = workspace.channel("general").id
    blocks = [
        {"type": "markdown", "text": HOSTILE},
        {"type": "section", "text": {"type": "mrkdwn", "text": f"<javascript:go(1)|go> {HOSTILE}"}},
        {"type": "header", "text": {"type": "plain_text", "text": "<img src=x onerror=alert(1)>"}},
        {"type": "image", "image_url": "http://evil.example/i.png", "alt_text": "<b>alt</b>"},
        {"type": "plan", "title": "<i>p</i>", "tasks": [{
            "type": "task_card", "task_id": "a", "title": "<u>t</u>", "status": "pending",
            "sources": [{"type": "url", "url": "javascript:alert(1)", "text": "src"}],
        }]},
    ]  # fmt: skip
    await app.say(
        channel,
        HOSTILE,
        blocks=blocks,
        username="<s>root</s>",
        icon_url="http://evil.example/a.png",
    )
    await workspace.person("grace").post("general", HOSTILE)
    await page.go("general")
    await expect(page.main.locator(".msg")).to_have_count(2)
    await expect(page.main.locator(".msg-author").first).to_have_text("<s>root</s>")
    await expect(page.main.locator(".plan-title")).to_have_text("<i>p</i>")
    for selector in ("script", "img[src*=evil]", "b", "i:not([class]) > *", "u", "s", "[onerror]"):
        await expect(page.main.locator(f".msg-body {selector}")).to_have_count(0)
    links = page.main.locator(".msg-body a")
    addresses = await links.evaluate_all("(all) => all.map((a) => a.getAttribute('href'))")
    assert addresses
    assert all(re.match(r"https?://", address) for address in addresses)
    rels = await links.evaluate_all("(all) => all.map((a) => a.rel)")
    assert all("noopener" in rel for rel in rels)
    assert await page.tab.evaluate("window.__hacked") is None
    assert [url for url in asked if not url.startswith(workspace.url)] == []


async def test_the_page_survives_a_restart_of_the_server(browser: Browser) -> None:
    async with LocalWorkspace(LocalWorkspaceConfig()) as first:
        port = int(first.url.rsplit(":", 1)[1])
        page = await OpenPage.open(browser, first)
        await page.go("data")
        await page.composer.fill("half a thought")
    banner = page.tab.locator("#banner")
    await expect(banner).to_contain_text("cannot be reached")
    async with LocalWorkspace(LocalWorkspaceConfig(port=port)) as second:
        await second.person("grace").post("general", "we are back")
        await expect(page.message("we are back")).to_be_visible()
        await expect(banner).to_be_hidden()
        await page.write("so am I")
        await expect(page.message("so am I")).to_be_visible()
        await page.close()
    assert page.errors == []


async def test_after_a_broken_line_the_missed_messages_are_read(
    page: OpenPage, workspace: LocalWorkspace
) -> None:
    await page.go("general")
    await page.context.set_offline(offline=True)
    await page.tab.evaluate("import('/page/live.js').then((live) => live.restartLive())")
    await expect(page.tab.locator("#banner")).to_be_visible()
    await workspace.person("grace").post("general", "said meanwhile")
    await page.context.set_offline(offline=False)
    await expect(page.message("said meanwhile")).to_be_visible()
    await expect(page.tab.locator("#banner")).to_be_hidden()


async def test_another_person_sees_their_own_workspace(page: OpenPage) -> None:
    await page.workspace.person("ada").post("secret", "the plan")
    await page.go("secret")
    await expect(page.message("the plan")).to_be_visible()
    await page.tab.get_by_role("button", name="Acting as Ada").click()
    await page.tab.get_by_role("menuitem", name="Linus").click()
    await expect(page.main.locator("h1")).to_have_text("general")
    await expect(page.tab.locator(".side-item", has_text="secret")).to_have_count(0)
    await page.write("hello from linus")
    await expect(page.message("hello from linus").locator(".msg-author")).to_have_text("Linus")


async def test_a_channel_is_created_and_the_bot_invited(
    page: OpenPage, workspace: LocalWorkspace
) -> None:
    await page.go("general")
    await page.tab.get_by_role("button", name="Create a channel").click()
    await page.dialog.get_by_label("Name").fill("Data Questions")
    await page.tab.keyboard.press("Enter")
    await expect(page.main.locator("h1")).to_have_text("data-questions")
    await page.main.get_by_role("button", name="Add Treadle").click()
    await expect(page.main.get_by_role("button", name="Add Treadle")).to_have_count(0)
    assert workspace.bot_user_id in workspace.channel("data-questions").members


async def test_everything_is_reached_with_the_keyboard(page: OpenPage) -> None:
    await page.workspace.person("grace").post("general", "first")
    await page.workspace.person("grace").post("general", "second")
    await page.go("general")
    await expect(page.composer).to_be_focused()
    await page.tab.keyboard.press("Control+k")
    await page.tab.keyboard.type("ops")
    await page.tab.keyboard.press("Enter")
    await expect(page.main.locator("h1")).to_have_text("ops")
    await page.tab.locator(".side-item[aria-current]").focus()
    await page.tab.keyboard.press("ArrowUp")
    await page.tab.keyboard.press("Enter")
    await expect(page.main.locator("h1")).to_have_text("general")
    await page.main.locator(".scroller").focus()
    await page.tab.keyboard.press("ArrowUp")
    await expect(page.message("second")).to_be_focused()
    await page.tab.keyboard.press("ArrowUp")
    await expect(page.message("first")).to_be_focused()
    await page.tab.keyboard.press("Enter")
    await expect(page.reply_field).to_be_focused()
    await page.tab.keyboard.press("Escape")
    await expect(page.thread).to_be_hidden()


async def test_an_archived_channel_is_read_only(page: OpenPage, workspace: LocalWorkspace) -> None:
    await workspace.person("ada").post("ops", "the end")
    await page.go("ops")
    await workspace.person("ada").archive("ops")
    await expect(page.main.locator(".foot-note")).to_contain_text("archived")
    await expect(page.composer).to_have_count(0)
    await expect(page.tab.locator(".side-archived")).to_contain_text("Archived (1)")


async def test_leaving_a_private_channel_leads_somewhere_else(page: OpenPage) -> None:
    await page.go("secret")
    await page.main.get_by_role("button", name="Channel actions").click()
    await page.tab.get_by_role("menuitem", name="Leave channel").click()
    await expect(page.main.locator("h1")).to_have_text("general")
    await expect(page.tab.locator(".side-item", has_text="secret")).to_have_count(0)


async def test_a_public_channel_is_joined_before_writing(page: OpenPage) -> None:
    await page.workspace.person("ada").leave("ops")
    await page.go("ops")
    await page.main.get_by_role("button", name="Join channel").click()
    await page.write("here I am")
    await expect(page.message("here I am")).to_be_visible()


async def test_the_sidebar_says_whether_a_bot_is_connected(
    page: OpenPage, workspace: LocalWorkspace
) -> None:
    await page.go("general")
    await expect(page.tab.locator(".link-state")).to_have_text("No bot is connected")
    async with AppOnPage(workspace):
        await expect(page.tab.locator(".link-state")).to_have_text("Treadle is connected")
    await expect(page.tab.locator(".link-state")).to_have_text("No bot is connected")


async def test_a_channel_is_renamed(page: OpenPage, workspace: LocalWorkspace) -> None:
    channel = workspace.channel("ops")
    await page.go("ops")
    await page.main.get_by_role("button", name="Channel actions").click()
    await page.tab.get_by_role("menuitem", name="Rename channel").click()
    await page.dialog.get_by_label("New name").fill("operations")
    await page.tab.keyboard.press("Enter")
    await expect(page.main.locator("h1")).to_have_text("operations")
    assert channel.name == "operations"
