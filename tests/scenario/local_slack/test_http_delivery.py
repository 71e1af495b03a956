"""The same app without Socket Mode: signed requests to its URL."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Self

import pytest
from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.local_slack.config import LocalWorkspaceConfig
from bot.local_slack.errors import RefusedError
from bot.local_slack.http_delivery import HttpDelivery
from bot.local_slack.server import LocalWorkspace
from bot.local_slack.traffic import Direction
from tests.scenario.local_slack.app import QUICK, new_app

SECRET = "0123456789abcdef"  # noqa: S105 - of this test only


@asynccontextmanager
async def served(application: web.Application) -> AsyncIterator[str]:
    """Serve a web application on a free port; gives its address."""
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield "http://127.0.0.1:{1}".format(*runner.addresses[0][:2])
    finally:
        await runner.cleanup()


@asynccontextmanager
async def delivering(prepare: Any, **changes: Any) -> AsyncIterator[LocalWorkspace]:
    """Run a workspace that delivers to a Bolt app made by `prepare(app)`."""
    async with _Late() as late:
        config = replace(
            QUICK, http_delivery_url=f"{late.url}/slack/events", signing_secret=SECRET, **changes
        )
        async with LocalWorkspace(config) as workspace:
            app = new_app(workspace)
            prepare(app)
            late.app = app
            yield workspace


class _Late:
    """An HTTP server whose Bolt app is made after its address is known."""

    app: AsyncApp

    async def __aenter__(self) -> Self:
        application = web.Application()
        application.router.add_post("/slack/events", self._dispatch)
        self._served = served(application)
        self.url = await self._served.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._served.__aexit__(*error)

    async def _dispatch(self, request: web.Request) -> web.StreamResponse:
        response = await self.app.async_dispatch(await to_bolt_request(request))
        return await to_aiohttp_response(response)


async def test_events_commands_and_buttons_arrive_signed_over_http() -> None:
    seen: list[str] = []

    def prepare(app: AsyncApp) -> None:
        @app.event("app_mention")
        async def mention(event: dict[str, Any], client: AsyncWebClient) -> None:
            seen.append("mention")
            button = {
                "type": "button",
                "action_id": "go",
                "text": {"type": "plain_text", "text": "Go"},
            }
            blocks = [{"type": "actions", "elements": [button]}]
            await client.chat_postMessage(
                channel=event["channel"], thread_ts=event["ts"], text="?", blocks=blocks
            )

        @app.event("message")
        async def message() -> None:
            seen.append("message")

        @app.command("/solve")
        async def solve(ack: Any) -> None:
            await ack("On it.")

        @app.action("go")
        async def go(ack: Any) -> None:
            await ack()
            seen.append("go")

    async with delivering(prepare) as workspace:
        ada = workspace.person("ada")
        ts = await ada.post("general", "@treadle begin")
        await workspace.until(lambda: len(workspace.thread("general", ts)) == 2)
        await ada.click("general", workspace.thread("general", ts)[1].ts, "go")
        answer = await ada.slash("general", "/solve", "x")
        shown = [m.text for m in ada.ephemerals()]
    assert (answer, shown) == ({"text": "On it."}, ["On it."])
    assert seen.count("mention") == 1
    assert seen[-1] == "go"


async def test_the_app_answers_slacks_two_checks_of_its_url() -> None:
    async with delivering(lambda _: None) as workspace:
        assert await workspace.verify_url()
        transport = workspace.core.deliveries.transport
        assert isinstance(transport, HttpDelivery)
        assert await transport.check_ssl()


async def test_a_wrong_signing_secret_is_refused_and_the_event_retried() -> None:
    def prepare(app: AsyncApp) -> None:
        @app.event("message")
        async def message() -> None:
            raise AssertionError("an unsigned event got through")

    async with delivering(prepare) as workspace:
        transport = workspace.core.deliveries.transport
        assert isinstance(transport, HttpDelivery)
        transport._secret = SECRET[::-1]
        await workspace.person("ada").post("general", "hello")
        await workspace.until(lambda: len(workspace.traffic.of(Direction.EVENT)) == 4)
        statuses = {e.status for e in workspace.traffic.of(Direction.EVENT)}
    assert statuses == {"http_error"}


async def test_retries_over_http_say_why_and_obey_no_retry() -> None:
    got: list[tuple[str | None, str | None]] = []
    answers = [
        web.Response(status=500),
        web.Response(status=503, headers={"X-Slack-No-Retry": "1"}),
    ]

    async def answer(request: web.Request) -> web.StreamResponse:
        number = request.headers.get("X-Slack-Retry-Num")
        got.append((number, request.headers.get("X-Slack-Retry-Reason")))
        return answers[len(got) - 1]

    application = web.Application()
    application.router.add_post("/slack/events", answer)
    async with served(application) as url:
        config = replace(QUICK, http_delivery_url=f"{url}/slack/events")
        async with LocalWorkspace(config) as workspace:
            await workspace.person("ada").post("general", "hello")
            await workspace.until(lambda: len(got) == 2)
            await workspace.until(lambda: len(workspace.traffic.of(Direction.EVENT)) == 2)
    assert got == [(None, None), ("1", "http_error")]


async def test_an_app_that_hangs_is_asked_again_and_a_command_times_out() -> None:
    reasons: list[str | None] = []

    async def hang_once(request: web.Request) -> web.StreamResponse:
        reasons.append(request.headers.get("X-Slack-Retry-Reason"))
        if len(reasons) != 2:
            await asyncio.sleep(30)  # longer than the workspace waits; it is cut off
        return web.Response()

    application = web.Application()
    application.router.add_post("/slack/events", hang_once)
    async with served(application) as url:
        config = replace(QUICK, http_delivery_url=f"{url}/slack/events", ack_timeout_s=0.5)
        async with LocalWorkspace(config) as workspace:
            await workspace.person("ada").post("general", "hello")
            await workspace.until(lambda: len(workspace.traffic.of(Direction.EVENT)) == 2)
            with pytest.raises(RefusedError, match="operation_timeout"):
                await workspace.person("ada").slash("general", "/solve")
    assert reasons == [None, "http_timeout", None]


async def test_an_app_that_is_not_there_costs_the_caller_of_a_command_an_error() -> None:
    config = LocalWorkspaceConfig(http_delivery_url="http://127.0.0.1:9/slack/events")
    async with LocalWorkspace(config) as workspace:
        with pytest.raises(RefusedError, match="dispatch_failed"):
            await workspace.person("ada").slash("general", "/solve")
