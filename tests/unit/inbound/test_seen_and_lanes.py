"""Up to where channels were read, and one at a time per thread."""

import asyncio

import pytest

from agent_engine.errors import StorageError
from agent_engine.types import ChannelId, WorkspaceId
from bot.inbound.lanes import Lanes, OnceOnly, Underway
from bot.inbound.moments import earlier, is_later
from bot.inbound.seen import SeenTracker

T, C, D = WorkspaceId("T1"), ChannelId("C1"), ChannelId("C2")


class Store:
    def __init__(self):
        self.saved, self.fails = [], False

    async def saw(self, workspace_id, seen):
        if self.fails:
            raise StorageError
        self.saved.append((workspace_id, dict(seen)))


async def test_nothing_is_stored_before_the_first_catch_up():
    store = Store()
    seen = SeenTracker(store)
    seen.note(T, C, "5.0")
    await seen.flush()
    await seen.flush()
    await seen.flush_all()
    assert store.saved == []


async def test_a_note_is_stored_one_round_later_and_only_once():
    store = Store()
    seen = SeenTracker(store)
    seen.release(behind=())
    seen.note(T, C, "5.000001")
    seen.note(T, C, "4.000001")
    await seen.flush()
    assert store.saved == []
    await seen.flush()
    await seen.flush()
    assert store.saved == [(T, {C: "5.000001"})]


async def test_a_gap_holds_back_what_was_noted_shortly_before_it():
    store = Store()
    seen = SeenTracker(store)
    seen.release(behind=())
    seen.note(T, C, "5.0")
    seen.hold()
    await seen.flush()
    await seen.flush()
    assert store.saved == []
    seen.release(behind=[D])
    seen.note(T, D, "6.0")
    await seen.flush_all()
    assert store.saved == [(T, {C: "5.0"})]


async def test_what_could_not_be_stored_is_stored_the_next_time():
    store = Store()
    seen = SeenTracker(store)
    seen.release(behind=())
    seen.note(T, C, "5.0")
    await seen.flush()
    store.fails = True
    with pytest.raises(StorageError):
        await seen.flush()
    store.fails = False
    await seen.flush()
    assert store.saved == [(T, {C: "5.0"})]


@pytest.mark.parametrize(
    ("ts", "than", "later"),
    [
        ("10.000001", "9.999999", True),
        ("9.999999", "10.000001", False),
        ("5.000002", "5.000001", True),
        ("5.000001", "5.000001", False),
        ("5.000001", None, True),
        ("5", "5.000000", False),
    ],
)
def test_time_stamps_are_compared_as_numbers(ts, than, later):
    assert is_later(ts, than) is later


def test_no_time_stamp_lies_before_the_epoch():
    assert earlier("100.000001", 300) == "0.000001"


async def test_a_lane_lets_one_through_at_a_time_in_order():
    lanes, order = Lanes(), []
    gate = asyncio.Event()

    async def pass_through(name, wait):
        async with lanes.turn("thread"):
            if wait:
                await gate.wait()
            order.append(name)

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(pass_through("first", wait=True))
        await asyncio.sleep(0)
        group.create_task(pass_through("second", wait=False))
        await asyncio.sleep(0)
        async with lanes.turn("another"):
            order.append("elsewhere")
        gate.set()
    assert order == ["elsewhere", "first", "second"]


async def test_draining_waits_for_what_is_under_way():
    underway = Underway()
    assert await underway.drained(within_s=0.1)
    with underway.one():
        assert not await underway.drained(within_s=0.01)
    assert await underway.drained(within_s=0.1)


def test_an_occasion_is_claimed_once_until_it_is_released_or_long_ago():
    once = OnceOnly(size=2)
    assert not once.knows("a")
    assert once.claim("a")
    assert not once.claim("a")
    assert once.knows("a")
    once.release("a")
    assert not once.knows("a")
    assert once.claim("a")
    once.claim("b")
    once.claim("c")
    assert once.claim("a")
