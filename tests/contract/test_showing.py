"""What Slack has to show, what it shows, and what people think of it."""

from dataclasses import replace

from agent_engine.commands import Declined, Rate, Rated, Unrate
from agent_engine.events import ModelCalled, PlanMade, Slept
from agent_engine.places import NewPost, PostKind, PostState
from agent_engine.types import ActionType, AgentAction, ModelCall, RunId, TaskStatus
from tests.contract.house import (
    ALICE,
    BOB,
    CHANNEL,
    WORKSPACE,
    House,
    answered,
    plan_of,
    think,
    thread,
)


async def dirty(house: House) -> list[str]:
    return [found.thread.thread_ts for found in await house.threads.dirty(limit=10)]


async def test_a_thread_is_dirty_until_it_is_shown(house: House) -> None:
    await house.start()
    (found,) = await house.threads.dirty(limit=10)
    assert (found.thread, found.session_status) == (thread(), None)
    await house.threads.shown(found.thread, seq=found.seq, session_status="processing")
    assert await dirty(house) == []
    await house.threads.touch(thread())
    (found,) = await house.threads.dirty(limit=10)
    assert found.session_status == "processing"


async def test_what_people_should_see_makes_a_thread_dirty(house: House) -> None:
    run_id = await house.start()
    assert await dirty(house) == ["1.0"]
    await house.all_shown()
    await house.begin(run_id)
    assert await dirty(house) == []  # that it is under way was shown when it was asked for
    run = await house.begin(run_id)  # taken over: people are told that it was resumed
    assert await dirty(house) == ["1.0"]
    await house.all_shown()
    call = ModelCall(
        model="m", purpose="plan", prompt_tokens=1, completion_tokens=1, usd=0.5, duration_s=0.1
    )
    only_an_answer = AgentAction(action_type=ActionType.ANSWER, parameters={"text": "42"})
    await house.commit(run, ModelCalled(call=call))
    await house.commit(run, PlanMade(plan=plan_of(only_an_answer), messages_read=1))
    assert await dirty(house) == []
    for change in (PlanMade(plan=plan_of(think()), messages_read=1), Slept()):
        await house.commit(run, change)
        assert await dirty(house) == ["1.0"]
        await house.all_shown()
    await house.say("m2")
    assert await dirty(house) == ["1.0"]


async def test_a_post_that_is_withdrawn_can_be_intended_anew(house: House) -> None:
    run_id = await house.start()
    new = NewPost(key="answer", thread=thread(), kind=PostKind.ANSWER, run_id=run_id)
    await house.posts.intend([new])
    await house.posts.posted("answer", ts="9.9", body_hash="streaming")
    await house.posts.withdrawn("answer")
    assert await house.posts.posts_of([run_id]) == []
    await house.posts.withdrawn("answer")
    (again,) = await house.posts.intend([new])
    assert (again.state, again.ts) == (PostState.INTENDED, None)


async def test_what_came_while_a_thread_was_shown_stays_dirty(house: House) -> None:
    run = await house.begin(await house.start())
    (before,) = await house.threads.dirty(limit=10)
    await house.commit(run, PlanMade(plan=plan_of(think()), messages_read=1))
    await house.threads.shown(thread(), seq=before.seq, session_status="processing")
    (after,) = await house.threads.dirty(limit=10)
    assert after.seq > before.seq
    await house.threads.shown(thread(), seq=after.seq, session_status="processing")
    await house.threads.shown(thread(), seq=before.seq, session_status="late")
    assert await dirty(house) == []


async def test_ended_runs_are_shown_first_then_the_oldest(house: House) -> None:
    runs = {}
    for ts in ("1.0", "2.0", "3.0"):
        runs[ts] = await house.begin(await house.start(ts))
    assert await dirty(house) == ["1.0", "2.0", "3.0"]
    await house.commit(runs["1.0"], PlanMade(plan=plan_of(think()), messages_read=1))
    assert await dirty(house) == ["1.0", "2.0", "3.0"]  # more news do not cost it its turn
    await house.commit(runs["3.0"], answered())
    assert await dirty(house) == ["3.0", "1.0", "2.0"]
    first = (await house.threads.dirty(limit=3))[1]
    await house.commit(runs["1.0"], PlanMade(plan=plan_of(think(), version=2), messages_read=1))
    await house.threads.shown(first.thread, seq=first.seq, session_status=None)
    assert await dirty(house) == ["3.0", "2.0", "1.0"]
    assert len(await house.threads.dirty(limit=2)) == 2


