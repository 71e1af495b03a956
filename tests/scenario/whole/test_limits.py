"""What a task and a person may use, and how to go on when it is used up."""

import asyncio
from dataclasses import replace

import pytest

from agent_engine.planners.offline import OfflinePlanner
from agent_engine.types import EndReason, TaskStatus
from bot.agents_file import parse_agents_file
from tests.fakes.openai_server import Says
from tests.scenario.whole.conftest import open_town
from tests.scenario.whole.models import next_step, open_model_town, plan, purpose

SUMS = " then ".join(f"calculate {n}+{n}" for n in range(1, 5))
PER_PERSON = 10
TOKENS = 4_000
"""Enough for a plan or two."""


def limits(**caps):
    file, problems = parse_agents_file({"limits": caps}, name="treadle.toml")
    assert not problems
    return file


async def test_a_run_at_its_step_limit_says_which_and_goes_on_with_more(tmp_path, workspace):
    async with open_town(tmp_path, workspace, file=limits(iterations=3)) as town:
        ts = await town.mention(SUMS)
        notice = await town.unhappy_end(ts)
        run = await town.run(ts)
        assert (run.status, run.end.reason) == (TaskStatus.ERROR, EndReason.LIMIT)
        assert run.end.sentence == "The limit of steps is used up: 3 of 3."
        assert town.shows(notice, run.end.sentence)
        assert "Done so far, 3 of 4 steps" in town.said(ts)
        await town.person().click("general", notice.ts, town.button(notice, "Extend to 6 steps"))
        await town.until(lambda: "= **8**" in town.said(ts))
        await town.until(lambda: town.is_quiet(ts))
        second = await town.run(ts)
        assert (second.status, second.usage.iterations) == (TaskStatus.COMPLETED, 1)


async def test_a_run_at_its_time_limit_says_so(tmp_path, workspace):
    async with open_town(tmp_path, workspace, file=limits(seconds=0.2)) as town:
        ts = await town.mention("run this\n```bash\nsleep 0.5\n```\nthen calculate 1+1")
        notice = await town.unhappy_end(ts)
        run = await town.run(ts)
        assert run.end.reason is EndReason.LIMIT
        assert "working seconds" in run.end.sentence
        assert run.end.sentence in town.said(ts)
        assert town.button(notice, "Extend to 0.4 s")
        assert not town.button(notice, "Continue")


async def test_a_run_at_its_token_limit_says_so_and_asks_the_model_no_more(
    tmp_path, workspace, monkeypatch
):
    def script(body, index):
        if purpose(body) in ("plan", "replan"):
            step = ("calculate", {"expression": f"{index} +"})
            return replace(plan(step, first=next_step(body)), usage=False)
        return Says(text="Never.")

    file = limits(tokens=TOKENS)
    async with open_model_town(tmp_path, workspace, monkeypatch, script, file=file) as (
        town,
        server,
    ):
        ts = await town.mention("count for ever")
        notice = await town.unhappy_end(ts)
        run = await town.run(ts)
        assert run.end.reason is EndReason.LIMIT
        assert "tokens" in run.end.sentence
        assert run.usage.tokens <= TOKENS
        assert town.shows(notice, run.end.sentence)
        assert len(server.bodies) == run.usage.model_calls


@pytest.fixture
def gate():
    return asyncio.Event()


async def test_of_twelve_tasks_of_one_person_ten_run_and_two_say_their_place(
    tmp_path, workspace, monkeypatch, gate
):
    held, original = [], OfflinePlanner.create_plan

    async def held_plan(planner, goal, context, tools):
        held.append(goal)
        await gate.wait()
        return await original(planner, goal, context, tools)

    monkeypatch.setattr(OfflinePlanner, "create_plan", held_plan)
    async with open_town(tmp_path, workspace) as town:
        threads = [await town.mention(f"calculate {n}+{n}") for n in range(12)]
        await town.until(lambda: len(held) == PER_PERSON)
        await town.until(lambda: len([ts for ts in threads if "In line" in town.said(ts)]) == 2)
        places = [(await town.run(ts)).queue_place for ts in threads]
        assert sorted(place for place in places if place) == [1, 2]
        for ts, place in zip(threads, places, strict=True):
            assert place is None or f"number {place} in line" in town.said(ts)
        other = await town.mention("calculate 50+50", person="grace")
        await town.until(lambda: len(held) == PER_PERSON + 1)
        gate.set()
        for ts in (*threads, other):
            await town.answered(ts)
        ended = [(await town.run(ts)).status for ts in (*threads, other)]
        assert set(ended) == {TaskStatus.COMPLETED}
