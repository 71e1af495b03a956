"""The same over HTTP: signed deliveries, refused forgeries, health."""

from contextlib import asynccontextmanager
from dataclasses import replace

import aiohttp
import pytest

from bot.inbound.bolt_app import build_bolt_app
from bot.inbound.http import serve_http
from bot.inbound.listeners.attach import attach
from bot.local_slack.server import LocalWorkspace
from tests.scenario.inbound.conftest import QUICK, World, _at_once

SECRET = "a-signing-secret"  # noqa: S105  # of a local server


@asynccontextmanager
async def listening(world, port, *, knows_itself=True):
    ws = world.workspace
    async with world.parts() as bot:
        if knows_itself:
            await bot.whoami.learn(bot.talk, sleep=_at_once)
        app = build_bolt_app(
            whoami=bot.whoami, token=ws.bot_token, base_url=ws.api_url, signing_secret=SECRET
        )
        attach(app, bot.entrance)
        underway = bot.entrance.underway
        readiness = lambda: [] if bot.whoami.is_known else ["identity"]  # noqa: E731  # one line
        async with serve_http(
            app, host="127.0.0.1", port=port, underway=underway, readiness=readiness
        ):
            world.bot = bot
            yield f"http://127.0.0.1:{port}"


@pytest.fixture
async def world(unused_tcp_port):
    url = f"http://127.0.0.1:{unused_tcp_port}/slack/events"
    config = replace(QUICK, http_delivery_url=url, signing_secret=SECRET)
    async with LocalWorkspace(config) as workspace:
        yield World(workspace)


async def test_a_mention_and_a_command_arrive(world, unused_tcp_port):
    ada = world.workspace.person("ada")
    async with listening(world, unused_tcp_port):
        assert await world.workspace.verify_url()
        await ada.post("general", "@treadle over http")
        assert len(await world.settled()) == 1
        answer = await ada.slash("general", "/treadle", "help")
        assert answer["text"]


async def test_what_could_not_be_stored_is_delivered_again(world, unused_tcp_port):
    world.core.failures = 2
    async with listening(world, unused_tcp_port):
        await world.workspace.person("ada").post("general", "@treadle please")
        await world.core.until(world.core.said)
        assert len(await world.settled()) == 1


async def test_a_forged_delivery_is_refused(world, unused_tcp_port):
    async with listening(world, unused_tcp_port) as url, aiohttp.ClientSession() as session:
        headers = {"X-Slack-Request-Timestamp": "1", "X-Slack-Signature": "v0=00"}
        async with session.post(f"{url}/slack/events", json={}, headers=headers) as response:
            assert response.status == 401
    assert world.core.attempts == 0


async def test_health_says_whether_deliveries_can_be_taken(world, unused_tcp_port):
    async with (
        listening(world, unused_tcp_port, knows_itself=False) as url,
        aiohttp.ClientSession() as session,
    ):
        async with session.get(f"{url}/healthz") as response:
            assert response.status == 200
        async with session.get(f"{url}/readyz") as response:
            assert response.status == 503
            assert (await response.json())["missing"] == ["identity"]
        await world.bot.whoami.learn(world.bot.talk, sleep=_at_once)
        async with session.get(f"{url}/readyz") as response:
            assert response.status == 200


async def test_events_before_we_know_who_we_are_come_again(world, unused_tcp_port):
    async with listening(world, unused_tcp_port, knows_itself=False):
        await world.workspace.person("ada").post("general", "@treadle early")
        await world.workspace.until(
            lambda: [e for e in world.workspace.traffic if e.name == "app_mention"]
        )
        await world.bot.whoami.learn(world.bot.talk, sleep=_at_once)
        await world.core.until(world.core.said)
        assert world.core.said()[0].message.text == "early"
