"""Buttons: decisions, stops, and running a task once more."""

import asyncio

from agent_engine.commands import (
    Amend,
    Cancel,
    CancelChannel,
    Cancelled,
    CancelThread,
    Decide,
    Declined,
    Outcome,
    Repeated,
    RunAgain,
    Started,
    Steered,
)
from agent_engine.events import PlanMade, Slept, StepFinished, StepStarted
from agent_engine.ports import WakeupKind
from agent_engine.types import (
    AgentObservation,
    CancelRequest,
    ChannelId,
    RunId,
    StepStatus,
    TaskStatus,
)
from tests.contract.house import (
    ALICE,
    BOB,
    CHANNEL,
    WORKSPACE,
    House,
    answered,
    failed,
    message,
    plan_of,
    think,
    thread,
)


async def carry_out(house: House, command) -> Outcome:
    return await house.commands.carry_out(command, keys=[])


async def test_the_first_decision_counts(house: House) -> None:
    run = await house.begin(await house.start())
    await house.ask(run)
    await house.woken()
    yes = Decide(run_id=run.run_id, wait_id="w1", value="yes", by=ALICE)
    no = Decide(run_id=run.run_id, wait_id="w1", value="no", by=BOB)
    assert await carry_out(house, yes) == Steered(run_id=run.run_id)
    assert await carry_out(house, no) == Declined(why="not_waiting")
    after = await house.runs.load(run.run_id)
    assert after.waits[0].resolution is not None
    assert after.waits[0].resolution.value == "yes"
    assert after.inbox_seq == 1
    assert await house.woken() == [(run.run_id, WakeupKind.WAKE)]


async def test_of_two_decisions_at_once_one_counts(house: House) -> None:
    run = await house.begin(await house.start())
    await house.ask(run)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(
                carry_out(house, Decide(run_id=run.run_id, wait_id="w1", value=word, by=ALICE))
            )
            for word in ("yes", "no", "maybe", "never")
        ]
    outcomes = [task.result() for task in tasks]
    assert outcomes.count(Steered(run_id=run.run_id)) == 1
    assert outcomes.count(Declined(why="not_waiting")) == 3
    assert (await house.runs.load(run.run_id)).inbox_seq == 1


async def test_after_a_stop_nothing_is_decided(house: House) -> None:
    run = await house.begin(await house.start())
    await house.ask(run)
    await carry_out(house, Cancel(run_id=run.run_id, reason="Enough.", by=ALICE))
    yes = Decide(run_id=run.run_id, wait_id="w1", value="yes", by=ALICE)
    assert await carry_out(house, yes) == Declined(why="already_ended")
    assert (await house.runs.load(run.run_id)).waits[0].resolution is None


async def test_what_is_over_or_unknown_cannot_be_decided(house: House) -> None:
    run = await house.begin(await house.start())
    await house.ask(run)
    run = await house.begin(run.run_id)
    await house.commit(run, answered())
    for run_id, wait_id in ((run.run_id, "w1"), (run.run_id, "w9"), (RunId("nothing"), "w1")):
        command = Decide(run_id=run_id, wait_id=wait_id, value="yes", by=ALICE)
        assert await carry_out(house, command) == Declined(why="not_waiting")


async def test_a_sleeping_run_is_woken_to_be_stopped_and_the_first_reason_stays(
    house: House,
) -> None:
    run = await house.begin(await house.start())
    await house.ask(run)
    await house.woken()
    first = Cancel(run_id=run.run_id, reason="Enough.", by=ALICE)
    assert await carry_out(house, first) == Cancelled(run_ids=(run.run_id,))
    await carry_out(house, Cancel(run_id=run.run_id, reason="Really.", by=BOB))
    after = await house.runs.load(run.run_id)
    assert after.cancel == CancelRequest(reason="Enough.", by=ALICE)
    assert (run.run_id, WakeupKind.WAKE) in await house.woken()


async def test_a_thread_is_stopped_by_its_name(house: House) -> None:
    run_id = await house.start("1.0")
    await house.begin(run_id)
    stop = CancelThread(thread=thread("1.0"), reason="Enough.", by=ALICE)
    assert await carry_out(house, stop) == Cancelled(run_ids=(run_id,))
    elsewhere = CancelThread(thread=thread("9.0"), reason="Enough.", by=ALICE)
    assert await carry_out(house, elsewhere) == Declined(why="no_task")


async def test_the_loss_of_a_channel_stops_its_runs_and_no_others(house: House) -> None:
    working = (await house.begin(await house.start("1.0"))).run_id
    unbegun = await house.start("2.0")
    other = await house.start("3.0", channel=ChannelId("C2"))
    command = CancelChannel(
        workspace_id=WORKSPACE, channel_id=CHANNEL, reason="The channel was archived."
    )
    assert await carry_out(house, command) == Cancelled(run_ids=(working, unbegun))
    assert (await house.runs.load(working)).cancel is not None
    assert (await house.runs.load(unbegun)).status is TaskStatus.CANCELLED
    assert (await house.runs.load(other)).cancel is None
    assert await carry_out(house, command) == Cancelled(run_ids=(working,))


