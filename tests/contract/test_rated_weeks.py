"""How agents were rated, week by week: on both databases, in one statement."""

from datetime import timedelta

from sqlalchemy import Engine, event

from agent_engine.commands import Rate, Unrate
from agent_engine.places import RATED_WEEKS, Channel, ChannelKind, NewPost, PostKind, RatedWeek
from agent_engine.types import AgentId, ChannelId, UserId, WorkspaceId, now_utc
from storage.channels import SqlChannelStore
from storage.figures import SqlFigureStore
from tests.contract.house import ALICE, BOB, CHANNEL, WORKSPACE, House, thread

OTHER, PRIVATE = ChannelId("C2"), ChannelId("G1")
CAROL = UserId("U-carol")
WEEK = timedelta(days=7)


async def posted(house: House, ts: str, channel: ChannelId = CHANNEL, agent: str = "A1") -> None:
    """Let a run of the agent have an answer with this ``ts`` in the channel."""
    kind = ChannelKind.PRIVATE if channel == PRIVATE else ChannelKind.PUBLIC
    place = Channel(workspace_id=WORKSPACE, channel_id=channel, agent_id=AgentId(agent), kind=kind)
    await SqlChannelStore(house.database).save_channel(place)
    await house.add_agent(agent)
    run_id = await house.start(f"1{ts}", agent=AgentId(agent), channel=channel)
    run = await house.runs.load(run_id)
    post = NewPost(
        key=f"p{ts}",
        thread=thread(f"1{ts}", channel),
        kind=PostKind.ANSWER,
        run_id=run_id,
        task_id=run.task.id,
    )
    await house.posts.intend([post])
    await house.posts.posted(post.key, ts=ts, body_hash="abc")


def choice(ts: str, by: UserId, channel: ChannelId = CHANNEL, name: str = "+1") -> dict:
    return {
        "workspace_id": WORKSPACE,
        "channel_id": channel,
        "message_ts": ts,
        "by": by,
        "choice": name,
    }


async def rate(house: House, ts: str, by: UserId, rating: int, *, ago=timedelta(), **more) -> None:
    name = f"{rating}"
    place = choice(ts, by, more.pop("channel", CHANNEL), name)
    at = now_utc() - ago
    await house.commands.carry_out(Rate(**place, rating=rating, at=at, **more), keys=[])


async def weeks(house: House, channel_id: ChannelId | None = None):
    return await SqlFigureStore(house.database).ratings(WORKSPACE, channel_id=channel_id)


async def test_ratings_are_summed_up_by_agent_and_week(house: House) -> None:
    await posted(house, "5.0")
    await posted(house, "6.0", OTHER, "A2")
    await rate(house, "5.0", ALICE, 5)
    await rate(house, "5.0", BOB, 4)
    await rate(house, "5.0", CAROL, 1, ago=2 * WEEK + timedelta(hours=1))
    await rate(house, "6.0", BOB, 3, channel=OTHER)
    assert await weeks(house) == [
        RatedWeek(agent_id=AgentId("A1"), weeks_ago=0, ratings=2, good=2, low=0, mean=4.5),
        RatedWeek(agent_id=AgentId("A1"), weeks_ago=2, ratings=1, good=0, low=1, mean=1.0),
        RatedWeek(agent_id=AgentId("A2"), weeks_ago=0, ratings=1, good=0, low=0, mean=3.0),
    ]
    other_workspace = await SqlFigureStore(house.database).ratings(WorkspaceId("T2"))
    assert other_workspace == []


async def test_the_last_choice_of_each_person_counts_and_what_was_taken_back_does_not(
    house: House,
) -> None:
    await posted(house, "5.0")
    await rate(house, "5.0", ALICE, 5, ago=timedelta(minutes=2))
    await rate(house, "5.0", ALICE, 1, ago=timedelta(minutes=1))
    await rate(house, "5.0", BOB, 2, ago=timedelta(minutes=2))
    [week] = await weeks(house)
    assert (week.ratings, week.mean) == (2, 1.5)
    await house.commands.carry_out(Unrate(**choice("5.0", ALICE, name="1"), at=now_utc()), keys=[])
    await house.commands.carry_out(Unrate(**choice("5.0", BOB, name="2"), at=now_utc()), keys=[])
    [week] = await weeks(house)
    assert (week.ratings, week.good, week.mean) == (1, 1, 5.0)


async def test_a_form_with_many_steps_does_not_outweigh_people(house: House) -> None:
    await posted(house, "5.0")
    await rate(house, "5.0", ALICE, 5)
    for step in range(1, 6):
        await rate(house, "5.0", BOB, 1, step=step)
    [week] = await weeks(house)
    assert (week.ratings, week.mean) == (1, 5.0)


async def test_what_is_older_than_the_weeks_shown_is_left_out(house: House) -> None:
    await posted(house, "5.0")
    await rate(house, "5.0", ALICE, 5, ago=RATED_WEEKS * WEEK - timedelta(hours=1))
    await rate(house, "5.0", BOB, 1, ago=RATED_WEEKS * WEEK + timedelta(hours=1))
    [week] = await weeks(house)
    assert (week.weeks_ago, week.ratings, week.mean) == (RATED_WEEKS - 1, 1, 5.0)


async def test_ratings_in_a_private_channel_are_told_in_that_channel_only(house: House) -> None:
    await posted(house, "5.0", PRIVATE)
    await posted(house, "6.0")
    await rate(house, "5.0", ALICE, 1, channel=PRIVATE)
    await rate(house, "6.0", ALICE, 5)
    assert [week.mean for week in await weeks(house)] == [5.0]
    assert [week.mean for week in await weeks(house, PRIVATE)] == [1.0]
    assert [week.mean for week in await weeks(house, CHANNEL)] == [5.0]


async def test_many_agents_are_summed_up_in_one_statement(house: House) -> None:
    for number in range(5):
        await posted(house, f"5.{number}", agent=f"A{number}")
        await rate(house, f"5.{number}", ALICE, 5)
    seen: list[str] = []

    def note(_connection, _cursor, statement, *_more) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        assert len(await weeks(house)) == 5
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert len([statement for statement in seen if "SELECT" in statement]) == 1
