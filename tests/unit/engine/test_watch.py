"""Running work hears of a stop in time."""

import asyncio

import pytest

from agent_engine.ports import RunSignal
from agent_engine.types import CancelRequest, RunId
from agent_engine.watch import Interrupted, SignalWatch

RUN = RunId("r1")


class Signals:
    """A store that knows signals only."""

    def __init__(self, **facts):
        self.signal = RunSignal(**{"inbox_seq": 0, "cancel": None, "epoch": 1, **facts})
        self.queries = 0

    async def signals(self, run_ids):
        self.queries += 1
        return dict.fromkeys(run_ids, self.signal)


async def guarded(watch, work, *, epoch=1):
    async with asyncio.timeout(5), watch.guard(RUN, epoch=epoch):
        await work


@pytest.mark.parametrize(
    "facts", [{"cancel": CancelRequest(reason="enough")}, {"epoch": 2}], ids=["stop", "takeover"]
)
async def test_work_ends_when_its_run_is_stopped_or_taken_over(facts):
    watch = SignalWatch(Signals(**facts))
    async with asyncio.TaskGroup() as group:
        work = group.create_task(_expecting_interruption(watch))
        await asyncio.sleep(0)
        await watch.look()
    assert work.result() == "interrupted"


async def test_work_that_takes_its_time_to_end_is_interrupted_once():
    watch = SignalWatch(Signals(cancel=CancelRequest(reason="enough")))
    ending, may_end = asyncio.Event(), asyncio.Event()

    async def slow_to_end():
        try:
            await asyncio.Event().wait()
        finally:
            ending.set()
            await may_end.wait()

    async def work():
        with pytest.raises(Interrupted):
            await guarded(watch, slow_to_end())

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(work())
        await asyncio.sleep(0)
        await watch.look()
        await ending.wait()
        await watch.look()
        may_end.set()


async def _expecting_interruption(watch):
    with pytest.raises(Interrupted):
        await guarded(watch, asyncio.Event().wait())
    return "interrupted"


async def test_a_message_alone_interrupts_nothing():
    watch = SignalWatch(Signals(inbox_seq=7))
    done = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        work = group.create_task(guarded(watch, done.wait()))
        await asyncio.sleep(0)
        await watch.look()
        done.set()
    assert work.exception() is None


async def test_a_timeout_of_the_work_itself_is_no_interruption():
    async def too_slow():
        async with asyncio.timeout(0):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await guarded(SignalWatch(Signals()), too_slow())


async def test_nothing_is_asked_while_nothing_runs():
    store = Signals()
    watch = SignalWatch(store)
    await watch.look()
    await guarded(watch, asyncio.sleep(0))
    await watch.look()
    assert store.queries == 0
