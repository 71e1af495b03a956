"""Wake-ups and the sweep that makes up for lost ones."""

from datetime import timedelta

from agent_engine.events import Slept
from agent_engine.ports import WakeupKind
from agent_engine.types import Resolution, Wait, WaitKind, now_utc
from tests.contract.house import House, answered


async def test_wake_ups_come_oldest_first_until_they_are_delivered(house: House) -> None:
    ids = [await house.start(f"{n}.0") for n in range(3)]
    due = await house.wakeups.due(limit=2)
    assert [wakeup.run_id for wakeup in due] == ids[:2]
    await house.wakeups.delivered([due[0].id])
    await house.wakeups.delivered([due[0].id])
    assert [wakeup.run_id for wakeup in await house.wakeups.due(limit=9)] == ids[1:]


async def test_a_pending_run_without_a_wake_up_is_found(house: House) -> None:
    run_id = await house.start()
    assert await house.wakeups.sweep(stale_after_s=0) == 0  # its wake-up is still there
    await house.woken()
    assert await house.wakeups.sweep(stale_after_s=60) == 0  # it may just be starting
    assert await house.wakeups.sweep(stale_after_s=-1) == 1
    assert await house.woken() == [(run_id, WakeupKind.START)]


async def test_working_and_ended_runs_are_left_alone(house: House) -> None:
    await house.begin(await house.start("1.0"))
    await house.commit(await house.begin(await house.start("2.0")), answered())
    await house.woken()
    assert await house.wakeups.sweep(stale_after_s=-1) == 0


async def test_a_sleeping_run_whose_timer_is_over_is_found(house: House) -> None:
    over = Wait(id="w1", kind=WaitKind.TIMER, step=1, until=now_utc() - timedelta(seconds=1))
    later = Wait(id="w1", kind=WaitKind.TIMER, step=1, until=now_utc() + timedelta(hours=1))
    first = await house.begin(await house.start("1.0"))
    second = await house.begin(await house.start("2.0"))
    await house.open_wait(first, over)
    await house.open_wait(second, later)
    await house.woken()
    assert await house.wakeups.sweep(stale_after_s=60) == 1
    assert await house.woken() == [(first.run_id, WakeupKind.WAKE)]


async def test_a_sleeping_run_whose_wait_is_resolved_is_found(house: House) -> None:
    run = await house.begin(await house.start())
    wait = Wait(
        id="w1", kind=WaitKind.QUESTION, step=1, question="?", resolution=Resolution(value="yes")
    )
    await house.open_wait(run, wait)
    await house.woken()
    assert await house.wakeups.sweep(stale_after_s=60) == 1


async def test_a_sleeping_run_that_was_told_something_is_found(house: House) -> None:
    run = await house.begin(await house.start())
    await house.commit(run, Slept())
    await house.woken()
    assert await house.wakeups.sweep(stale_after_s=60) == 0
    await house.say("m2")
    await house.woken()  # delivered, and then the process died
    assert await house.wakeups.sweep(stale_after_s=60) == 1
    await house.woken()
    await house.commit(await house.begin(run.run_id), Slept())
    assert await house.wakeups.sweep(stale_after_s=60) == 0


async def test_a_queued_run_is_found_when_a_slot_is_free(house: House) -> None:
    agent = await house.add_agent("narrow", max_concurrent=1)
    working = await house.begin(await house.start("1.0", agent=agent.id))
    queued = await house.start("2.0", agent=agent.id)
    await house.runs.begin(queued, worker="w")
    await house.woken()
    assert await house.wakeups.sweep(stale_after_s=60) == 0
    await house.commit(working, answered())
    await house.woken()  # delivered, and then the process died
    assert await house.wakeups.sweep(stale_after_s=60) == 1
    assert await house.woken() == [(queued, WakeupKind.WAKE)]


async def test_a_task_that_waits_for_others_is_not_woken_by_the_sweep(house: House) -> None:
    first = await house.begin(await house.start("1.0"))
    dependant = await house.add_dependant(first.task.id)
    await house.woken()
    assert await house.wakeups.sweep(stale_after_s=-1) == 0
    await house.commit(first, answered())
    await house.woken()
    assert await house.wakeups.sweep(stale_after_s=-1) == 1
    assert await house.woken() == [(dependant, WakeupKind.START)]


async def test_what_has_not_ended_is_listed(house: House) -> None:
    pending = await house.start("1.0")
    sleeping = await house.begin(await house.start("2.0"))
    await house.commit(sleeping, Slept())
    await house.commit(await house.begin(await house.start("3.0")), answered())
    assert list(await house.wakeups.unfinished()) == [pending, sleeping.run_id]