async def test_an_edit_is_told_to_the_run_but_answers_no_question(house: House) -> None:
    run = await house.begin(await house.start())
    await house.ask(run)
    edit = Amend(thread=thread(), message=message("m-1.0#edited2", "What is six times eight?"))
    assert await carry_out(house, edit) == Steered(run_id=run.run_id)
    assert await carry_out(house, edit) == Repeated()
    after = await house.runs.load(run.run_id)
    assert after.waits[0].resolution is None
    assert [m.id for m in after.unread] == ["m-1.0#edited2"]


async def test_an_edit_after_the_end_changes_nothing(house: House) -> None:
    run = await house.begin(await house.start())
    await house.commit(run, answered())
    edit = Amend(thread=thread(), message=message("m-1.0#edited2"))
    assert await carry_out(house, edit) == Declined(why="already_ended")
    nowhere = Amend(thread=thread("9.0"), message=message("m#edited"))
    assert await carry_out(house, nowhere) == Declined(why="no_task")


async def _ended_with_work(house: House) -> RunId:
    run = await house.begin(await house.start())
    seen = AgentObservation(
        observation_type="thought", content={"success": True}, full_output="all of it"
    )
    await house.commit(
        run,
        PlanMade(plan=plan_of(think("a"), think("b"), think("c")), messages_read=1),
        StepStarted(step=1, attempt=1),
        StepFinished(step=1, observation=seen),
        StepStarted(step=2, attempt=1),
        StepFinished(
            step=2,
            observation=AgentObservation(
                observation_type="error", content={"success": False, "error": "no"}
            ),
        ),
        failed(),
        worked_s=9.0,
    )
    await house.woken()
    return run.run_id


async def test_an_ended_task_is_run_again_from_the_start(house: House) -> None:
    ended = await _ended_with_work(house)
    outcome = await carry_out(house, RunAgain(run_id=ended, by=BOB, keep_work=False))
    assert isinstance(outcome, Started)
    again = await house.runs.load(outcome.run_id)
    assert again.plan is None
    assert again.requester == ALICE  # whoever wants it, it is for whom it was for
    assert again.usage.seconds == 0
    assert (again.status, again.task.status) == (TaskStatus.PENDING, TaskStatus.PENDING)
    assert await house.woken() == [(outcome.run_id, WakeupKind.START)]
    assert await house.commands.latest_run(thread()) == outcome.run_id


async def test_an_ended_task_goes_on_with_what_was_done_and_what_was_not(house: House) -> None:
    ended = await _ended_with_work(house)
    outcome = await carry_out(house, RunAgain(run_id=ended, by=BOB, keep_work=True))
    assert isinstance(outcome, Started)
    before = await house.runs.load(ended)
    again = await house.runs.load(outcome.run_id)
    assert again.plan is not None
    assert (again.plan.version, again.plan.because) == (1, "continued")
    assert again.plan.steps == before.steps
    kept = [StepStatus.DONE, StepStatus.FAILED, StepStatus.PENDING]
    assert [step.status for step in again.steps] == kept
    begun = await house.begin(outcome.run_id)
    new_plan = plan_of(think("a"), think("b"), think("c"), version=2)
    await house.commit(begun, PlanMade(plan=new_plan, messages_read=1))
    assert (await house.runs.load(outcome.run_id)).plan == new_plan


async def test_a_task_that_runs_is_not_run_again(house: House) -> None:
    run = await house.begin(await house.start())
    command = RunAgain(run_id=run.run_id, by=BOB, keep_work=False)
    assert await carry_out(house, command) == Declined(why="still_running")
    nothing = RunAgain(run_id=RunId("nothing"), by=BOB, keep_work=False)
    assert await carry_out(house, nothing) == Declined(why="no_task")


async def test_lists_show_what_is_under_way_first(house: House) -> None:
    done = await house.begin(await house.start("1.0"))
    await house.commit(done, answered())
    running = await house.begin(await house.start("2.0"))
    sleeping = await house.begin(await house.start("3.0", channel=ChannelId("C2")))
    await house.commit(sleeping, Slept())
    old = await house.begin(await house.start("4.0"))
    await house.commit(old, failed())
    outcome = await carry_out(house, RunAgain(run_id=old.run_id, by=BOB, keep_work=False))
    assert isinstance(outcome, Started)

    lines = await house.commands.tasks(WORKSPACE, channel_id=None, limit=10)
    assert [line.run_id for line in lines] == [
        outcome.run_id,
        sleeping.run_id,
        running.run_id,
        done.run_id,
    ]
    assert [line.status for line in lines] == ["pending", "waiting", "running", "completed"]
    assert lines[0].requester == ALICE
    assert lines[3].ended_at is not None
    assert lines[1].thread == thread("3.0", ChannelId("C2"))
    here = await house.commands.tasks(WORKSPACE, channel_id=CHANNEL, limit=2)
    assert [line.run_id for line in here] == [outcome.run_id, running.run_id]
