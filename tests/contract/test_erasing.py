"""Deleting tasks: nothing of theirs is left but figures, and nothing else goes."""

from agent_engine.commands import Rate
from agent_engine.events import ModelCalled
from agent_engine.places import NewPost, PostKind
from agent_engine.types import ModelCall, RunId, RunSnapshot, TaskId
from storage.erasing import erase_tasks
from storage.figures import SqlFigureStore
from tests.contract.house import ALICE, CHANNEL, WORKSPACE, House, answered, thread
from tests.contract.test_sub_tasks import delegate

CALL = ModelCall(
    model="m", purpose="plan", prompt_tokens=5, completion_tokens=2, usd=0.5, duration_s=0.1
)


async def done(house: House, ts: str) -> RunSnapshot:
    """Answer a task that cost something, with its answer shown and rated."""
    run = await house.begin(await house.start(ts))
    await house.commit(run, ModelCalled(call=CALL), answered(f"forty-two of {ts}"))
    key = f"run:{run.run_id}:answer"
    post = NewPost(
        key=key, thread=thread(ts), kind=PostKind.ANSWER, run_id=run.run_id, task_id=run.task.id
    )
    await house.posts.intend([post])
    await house.posts.posted(key, ts=f"{ts}5", body_hash="h")
    rate = Rate(
        workspace_id=WORKSPACE,
        channel_id=CHANNEL,
        message_ts=f"{ts}5",
        by=ALICE,
        choice="+1",
        rating=5,
        text=f"lovely, {ts}",
    )
    await house.commands.carry_out(rate, keys=[])
    await house.all_shown()
    return run


async def erase(house: House, *roots: TaskId) -> tuple[TaskId, ...]:
    return await house.database.write(lambda c: erase_tasks(c, roots))


async def test_a_task_goes_with_all_its_rows_and_nothing_else_does(house: House) -> None:
    gone = await done(house, "1.0")
    stays = await done(house, "2.0")
    assert await erase(house, gone.task.id) == (gone.task.id,)
    left = await house.every_row()
    for words in ("forty-two of 1.0", "lovely, 1.0", "m-1.0"):
        assert words not in left
    for words in (stays.task.id, "forty-two of 2.0", "lovely, 2.0", "m-2.0"):
        assert words in left
    assert await erase(house, gone.task.id) == ()


async def test_what_it_cost_and_how_it_was_rated_stay_as_figures(house: House) -> None:
    run = await done(house, "1.0")
    before = await SqlFigureStore(house.database).figures(WORKSPACE, days=7)
    await erase(house, run.task.id)
    after = await SqlFigureStore(house.database).figures(WORKSPACE, days=7)
    assert (after.tokens, after.usd) == (before.tokens, before.usd) == (7, 0.5)
    assert after.good_ratings == before.good_ratings == 1


async def test_what_is_under_way_or_not_shown_yet_stays(house: House) -> None:
    under_way = await house.begin(await house.start("1.0"))
    unseen = await house.begin(await house.start("2.0"))
    await house.commit(unseen, answered())
    assert await erase(house, under_way.task.id, unseen.task.id) == ()
    await house.commit(under_way, answered())
    await house.all_shown()
    gone = await erase(house, under_way.task.id, unseen.task.id)
    assert set(gone) == {under_way.task.id, unseen.task.id}


async def test_a_family_goes_together_or_not_at_all(house: House) -> None:
    await house.add_agent("helper")
    parent, below, child_id = await delegate(house)
    assert child_id is not None
    child = await house.begin(child_id)
    assert await erase(house, parent.task.id) == ()
    await house.commit(child, answered("It is blue."))
    await house.commit(await house.begin(parent.run_id), answered())
    await house.all_shown()
    assert set(await erase(house, parent.task.id)) == {parent.task.id, below.id}
    assert RunId(child_id) not in await house.every_row()


async def test_a_message_in_the_thread_of_a_task_that_is_gone_starts_anew(house: House) -> None:
    run = await done(house, "1.0")
    await erase(house, run.task.id)
    again = await house.start("1.0")
    assert (await house.runs.load(again)).task.id != run.task.id
