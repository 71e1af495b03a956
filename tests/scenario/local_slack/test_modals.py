"""Triggers, modals, their responses, and the Home tab."""

from typing import Any

from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.local_slack.config import LocalWorkspaceConfig
from bot.local_slack.records import View
from bot.local_slack.server import LocalWorkspace
from tests.scenario.local_slack.app import client_of, connected, error_of, new_app


def modal(title: str = "Ask", **more: Any) -> dict[str, Any]:
    return {
        "type": "modal",
        "callback_id": "ask",
        "private_metadata": "task-7",
        "title": {"type": "plain_text", "text": title},
        "submit": {"type": "plain_text", "text": "Send"},
        "blocks": [
            {
                "type": "input",
                "block_id": "problem",
                "label": {"type": "plain_text", "text": "Problem"},
                "element": {"type": "plain_text_input", "action_id": "text"},
            },
            {
                "type": "input",
                "block_id": "speed",
                "optional": True,
                "label": {"type": "plain_text", "text": "Speed"},
                "element": {
                    "type": "static_select",
                    "action_id": "choice",
                    "options": [
                        {"text": {"type": "plain_text", "text": "Fast"}, "value": "fast"},
                        {"text": {"type": "plain_text", "text": "Slow"}, "value": "slow"},
                    ],
                },
            },
        ],
        **more,
    }


def opens_a_modal(app: AsyncApp) -> None:
    @app.command("/solve")
    async def solve(ack: Any, client: AsyncWebClient, command: dict[str, str]) -> None:
        await ack()
        await client.views_open(trigger_id=command["trigger_id"], view=modal())


async def opened(workspace: LocalWorkspace) -> View:
    await workspace.person("ada").slash("general", "/solve")
    view = await workspace.until(workspace.person("ada").modal)
    assert view is not None
    return view


async def test_a_submitted_modal_carries_its_state_and_closes(
    workspace: LocalWorkspace, app: AsyncApp
) -> None:
    got: list[dict[str, Any]] = []
    opens_a_modal(app)

    @app.view("ask")
    async def submitted(ack: Any, view: dict[str, Any]) -> None:
        await ack()
        got.append(view)

    async with connected(workspace, app):
        view = await opened(workspace)
        await workspace.person("ada").submit(view.id, {"text": "why?", "choice": "slow"})
    assert got[0]["state"]["values"]["problem"]["text"] == {
        "type": "plain_text_input",
        "value": "why?",
    }
    assert got[0]["state"]["values"]["speed"]["choice"]["selected_option"]["value"] == "slow"
    assert got[0]["private_metadata"] == "task-7"
    assert got[0]["callback_id"] == "ask"
    assert workspace.person("ada").modal() is None


async def test_errors_keep_the_modal_open(workspace: LocalWorkspace, app: AsyncApp) -> None:
    opens_a_modal(app)

    @app.view("ask")
    async def submitted(ack: Any) -> None:
        await ack(response_action="errors", errors={"problem": "Say more."})

    async with connected(workspace, app):
        view = await opened(workspace)
        answer = await workspace.person("ada").submit(view.id, {"text": "?"})
    assert answer["errors"] == {"problem": "Say more."}
    assert workspace.person("ada").modal() is view


async def test_a_response_can_update_push_and_clear(
    workspace: LocalWorkspace, app: AsyncApp
) -> None:
    opens_a_modal(app)
    answers = [
        {"response_action": "update", "view": modal("Again")},
        {"response_action": "push", "view": modal("Deeper")},
        {"response_action": "clear"},
    ]

    @app.view("ask")
    async def submitted(ack: Any) -> None:
        await ack(**answers.pop(0))

    ada = workspace.person("ada")
    async with connected(workspace, app):
        first = await opened(workspace)
        await ada.submit(first.id, {"text": "1"})
        assert ada.modal() is first
        assert first.payload["title"]["text"] == "Again"
        await ada.submit(first.id, {"text": "2"})
        pushed = ada.modal()
        assert pushed is not None
        assert (pushed.previous_view_id, pushed.root_view_id) == (first.id, first.id)
        await ada.submit(pushed.id, {"text": "3"})
    assert ada.modal() is None


async def test_closing_tells_the_app_only_if_the_view_asks_for_it(
    workspace: LocalWorkspace, app: AsyncApp
) -> None:
    closed: list[str] = []

    @app.command("/solve")
    async def solve(ack: Any, client: AsyncWebClient, command: dict[str, str]) -> None:
        await ack()
        view = modal(notify_on_close=command["text"] == "notify")
        await client.views_open(trigger_id=command["trigger_id"], view=view)

    @app.view_closed("ask")
    async def on_closed(ack: Any, view: dict[str, Any]) -> None:
        await ack()
        closed.append(view["id"])

    ada = workspace.person("ada")
    async with connected(workspace, app):
        for text in ("silent", "notify"):
            await ada.slash("general", "/solve", text)
            view = await workspace.until(ada.modal)
            assert view is not None
            await ada.close(view.id)
    assert closed == [view.id]


async def trigger_of(workspace: LocalWorkspace, app: AsyncApp) -> str:
    triggers: list[str] = []

    @app.command("/solve")
    async def solve(ack: Any, command: dict[str, str]) -> None:
        await ack()
        triggers.append(command["trigger_id"])

    async with connected(workspace, app):
        await workspace.person("ada").slash("general", "/solve")
        await workspace.until(lambda: triggers)
    return triggers[0]


