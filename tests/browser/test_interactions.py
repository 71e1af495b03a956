"""What the app offers and people use: commands, buttons, modals, plans, streams, feedback."""

import asyncio
from typing import Any

from playwright.async_api import expect
from slack_bolt.async_app import AsyncAck, AsyncRespond
from slack_sdk.web.async_client import AsyncWebClient

from bot.local_slack.server import LocalWorkspace
from tests.browser.app_on_page import AppOnPage
from tests.browser.open_page import OpenPage

Json = dict[str, Any]


def words(text: str) -> Json:
    return {"type": "plain_text", "text": text}


def button(action_id: str, label: str, **more: Any) -> Json:
    return {"type": "button", "action_id": action_id, "text": words(label), "value": "v", **more}


def rich(text: str) -> Json:
    section = {"type": "rich_text_section", "elements": [{"type": "text", "text": text}]}
    return {"type": "rich_text", "elements": [section]}


def plan(*statuses: str, title: str = "Count the orders") -> list[Json]:
    titles = ("Read the export", "Count them", "Write the answer")
    tasks = []
    for number, status in enumerate(statuses):
        task: Json = {"type": "task_card", "task_id": f"t{number}", "title": titles[number]}
        task["status"] = status
        if status == "complete":
            task["output"] = rich(f"outcome {number}")
            task["sources"] = [{"type": "url", "url": "https://example.com/o", "text": "orders"}]
        tasks.append(task)
    return [{"type": "plan", "title": title, "tasks": tasks}]


async def test_a_slash_command_is_completed_sent_and_answered(
    page: OpenPage, app: AppOnPage
) -> None:
    @app.bolt.command("/tasks")
    async def tasks(ack: AsyncAck, command: Json) -> None:
        await ack(f"No task about {command['text']}.")

    app.stay_quiet()
    await page.go("general")
    await page.composer.press_sequentially("/ta")
    await page.composer.press("Enter")
    await expect(page.composer).to_have_value("/tasks ")
    await page.composer.press_sequentially("cats")
    await page.composer.press("Enter")
    answer = page.message("No task about cats.")
    await expect(answer).to_contain_text("Only visible to you")
    await expect(page.composer).to_have_value("")


async def test_an_unknown_command_is_refused_and_the_text_kept(page: OpenPage) -> None:
    await page.go("general")
    await page.write("/nonsense now")
    await expect(page.tab.locator(".toast")).to_contain_text("/nonsense is not a command")
    await expect(page.composer).to_have_value("/nonsense now")


async def test_commands_in_threads_are_refused_as_in_slack(page: OpenPage) -> None:
    ts = await page.workspace.person("grace").post("general", "root")
    await page.go("general", ts)
    await page.reply_field.fill("/tasks now")
    await page.reply_field.press("Enter")
    await expect(page.tab.locator(".toast")).to_contain_text("do not work in threads")


async def test_a_button_reaches_the_app_and_its_message_is_replaced(
    page: OpenPage, app: AppOnPage, workspace: LocalWorkspace
) -> None:
    @app.bolt.action("approve")
    async def approve(ack: AsyncAck, respond: AsyncRespond, body: Json) -> None:
        await ack()
        await respond(text=f"Approved by <@{body['user']['id']}>", replace_original=True)

    app.stay_quiet()
    blocks = [
        {"type": "section", "text": {"type": "mrkdwn", "text": "May I?"}},
        {"type": "actions", "elements": [button("approve", "Approve", style="primary")]},
    ]
    await app.say(workspace.channel("general").id, "May I?", blocks=blocks)
    await page.go("general")
    await page.main.get_by_role("button", name="Approve").click()
    await expect(page.message("Approved by @Ada")).to_be_visible()
    await expect(page.message("May I?")).to_have_count(0)


async def test_a_button_with_a_question_acts_only_after_yes(
    page: OpenPage, app: AppOnPage, workspace: LocalWorkspace
) -> None:
    pressed: list[str] = []

    @app.bolt.action("drop")
    async def drop(ack: AsyncAck) -> None:
        await ack()
        pressed.append("drop")

    app.stay_quiet()
    question = {"title": words("Drop it?"), "text": words("It is gone then."), "deny": words("No")}
    element = button("drop", "Drop", confirm={**question, "confirm": words("Yes, drop")})
    blocks = [{"type": "actions", "elements": [element]}]
    await app.say(workspace.channel("general").id, "Drop?", blocks=blocks)
    await page.go("general")
    await page.main.get_by_role("button", name="Drop").click()
    await page.dialog.get_by_role("button", name="No").click()
    await expect(page.dialog).to_have_count(0)
    assert pressed == []
    await page.main.get_by_role("button", name="Drop").click()
    await page.dialog.get_by_role("button", name="Yes, drop").click()
    await workspace.until(lambda: pressed)


