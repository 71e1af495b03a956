"""Writing, threads, reactions, completion, files: what people do all day."""

import re

from playwright.async_api import Route, WebSocketRoute, expect

from bot.local_slack.server import LocalWorkspace
from tests.browser.app_on_page import AppOnPage
from tests.browser.open_page import OpenPage


async def test_enter_posts_and_shift_enter_breaks_the_line(page: OpenPage) -> None:
    await page.go("general")
    await page.composer.fill("first line")
    await page.composer.press("Shift+Enter")
    await page.composer.press_sequentially("second *line*")
    await page.composer.press("Enter")
    message = page.message("first line")
    await expect(message.locator("br")).to_have_count(1)
    await expect(message.locator("strong")).to_have_text("line")
    await expect(page.composer).to_have_value("")


async def test_messages_of_one_author_are_grouped_under_a_day(page: OpenPage) -> None:
    ada, grace = page.workspace.person("ada"), page.workspace.person("grace")
    for person, text in ((ada, "one"), (ada, "two"), (grace, "three")):
        await person.post("general", text)
    await page.go("general")
    await expect(page.main.locator(".divider-day")).to_have_text("Today")
    await expect(page.main.locator(".msg-author")).to_have_text(["Ada", "Grace"])
    await expect(page.message("two")).to_have_class(re.compile("msg-compact"))


async def test_a_message_of_someone_else_appears_by_itself(page: OpenPage) -> None:
    await page.go("general")
    await page.workspace.person("grace").post("general", "are you there?")
    await expect(page.message("are you there?").locator(".msg-author")).to_have_text("Grace")
    await expect(page.tab.locator("#announcer")).to_have_text("Grace: are you there?")


async def test_a_reply_that_overtakes_the_reading_of_its_thread_is_shown(page: OpenPage) -> None:
    grace = page.workspace.person("grace")
    ts = await grace.post("general", "who knows?")
    await page.go("general")

    async def overtaken(route: Route) -> None:
        reply = await route.fetch()
        if not await page.message("I do").count():
            await grace.post("general", "I do", thread_ts=ts)
            await expect(page.tab.locator("#announcer")).to_have_text("Grace: I do")
        await route.fulfill(response=reply)

    await page.tab.route("**/_page/thread?*", overtaken)
    await page.tool(page.message("who knows?"), "reply")
    await expect(page.message("I do", within=page.thread)).to_be_visible()
    await page.tab.unroute_all(behavior="wait")


async def test_a_message_that_comes_while_the_page_opens_is_shown(page: OpenPage) -> None:
    async def late(line: WebSocketRoute) -> None:
        await expect(page.main.locator(".list-head")).to_contain_text("Nothing here yet")
        await page.workspace.person("grace").post("general", "are you there?")
        line.connect_to_server()

    await page.tab.route_web_socket("**/_page/live?*", late)
    await page.go("general")
    await expect(page.message("are you there?")).to_be_visible()


async def test_a_reply_opens_the_thread_and_is_counted(page: OpenPage) -> None:
    await page.workspace.person("grace").post("general", "who knows?")
    await page.go("general")
    await page.tool(page.message("who knows?"), "reply")
    await page.reply_field.fill("I do")
    await page.reply_field.press("Enter")
    await expect(page.message("I do", within=page.thread)).to_be_visible()
    await expect(page.message("who knows?").locator(".thread-count")).to_have_text("1 reply")
    await expect(page.message("I do")).to_have_count(0)
    await page.reply_field.press("Escape")
    await expect(page.thread).to_be_hidden()


async def test_a_reply_may_also_be_sent_to_the_channel(page: OpenPage) -> None:
    ts = await page.workspace.person("grace").post("general", "who knows?")
    await page.go("general", ts)
    await page.thread.get_by_label("Also send to #general").check()
    await page.reply_field.fill("everybody should")
    await page.reply_field.press("Enter")
    await expect(page.message("everybody should")).to_be_visible()