async def test_a_trigger_opens_one_modal(workspace: LocalWorkspace, app: AsyncApp) -> None:
    client, trigger = client_of(workspace), await trigger_of(workspace, app)
    await client.views_open(trigger_id=trigger, view=modal())
    again = client.views_open(trigger_id=trigger, view=modal())
    assert await error_of(again) == "exchanged_trigger_id"
    unknown = client.views_open(trigger_id="1.2.3", view=modal())
    assert await error_of(unknown) == "invalid_trigger_id"


async def test_a_trigger_expires() -> None:
    async with LocalWorkspace(LocalWorkspaceConfig(trigger_lifetime_s=0.0)) as workspace:
        trigger = await trigger_of(workspace, new_app(workspace))
        late = client_of(workspace).views_open(trigger_id=trigger, view=modal())
        assert await error_of(late) == "expired_trigger_id"


async def test_the_hash_guards_an_update(workspace: LocalWorkspace, app: AsyncApp) -> None:
    opens_a_modal(app)
    client = client_of(workspace)
    async with connected(workspace, app):
        view = await opened(workspace)
    old = view.hash
    await client.views_update(view_id=view.id, hash=old, view=modal("New"))
    stale = client.views_update(view_id=view.id, hash=old, view=modal("Stale"))
    assert await error_of(stale) == "hash_conflict"
    assert await error_of(client.views_update(view_id="V0", view=modal())) == "not_found"
    assert view.payload["title"]["text"] == "New"


async def test_views_are_checked(workspace: LocalWorkspace, client: AsyncWebClient) -> None:
    ada = workspace.person("ada").id
    home = {"type": "home", "blocks": [{"type": "divider"}]}
    assert (await client.views_publish(user_id=ada, view=home))["view"]["type"] == "home"
    wrong = client.views_publish(user_id=ada, view=modal())
    assert await error_of(wrong) == "invalid_arguments"
    full = home | {"blocks": [{"type": "divider"}] * 101}
    assert await error_of(client.views_publish(user_id=ada, view=full)) == "invalid_blocks"
    big = home | {"private_metadata": "x" * 250_001}
    assert await error_of(client.views_publish(user_id=ada, view=big)) == "view_too_large"


async def test_the_home_tab_is_published_and_its_buttons_work(
    workspace: LocalWorkspace, app: AsyncApp
) -> None:
    pressed: list[dict[str, Any]] = []

    @app.event("app_home_opened")
    async def show(event: dict[str, Any], client: AsyncWebClient) -> None:
        button = {
            "type": "button",
            "action_id": "refresh",
            "text": {"type": "plain_text", "text": "Refresh"},
        }
        view = {"type": "home", "blocks": [{"type": "actions", "elements": [button]}]}
        await client.views_publish(user_id=event["user"], view=view)

    @app.action("refresh")
    async def refresh(ack: Any, body: dict[str, Any]) -> None:
        await ack()
        pressed.append(body)

    ada = workspace.person("ada")
    async with connected(workspace, app):
        await ada.open_home()
        home = await workspace.until(ada.home)
        assert home is not None
        await ada.click_in_view(home.id, "refresh")
    assert workspace.person("grace").home() is None
    assert pressed[0]["container"] == {"type": "view", "view_id": home.id}
    assert pressed[0]["view"]["type"] == "home"


async def test_an_external_menu_asks_the_app_for_options(
    workspace: LocalWorkspace, app: AsyncApp
) -> None:
    asked: list[str] = []

    @app.command("/agent")
    async def agent(ack: Any, client: AsyncWebClient, command: dict[str, str]) -> None:
        await ack()
        menu = {"type": "external_select", "action_id": "who", "min_query_length": 1}
        block = {
            "type": "input",
            "block_id": "b",
            "label": {"type": "plain_text", "text": "Agent"},
            "element": menu,
        }
        view = modal(blocks=[block])
        await client.views_open(trigger_id=command["trigger_id"], view=view)

    @app.options("who")
    async def offer(ack: Any, payload: dict[str, Any]) -> None:
        asked.append(payload["value"])
        text = {"type": "plain_text", "text": "Data agent"}
        await ack(options=[{"text": text, "value": "data"}])

    ada = workspace.person("ada")
    async with connected(workspace, app):
        await ada.slash("general", "/agent")
        view = await workspace.until(ada.modal)
        assert view is not None
        options = await ada.suggestions(view.id, "who", "dat")
    assert asked == ["dat"]
    assert [o["value"] for o in options] == ["data"]


async def test_shortcuts_reach_the_app(workspace: LocalWorkspace, app: AsyncApp) -> None:
    got: list[dict[str, Any]] = []

    @app.shortcut("ask_about_message")
    async def ask(ack: Any, body: dict[str, Any], client: AsyncWebClient) -> None:
        await ack()
        got.append(body)
        await client.views_open(trigger_id=body["trigger_id"], view=modal())

    ada = workspace.person("ada")
    ts = await ada.post("general", "what about this?")
    async with connected(workspace, app):
        await ada.shortcut("ask_about_message", "general", ts)
        await workspace.until(ada.modal)
        await ada.shortcut("ask_about_message")
        await workspace.until(lambda: len(got) == 2)
    assert [body["type"] for body in got] == ["message_action", "shortcut"]
    assert got[0]["message"]["text"] == "what about this?"
    assert got[0]["response_url"]