async def test_feedback_buttons_stay_pressed_and_change_sides(
    page: OpenPage, app: AppOnPage, workspace: LocalWorkspace
) -> None:
    values: list[str] = []

    @app.bolt.action("rate")
    async def rate(ack: AsyncAck, body: Json) -> None:
        await ack()
        values.append(body["actions"][0]["value"])

    app.stay_quiet()
    element = {
        "type": "feedback_buttons",
        "action_id": "rate",
        "positive_button": {"text": words("Good"), "value": "5"},
        "negative_button": {"text": words("Bad"), "value": "1"},
    }
    blocks = [
        {"type": "markdown", "text": "The **answer**"},
        {"type": "context_actions", "elements": [element]},
    ]
    await app.say(workspace.channel("general").id, "The answer", blocks=blocks)
    await page.go("general")
    good, bad = page.main.get_by_label("Good"), page.main.get_by_label("Bad")
    await good.click()
    await expect(good).to_have_attribute("aria-pressed", "true")
    await bad.click()
    await expect(bad).to_have_attribute("aria-pressed", "true")
    await expect(good).to_have_attribute("aria-pressed", "false")
    await workspace.until(lambda: values == ["5", "1"])


async def test_a_select_sends_its_choice_with_the_state(
    page: OpenPage, app: AppOnPage, workspace: LocalWorkspace
) -> None:
    bodies: list[Json] = []

    @app.bolt.action("who")
    async def who(ack: AsyncAck, body: Json) -> None:
        await ack()
        bodies.append(body)

    app.stay_quiet()
    options = [{"text": words(name), "value": name.lower()} for name in ("Grace", "Linus")]
    select = {"type": "static_select", "action_id": "who", "options": options}
    blocks = [{"type": "actions", "block_id": "b", "elements": [select]}]
    await app.say(workspace.channel("general").id, "Who?", blocks=blocks)
    await page.go("general")
    await page.main.locator("select").select_option(label="Linus")
    await workspace.until(lambda: bodies)
    assert bodies[0]["actions"][0]["selected_option"]["value"] == "linus"
    assert bodies[0]["state"]["values"]["b"]["who"]["selected_option"]["value"] == "linus"


AGENT_MODAL: Json = {
    "type": "modal",
    "callback_id": "agent",
    "title": words("The agent"),
    "submit": words("Save"),
    "blocks": [
        {
            "type": "input",
            "block_id": "name",
            "label": words("Name"),
            "element": {"type": "plain_text_input", "action_id": "v"},
        },
        {
            "type": "input",
            "block_id": "tools",
            "label": words("Tools"),
            "optional": True,
            "element": {
                "type": "checkboxes",
                "action_id": "v",
                "options": [{"text": words(t), "value": t} for t in ("search", "code")],
            },
        },
        {
            "type": "input",
            "block_id": "steps",
            "label": words("Most steps"),
            "element": {
                "type": "number_input",
                "action_id": "v",
                "is_decimal_allowed": False,
                "max_value": "20",
            },
        },
        {"type": "actions", "elements": [button("more", "More")]},
    ],
}


async def open_agent_modal(page: OpenPage, app: AppOnPage) -> list[Json]:
    """Open the modal by its command; gives the list its submissions are put in."""
    submitted: list[Json] = []

    @app.bolt.command("/agent")
    async def agent(ack: AsyncAck, body: Json, client: AsyncWebClient) -> None:
        await client.views_open(trigger_id=body["trigger_id"], view=AGENT_MODAL)
        await ack()

    @app.bolt.action("more")
    async def more(ack: AsyncAck, body: Json, client: AsyncWebClient) -> None:
        view = {"type": "modal", "title": words("More"), "blocks": [{"type": "divider"}]}
        await client.views_push(trigger_id=body["trigger_id"], view=view)
        await ack()

    @app.bolt.view("agent")
    async def save(ack: AsyncAck, view: Json) -> None:
        values = view["state"]["values"]
        submitted.append(values)
        if values["name"]["v"]["value"] == "Mara":
            await ack(response_action="errors", errors={"name": "Mara is taken."})
        else:
            await ack()

    app.stay_quiet()
    await page.go("general")
    await page.write("/agent ")
    await expect(page.dialog.get_by_role("heading", name="The agent")).to_be_visible()
    return submitted


