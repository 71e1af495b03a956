"""Sub-tasks: started with the wait for them, and their end resolves it."""

from agent_engine.commands import Cancel
from agent_engine.ports import WakeupKind
from agent_engine.types import (
    AgentId,
    RunId,
    RunSnapshot,
    Task,
    TaskStatus,
    Wait,
    WaitKind,
)
from tests.contract.house import ALICE, House, answered, failed, thread


async def delegate(
    house: House, *, to: str = "helper", **fields: object
) -> tuple[RunSnapshot, Task, RunId | None]:
    """Let a run wait for a sub-task; return it, the sub-task and the sub-task's run."""
    parent = await house.begin(await house.start())
    await house.woken()
    task = Task(description="Look it up", assigned_agent=AgentId(to), **fields)
    wait = Wait(id="w1", kind=WaitKind.SUB_TASK, step=1, sub_task_id=task.id)
    await house.open_wait(parent, wait, task)
    woken = await house.woken()
    started = [run_id for run_id, kind in woken if kind is WakeupKind.START]
    return parent, task, started[0] if started else None


async def test_a_sub_task_starts_with_the_wait_for_it(house: House) -> None:
    await house.add_agent("helper")
    parent, task, child_id = await delegate(house, parameters={"depth": 1})
    assert child_id is not None
    child = await house.begin(child_id)
    assert child.task.id == task.id
    assert child.task.parent_id == parent.task.id
    assert child.task.parameters == {"depth": 1}
    assert child.agent.id == child.scope.agent_id == AgentId("helper")
    assert child.scope.channel_id == parent.scope.channel_id
    assert child.thread is None
    assert child.requester == ALICE


async def test_the_end_of_a_sub_task_wakes_its_parent_with_the_answer(house: House) -> None:
    await house.add_agent("helper")
    parent, _, child_id = await delegate(house)
    child = await house.begin(child_id)
    await house.commit(child, answered("It is blue."))
    after = await house.runs.load(parent.run_id)
    resolution = after.waits[0].resolution
    assert resolution is not None
    assert (resolution.value, resolution.success) == ("It is blue.", True)
    assert after.inbox_seq == parent.inbox_seq + 1
    assert await house.woken() == [(parent.run_id, WakeupKind.WAKE)]


async def test_a_failed_sub_task_tells_its_parent_why(house: House) -> None:
    await house.add_agent("helper")
    parent, _, child_id = await delegate(house)
    await house.commit(await house.begin(child_id), failed("The library is closed."))
    resolution = (await house.runs.load(parent.run_id)).waits[0].resolution
    assert resolution is not None
    assert (resolution.value, resolution.success) == ("The library is closed.", False)


async def test_a_sub_task_for_an_unknown_agent_resolves_the_wait_at_once(house: House) -> None:
    parent, _, child_id = await delegate(house, to="nobody")
    assert child_id is None
    after = await house.runs.load(parent.run_id)
    resolution = after.waits[0].resolution
    assert resolution is not None
    assert not resolution.success
    assert after.inbox_seq == 1


async def test_a_sub_task_is_shown_in_its_ancestors_thread(house: House) -> None:
    await house.add_agent("helper")
    _, _, child_id = await delegate(house)
    await house.all_shown()
    child = await house.begin(child_id)
    await house.all_shown()
    await house.commit(child, answered())
    assert [dirty.thread for dirty in await house.threads.dirty(limit=10)] == [thread()]


async def test_a_stopped_sub_task_tells_its_parent(house: House) -> None:
    await house.add_agent("helper")
    parent, _, child_id = await delegate(house)
    command = Cancel(run_id=child_id, reason="Not needed.", by=ALICE)
    await house.commands.carry_out(command, keys=[])
    resolution = (await house.runs.load(parent.run_id)).waits[0].resolution
    assert resolution is not None
    assert (resolution.value, resolution.success) == ("Not needed.", False)
    assert (parent.run_id, WakeupKind.WAKE) in await house.woken()


async def test_the_end_of_a_parent_stops_a_sub_task_that_works(house: House) -> None:
    await house.add_agent("helper")
    parent, _, child_id = await delegate(house)
    await house.begin(child_id)
    await house.commit(await house.begin(parent.run_id), answered())
    child = await house.runs.load(child_id)
    assert child.status is TaskStatus.RUNNING
    assert child.cancel is not None


async def test_the_end_of_a_parent_ends_a_sub_task_that_never_began(house: House) -> None:
    await house.add_agent("helper")
    parent, _, child_id = await delegate(house)
    await house.commit(await house.begin(parent.run_id), answered())
    assert (await house.runs.load(child_id)).status is TaskStatus.CANCELLED