async def test_runs_that_are_fully_shown_are_left_out_but_the_newest(house: House) -> None:
    first = await house.begin(await house.start())
    await house.commit(first, answered("42"))
    await house.say("m2")
    runs = await house.threads.runs(thread())
    assert [run.status for run in runs] == [TaskStatus.COMPLETED, TaskStatus.PENDING]
    await house.all_shown()
    (newest,) = await house.threads.runs(thread())
    assert newest.status is TaskStatus.PENDING
    assert await house.threads.runs(thread("9.0")) == []


# -- posts ---------------------------------------------------------------------------------------


def intent(key: str = "p1", **fields: object) -> NewPost:
    return NewPost(key=key, thread=thread(), kind=PostKind.ANSWER, **fields)


async def test_an_intent_is_stored_once(house: House) -> None:
    first, second = await house.posts.intend([intent("p1", step=1), intent("p2")])
    assert (first.key, first.state, first.step) == ("p1", PostState.INTENDED, 1)
    again = await house.posts.intend([intent("p2"), replace(intent("p1"), step=7)])
    assert list(again) == [second, first]
    assert list(await house.posts.unsettled(WORKSPACE)) == [first, second]


async def test_a_posted_message_is_found_by_its_time(house: House) -> None:
    run_id = RunId("r1")
    await house.posts.intend([intent("p1", run_id=run_id), intent("p2", run_id=run_id)])
    await house.posts.posted("p1", ts="5.0", body_hash="abc")
    await house.posts.abandoned("p2", reason="too late")
    await house.posts.abandoned("p1", reason="no")
    found = await house.posts.find(WORKSPACE, CHANNEL, "5.0")
    assert found is not None
    assert (found.key, found.body_hash, found.state) == ("p1", "abc", PostState.POSTED)
    assert await house.posts.find(WORKSPACE, CHANNEL, "6.0") is None
    assert await house.posts.unsettled(WORKSPACE) == []
    posts = await house.posts.posts_of([run_id])
    assert [post.state for post in posts] == [PostState.POSTED, PostState.ABANDONED]
    await house.posts.posted("p1", ts="5.0", body_hash="def")
    assert (await house.posts.posts_of([run_id]))[0].body_hash == "def"
    assert await house.posts.posts_of([]) == []


# -- ratings -------------------------------------------------------------------------------------


async def posted_answer(house: House) -> RunId:
    run_id = await house.start()
    task_id = (await house.runs.load(run_id)).task.id
    await house.posts.intend([intent("p1", run_id=run_id, task_id=task_id)])
    await house.posts.posted("p1", ts="5.0", body_hash="abc")
    return run_id


async def rate(house: House, choice: str, rating: int, *, by=ALICE, **fields: object) -> int | None:
    command = Rate(
        workspace_id=WORKSPACE,
        channel_id=CHANNEL,
        message_ts="5.0",
        by=by,
        choice=choice,
        rating=rating,
        **fields,
    )
    outcome = await house.commands.carry_out(command, keys=[])
    assert isinstance(outcome, Rated)
    return outcome.rating


async def unrate(house: House, choice: str) -> int | None:
    command = Unrate(
        workspace_id=WORKSPACE, channel_id=CHANNEL, message_ts="5.0", by=ALICE, choice=choice
    )
    outcome = await house.commands.carry_out(command, keys=[])
    assert isinstance(outcome, Rated)
    return outcome.rating


async def test_the_last_choice_counts_until_it_is_taken_back(house: House) -> None:
    await posted_answer(house)
    assert await rate(house, "+1", 5) == 5
    assert await rate(house, "-1", 1, text="wrong year") == 1
    assert await rate(house, "three", 3, by=BOB) == 3
    assert await unrate(house, "-1") == 5
    assert await rate(house, "-1", 1) == 1
    assert await unrate(house, "+1") == 1
    assert await unrate(house, "-1") is None
    assert await unrate(house, "-1") is None


async def test_steps_are_rated_one_by_one(house: House) -> None:
    await posted_answer(house)
    assert await rate(house, "form", 1, step=1) == 1
    assert await rate(house, "form", 5, step=2) == 5
    assert await rate(house, "form", 4) == 4
    assert await rate(house, "form", 2, step=1) == 2


async def test_a_rating_names_the_run_it_is_about(house: House) -> None:
    run_id = await posted_answer(house)
    command = Rate(
        workspace_id=WORKSPACE,
        channel_id=CHANNEL,
        message_ts="5.0",
        by=ALICE,
        choice="+1",
        rating=5,
    )
    outcome = await house.commands.carry_out(command, keys=[])
    task_id = (await house.runs.load(run_id)).task.id
    assert outcome == Rated(run_id=run_id, task_id=task_id, rating=5)
    elsewhere = replace(command, message_ts="6.0")
    assert await house.commands.carry_out(elsewhere, keys=[]) == Declined(why="not_ours")
