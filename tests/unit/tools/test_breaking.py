"""A tool that breaks or hangs again and again is left alone for a while, then tried once."""

import asyncio

import pytest

from agent_engine.errors import RetryableError, ToolError
from agent_engine.ports import ToolTraits
from agent_engine.tools.breaking import FAILURES_TO_OPEN, OPEN_S, Breaking
from agent_engine.tools.call import ToolCaller
from tests.fakes.tools import FakeTool, StoppedClock, tool_context


class Clock(StoppedClock):
    """Stands still until the test moves it."""

    now_s = 0.0

    def monotonic_s(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def call(clock, tmp_path):
    breaking = Breaking(clock)

    async def call(act, name="fake", **traits):
        tool = FakeTool(act, name=name, traits=ToolTraits(**traits))
        caller = ToolCaller([tool], clock, stages=[breaking])
        observation = await caller.call(name, {}, tool_context(tmp_path))
        return len(tool.given), observation.content

    return call


def raising(error):
    async def act(_arguments):
        raise error

    return act


async def works(_arguments):
    return {"success": True}


BROKEN = [RuntimeError("bug"), RetryableError("down")]


@pytest.mark.parametrize("error", BROKEN, ids=["raises", "unavailable"])
async def test_a_tool_that_fails_in_a_row_is_left_alone_then_tried_once(call, clock, error):
    for _ in range(FAILURES_TO_OPEN):
        assert (await call(raising(error)))[0] == 1
    times, content = await call(works)
    assert times == 0
    assert "left alone for 60 s" in content["error"]
    clock.now_s += OPEN_S
    assert (await call(raising(error)))[0] == 1
    assert (await call(works))[0] == 0
    clock.now_s += OPEN_S
    assert (await call(works))[1]["success"]
    assert (await call(works))[1]["success"]


async def test_one_success_starts_the_count_anew(call):
    for _ in range(3):
        for _ in range(FAILURES_TO_OPEN - 1):
            await call(raising(RuntimeError("bug")))
        assert (await call(works))[1]["success"]


async def test_a_refusal_is_an_answer(call):
    for _ in range(2 * FAILURES_TO_OPEN):
        assert (await call(raising(ToolError("no such city"))))[0] == 1


async def test_another_tool_is_not_left_alone(call):
    for _ in range(FAILURES_TO_OPEN):
        await call(raising(RuntimeError("bug")))
    assert (await call(works, name="other"))[1]["success"]


async def test_a_tool_that_hangs_counts_and_one_that_is_stopped_does_not(call, clock):
    async def hang(_arguments):
        clock.now_s += 1.0
        await asyncio.Event().wait()

    for _ in range(2 * FAILURES_TO_OPEN):
        started = asyncio.Event()

        async def wait(_arguments, started=started):
            started.set()
            await asyncio.Event().wait()

        async with asyncio.TaskGroup() as group:
            task = group.create_task(call(wait))
            await started.wait()
            task.cancel()
    for _ in range(FAILURES_TO_OPEN):
        times, content = await call(hang, timeout_s=0.01)
        assert times == 1
        assert "took longer" in content["error"]
    assert (await call(works))[0] == 0
