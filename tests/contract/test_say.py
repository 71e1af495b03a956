"""What people say starts, continues, steers and answers tasks."""

import asyncio
from dataclasses import replace

import pytest

from agent_engine.commands import Declined, Repeated, Say, Started, Steered
from agent_engine.errors import RequestError
from agent_engine.events import Ended, PlanMade
from agent_engine.ports import WakeupKind
from agent_engine.types import AgentId, EndReason, RunEnd, TaskStatus
from tests.contract.house import ALICE, BOB, House, answered, message, plan_of, think, thread


def first_words(**changes: object) -> Say:
    command = Say(
        thread=thread(),
        agent_id=AgentId("A1"),
        message=message("m1", "Add the figures"),
        starts=True,
        continues=True,
    )
    return replace(command, **changes)


async def test_a_mention_in_an_empty_thread_starts_a_task(house: House) -> None:
    earlier = message("m0", "The figures are 1 and 2", author=BOB)
    outcome = await house.commands.carry_out(first_words(earlier=(earlier,)), keys=["k1"])

    assert isinstance(outcome, Started)
    run = await house.runs.load(outcome.run_id)
    assert run.task.description == "Add the figures"
    assert run.status is TaskStatus.PENDING
    assert run.thread == thread()
    assert run.requester == ALICE
    assert [(m.id, m.steers) for m in run.messages] == [("m0", False), ("m1", True)]
    assert await house.woken() == [(outcome.run_id, WakeupKind.START)]
    assert await house.commands.latest_run(thread()) == outcome.run_id


async def test_the_same_delivery_changes_nothing_the_second_time(house: House) -> None:
    await house.commands.carry_out(first_words(), keys=["event-1", "message-1"])
    await house.woken()
    other = first_words(thread=thread("2.0"))

    assert await house.commands.carry_out(other, keys=["event-2", "message-1"]) == Repeated()
    assert await house.woken() == []
    assert await house.commands.latest_run(thread("2.0")) is None


async def test_words_to_nobody_start_nothing(house: House) -> None:
    outcome = await house.commands.carry_out(first_words(starts=False), keys=[])
    assert outcome == Declined(why="no_task")


async def test_an_unknown_agent_is_refused_and_nothing_is_stored(house: House) -> None:
    command = first_words(agent_id=AgentId("nobody"))
    with pytest.raises(RequestError):
        await house.commands.carry_out(command, keys=["k1"])
    assert await house.commands.latest_run(thread()) is None
    assert isinstance(await house.commands.carry_out(first_words(), keys=["k1"]), Started)


async def test_two_who_start_a_task_in_one_thread_at_once_start_one(house: House) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(
                house.commands.carry_out(first_words(message=message(f"m{n}")), keys=[f"k{n}"])
            )
            for n in range(6)
        ]
    outcomes = [task.result() for task in tasks]
    assert sum(isinstance(outcome, Started) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, Steered) for outcome in outcomes) == 5
    run_id = await house.commands.latest_run(thread())
    run = await house.runs.load(run_id)
    assert {m.id for m in run.messages} == {f"m{n}" for n in range(6)}
    assert run.inbox_seq == 5


async def test_a_message_steers_the_run_that_is_under_way(house: House) -> None:
    run = await house.begin(await house.start())
    await house.woken()

    assert await house.say("m2", "in euros") == Steered(run_id=run.run_id)
    after = await house.runs.load(run.run_id)
    assert after.inbox_seq == run.inbox_seq + 1
    assert [m.id for m in after.messages] == ["m-1.0", "m2"]
    assert await house.woken() == []  # a working run looks at its inbox by itself


async def test_the_same_message_is_heard_once(house: House) -> None:
    run_id = await house.start()
    await house.say("m2")
    assert await house.say("m2") == Repeated()
    assert len((await house.runs.load(run_id)).messages) == 2


async def test_a_message_answers_an_open_question_and_wakes_the_run(house: House) -> None:
    run = await house.begin(await house.start())
    await house.ask(run)
    await house.woken()

    await house.say("m2", "the blue one", author=BOB)
    after = await house.runs.load(run.run_id)
    resolution = after.waits[0].resolution
    assert resolution is not None
    assert (resolution.value, resolution.by) == ("the blue one", BOB)
    assert after.messages[-1].text == "the blue one"
    assert after.unread == ()
    assert await house.woken() == [(run.run_id, WakeupKind.WAKE)]


async def test_a_question_asked_of_one_person_is_not_answered_by_another(house: House) -> None:
    run = await house.begin(await house.start())
    await house.ask(run, asked_of=ALICE)
    await house.say("m2", "I say red", author=BOB)
    after = await house.runs.load(run.run_id)
    assert after.waits[0].resolution is None
    assert [m.id for m in after.unread] == ["m2"]


async def test_a_message_after_the_end_runs_the_task_once_more(house: House) -> None:
    run = await house.begin(await house.start())
    await house.commit(run, answered("42"))
    await house.woken()

    outcome = await house.say("m2", "and plus one?", author=BOB)
    assert isinstance(outcome, Started)
    assert outcome.task_id == run.task.id
    again = await house.runs.load(outcome.run_id)
    assert again.earlier_answers == ("42",)
    assert [m.id for m in again.messages] == ["m-1.0", "m2"]
    assert [m.id for m in again.unread] == ["m2"]
    assert (again.status, again.task.status) == (TaskStatus.PENDING, TaskStatus.PENDING)
    assert again.task.completed_at is None
    assert again.requester == BOB
    assert await house.woken() == [(outcome.run_id, WakeupKind.START)]


async def test_what_is_said_while_the_answer_is_written_is_answered_by_a_run_of_its_own(
    house: House,
) -> None:
    run = await house.begin(await house.start())
    await house.commit(run, PlanMade(plan=plan_of(think()), messages_read=len(run.messages)))
    await house.say("m2", "and in metres?", author=BOB)
    await house.woken()
    await house.commit(run, answered())
    assert (await house.runs.load(run.run_id)).end is not None
    newest = await house.commands.latest_run(thread())
    assert newest is not None
    again = await house.runs.load(newest)
    assert [m.text for m in again.unread] == ["and in metres?"]
    assert (again.requester, again.earlier_answers) == (BOB, ("42",))
    assert again.task.status is TaskStatus.PENDING
    assert (newest, WakeupKind.START) in await house.woken()


async def test_what_was_read_starts_nothing_more_and_neither_does_a_stop(house: House) -> None:
    run = await house.begin(await house.start())
    await house.commit(run, PlanMade(plan=plan_of(think()), messages_read=len(run.messages)))
    await house.say("m2", "never mind")
    end = RunEnd(reason=EndReason.STOPPED, sentence="enough")
    await house.commit(run, Ended(end=end, status=TaskStatus.CANCELLED))
    assert await house.commands.latest_run(thread()) == run.run_id
