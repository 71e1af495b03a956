"""Sums for the Home tab."""

from agent_engine.commands import Rate
from agent_engine.events import ModelCalled
from agent_engine.places import NewPost, PostKind, Tally
from agent_engine.types import ModelCall, UserId, WorkspaceId
from storage.figures import SqlFigureStore
from tests.contract.house import ALICE, BOB, CHANNEL, WORKSPACE, House, answered, thread


async def rate(house: House, by: UserId, choice: str, rating: int) -> None:
    command = Rate(
        workspace_id=WORKSPACE,
        channel_id=CHANNEL,
        message_ts="5.0",
        by=by,
        choice=choice,
        rating=rating,
    )
    await house.commands.carry_out(command, keys=[])


async def test_a_period_is_summed_up(house: House) -> None:
    run = await house.begin(await house.start("1.0"))
    await house.start("2.0")
    priced = ModelCall(
        model="m", purpose="plan", prompt_tokens=10, completion_tokens=5, usd=0.25, duration_s=0.1
    )
    unpriced = ModelCall(
        model="n", purpose="plan", prompt_tokens=3, completion_tokens=1, usd=None, duration_s=0.1
    )
    await house.commit(run, ModelCalled(call=priced), ModelCalled(call=unpriced), answered())
    await house.posts.intend([NewPost(key="p1", thread=thread(), kind=PostKind.ANSWER)])
    await house.posts.posted("p1", ts="5.0", body_hash="abc")
    await rate(house, ALICE, "+1", 5)
    await rate(house, ALICE, "-1", 1)  # her last choice counts
    await rate(house, BOB, "+1", 5)

    figures = SqlFigureStore(house.database)
    assert await figures.figures(WORKSPACE, days=7) == Tally(
        tasks=2, tokens=19, usd=0.25, good_ratings=1, low_ratings=1
    )
    assert await figures.figures(WorkspaceId("T2"), days=7) == Tally()
