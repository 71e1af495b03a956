"""Commands, ephemeral messages, buttons and response_url."""

from typing import Any

import pytest
from aiohttp import ClientSession
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.local_slack.config import LocalWorkspaceConfig
from bot.local_slack.errors import RefusedError
from bot.local_slack.server import LocalWorkspace
from tests.scenario.local_slack.app import client_of, connected, error_of, new_app

FEEDBACK = {
    "type": "context_actions",
    "block_id": "rate",
    "elements": [
        {
            "type": "feedback_buttons",
            "action_id": "feedback",
            "positive_button": {
                "text": {"type": "plain_text", "text": "Good"},
                "value": "up",
            },
            "negative_button": {
                "text": {"type": "plain_text", "text": "Bad"},
                "value": "down",
            },
        }
    ],
}
BUTTONS: dict[str, Any] = {
    "type": "actions",
    "block_id": "choices",
    "elements": [
        {
            "type": "button",
            "action_id": "approve",
            "text": {"type": "plain_text", "text": "Approve"},
            "value": "step-3",
        }
    ],
}


async def test_a_commands_acknowledgement_is_seen_by_its_caller_only(
    workspace: LocalWorkspace, app: AsyncApp
) -> None:
    got: list[dict[str, str]] = []

    @app.command("/solve")
    async def solve(ack: Any, command: dict[str, str]) -> None:
        got.append(command)
        await ack("On it.")

    async with connected(workspace, app):
        ada, grace = workspace.person("ada"), workspace.person("grace")
        answer = await ada.slash("general", "/solve", "why <this> & @grace")
    assert answer["text"] == "On it."
    assert [m.text for m in ada.ephemerals("general")] == ["On it."]
    assert grace.ephemerals() == []
    assert workspace.channel("general").roots == []
    assert got[0]["text"] == f"why &lt;this&gt; &amp; <@{grace.id}>"
    assert got[0]["channel_name"] == "general"
    assert got[0]["user_name"] == "ada"


async def test_ephemeral_messages_are_in_no_history(
    workspace: LocalWorkspace, client: AsyncWebClient
) -> None:
    channel, ada = workspace.channel("general").id, workspace.person("ada")
    ts = await ada.post("general", "question")
    await client.chat_postEphemeral(channel=channel, user=ada.id, text="psst", thread_ts=ts)
    replies = await client.conversations_replies(channel=channel, ts=ts)
    history = await client.conversations_history(channel=channel)
    assert [m["text"] for m in replies["messages"]] == ["question"]
    assert [m["text"] for m in history["messages"]] == ["question"]
    assert [m.text for m in ada.ephemerals()] == ["psst"]
    outsider = workspace.person("linus").id
    secret = workspace.channel("secret").id
    assert (
        await error_of(client.chat_postEphemeral(channel=secret, user=outsider, text="x"))
        == "channel_not_found"
    )


async def test_a_response_is_ephemeral_unless_it_says_otherwise(
    workspace: LocalWorkspace, app: AsyncApp
) -> None:
    @app.command("/tasks")
    async def tasks(ack: Any, respond: Any) -> None:
        await ack()
        await respond("for you")
        await respond("for all", response_type="in_channel")

    async with connected(workspace, app):
        ada = workspace.person("ada")
        await ada.slash("general", "/tasks")
        await workspace.until(lambda: workspace.channel("general").roots)
    assert [m.text for m in ada.ephemerals()] == ["for you"]
    [root] = workspace.channel("general").roots
    assert workspace.thread("general", root)[0].text == "for all"


async def test_a_response_url_works_five_times(workspace: LocalWorkspace, app: AsyncApp) -> None:
    statuses: list[int] = []

    @app.command("/tasks")
    async def tasks(ack: Any, respond: Any) -> None:
        await ack()
        statuses.extend([(await respond(f"part {n}")).status_code for n in range(6)])

    async with connected(workspace, app):
        await workspace.person("ada").slash("general", "/tasks")
        await workspace.until(lambda: len(statuses) == 6)
    assert statuses == [200] * 5 + [404]
    assert len(workspace.person("ada").ephemerals()) == 5


async def test_a_response_url_expires() -> None:
    config = LocalWorkspaceConfig(response_url_lifetime_s=0.0)
    async with LocalWorkspace(config) as workspace:
        app = new_app(workspace)
        answers: list[str] = []

        @app.command("/tasks")
        async def tasks(ack: Any, respond: Any) -> None:
            await ack()
            answers.append((await respond("late")).body)

        async with connected(workspace, app):
            await workspace.person("ada").slash("general", "/tasks")
            await workspace.until(lambda: answers)
    assert "expired_url" in answers[0]


