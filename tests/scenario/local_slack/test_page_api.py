"""What the page reads, does and hears, over the same routes as the browser."""

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, FormData, WSMsgType
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.local_slack import page_api
from bot.local_slack.server import LocalWorkspace
from tests.scenario.local_slack.app import connected


class Page:
    """The page of one person."""

    def __init__(self, session: ClientSession, workspace: LocalWorkspace, name: str) -> None:
        self._session = session
        self._base = f"{workspace.url}/_page/"
        self._user = {"user": workspace.person(name).id}

    async def read(self, path: str, **query: str) -> dict[str, Any]:
        async with self._session.get(self._base + path, params=self._user | query) as answer:
            return dict(await answer.json())

    async def act(self, action: str, **body: Any) -> dict[str, Any]:
        url = self._base + action
        async with self._session.post(url, params=self._user, json=body) as answer:
            return dict(await answer.json())

    def live(self) -> Any:
        return self._session.ws_connect(self._base + "live", params=self._user)


async def frame(socket: Any, kind: str) -> dict[str, Any]:
    async with asyncio.timeout(5):
        while True:
            found = await socket.receive_json()
            if found["type"] == kind:
                return dict(found)


async def test_the_state_is_what_this_person_sees(workspace: LocalWorkspace) -> None:
    await workspace.person("grace").post("general", "hello @ada and all")
    async with ClientSession() as session:
        state = await Page(session, workspace, "ada").read("state")
        outsider = await Page(session, workspace, "linus").read("state")
    channels = {c["name"]: c for c in state["channels"]}
    assert channels["general"]["unread"] == 1
    assert channels["general"]["mentions"] == 1
    assert channels["secret"]["kind"] == "private"
    assert channels["secret"]["bot_is_member"] is False
    assert "secret" not in {c["name"] for c in outsider["channels"]}
    assert state["me"] == workspace.person("ada").id
    assert state["app"]["bot_user_id"] == workspace.bot_user_id
    assert state["commands"][0]["command"] == "/solve"
    assert (state["connected"], state["home"]) == (0, None)


async def test_a_post_on_the_page_appears_live_for_others_and_in_the_thread(
    workspace: LocalWorkspace,
) -> None:
    channel = workspace.channel("general").id
    async with ClientSession() as session:
        ada, grace = Page(session, workspace, "ada"), Page(session, workspace, "grace")
        async with grace.live() as socket:
            posted = await ada.act("post", channel=channel, text="question")
            heard = await frame(socket, "message")
            assert heard["message"]["text"] == "question"
            await ada.act("react", channel=channel, ts=posted["ts"], name="eyes")
            reaction = await frame(socket, "reaction")
            assert reaction["reactions"][0]["name"] == "eyes"
            await grace.act("post", channel=channel, text="answer", thread_ts=posted["ts"])
            changed = await frame(socket, "message_changed")
            assert changed["message"]["reply_count"] == 1
            await ada.act("edit", channel=channel, ts=posted["ts"], text="better question")
            assert (await frame(socket, "message_changed"))["message"]["edited"]
        thread = await ada.read("thread", channel=channel, ts=posted["ts"])
        listed = await ada.read("messages", channel=channel)
    assert [m["text"] for m in thread["messages"]] == ["better question", "answer"]
    assert thread["session"]["status"] is None
    assert [m["text"] for m in listed["messages"]] == ["better question"]
    assert listed["has_more"] is False


async def test_private_places_and_ephemerals_stay_private_on_the_page(
    workspace: LocalWorkspace, client: AsyncWebClient
) -> None:
    general, secret = workspace.channel("general").id, workspace.channel("secret").id
    async with ClientSession() as session:
        ada, linus = Page(session, workspace, "ada"), Page(session, workspace, "linus")
        async with linus.live() as socket:
            await ada.act("post", channel=secret, text="hush")
            await client.chat_postEphemeral(
                channel=general, user=workspace.person("ada").id, text="psst"
            )
            await ada.act("post", channel=general, text="marker")
            heard = await frame(socket, "message")
            assert heard["message"]["text"] == "marker"
        refused = await linus.read("messages", channel=secret)
        shown = await ada.read("messages", channel=general)
        hidden = await linus.read("messages", channel=general)
    assert refused["error"] == "channel_not_found"
    assert [(m["text"], m.get("ephemeral")) for m in shown["messages"]] == [
        ("psst", True),
        ("marker", None),
    ]
    assert [m["text"] for m in hidden["messages"]] == ["marker"]


async def test_commands_buttons_and_modals_work_from_the_page(
    workspace: LocalWorkspace, app: AsyncApp
) -> None:
    view = {
        "type": "modal",
        "callback_id": "ask",
        "title": {"type": "plain_text", "text": "Ask"},
        "submit": {"type": "plain_text", "text": "Send"},
        "blocks": [
            {
                "type": "input",
                "block_id": "b",
                "label": {"type": "plain_text", "text": "Why"},
                "element": {"type": "plain_text_input", "action_id": "a"},
            }
        ],
    }

    @app.command("/solve")
    async def solve(ack: Any, client: AsyncWebClient, command: dict[str, str]) -> None:
        await ack("Opening")
        await client.views_open(trigger_id=command["trigger_id"], view=view)

    @app.view("ask")
    async def submitted(ack: Any, view: dict[str, Any]) -> None:
        value = view["state"]["values"]["b"]["a"]["value"]
        await ack(response_action="errors", errors={"b": f"{value} is too short"})

    channel = workspace.channel("general").id
    state_values = {"b": {"a": {"type": "plain_text_input", "value": "no"}}}
    async with connected(workspace, app), ClientSession() as session:
        page = Page(session, workspace, "ada")
        async with page.live() as socket:
            answer = await page.act("slash", channel=channel, command="/solve", text="x")
            opened = await frame(socket, "view_open")
            view_id = opened["view"]["id"]
            await page.act("view_submit", view_id=view_id, state_values=state_values)
            refused = await frame(socket, "view_errors")
            await page.act("view_close", view_id=view_id)
            closed = await frame(socket, "view_close")
    assert answer["response"]["text"] == "Opening"
    assert refused["errors"] == {"b": "no is too short"}
    assert closed["view_id"] == view_id


