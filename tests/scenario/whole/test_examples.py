"""A thumb up makes a plan an example for similar tasks, in its channel, until people change minds."""

import pytest

from tests.scenario.whole.models import open_model_town, prompt, purpose, working

PLAN = "use_tool file_operations"
script = working(
    ("file_operations", {"operation": "write", "path": "sum.txt", "content": "12"}),
    text="It is 12.",
)


@pytest.fixture
async def house(tmp_path, workspace, monkeypatch):
    async with open_model_town(tmp_path, workspace, monkeypatch, script) as (town, server):
        yield town, server


async def asked(town, month, channel="general"):
    ts = await town.mention(f"Sum up the revenue of {month}.", channel=channel)
    await town.answered(ts, channel=channel)
    return ts


def last_plan(server):
    return [prompt(body) for body in server.bodies if purpose(body) == "plan"][-1]


def answer_in(town, ts):
    """The answer's message: ratings of it are of the run."""
    return next(m for m in town.ours(ts) if m.blocks and m.blocks[0]["type"] == "markdown")


async def listed(town, text):
    """What ``@treadle memory`` says of examples."""
    before = len(town.ephemerals())
    await town.mention(text)
    return str((await town.until(lambda: town.ephemerals()[before:]))[-1])


async def test_a_plan_that_was_rated_well_is_shown_to_the_next_similar_task_here_alone(house):
    town, server = house
    ts = await asked(town, "October")
    ada, message = town.person(), answer_in(town, ts)
    await ada.react("general", message.ts, "+1")
    next_ts = await asked(town, "November")
    told = last_plan(server)
    assert "rated well by 1] Sum up the revenue of October." in told
    assert PLAN in told
    assert " s: " in told[told.index("rated well by 1]") :]
    assert "memories used" in town.said(next_ts)
    await asked(town, "December", channel="data")
    assert "October" not in last_plan(server)


async def test_a_thumb_down_afterwards_takes_it_away(house):
    town, server = house
    ts = await asked(town, "October")
    ada, message = town.person(), answer_in(town, ts)
    await ada.react("general", message.ts, "+1")
    await ada.react("general", message.ts, "-1")
    await asked(town, "November")
    told = last_plan(server)
    assert "rated well" not in told
    assert "do not repeat: rated low by 1] Sum up the revenue of October." in told
    assert "It is 12." not in told
