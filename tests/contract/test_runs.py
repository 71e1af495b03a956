"""Taking runs, committing what happened, and the fence between workers."""

from agent_engine.commands import Cancel, Declined, Started
from agent_engine.events import (
    Ended,
    ModelCalled,
    PlanMade,
    Slept,
)
from agent_engine.ports import Fence, WakeupKind
from agent_engine.types import (
    CancelRequest,
    EndReason,
    ModelCall,
    RunEnd,
    RunId,
    TaskStatus,
)
from tests.contract.house import ALICE, House, answered, plan_of, think


async def test_beginning_takes_the_run_and_raises_its_epoch(house: House) -> None:
    run_id = await house.start()
    first = await house.begin(run_id)
    second = await house.begin(run_id)
    assert (first.epoch, first.attempts) == (1, 1)
    assert (second.epoch, second.attempts) == (2, 2)
    assert second.status is second.task.status is TaskStatus.RUNNING
    assert await house.runs.load(run_id) == second


async def test_the_end_is_stored_with_its_answer(house: House) -> None:
    run = await house.begin(await house.start())
    await house.commit(run, answered("forty-two"), worked_s=1.5)
    after = await house.runs.load(run.run_id)
    assert after.answer is not None
    assert after.answer.text == "forty-two"
    assert after.status is after.task.status is TaskStatus.COMPLETED
    assert after.task.result == {"answer": "forty-two", "files": []}
    assert after.task.completed_at is not None
    assert after.usage.seconds == 1.5


async def test_signals_say_what_others_wrote(house: House) -> None:
    first = await house.begin(await house.start("1.0"))
    second = await house.begin(await house.start("2.0"))
    await house.commands.carry_out(Cancel(run_id=second.run_id, reason="enough", by=ALICE), keys=[])
    ids = [first.run_id, second.run_id, RunId("nothing")]
    signals = await house.runs.signals(ids)
    assert set(signals) == {first.run_id, second.run_id}
    assert (signals[first.run_id].inbox_seq, signals[first.run_id].cancel) == (0, None)
    assert signals[second.run_id].inbox_seq == 1
    assert signals[second.run_id].cancel == CancelRequest(reason="enough", by=ALICE)
    assert await house.runs.signals([]) == {}


async def test_a_commit_says_how_far_the_inbox_has_come(house: House) -> None:
    run = await house.begin(await house.start())
    call = ModelCall(
        model="m", purpose="plan", prompt_tokens=5, completion_tokens=2, usd=None, duration_s=0.1
    )
    assert await house.commit(run, ModelCalled(call=call)) == 0
    await house.say("m2")
    assert await house.commit(run, ModelCalled(call=call)) == 1


async def test_a_run_that_falls_asleep_over_a_message_is_woken(house: House) -> None:
    run = await house.begin(await house.start())
    await house.woken()
    await house.say("m2")
    inbox_seq = await house.commit(run, Slept())
    assert inbox_seq == 1
    assert await house.woken() == [(run.run_id, WakeupKind.WAKE)]


async def test_a_run_that_has_heard_everything_sleeps_on(house: House) -> None:
    run = await house.begin(await house.start())
    await house.woken()
    await house.say("m2")
    await house.commit(run, PlanMade(plan=plan_of(think()), messages_read=2))
    await house.commit(run, Slept())
    assert await house.woken() == []


async def test_a_first_run_that_was_stopped_at_once_can_be_run_again(house: House) -> None:
    run_id = await house.start()
    await house.commands.carry_out(Cancel(run_id=run_id, reason="Stopped by Alice."), keys=[])
    ended = await house.runs.load(run_id)
    assert ended.status is TaskStatus.CANCELLED
    assert ended.end is not None
    assert (ended.end.reason, ended.end.sentence) == (EndReason.STOPPED, "Stopped by Alice.")
    outcome = await house.say("m2", "go on")
    assert isinstance(outcome, Started)


async def test_an_ended_run_cannot_be_stopped(house: House) -> None:
    run = await house.begin(await house.start())
    end = RunEnd(reason=EndReason.FAILED, sentence="It broke.")
    await house.commit(run, Ended(end=end, status=TaskStatus.ERROR))
    outcome = await house.commands.carry_out(Cancel(run_id=run.run_id, reason="x"), keys=[])
    assert outcome == Declined(why="already_ended")


async def test_a_commit_of_nothing_adds_working_time(house: House) -> None:
    run = await house.begin(await house.start())
    await house.runs.commit(Fence(run.run_id, run.epoch), [], worked_s=2.5)
    assert (await house.runs.load(run.run_id)).usage.seconds == 2.5
