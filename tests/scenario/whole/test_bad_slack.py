"""Messages nobody should have to think of, and places that go away."""

import asyncio
import logging
from contextlib import asynccontextmanager
from copy import deepcopy

import pytest

from agent_engine.types import EndReason, TaskStatus
from bot.local_slack.config import LocalWorkspaceConfig
from bot.local_slack.server import LocalWorkspace
from bot.manifest import load_manifest
from tests.scenario.whole.conftest import open_town
from tests.scenario.whole.models import answer, open_model_town, prompt
from tests.scenario.whole.town import PATIENCE_S

SLOW = "run this\n```bash\nsleep 60\n```"


@pytest.mark.parametrize("text", ["", "   ", "\n\n", "!", "<@{bot}>"])
async def test_a_message_with_only_a_mention_gets_one_sentence(town, text):
    ts = await town.mention(text.format(bot=town.workspace.bot_user_id))
    if text == "!":
        await town.answered(ts)
        return
    await town.until(town.ephemerals)
    (said,) = town.ephemerals()
    assert "Tell me what to do in the same message" in said
    assert (town.ours(ts), await town.run(ts)) == ([], None)


async def test_forty_thousand_characters_reach_the_model_cut_to_what_it_can_read(
    tmp_path, workspace, monkeypatch
):
    def script(_body, _index):
        return answer("I read it.")

    async with open_model_town(tmp_path, workspace, monkeypatch, script) as (town, server):
        ts = await town.mention("first words " + "x " * 19_900 + "last words")
        assert await town.answered(ts) == ["I read it."]
        assert "first words" in prompt(server.bodies[0])
        title = next(c.args for c in workspace.traffic.calls("agents.sessions.setStatus"))
        assert len(str(title)) < 2_000


@pytest.mark.parametrize(
    "text",
    [
        "<!channel> <!here> ping",
        "a\x00b\u202e\ud83d",
        "{{step1}} {{config}} %s {0}",
        "'; DROP TABLE runs;--",
    ],
)
async def test_odd_text_is_only_text(tmp_path, workspace, monkeypatch, text):
    def script(_body, _index):
        return answer("Hello <!channel>, see <@U0> & {{step1}}.")

    async with open_model_town(tmp_path, workspace, monkeypatch, script) as (town, _):
        ts = await town.mention(text)
        await town.answered(ts)
        assert "<!channel>" not in town.ours(ts)[-1].text
        assert (await town.run(ts)).status is TaskStatus.COMPLETED


async def test_an_archived_channel_ends_its_run_and_others_go_on(town, caplog):
    caplog.set_level(logging.INFO)
    ts = await town.mention(SLOW)
    await town.working_on(ts, "Run")
    await town.person().archive("general")
    run = await ended(town, ts)
    assert run.end.reason is EndReason.STOPPED
    assert "archived" in run.end.sentence
    assert ("run_ended", run.run_id) in [
        (r.getMessage(), getattr(r, "run_id", "")) for r in caplog.records
    ]
    other = await town.mention("calculate 5+5", channel="data")
    await town.answered(other, channel="data")


async def test_a_root_message_deleted_under_way_leaves_no_stuck_task(town):
    ts = await town.mention(SLOW)
    await town.working_on(ts, "Run")
    await town.person().delete("general", ts)
    await town.person().slash("general", "/tasks")
    listed = town.person().ephemerals("general")[-1]
    stop = next(b["accessory"] for b in listed.blocks if b.get("accessory"))
    await town.person().click("general", listed.ts, stop["action_id"], stop["value"])
    run = await ended(town, ts)
    assert run.status is TaskStatus.CANCELLED
    other = await town.mention("calculate 5+5")
    await town.answered(other)


async def test_without_the_scope_to_upload_the_thread_still_gets_its_answer(tmp_path, caplog):
    async with town_without("files:write", tmp_path) as town:
        ts = await town.mention("calculate 17*23 then save the result to answer.txt")
        (said,) = await town.answered(ts)
        assert "391" in said
        assert "I may not upload files here" in town.said(ts)
        assert "answer.txt" in town.said(ts)
        lost = assert_logged(caplog, "scopes_missing")
        assert lost.losses == ["without files:write: files that agents make cannot be uploaded"]
        missing = assert_logged(caplog, "scope_missing")
        assert (missing.needed, "reinstall" in missing.fix) == ("files:write", True)
        await town.person().open_home()
        await town.until(lambda: "files that agents make" in str(town.person().home()))


async def test_without_the_scope_to_write_the_log_says_so_and_no_task_is_stuck(tmp_path, caplog):
    async with town_without("chat:write", tmp_path) as town:
        ts = await town.mention("calculate 17*23")
        run = await ended(town, ts)
        assert run.status is TaskStatus.COMPLETED
        await town.until(lambda: "post_refused" in caplog.text)
        refused = assert_logged(caplog, "post_refused")
        assert (refused.error, run.run_id in refused.key) == ("missing_scope", True)
        assert_logged(caplog, "scopes_missing")
        missing = [r for r in caplog.records if r.getMessage() == "scope_missing"]
        assert ("chat.postMessage", "chat:write") in [(r.method, r.needed) for r in missing]
        said = await town.person().slash("general", "/solve", "calculate 17*23")
        assert "lacks the scope `chat:write`" in str(said)


@asynccontextmanager
async def town_without(scope, home):
    manifest = deepcopy(load_manifest())
    manifest["oauth_config"]["scopes"]["bot"].remove(scope)
    async with (
        LocalWorkspace(LocalWorkspaceConfig(manifest=manifest)) as workspace,
        open_town(home, workspace) as town,
    ):
        yield town


async def ended(town, ts):
    """Wait for the thread's run to end; what no message says has to be looked up."""
    async with asyncio.timeout(PATIENCE_S):
        while (run := await town.run(ts)) is None or run.end is None:  # noqa: ASYNC110 - rows ring no bell here
            await asyncio.sleep(0.02)
    return run


def assert_logged(caplog, event):
    found = [record for record in caplog.records if record.getMessage() == event]
    assert found, event
    return found[0]