async def test_a_modal_shows_errors_at_their_field_and_closes_when_accepted(
    page: OpenPage, app: AppOnPage
) -> None:
    submitted = await open_agent_modal(page, app)
    name = page.dialog.get_by_label("Name")
    await expect(name).to_be_focused()
    await name.fill("Mara")
    await page.dialog.get_by_label("Most steps").fill("12")
    await page.dialog.get_by_label("code").check()
    await page.dialog.get_by_role("button", name="Save").click()
    await expect(page.dialog.locator(".input-error", has_text="Mara is taken.")).to_be_visible()
    await expect(name).to_have_attribute("aria-invalid", "true")
    await expect(name).to_be_focused()
    await name.fill("Nora")
    await page.dialog.get_by_role("button", name="Save").click()
    await expect(page.dialog).to_have_count(0)
    assert submitted[-1]["name"]["v"] == {"type": "plain_text_input", "value": "Nora"}
    assert submitted[-1]["steps"]["v"]["value"] == "12"
    assert [o["value"] for o in submitted[-1]["tools"]["v"]["selected_options"]] == ["code"]


async def test_a_modal_checks_required_fields_and_limits_before_sending(
    page: OpenPage, app: AppOnPage
) -> None:
    submitted = await open_agent_modal(page, app)
    await page.dialog.get_by_label("Most steps").fill("21")
    await page.dialog.get_by_role("button", name="Save").click()
    errors = page.dialog.locator(".has-error .input-error")
    await expect(errors).to_have_text(["Please fill in this field.", "At most 20, please."])
    assert submitted == []


async def test_a_pushed_modal_lies_on_top_and_escape_returns_to_the_one_below(
    page: OpenPage, app: AppOnPage
) -> None:
    await open_agent_modal(page, app)
    await page.dialog.get_by_label("Name").fill("kept")
    await page.dialog.get_by_role("button", name="More").click()
    await expect(page.dialog.get_by_role("heading", name="More")).to_be_visible()
    await page.tab.keyboard.press("Escape")
    await expect(page.dialog.get_by_role("heading", name="The agent")).to_be_visible()
    await expect(page.dialog.get_by_label("Name")).to_have_value("kept")


async def test_a_plan_changes_in_place_and_an_opened_step_stays_open(
    page: OpenPage, app: AppOnPage, workspace: LocalWorkspace
) -> None:
    app.stay_quiet()
    channel = workspace.channel("general").id
    root = await workspace.person("ada").post("general", "count the orders")
    blocks = plan("complete", "in_progress", "pending")
    ts = await app.say(channel, "Plan", thread_ts=root, blocks=blocks)
    await page.go("general", root)
    cards = page.thread.locator(".task")
    await cards.nth(0).locator("summary").click()
    await expect(cards.nth(0)).to_contain_text("outcome 0")
    await cards.nth(0).evaluate("(node) => (node.dataset.witness = 'same node')")
    done = plan("complete", "complete", "error", title="Counted")
    await app.client.chat_update(channel=channel, ts=ts, text="Plan", blocks=done)
    await expect(page.thread.locator(".plan-title")).to_have_text("Counted")
    await expect(page.thread.locator(".plan-count")).to_have_text("2 of 3")
    marks = page.thread.locator(".task-mark")
    for number, label in enumerate(("Complete", "Complete", "Error")):
        await expect(marks.nth(number)).to_have_attribute("aria-label", label)
    await expect(cards.nth(0)).to_have_attribute("open", "")
    await expect(cards.nth(0)).to_have_attribute("data-witness", "same node")
    await expect(cards.nth(1).locator(".task-line")).to_have_text("outcome 1")


async def test_a_closed_step_names_who_approved_it(
    page: OpenPage, app: AppOnPage, workspace: LocalWorkspace
) -> None:
    app.stay_quiet()
    grace = workspace.person("grace").id
    said = [
        {"type": "text", "text": "Sent to "},
        {"type": "text", "text": "Bob", "style": {"bold": True}},
        {"type": "text", "text": " · approved by "},
        {"type": "user", "user_id": grace},
    ]
    section = {"type": "rich_text_section", "elements": said}
    output = {"type": "rich_text", "elements": [section]}
    task = {"type": "task_card", "task_id": "1", "title": "Send", "status": "complete"}
    blocks = [{"type": "plan", "title": "Plan", "tasks": [{**task, "output": output}]}]
    root = await workspace.person("ada").post("general", "tell Bob")
    await app.say(workspace.channel("general").id, "Plan", thread_ts=root, blocks=blocks)
    await page.go("general", root)
    line = page.thread.locator(".task-line")
    await expect(line).to_have_text("Sent to Bob · approved by @Grace")