async def test_a_reaction_is_given_and_taken_back(
    page: OpenPage, workspace: LocalWorkspace
) -> None:
    ts = await workspace.person("grace").post("general", "done")
    channel = workspace.channel("general")
    await page.go("general")
    await page.tool(page.message("done"), "react")
    await page.tab.get_by_label("Find an emoji").fill("tad")
    await page.tab.keyboard.press("Enter")
    chip = page.message("done").locator('[data-reaction="tada"]')
    await expect(chip).to_have_attribute("aria-pressed", "true")
    assert channel.messages[ts].reactions == {"tada": [workspace.person("ada").id]}
    await chip.click()
    await expect(chip).to_have_count(0)
    assert channel.messages[ts].reactions == {}


async def test_an_own_message_is_edited_with_the_up_key(page: OpenPage) -> None:
    await page.workspace.person("ada").post("general", "a tpyo for @grace")
    await page.go("general")
    await page.composer.press("ArrowUp")
    editor = page.tab.get_by_label("Edit message")
    await expect(editor).to_have_value("a tpyo for @Grace")
    await editor.fill("a typo for @Grace!")
    await editor.press("Enter")
    await expect(page.message("a typo for @Grace!").locator(".msg-edited")).to_be_visible()
    await expect(page.main.locator(".mention")).to_have_text("@Grace")


async def test_an_own_message_is_deleted_after_a_question(page: OpenPage) -> None:
    await page.workspace.person("ada").post("general", "forget this")
    await page.go("general")
    await page.tool(page.message("forget this"), "more")
    await page.tab.get_by_role("menuitem", name="Delete message").click()
    await page.dialog.get_by_role("button", name="Delete").click()
    await expect(page.message("forget this")).to_have_count(0)


async def test_foreign_messages_offer_neither_edit_nor_delete(page: OpenPage) -> None:
    await page.workspace.person("grace").post("general", "mine alone")
    await page.go("general")
    message = page.message("mine alone")
    await message.hover()
    await expect(message.locator("[data-tool=edit]")).to_be_hidden()
    await page.tool(message, "more")
    await expect(page.tab.get_by_role("menuitem", name="Delete message")).to_have_count(0)


async def test_a_mention_is_completed_with_the_keyboard_alone(page: OpenPage) -> None:
    await page.go("general")
    await page.composer.press_sequentially("hi @gr")
    await expect(page.main.get_by_role("option", selected=True)).to_contain_text("Grace")
    await page.composer.press("Tab")
    await expect(page.composer).to_have_value("hi @Grace ")
    await page.composer.press_sequentially("and #da")
    await page.composer.press("Enter")
    await page.composer.press_sequentially(":tad")
    await page.composer.press("ArrowDown")
    await page.composer.press("ArrowUp")
    await page.composer.press("Enter")
    await expect(page.composer).to_have_value("hi @Grace and #data :tada: ")
    await page.composer.press("Enter")
    message = page.message("hi @Grace and #data")
    await expect(message.locator(".mention")).to_have_text(["@Grace", "#data"])
    await expect(message.locator(".emoji")).to_have_text("🎉")


async def test_escape_closes_the_completion_and_keeps_the_text(page: OpenPage) -> None:
    await page.go("general")
    await page.composer.press_sequentially("mail me @gr")
    await page.composer.press("Escape")
    await expect(page.tab.locator(".completion")).to_be_hidden()
    await expect(page.composer).to_have_value("mail me @gr")


async def test_an_ephemeral_message_says_so_and_is_dismissed(
    page: OpenPage, app: AppOnPage, workspace: LocalWorkspace
) -> None:
    app.stay_quiet()
    await page.go("general")
    channel, ada = workspace.channel("general").id, workspace.person("ada").id
    await app.client.chat_postEphemeral(channel=channel, user=ada, text="just for you")
    message = page.message("just for you")
    await expect(message).to_contain_text("Only visible to you")
    await expect(message.locator(".badge-app")).to_have_text("APP")
    await message.get_by_role("button", name="Dismiss").click()
    await expect(message).to_have_count(0)


