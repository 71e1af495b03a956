"""Callers get through as fast as Slack allows, the most urgent first."""

import asyncio

import pytest

from bot.errors import SlackUnavailableError
from bot.outbound.pacing import SESSIONS, Pacer, Urgency
from tests.fakes.stores import FakeTime

POST = "chat.postMessage"
EDIT = "chat.update"
SESSION = "agents.sessions.setStatus"


def a_pacer():
    time = FakeTime()
    return time, Pacer(clock=time, sleep=time.sleep)


async def turn(pacer, method=POST, channel="C1", urgency=Urgency.ANSWER, patience_s=1e6):
    await pacer.turn(method, channel_id=channel, urgency=urgency, patience_s=patience_s)


async def test_a_channel_takes_three_messages_at_once_and_then_one_a_second():
    time, pacer = a_pacer()
    passed = []
    for _ in range(6):
        await turn(pacer)
        passed.append(round(time.now_s - 1_000, 3))
    assert passed == [0, 0, 0, 1, 2, 3]


async def test_channels_do_not_hold_each_other_up():
    time, pacer = a_pacer()
    for n in range(50):
        await turn(pacer, channel=f"C{n}")
    assert time.now_s == 1_000


async def test_the_workspace_has_a_limit_of_its_own():
    time, pacer = a_pacer()
    for n in range(500):
        await turn(pacer, channel=f"C{n}")
    assert time.now_s - 1_000 == pytest.approx(60, abs=1)


async def test_edits_are_limited_to_fifty_a_minute_over_all_channels():
    time, pacer = a_pacer()
    for n in range(70):
        await turn(pacer, method=EDIT, channel=f"C{n}")
    assert time.now_s - 1_000 == pytest.approx(60, abs=1)


async def test_unused_time_is_not_saved_up_beyond_the_burst():
    time, pacer = a_pacer()
    await turn(pacer)
    time.now_s += 1_000
    before_s = time.now_s
    for _ in range(4):
        await turn(pacer)
    assert time.now_s - before_s == pytest.approx(1)


async def test_the_more_urgent_goes_first_and_equals_in_order():
    _, pacer = a_pacer()
    for _ in range(3):
        await turn(pacer)
    order = []

    async def caller(name, urgency):
        await turn(pacer, urgency=urgency)
        order.append(name)

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        for n in range(3):
            group.create_task(caller(f"plan {n}", Urgency.PLAN))
        for n in range(3):
            group.create_task(caller(f"answer {n}", Urgency.ANSWER))
    assert [name for name in order if name.startswith("answer")] == [
        f"answer {n}" for n in range(3)
    ]
    assert order[-2:] == ["plan 1", "plan 2"]


async def test_who_has_no_patience_is_told_when_to_come_back_and_uses_nothing_up():
    time, pacer = a_pacer()
    for _ in range(3):
        await turn(pacer)
    with pytest.raises(SlackUnavailableError) as caught:
        await turn(pacer, patience_s=0.0)
    assert caught.value.retry_after_s == pytest.approx(1)
    assert not caught.value.maybe_done
    await turn(pacer)
    assert time.now_s - 1_000 == pytest.approx(1)


async def test_a_retry_after_holds_one_channel_and_no_other():
    time, pacer = a_pacer()
    pacer.block(POST, channel_id="C1", seconds=30)
    await turn(pacer, channel="C2")
    assert time.now_s == 1_000
    await turn(pacer, channel="C1")
    assert time.now_s - 1_000 == pytest.approx(30)


async def test_a_retry_after_of_a_method_without_channels_holds_the_method():
    time, pacer = a_pacer()
    pacer.block("users.info", channel_id=None, seconds=7)
    await turn(pacer, method="users.info", channel=None)
    assert time.now_s - 1_000 == pytest.approx(7)


async def test_a_caller_that_gives_up_leaves_the_line():
    _, pacer = a_pacer()
    for _ in range(3):
        await turn(pacer)
    passed = asyncio.Event()

    async def caller():
        await turn(pacer)
        passed.set()

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        first = group.create_task(turn(pacer, urgency=Urgency.REPLY))
        group.create_task(caller())
        await asyncio.sleep(0)
        first.cancel()
    assert passed.is_set()


async def test_a_second_limit_that_refuses_gives_the_first_back():
    _, pacer = a_pacer()
    for n in range(100):
        await turn(pacer, channel=f"X{n}")
    for _ in range(3):
        with pytest.raises(SlackUnavailableError):
            await turn(pacer, patience_s=0.0)
    bucket = pacer._buckets[POST, "C1"]
    assert bucket.tokens == 3


async def test_how_long_a_call_would_wait_is_known_without_making_it():
    time, pacer = a_pacer()

    def wait_s(ahead):
        return pacer.wait_s(POST, channel_id="C1", urgency=Urgency.ANSWER, ahead=ahead)

    assert [wait_s(ahead) for ahead in range(5)] == [0, 0, 0, 1, 2]
    pacer.block(POST, channel_id="C1", seconds=7)
    assert wait_s(0) == 7
    assert time.now_s == 1_000


async def test_the_least_urgent_leave_some_session_changes_for_first_signs():
    time, pacer = a_pacer()
    rest, sign = Urgency.BACKGROUND, Urgency.ANSWER

    def wait_s(urgency):
        return pacer.wait_s(SESSION, channel_id=None, urgency=urgency)

    for _ in range(SESSIONS.burst - 10):
        await turn(pacer, method=SESSION, channel=None, urgency=rest, patience_s=0.0)
    assert wait_s(rest) == pytest.approx(1.2)
    for _ in range(10):
        await turn(pacer, method=SESSION, channel=None, urgency=sign, patience_s=0.0)
    assert wait_s(sign) == pytest.approx(1.2)
    time.now_s += 13.3
    assert wait_s(sign) == 0
    assert wait_s(rest) == 0


async def test_the_buckets_of_quiet_channels_are_forgotten(monkeypatch):
    monkeypatch.setattr("bot.outbound.pacing.MAX_IDLE_BUCKETS", 10)
    time, pacer = a_pacer()
    for n in range(100):
        await turn(pacer, channel=f"C{n}")
        time.now_s += 10
    assert len(pacer._buckets) <= 11