async def test_a_streamed_answer_grows_and_ends_without_a_cursor(
    page: OpenPage, app: AppOnPage, workspace: LocalWorkspace
) -> None:
    app.stay_quiet()
    channel, ada = workspace.channel("general").id, workspace.person("ada").id
    root = await workspace.person("ada").post("general", "tell me")
    await page.go("general", root)
    stream = await app.client.chat_stream(
        channel=channel,
        thread_ts=root,
        recipient_team_id=workspace.team_id,
        recipient_user_id=ada,
        buffer_size=1,
    )
    await stream.append(markdown_text="# Result\n\nfirst **half**")
    streaming = page.thread.locator(".msg-streaming")
    await expect(streaming.locator("strong")).to_have_text("half")
    await expect(page.thread.locator(".session")).to_contain_text("is working")
    await stream.append(markdown_text=" and the rest")
    await expect(streaming).to_contain_text("half and the rest")
    await stream.stop()
    await expect(streaming).to_have_count(0)
    await expect(page.message("half and the rest", within=page.thread)).to_be_visible()
    await expect(page.thread.get_by_role("button", name="Stop")).to_have_count(0)


async def test_the_native_stop_button_reaches_the_app(
    page: OpenPage, app: AppOnPage, workspace: LocalWorkspace
) -> None:
    stopped: list[str] = []

    @app.bolt.event("agent_session_stopped")
    async def stop(event: Json, client: AsyncWebClient) -> None:
        stopped.append(event["thread_ts"])
        await client.agents_sessions_setStatus(
            channel_id=event["channel"], thread_ts=event["thread_ts"], status="active"
        )

    app.stay_quiet()
    channel = workspace.channel("general").id
    root = await workspace.person("ada").post("general", "work")
    await app.client.agents_sessions_setStatus(
        channel_id=channel, thread_ts=root, status="processing", title="The work"
    )
    await page.go("general", root)
    await expect(page.thread.get_by_role("heading", name="The work")).to_be_visible()
    await page.thread.get_by_role("button", name="Stop").click()
    await expect(page.thread.locator(".session.shown")).to_have_count(0)
    assert stopped == [root]


async def test_a_root_says_that_its_thread_is_being_worked_on(
    page: OpenPage, app: AppOnPage, workspace: LocalWorkspace
) -> None:
    app.stay_quiet()
    channel = workspace.channel("general").id
    root = await workspace.person("ada").post("general", "work")
    await page.go("general")
    say = app.client.agents_sessions_setStatus
    await say(channel_id=channel, thread_ts=root, status="processing")
    await expect(page.message("work").locator(".thread-working")).to_have_text("working")
    await say(channel_id=channel, thread_ts=root, status="active")
    await expect(page.message("work").locator(".thread-working")).to_have_count(0)


async def test_a_status_text_of_the_app_is_shown_in_its_thread(
    page: OpenPage, app: AppOnPage, workspace: LocalWorkspace
) -> None:
    app.stay_quiet()
    channel = workspace.channel("general").id
    root = await workspace.person("ada").post("general", "work")
    await page.go("general", root)
    await app.client.assistant_threads_setStatus(
        channel_id=channel, thread_ts=root, status="is reading the ledger…"
    )
    await expect(page.thread.locator(".session")).to_contain_text("Treadle is reading the ledger…")
    await app.say(channel, "read it", thread_ts=root)
    await expect(page.thread.locator(".session.shown")).to_have_count(0)


async def test_a_modal_is_busy_until_the_app_has_answered(page: OpenPage, app: AppOnPage) -> None:
    answer = asyncio.Event()

    @app.bolt.command("/agent")
    async def agent(ack: AsyncAck, body: Json, client: AsyncWebClient) -> None:
        view = {**AGENT_MODAL, "callback_id": "slow", "blocks": [{"type": "divider"}]}
        await client.views_open(trigger_id=body["trigger_id"], view=view)
        await ack()

    @app.bolt.view("slow")
    async def save(ack: AsyncAck) -> None:
        async with asyncio.timeout(5):
            await answer.wait()
        await ack()

    app.stay_quiet()
    await page.go("general")
    await page.write("/agent ")
    await page.dialog.get_by_role("button", name="Save").click()
    await expect(page.dialog).to_have_attribute("aria-busy", "true")
    await expect(page.dialog.get_by_role("button", name="Save")).to_be_disabled()
    answer.set()
    await expect(page.dialog).to_have_count(0)
