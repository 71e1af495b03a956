"""The database or Slack is away: nothing is acknowledged that was not saved, nothing is lost."""

import asyncio
import logging
from contextlib import suppress

import pytest

from bot.local_slack.errors import RefusedError
from tests.scenario.whole.conftest import open_town
from tests.scenario.whole.trouble import refuse_to_save


async def test_a_mention_that_could_not_be_saved_comes_again_and_is_answered_once(
    town, monkeypatch, caplog
):
    failures = refuse_to_save(monkeypatch, times=3)
    ts = await town.mention("calculate 17*23")
    (said,) = await town.answered(ts)
    assert "391" in said
    assert failures == []
    tasks = await town.engine.tasks(town.workspace.team_id)
    assert len(tasks) == 1
    refused = [r for r in caplog.records if r.getMessage() == "delivery_not_taken"]
    assert refused
    assert "17*23" not in caplog.text


async def test_a_command_that_could_not_be_saved_is_not_lost_either(town, monkeypatch):
    failures = refuse_to_save(monkeypatch, times=1)
    with suppress(
        RefusedError
    ):  # unless its own message's event came first, and was the one to fail
        await town.person().slash("general", "/solve", "calculate 6*7")
    await town.until(lambda: not failures)
    root = next(
        call.result["ts"]
        for call in town.workspace.traffic.calls("chat.postMessage")
        if "calculate 6*7" in call.args["text"]
    )
    (said,) = await town.answered(root)
    assert "42" in said
    assert len(await town.engine.tasks(town.workspace.team_id)) == 1


@pytest.mark.parametrize(
    "failure",
    [
        {"error": "ratelimited", "status": 429, "retry_after": 1, "times": 2},
        {"status": 500, "times": 5},
        {"status": "reset", "times": 5},
    ],
    ids=["429", "500", "nothing"],
)
async def test_a_slack_that_does_not_answer_at_the_start_is_waited_for(
    tmp_path, workspace, caplog, failure
):
    caplog.set_level(logging.INFO)
    ada = workspace.person("ada")
    workspace.faults.merge({"fail_api": {"auth.test": dict(failure)}})
    words = f"<@{workspace.bot_user_id}> calculate 17*23"
    async with asyncio.TaskGroup() as group:
        posted = group.create_task(_post_when_asked(workspace, ada, words))
        async with open_town(tmp_path, workspace) as town:
            ts = await posted
            (said,) = await town.answered(ts)
            assert "391" in said
            assert len(await town.engine.tasks(workspace.team_id)) == 1
    assert "identity_known" in [record.getMessage() for record in caplog.records]


async def _post_when_asked(workspace, person, words):
    """Post once the bot has tried to come up in vain."""
    await workspace.until(lambda: workspace.traffic.calls("auth.test"))
    return await person.post("general", words)
