"""A thumb up makes a plan an example for similar tasks here, until people change their minds."""

import asyncio

import pytest

from tests.scenario.whole.models import open_model_town, prompt, purpose, working
from tests.scenario.whole.test_memory_command import memory, press, shown

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


async def until_listed(town, *, is_there=True):
    """Ask until the agent remembers the plan as an example, or does not."""
    async with asyncio.timeout(5):
        while ("1 example plan" in (await memory(town)).text) is not is_there:
            pass


async def test_a_plan_that_was_rated_well_is_shown_to_the_next_similar_task_here_alone(house):
    town, server = house
    ts = await asked(town, "October")
    ada, message = town.person(), answer_in(town, ts)
    await ada.react("general", message.ts, "+1")
    await until_listed(town)
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
    await until_listed(town)
    await ada.react("general", message.ts, "-1")
    await until_listed(town, is_there=False)
    await asked(town, "November")
    told = last_plan(server)
    assert "rated well by" not in told
    assert "do not repeat: rated low by 1] Sum up the revenue of October." in told
    assert "It is 12." not in told


async def test_an_example_is_listed_and_forgotten_by_people(house):
    town, server = house
    ts = await asked(town, "October")
    await town.person().react("general", answer_in(town, ts).ts, "+1")
    await until_listed(town)
    found = await memory(town, "examples")
    assert "1 example plan" in found.text
    assert PLAN in shown(found)
    await press(town, found, "Forget")
    await until_listed(town, is_there=False)
    await asked(town, "November")
    assert "rated well by" not in last_plan(server)