async def test_a_pressed_button_carries_message_thread_and_value(
    workspace: LocalWorkspace, app: AsyncApp, client: AsyncWebClient
) -> None:
    got: list[dict[str, Any]] = []

    @app.action("approve")
    async def approve(ack: Any, body: dict[str, Any], respond: Any) -> None:
        await ack()
        got.append(body)
        await respond(text="approved", replace_original=True)

    channel, ada = workspace.channel("general").id, workspace.person("ada")
    root = await ada.post("general", "deploy?")
    posted = await client.chat_postMessage(
        channel=channel, thread_ts=root, text="May I?", blocks=[BUTTONS]
    )
    ts = str(posted["ts"])
    async with connected(workspace, app):
        await ada.click("general", ts, "approve")
        await workspace.until(lambda: workspace.thread("general", root)[1].text == "approved")
    [body] = got
    assert body["actions"][0]["value"] == "step-3"
    assert body["actions"][0]["block_id"] == "choices"
    assert body["actions"][0]["action_ts"]
    assert body["container"] == {
        "type": "message",
        "message_ts": ts,
        "channel_id": channel,
        "is_ephemeral": False,
        "thread_ts": root,
    }
    assert body["message"]["thread_ts"] == root
    assert body["user"]["id"] == ada.id
    assert workspace.thread("general", root)[1].blocks is None


async def test_feedback_buttons_send_the_value_of_the_pressed_side(
    workspace: LocalWorkspace, app: AsyncApp, client: AsyncWebClient
) -> None:
    values: list[str] = []

    @app.action("feedback")
    async def rate(ack: Any, action: dict[str, str]) -> None:
        values.append(action["value"])
        assert action["type"] == "feedback_buttons"
        await ack()

    posted = await client.chat_postMessage(
        channel=workspace.channel("general").id, text="42", blocks=[FEEDBACK]
    )
    async with connected(workspace, app):
        for side in ("positive", "negative"):
            await workspace.person("grace").click("general", str(posted["ts"]), "feedback", side)
    assert values == ["up", "down"]


async def test_a_button_on_an_ephemeral_message_can_delete_it(
    workspace: LocalWorkspace, app: AsyncApp, client: AsyncWebClient
) -> None:
    got: list[dict[str, Any]] = []

    @app.action("approve")
    async def dismiss(ack: Any, body: dict[str, Any], respond: Any) -> None:
        await ack()
        got.append(body)
        await respond(delete_original=True)

    ada = workspace.person("ada")
    shown = await client.chat_postEphemeral(
        channel=workspace.channel("general").id, user=ada.id, text="?", blocks=[BUTTONS]
    )
    async with connected(workspace, app):
        await ada.click("general", str(shown["message_ts"]), "approve")
        await workspace.until(lambda: not ada.ephemerals())
    assert got[0]["container"]["is_ephemeral"] is True
    assert "message" not in got[0]


async def test_an_unknown_response_url_is_refused(workspace: LocalWorkspace) -> None:
    async with ClientSession() as session:
        url = f"{workspace.url}/response/unknown"
        async with session.post(url, json={"text": "x"}) as answer:
            assert answer.status == 404


async def test_a_persons_own_words_cannot_pose_as_markup(workspace: LocalWorkspace) -> None:
    ts = await workspace.person("ada").post("general", "<!channel|x> <script>alert(1)</script>")
    text = workspace.thread("general", ts)[0].text
    assert "<script>" not in text
    assert text.startswith("&lt;!channel|x&gt;")


async def test_nobody_else_can_press_a_button_of_an_ephemeral_message(
    workspace: LocalWorkspace,
) -> None:
    client, ada = client_of(workspace), workspace.person("ada")
    shown = await client.chat_postEphemeral(
        channel=workspace.channel("general").id, user=ada.id, text="?", blocks=[BUTTONS]
    )
    with pytest.raises(RefusedError, match="message_not_found"):
        await workspace.person("grace").click("general", str(shown["message_ts"]), "approve")


async def test_a_person_cannot_act_in_a_place_he_cannot_see(workspace: LocalWorkspace) -> None:
    linus, secret = workspace.person("linus"), workspace.channel("secret").id
    ts = await workspace.person("ada").post("secret", "hush")
    with pytest.raises(RefusedError, match="channel_not_found"):
        await linus.react(secret, ts, "eyes")
    with pytest.raises(RefusedError, match="channel_not_found"):
        await linus.slash(secret, "/solve", "what do they say?")
    with pytest.raises(RefusedError, match="channel_not_found"):
        await linus.post(secret, "let me in")


async def test_blocks_and_elements_without_ids_are_given_some(
    workspace: LocalWorkspace, client: AsyncWebClient
) -> None:
    nameless = {k: v for k, v in BUTTONS["elements"][0].items() if k != "action_id"}
    posted = await client.chat_postMessage(
        channel=workspace.channel("general").id,
        text="?",
        blocks=[{"type": "actions", "elements": [nameless, BUTTONS["elements"][0]]}],
    )
    block = posted["message"]["blocks"][0]
    assert block["block_id"]
    assert block["elements"][0]["action_id"]
    assert block["elements"][1]["action_id"] == "approve"
