"""How many runs work at once, and who comes next."""

import asyncio

from agent_engine.commands import Cancel
from agent_engine.events import PlanMade, Slept
from agent_engine.ports import NotRunnable, Queued, WakeupKind
from agent_engine.types import ChannelId, RunSnapshot, TaskStatus, UserId
from storage.database import Database
from storage.slots import SlotCaps
from tests.contract.house import ALICE, BOB, House, answered, failed, plan_of, think


async def test_a_full_agent_queues_the_next_run(house: House) -> None:
    agent = await house.add_agent("narrow", max_concurrent=1)
    first, second, third = [await house.start(ts, agent=agent.id) for ts in ("1.0", "2.0", "3.0")]
    working = await house.begin(first)
    assert await house.runs.begin(second, worker="w") == Queued(place=1)
    assert await house.runs.begin(third, worker="w") == Queued(place=2)
    assert await house.runs.begin(second, worker="w") == Queued(place=1)
    waiting = await house.runs.load(third)
    assert (waiting.status, waiting.queue_place) == (TaskStatus.PENDING, 2)
    await house.woken()

    await house.commit(working, answered())
    assert await house.woken() == [(second, WakeupKind.WAKE)]
    # The third was not woken: it may not slip in before the second.
    assert await house.runs.begin(third, worker="w") == Queued(place=2)
    assert (await house.begin(second)).queue_place is None
    assert await house.runs.begin(third, worker="w") == Queued(place=1)


async def test_those_who_still_wait_are_shown_their_new_place(house: House) -> None:
    agent = await house.add_agent("narrow", max_concurrent=1)
    first, second, third = [await house.start(ts, agent=agent.id) for ts in ("1.0", "2.0", "3.0")]
    working = await house.begin(first)
    await house.runs.begin(second, worker="w")
    await house.runs.begin(third, worker="w")
    await house.commit(working, answered())
    await house.all_shown()
    await house.begin(second)
    shown_again = {found.thread.thread_ts for found in await house.threads.dirty(limit=9)}
    assert shown_again == {"2.0", "3.0"}
    assert (await house.runs.load(third)).queue_place == 1


async def test_a_sleeping_run_holds_no_slot(house: House) -> None:
    agent = await house.add_agent("narrow", max_concurrent=1)
    first = await house.begin(await house.start("1.0", agent=agent.id))
    second = await house.start("2.0", agent=agent.id)
    await house.runs.begin(second, worker="w")
    await house.woken()

    await house.commit(first, PlanMade(plan=plan_of(think()), messages_read=1), Slept())
    assert await house.woken() == [(second, WakeupKind.WAKE)]
    await house.begin(second)
    assert await house.runs.begin(first.run_id, worker="w") == Queued(place=1)
    assert (await house.runs.load(first.run_id)).status is TaskStatus.PENDING


async def test_a_run_that_is_taken_over_keeps_its_slot(house: House) -> None:
    agent = await house.add_agent("narrow", max_concurrent=1)
    run_id = await house.start(agent=agent.id)
    await house.begin(run_id)
    assert (await house.begin(run_id)).epoch == 2


async def test_a_queued_run_can_be_stopped_without_a_slot(house: House) -> None:
    agent = await house.add_agent("narrow", max_concurrent=1)
    first = await house.begin(await house.start("1.0", agent=agent.id))
    await house.commit(first, Slept())
    second = await house.begin(await house.start("2.0", agent=agent.id))
    await house.runs.begin(first.run_id, worker="w")
    await house.woken()
    await house.commands.carry_out(Cancel(run_id=first.run_id, reason="Enough.", by=ALICE), keys=[])
    assert await house.woken() == [(first.run_id, WakeupKind.WAKE)]
    stopping = await house.begin(first.run_id)
    assert stopping.cancel is not None
    await house.commit(second, answered())


async def test_one_person_cannot_take_every_slot(database: Database) -> None:
    house = House(database, caps=SlotCaps(per_person=1, per_channel=2))
    await house.agents.save_agent(house.agent)
    first = await house.begin(await house.start("1.0", author=ALICE))
    second = await house.start("2.0", author=ALICE)
    third = await house.start("3.0", author=BOB)
    assert isinstance(await house.runs.begin(second, worker="w"), Queued)
    other = await house.begin(third)  # is not held up by Alice's second
    fourth = await house.start("4.0", author=UserId("U-carol"))
    assert isinstance(await house.runs.begin(fourth, worker="w"), Queued)  # the channel is full
    fifth = await house.start("5.0", author=UserId("U-dora"), channel=ChannelId("C2"))
    await house.begin(fifth)
    await house.woken()

    await house.commit(other, answered())
    assert await house.woken() == [(fourth, WakeupKind.WAKE)]
    await house.begin(fourth)
    await house.commit(first, answered())
    assert await house.woken() == [(second, WakeupKind.WAKE)]


async def test_slots_are_counted_one_transaction_at_a_time(house: House) -> None:
    agent = await house.add_agent("narrow", max_concurrent=3)
    ids = [await house.start(f"{n}.0", agent=agent.id) for n in range(9)]
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        tasks = [group.create_task(house.runs.begin(run_id, worker="w")) for run_id in ids]
    begun = [task.result() for task in tasks]
    assert sum(isinstance(result, RunSnapshot) for result in begun) == 3
    assert sum(isinstance(result, Queued) for result in begun) == 6


async def test_a_higher_priority_goes_first(house: House) -> None:
    agent = await house.add_agent("narrow", max_concurrent=1)
    working = await house.begin(await house.start("1.0", agent=agent.id))
    late = await house.start("2.0", agent=agent.id)
    urgent = await house.start("3.0", agent=agent.id)
    await house.set_priority(urgent, 0)
    await house.runs.begin(late, worker="w")
    assert await house.runs.begin(urgent, worker="w") == Queued(place=1)
    await house.woken()
    await house.commit(working, answered())
    assert await house.woken() == [(urgent, WakeupKind.WAKE)]


async def test_dependencies_hold_a_task_until_they_are_done(house: House) -> None:
    first = await house.begin(await house.start("1.0"))
    second = await house.begin(await house.start("2.0"))
    dependant = await house.add_dependant(first.task.id, second.task.id)
    await house.woken()
    assert await house.runs.begin(dependant, worker="w") == NotRunnable(reason="dependencies")
    await house.commit(first, answered())
    assert await house.woken() == []
    await house.commit(second, answered())
    assert await house.woken() == [(dependant, WakeupKind.START)]
    run = await house.begin(dependant)
    assert run.task.dependencies == (first.task.id, second.task.id)


async def test_a_failed_dependency_ends_the_dependant_and_its_dependants(house: House) -> None:
    first = await house.begin(await house.start("1.0"))
    dependant = await house.add_dependant(first.task.id)
    grandchild = await house.add_dependant((await house.runs.load(dependant)).task.id)
    await house.commit(first, failed())
    for run_id in (dependant, grandchild):
        ended = await house.runs.load(run_id)
        assert ended.status is ended.task.status is TaskStatus.ERROR
        assert ended.end is not None
        assert ended.end.sentence == "It depends on a task that failed."


async def test_a_dependency_that_does_not_exist_ends_the_task(house: House) -> None:
    dependant = await house.add_dependant("nothing")
    assert await house.runs.begin(dependant, worker="w") == NotRunnable(reason="already_ended")
    assert (await house.runs.load(dependant)).status is TaskStatus.ERROR