async def test_a_file_is_uploaded_from_the_page_and_read_there(workspace: LocalWorkspace) -> None:
    form = FormData(quote_fields=False)
    form.add_field("file", b"<script>alert(1)</script>", filename="../evil.html")
    async with ClientSession() as session:
        page = Page(session, workspace, "ada")
        url = f"{workspace.url}/_page/upload?user={workspace.person('ada').id}"
        async with session.post(url, data=form) as answer:
            file = (await answer.json())["file"]
        assert file["name"] == "evil.html"
        channel = workspace.channel("data").id
        await page.act("post", channel=channel, text="look", files=[file["id"]])
        shown = (await page.read("messages", channel=channel))["messages"][0]["files"][0]
        async with session.get(workspace.url + shown["url_private"]) as answer:
            assert await answer.read() == b"<script>alert(1)</script>"
            assert answer.headers["Content-Disposition"].startswith("attachment")
            assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_the_inspector_and_the_faults(
    workspace: LocalWorkspace, client: AsyncWebClient
) -> None:
    await client.auth_test()
    async with ClientSession() as session:
        page = Page(session, workspace, "ada")
        entries = (await page.read("traffic"))["entries"]
        assert entries[-1]["name"] == "auth.test"
        assert entries[-1]["direction"] == "api"
        last_id = str(entries[-1]["id"])
        assert (await page.read("traffic", after=last_id))["entries"] == []
        async with page.live() as socket:
            await page.act("faults", duplicate_deliveries=0.5, retry_time_scale=0)
            assert (await frame(socket, "faults"))["faults"]["duplicate_deliveries"] == 0.5
        assert workspace.faults.retry_time_scale == 0
        assert (await page.act("faults", nonsense=1))["error"] == "unknown_fault"
        assert (await page.act("faults", duplicate_deliveries="x"))["error"] == "invalid_fault"
        await page.act("faults/reset")
    assert workspace.faults.duplicate_deliveries == 0.0


async def test_foreign_pages_are_kept_out(workspace: LocalWorkspace) -> None:
    url = f"{workspace.url}/_page/state"
    async with ClientSession() as session:
        for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}):
            async with session.get(url, headers=headers) as answer:
                assert answer.status == 403


async def test_the_page_is_served_and_nothing_beside_it(
    workspace: LocalWorkspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "index.html").write_text("<!DOCTYPE html><title>Workspace</title>")
    (tmp_path / "app.js").write_text("export const answer = 42;")
    monkeypatch.setattr(page_api, "PAGE_FILES", tmp_path)
    async with ClientSession() as session:
        async with session.get(workspace.url) as answer:
            assert "<title>Workspace</title>" in await answer.text()
            assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        async with session.get(workspace.url + "/page/app.js") as answer:
            assert answer.content_type.endswith("/javascript")
        for path in ("/page/..%2Fserver.py", "/page/.hidden", "/page/none.js"):
            async with session.get(workspace.url + path) as answer:
                assert answer.status == 404


async def test_a_person_can_start_a_channel_and_bring_the_bot(workspace: LocalWorkspace) -> None:
    async with ClientSession() as session:
        page = Page(session, workspace, "ada")
        created = await page.act("create_channel", name="plans", private=True)
        await page.act("invite_bot", channel=created["channel"])
        await page.act("rename", channel=created["channel"], name="plans-2027")
        dm = await page.act("open_dm", user=workspace.bot_user_id)
        await page.act("read", channel=created["channel"])
        unknown = await page.act("nonsense")
    assert workspace.bot_user_id in workspace.channel("plans-2027").members
    assert dm["channel"] == workspace.dm("ada").id
    assert unknown["error"] == "unknown_action"


async def test_it_runs_as_a_process_of_its_own(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"name": "Elsewhere", "retry_delays_s": [0, 0.1]}))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bot.local_slack", "--port", "0", "--config", str(config)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(20):
        address = json.loads(await process.stdout.readline())
        client = AsyncWebClient(address["bot_token"], base_url=address["api_url"])
        assert (await client.auth_test())["team"] == "Elsewhere"
        async with ClientSession() as session:
            live = session.ws_connect(address["url"] + "/_page/live")
            async with live as socket:
                process.send_signal(signal.SIGTERM)
                while (await socket.receive()).type is not WSMsgType.CLOSED:
                    continue
        assert await process.wait() == 0


async def test_a_taken_port_is_told_in_one_sentence(workspace: LocalWorkspace) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bot.local_slack", "--port", workspace.url.rpartition(":")[2]),
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(20):
        _, complaint = await process.communicate()
    assert process.returncode == 1
    assert complaint.startswith(b"The local workspace cannot start:")
    assert b"Traceback" not in complaint
