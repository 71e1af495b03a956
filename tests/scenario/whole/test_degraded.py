"""Servers that do not know the newer methods and blocks, and trouble on Slack's side."""

import asyncio

import pytest

from bot.local_slack.config import LocalWorkspaceConfig
from bot.local_slack.server import LocalWorkspace
from bot.manifest import load_manifest
from tests.scenario.whole.conftest import open_town

TASK = "calculate 17*23 then save the result to answer.txt"


async def test_without_sessions_and_new_blocks_all_is_said_in_plain_blocks(tmp_path):
    config = LocalWorkspaceConfig(
        manifest=load_manifest(),
        unsupported_methods=frozenset({"agents.sessions.*", "assistant.*"}),
        refuse_block_types=frozenset({"plan", "task_card", "markdown", "context_actions"}),
    )
    async with LocalWorkspace(config) as workspace, open_town(tmp_path, workspace) as town:
        for channel in ("general", "data"):
            ts = await town.mention(TASK, channel=channel)
            await town.until(lambda ts=ts, at=channel: "*391*" in town.said(ts, at))
            await town.until(lambda ts=ts, at=channel: "2 of 2" in town.said(ts, at))
        assert town.calls("agents.sessions.setStatus") == 1


@pytest.mark.parametrize(
    "failure",
    [
        {"error": "ratelimited", "status": 429, "retry_after": 1, "times": 2},
        {"status": 500, "times": 2},
        {"status": "reset", "times": 1},
        {"status": "reset", "times": 1, "applied": True},
    ],
    ids=["429", "500", "reset", "reset after it was posted"],
)
async def test_trouble_with_posting_delays_but_loses_and_repeats_nothing(town, failure):
    town.workspace.faults.merge({"fail_api": {"chat.postMessage": failure}})
    ts = await town.mention(TASK)
    answers = await town.answered(ts)
    assert len(answers) == 1
    assert len(town.plans(ts)) <= 1


async def test_duplicates_and_disorder_on_delivery_change_nothing(town):
    town.workspace.faults.merge({"duplicate_deliveries": 1.0, "out_of_order": True})
    ts = await town.mention("calculate 2+2")
    await town.person().post("general", "calculate 3+3", thread_ts=ts)
    await town.until(lambda: len(town.answers(ts)) >= 1)
    town.workspace.faults.reset()
    other = await town.mention("calculate 5+5")
    await town.answered(other)
    runs = await town.engine.tasks(town.thread(ts).workspace_id)
    assert len({line.thread.thread_ts for line in runs}) == 2


async def test_a_channel_archived_under_way_ends_its_run_with_a_reason(town):
    ts = await town.mention("run this\n```bash\nsleep 60\n```")
    await town.working_on(ts, "Run")
    await town.person().archive("general")
    await _ended(town, ts)
    assert "archived" in (await town.run(ts)).end.sentence


async def test_a_deleted_root_message_leaves_no_stuck_task(town):
    ts = await town.mention("calculate 2+2")
    await town.person().delete("general", ts)
    await _ended(town, ts)
    other = await town.mention("calculate 5+5")
    await town.answered(other)


async def _ended(town, ts):
    for _ in range(600):
        run = await town.run(ts)
        if run is not None and run.end is not None:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the run did not end")
