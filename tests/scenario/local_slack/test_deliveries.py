"""Acknowledgements, retries, reconnections and injected trouble of Socket Mode."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession, WSServerHandshakeError
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.local_slack.config import LocalWorkspaceConfig
from bot.local_slack.errors import RefusedError
from bot.local_slack.server import LocalWorkspace
from bot.local_slack.traffic import Direction
from tests.scenario.local_slack.app import (
    IMPATIENT,
    bodies,
    client_of,
    connected,
    error_of,
    new_app,
)


@pytest.fixture
async def impatient() -> AsyncIterator[LocalWorkspace]:
    """A workspace that waits for acknowledgements only half a second."""
    async with LocalWorkspace(IMPATIENT) as running:
        yield running


RETRIES = ("x-slack-retry-num", "x-slack-retry-reason")


async def test_an_event_that_is_not_acknowledged_comes_again_with_the_same_id(
    impatient: LocalWorkspace,
) -> None:
    app = AsyncApp(client=client_of(impatient), process_before_response=True)
    attempts: list[tuple[str, Any]] = []

    @app.event("message")
    async def fail_twice(body: dict[str, Any], request: Any) -> None:
        attempts.append((body["event_id"], request.headers.get(RETRIES[0])))
        if len(attempts) < 3:
            raise RuntimeError("not saved")

    async with connected(impatient, app):
        await impatient.person("ada").post("general", "hello")
        await impatient.until(lambda: len(attempts) == 3)
        await impatient.until(lambda: _statuses(impatient) == ["timeout", "timeout", "ok"])
    assert len({event_id for event_id, _ in attempts}) == 1
    assert [number for _, number in attempts] == [None, ["1"], ["2"]]


async def test_an_event_is_given_up_after_three_retries(impatient: LocalWorkspace) -> None:
    app = AsyncApp(client=client_of(impatient))  # no listener, so Bolt acknowledges nothing
    async with connected(impatient, app):
        await impatient.person("ada").post("general", "hello")
        await impatient.until(lambda: len(_statuses(impatient)) == 4)
        await impatient.person("ada").react(
            "general", impatient.channel("general").roots[0], "eyes"
        )
        await impatient.until(lambda: len(bodies(impatient, "reaction_added")) == 2)
    assert _statuses(impatient) == ["timeout"] * 4
    sent = [e.request for e in impatient.traffic if e.name == "message"]
    assert [r.get("retry_num", 0) for r in sent] == [0, 1, 2, 3]
    assert sent[1]["retry_reason"] == "timeout"


async def test_retries_can_be_switched_off(impatient: LocalWorkspace) -> None:
    impatient.faults.ack_timeout_retries = False
    app = AsyncApp(client=client_of(impatient))
    async with connected(impatient, app):
        await impatient.person("ada").post("general", "hello")
        await impatient.until(lambda: len(_statuses(impatient)) == 1)
    assert _statuses(impatient) == ["timeout"]


async def test_commands_are_not_retried_and_time_out_for_their_caller(
    impatient: LocalWorkspace,
) -> None:
    app = AsyncApp(client=client_of(impatient))
    ran: list[str] = []

    @app.command("/solve")
    async def never_acknowledge(command: dict[str, str]) -> None:
        ran.append(command["text"])

    async with connected(impatient, app):
        refusal = await _refusal(impatient.person("ada").slash("general", "/solve", "x"))
    assert refusal == "operation_timeout"
    assert ran == ["x"]


async def test_a_late_acknowledgement_is_recorded_and_changes_nothing(
    impatient: LocalWorkspace,
) -> None:
    app, release = new_app(impatient), asyncio.Event()

    @app.command("/solve")
    async def acknowledge_late(ack: Any) -> None:
        await release.wait()
        await ack("too late")

    async with connected(impatient, app):
        ada = impatient.person("ada")
        assert await _refusal(ada.slash("general", "/solve")) == "operation_timeout"
        release.set()
        late = await impatient.until(lambda: impatient.traffic.of(Direction.ACK))
    assert late[0].request["payload"] == {"text": "too late"}
    assert ada.ephemerals() == []


async def test_without_an_app_a_command_fails_at_once_and_an_event_waits(
    workspace: LocalWorkspace, app: AsyncApp
) -> None:
    seen: list[str] = []

    @app.event("message")
    async def note(event: dict[str, Any]) -> None:
        seen.append(event["text"])

    assert await _refusal(workspace.person("ada").slash("general", "/solve")) == "not_connected"
    await workspace.person("ada").post("general", "sent before the app was there")
    async with connected(workspace, app):
        await workspace.until(lambda: seen)
    assert seen == ["sent before the app was there"]


async def test_an_undeclared_command_is_refused_before_the_app_hears_of_it(
    workspace: LocalWorkspace,
) -> None:
    assert await _refusal(workspace.person("ada").slash("general", "/nope")) == "unknown_command"


async def test_the_app_reconnects_after_a_disconnect_frame(
    workspace: LocalWorkspace, app: AsyncApp
) -> None:
    seen: list[str] = []

    @app.event("message")
    async def note(event: dict[str, Any]) -> None:
        seen.append(event["text"])

    async with connected(workspace, app):
        await workspace.disconnect("refresh_requested")
        await workspace.until_connected()
        await workspace.person("ada").post("general", "still there?")
        await workspace.until(lambda: seen)
    assert seen == ["still there?"]
    assert len(workspace.traffic.calls("apps.connections.open")) == 2


async def test_a_cut_connection_loses_no_event(workspace: LocalWorkspace) -> None:
    app = AsyncApp(client=client_of(workspace), process_before_response=True)
    started, seen = asyncio.Event(), []

    @app.event("message")
    async def cut_in_the_middle(event: dict[str, Any]) -> None:
        seen.append(event["text"])
        if len(seen) == 1:
            started.set()
            await asyncio.sleep(30)  # the first delivery hangs; the test cuts it off

    async with connected(workspace, app):
        await workspace.person("ada").post("general", "hello")
        await started.wait()
        await workspace.drop_sockets()
        await workspace.until(lambda: len(seen) > 1)
    assert _statuses(workspace)[0] == "connection_failed"
    assert seen[:2] == ["hello", "hello"]


async def test_each_delivery_goes_to_exactly_one_of_several_sockets(
    workspace: LocalWorkspace,
) -> None:
    seen: list[tuple[int, str]] = []

    def app_number(number: int) -> AsyncApp:
        app = new_app(workspace)

        @app.event("message")
        async def note(event: dict[str, Any]) -> None:
            seen.append((number, event["text"]))

        return app

    async with connected(workspace, app_number(1)), connected(workspace, app_number(2)):
        for number in range(6):
            await workspace.person("ada").post("general", f"message {number}")
        await workspace.until(lambda: len(seen) == 6)
    assert sorted(text for _, text in seen) == [f"message {n}" for n in range(6)]
    assert {number for number, _ in seen} == {1, 2}


async def test_a_ticket_opens_one_connection_only(
    workspace: LocalWorkspace, client: AsyncWebClient
) -> None:
    url = str((await client.apps_connections_open(app_token=workspace.app_token))["url"])
    async with ClientSession() as session:
        async with session.ws_connect(url) as socket:
            hello = await socket.receive_json()
            assert hello["type"] == "hello"
            assert hello["connection_info"]["app_id"].startswith("A")
        with pytest.raises(WSServerHandshakeError) as refused:
            await session.ws_connect(url)
    assert refused.value.status == 403


async def test_more_sockets_than_slack_allows_are_turned_away() -> None:
    async with (
        LocalWorkspace(LocalWorkspaceConfig(max_sockets=1)) as workspace,
        ClientSession() as session,
    ):
        client = client_of(workspace)
        first = await client.apps_connections_open(app_token=workspace.app_token)
        second = await client.apps_connections_open(app_token=workspace.app_token)
        async with (
            session.ws_connect(str(first["url"])) as kept,
            session.ws_connect(str(second["url"])) as refused,
        ):
            assert (await kept.receive_json())["type"] == "hello"
            frame = await refused.receive_json()
    assert (frame["type"], frame["reason"]) == ("disconnect", "too_many_websockets")


async def test_pings_are_answered_with_their_payload(
    workspace: LocalWorkspace, client: AsyncWebClient
) -> None:
    url = str((await client.apps_connections_open(app_token=workspace.app_token))["url"])
    async with ClientSession() as session, session.ws_connect(url, autoping=False) as socket:
        await socket.receive_json()
        await socket.ping(b"sdk-ping-pong:1.5")
        assert (await socket.receive()).data == b"sdk-ping-pong:1.5"


async def test_duplicate_deliveries_keep_the_event_id(
    workspace: LocalWorkspace, app: AsyncApp
) -> None:
    workspace.faults.duplicate_deliveries = 1.0
    seen: list[tuple[str, Any]] = []

    @app.event("message")
    async def note(body: dict[str, Any], request: Any) -> None:
        seen.append((body["event_id"], request.headers.get(RETRIES[0])))

    async with connected(workspace, app):
        await workspace.person("ada").post("general", "once")
        await workspace.until(lambda: len(seen) == 2)
    assert len({event_id for event_id, _ in seen}) == 1
    assert {str(number) for _, number in seen} == {"None", "['1']"}


async def test_events_can_be_made_to_overtake_each_other(
    workspace: LocalWorkspace, app: AsyncApp
) -> None:
    workspace.faults.out_of_order = True
    seen: list[str] = []

    @app.event("message")
    async def note(event: dict[str, Any]) -> None:
        seen.append(event["text"])

    async with connected(workspace, app):
        for text in ("first", "second", "third"):
            await workspace.person("ada").post("general", text)
        await workspace.until(lambda: len(seen) == 3)
    assert seen == ["second", "first", "third"]


async def test_the_app_token_and_the_bot_token_are_not_interchangeable(
    workspace: LocalWorkspace, client: AsyncWebClient
) -> None:
    wrong_way = client.apps_connections_open(app_token=workspace.bot_token)
    assert await error_of(wrong_way) == "not_allowed_token_type"
    assert await error_of(client.auth_test(token=workspace.app_token)) == "not_allowed_token_type"


async def test_a_workspace_with_work_in_flight_stops_at_once() -> None:
    async with asyncio.timeout(2):
        async with LocalWorkspace(IMPATIENT) as workspace:
            await workspace.person("ada").post("general", "nobody listens")
            workspace.faults.retry_time_scale = 1000.0
            await workspace.until(lambda: _statuses(workspace) == ["timeout"])


def _statuses(workspace: LocalWorkspace) -> list[str]:
    return [e.status for e in workspace.traffic.of(Direction.EVENT, "message")]


async def _refusal(act: Any) -> str:
    with pytest.raises(RefusedError) as refused:
        await act
    return refused.value.code