async def test_a_message_elsewhere_makes_its_channel_unread(page: OpenPage) -> None:
    await page.go("general")
    item = page.tab.locator(".side-item", has_text="data")
    grace = page.workspace.person("grace")
    await grace.post("data", "look here @ada")
    await expect(item).to_have_class(re.compile("unread"))
    await expect(item.locator(".badge")).to_have_text("1")
    await item.click()
    await expect(page.main.locator(".divider-unread")).to_be_visible()
    await expect(item).not_to_have_class(re.compile("unread"))
    await page.tab.reload()
    await expect(page.message("look here")).to_be_visible()
    await expect(item).not_to_have_class(re.compile("unread"))


async def test_a_file_is_uploaded_shown_and_downloaded(page: OpenPage) -> None:
    await page.go("general")
    note = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"remember the milk"}
    await page.main.locator("input[type=file]").set_input_files([note])
    await expect(page.main.locator(".file-chip")).to_contain_text("notes.txt")
    await page.write("my notes")
    card = page.message("my notes").locator("a.file-card")
    await expect(card).to_contain_text("notes.txt")
    async with page.tab.expect_download() as download:
        await card.click()
    path = await (await download.value).path()
    assert path.read_bytes() == b"remember the milk"


async def test_a_dropped_picture_is_shown_inline(page: OpenPage) -> None:
    await page.go("general")
    await page.tab.evaluate(DROP_A_PICTURE)
    await page.write("")
    picture = page.main.locator(".file-picture img")
    await expect(picture).to_be_visible()
    await expect(picture).to_have_js_property("naturalWidth", 3)


DROP_A_PICTURE = """async () => {
  const canvas = document.createElement("canvas");
  canvas.width = 3;
  canvas.height = 2;
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  const data = new DataTransfer();
  data.items.add(new File([blob], "dot.png", { type: "image/png" }));
  document.querySelector("#main .composer").dispatchEvent(
    new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
}"""


async def test_older_messages_load_on_scrolling_and_the_view_stays_where_it_was(
    page: OpenPage,
) -> None:
    ada = page.workspace.person("ada")
    for number in range(120):
        await ada.post("general", f"message number {number:03}")
    await page.go("general")
    await expect(page.message("number 119")).to_be_in_viewport()
    await expect(page.main.locator(".msg")).to_have_count(50)
    await page.main.locator(".scroller").evaluate("(node) => node.scrollTo(0, 10)")
    await expect(page.message("number 069")).to_have_count(1)
    await expect(page.message("number 070")).to_be_in_viewport()
    assert await page.main.locator(".scroller").evaluate("(node) => node.scrollTop") > 100


async def test_a_streamed_message_grows_before_ones_eyes(
    page: OpenPage, app: AppOnPage, workspace: LocalWorkspace
) -> None:
    channel = workspace.dm("ada").id
    root = await workspace.person("ada").post(channel, "how many moons has Mars?")
    await page.go(channel, root)
    place = {"channel": channel, "thread_ts": root}
    started = await app.client.chat_startStream(**place, markdown_text="Mars has **two**")
    where = {"channel": channel, "ts": str(started["ts"])}
    message = page.message("Mars has two", within=page.thread)
    await expect(message).to_have_class(re.compile("msg-streaming"))
    await app.client.chat_appendStream(**where, markdown_text=" moons:\n\n- Phobos\n- Dei")
    await expect(message.locator("strong")).to_have_text("two")
    await expect(message.locator("li")).to_have_text(["Phobos", "Dei"])
    await app.client.chat_stopStream(**where, markdown_text="mos", blocks=[{"type": "divider"}])
    await expect(message.locator("li")).to_have_text(["Phobos", "Deimos"])
    await expect(message).not_to_have_class(re.compile("msg-streaming"))
    await expect(page.message("Mars has two", within=page.thread)).to_have_count(1)
