"""What waits for people: which threads are due for a reminder, and what stays to be shown."""

from datetime import timedelta

from agent_engine.events import Slept, StepFinished, StepStarted
from agent_engine.places import NewPost, PostKind
from agent_engine.types import APPROVE, AgentObservation, ApprovedCall, now_utc
from tests.contract.house import BOB, House
from tests.contract.test_approvals import CALL, ask, carry_out, decision

LATER = timedelta(hours=1)


async def due(house: House, since=LATER):
    found = await house.threads.waiting_since(now_utc() + since, limit=10)
    return [thread.thread_ts for thread in found]


async def test_a_thread_is_due_once_people_were_asked_long_ago(house: House) -> None:
    await ask(house)
    assert await due(house, -LATER) == []
    assert await due(house) == ["1.0"]


async def test_nobody_is_reminded_twice_or_of_what_is_decided(house: House) -> None:
    first = await ask(house)
    second = await ask(house, "2.0")
    assert await due(house) == ["1.0", "2.0"]
    (thread,) = await house.threads.waiting_since(now_utc() + LATER, limit=1)
    key = f"run:{first.run_id}:reminder:{first.run_id}:1:0"
    post = NewPost(key=key, thread=thread, kind=PostKind.NOTICE, run_id=first.run_id)
    await house.posts.intend([post])
    assert await due(house) == ["2.0"]
    await carry_out(house, decision(second))
    assert await due(house) == []


async def test_a_thread_shows_what_was_decided_though_it_is_over(house: House) -> None:
    run = await ask(house)
    await carry_out(house, decision(run, remark="Fine."))
    run = await house.begin(run.run_id)
    approved = ApprovedCall(arguments=CALL.arguments, digest=CALL.digest, by=BOB)
    done = AgentObservation(observation_type="tool_result", content={"success": True})
    await house.commit(run, StepStarted(step=1, attempt=1, approved=approved))
    await house.commit(run, StepFinished(step=1, observation=done), Slept())
    (thread,) = {run.thread}
    (shown,) = await house.threads.runs(thread)
    (wait,) = shown.waits
    assert wait.resolution is not None
    assert (wait.resolution.value, wait.resolution.by) == (APPROVE, BOB)
    assert (await house.runs.load(run.run_id)).waits == ()
