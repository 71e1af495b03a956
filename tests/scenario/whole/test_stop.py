"""Every way to stop ends the run in time, keeps what was done and says so."""

import pytest

from agent_engine.types import EndReason, TaskStatus

SLOW = "calculate 17*23 then run this\n```bash\nsleep 60\n```"


@pytest.fixture
async def working(town):
    """A thread whose second step takes a minute."""
    ts = await town.mention(SLOW)
    plan = await town.working_on(ts, "Run")
    return ts, plan


async def ended(town, ts):
    await town.until(lambda: town.is_quiet(ts))
    return await town.run(ts)


async def by_reaction(town, _ts, plan):
    await town.person().react("general", plan.ts, "x")


async def by_button(town, _ts, plan):
    await town.person().click("general", plan.ts, town.button(plan, "Stop"))


async def by_word(town, ts, _plan):
    await town.mention("stop", thread_ts=ts)


async def by_slack_itself(town, ts, _plan):
    await town.person().stop_session("general", ts)


@pytest.mark.parametrize("stop", [by_reaction, by_button, by_word, by_slack_itself])
async def test_the_run_ends_and_says_what_was_done(town, working, stop):
    ts, plan = working
    await stop(town, ts, plan)
    run = await ended(town, ts)
    assert (run.status, run.end.reason) == (TaskStatus.CANCELLED, EndReason.STOPPED)
    await town.until(lambda: "391" in town.said(ts))
    kept = await town.unhappy_end(ts)
    assert town.button(kept, "Continue")
    assert "Stopped by <@" in str(kept.blocks)


async def test_someone_else_may_not_stop_it_and_is_told_so(town, working):
    ts, plan = working
    await town.person("grace").react("general", plan.ts, "x")
    await town.until(lambda: town.ephemerals("grace"))
    assert (await town.run(ts)).end is None


async def test_a_stopped_run_goes_on_with_what_was_done(town, working):
    ts, plan = working
    await by_button(town, ts, plan)
    await ended(town, ts)
    kept = await town.unhappy_end(ts)
    await town.person().click("general", kept.ts, town.button(kept, "Continue"))
    await town.until(lambda: len(town.plans(ts)) == 2)
    second = await town.run(ts)
    assert [s.action.tool_name for s in second.steps][:1] == ["calculate"]
    await town.mention("stop", thread_ts=ts)
    await ended(town, ts)
