"""The whole bot over HTTP: signed deliveries instead of a socket."""

import time
from dataclasses import replace

import aiohttp
import pytest

from bot.local_slack.config import LocalWorkspaceConfig
from bot.local_slack.http_delivery import sign
from bot.local_slack.server import LocalWorkspace
from bot.manifest import load_manifest
from tests.scenario.whole.conftest import open_town
from tests.scenario.whole.trouble import refuse_to_save

SECRET = "a-signing-secret"  # noqa: S105  # of a local server
BODY = '{"type": "event_callback", "event": {"type": "app_mention"}}'


@pytest.fixture
def base_url(unused_tcp_port):
    return f"http://127.0.0.1:{unused_tcp_port}"


@pytest.fixture
async def workspace(base_url):
    config = LocalWorkspaceConfig(
        manifest=load_manifest(), signing_secret=SECRET, retry_delays_s=(0.0, 0.2, 0.5)
    )
    config = replace(config, http_delivery_url=f"{base_url}/slack/events")
    async with LocalWorkspace(config) as opened:
        yield opened


@pytest.fixture
def over_http(unused_tcp_port):
    return {
        "SLACK_APP_TOKEN": None,
        "SLACK_SIGNING_SECRET": SECRET,
        "TREADLE_HTTP_PORT": unused_tcp_port,
    }


@pytest.fixture
async def town(tmp_path, workspace, over_http):
    async with open_town(tmp_path, workspace, **over_http) as opened:
        yield opened


async def test_mentions_commands_and_buttons_work_the_same(town):
    assert await town.workspace.verify_url()
    ts = await town.mention("calculate 17*23")
    (said,) = await town.answered(ts)
    assert "391" in said
    helped = await town.person().slash("general", "/treadle", "help")
    assert "/solve" in str(helped)
    await town.person().react("general", town.ours(ts)[-1].ts, "+1")
    slow = await town.mention("run this\n```bash\nsleep 60\n```")
    plan = await town.working_on(slow, "Run")
    await town.person().click("general", plan.ts, town.button(plan, "Stop"))
    await town.until(lambda: town.is_quiet(slow))
    assert (await town.tally()).good_ratings == 1


@pytest.mark.parametrize(
    ("secret", "age_s"), [("another-secret", 0), (SECRET, 600)], ids=["forged", "replayed"]
)
async def test_a_wrong_or_old_signature_is_refused_and_starts_nothing(
    town, base_url, secret, age_s
):
    stamp = str(int(time.time()) - age_s)
    headers = {
        "Content-Type": "application/json",
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": sign(secret, timestamp=stamp, body=BODY),
    }
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{base_url}/slack/events", data=BODY, headers=headers) as response,
    ):
        assert response.status == 401
        assert SECRET not in await response.text()
    assert await town.engine.tasks(town.workspace.team_id) == []


async def test_what_could_not_be_saved_is_not_acknowledged_and_answered_once(town, monkeypatch):
    failures = refuse_to_save(monkeypatch, times=2)
    ts = await town.mention("calculate 17*23")
    (said,) = await town.answered(ts)
    assert "391" in said
    assert failures == []
    assert len(await town.engine.tasks(town.workspace.team_id)) == 1


async def test_health_is_told_and_readiness_only_once_slack_has_answered(
    tmp_path, workspace, over_http, base_url
):
    workspace.faults.merge({"fail_api": {"auth.test": {"status": 500, "times": 5}}})
    seen = []

    async def watch():
        async with aiohttp.ClientSession() as session:
            while 200 not in seen:
                seen.append(await _status(session, f"{base_url}/readyz"))
            return await _status(session, f"{base_url}/healthz")

    async with open_town(tmp_path, workspace, **over_http) as town:
        assert await watch() == 200
        ts = await town.mention("calculate 2+2")
        await town.answered(ts)


async def _status(session, url):
    async with session.get(url) as response:
        await response.read()
        return response.status
