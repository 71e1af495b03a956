"""Ratings by reaction, and every way to stop a task."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from agent_engine.commands import Cancel, CancelThread, Rate, Unrate
from agent_engine.places import Post, PostKind, PostState
from agent_engine.types import TaskStatus
from bot.outbound.content import Content

pytestmark = pytest.mark.usefixtures("bot")


async def a_task_with_a_post(world, bot):
    """Ada's task in #general with one message of ours; gives the root's and the post's ts."""
    root = await world.workspace.person("ada").post("general", "@treadle work")
    await world.core.until(world.core.said)
    thread = world.core.said()[0].thread
    ts = await bot.talk.post_message(
        thread.channel_id, Content(text="The plan"), thread_ts=root, key="run:r1:plan"
    )
    world.rows.post_rows[thread.channel_id, ts] = Post(
        key="run:r1:plan",
        thread=thread,
        kind=PostKind.PLAN,
        state=PostState.POSTED,
        run_id=world.core.threads[thread],
        ts=ts,
        created_at=datetime.now(UTC),
    )
    return root, ts


def carried(world, kind):
    return [command for command in world.core.carried if isinstance(command, kind)]


@pytest.mark.parametrize(
    ("name", "rating"), [("thumbsup", 5), ("+1::skin-tone-4", 5), ("-1", 1), ("three", 3)]
)
async def test_a_reaction_on_our_message_is_a_rating(world, bot, name, rating):
    _, ts = await a_task_with_a_post(world, bot)
    await world.workspace.person("grace").react("general", ts, name)
    await world.core.until(lambda: carried(world, Rate))
    (rate,) = carried(world, Rate)
    assert (rate.rating, rate.message_ts, rate.by) == (
        rating,
        ts,
        world.workspace.person("grace").id,
    )


async def test_taking_the_reaction_back_takes_the_rating_back(world, bot):
    _, ts = await a_task_with_a_post(world, bot)
    grace = world.workspace.person("grace")
    await grace.react("general", ts, "+1")
    await world.core.until(lambda: carried(world, Rate))
    await grace.unreact("general", ts, "+1")
    await world.core.until(lambda: carried(world, Unrate))
    assert carried(world, Unrate)[0].choice == carried(world, Rate)[0].choice == "+1"


async def test_a_low_rating_by_reaction_asks_that_person_what_went_wrong(world, bot):
    _, ts = await a_task_with_a_post(world, bot)
    grace = world.workspace.person("grace")
    await grace.react("general", ts, "-1")
    await world.told("grace")
    (line,) = grace.ephemerals()
    buttons = [b for block in line.blocks if block["type"] == "actions" for b in block["elements"]]
    assert len(buttons) == 1
    await grace.click("general", line.ts, buttons[0]["action_id"], buttons[0]["value"])
    view = grace.modal()
    assert view is not None
    await grace.submit(view.id, {"words": {"words": {"value": "too slow"}}})
    await world.core.until(lambda: len(carried(world, Rate)) == 2)
    assert carried(world, Rate)[1].text == "too slow"
    assert carried(world, Rate)[1].choice == "-1"


async def test_reactions_elsewhere_and_meaningless_ones_are_ignored(world, bot):
    root, ts = await a_task_with_a_post(world, bot)
    grace = world.workspace.person("grace")
    await grace.react("general", root, "+1")
    await grace.react("general", ts, "tada")
    await world.settled()
    assert carried(world, Rate) == []


@pytest.mark.parametrize("name", ["x", "octagonal_sign", "no_entry"])
async def test_the_requester_stops_the_run_with_a_reaction(world, bot, name):
    _, ts = await a_task_with_a_post(world, bot)
    await world.workspace.person("ada").react("general", ts, name)
    await world.core.until(lambda: carried(world, Cancel))
    assert carried(world, Cancel)[0].by == world.workspace.person("ada").id


async def test_somebody_else_may_not_stop_it_and_is_told_who_may(world, bot):
    _, ts = await a_task_with_a_post(world, bot)
    await world.workspace.person("grace").react("general", ts, "x")
    await world.told("grace")
    assert carried(world, Cancel) == []
    assert world.workspace.person("ada").id in world.replies_to("grace")[0]


async def test_stop_by_mention_and_by_slacks_own_button(world, bot):
    root, _ = await a_task_with_a_post(world, bot)
    ada = world.workspace.person("ada")
    await ada.post("general", "@treadle stop!", thread_ts=root)
    await world.core.until(lambda: len(carried(world, CancelThread)) == 1)
    await ada.stop_session("general", root)
    await world.core.until(lambda: len(carried(world, CancelThread)) == 2)
    assert {command.thread.thread_ts for command in carried(world, CancelThread)} == {root}
    assert len(await world.settled()) == 1


async def test_stop_where_nothing_runs_says_so(world, bot):
    root, _ = await a_task_with_a_post(world, bot)
    for run_id, run in world.core.run_rows.items():
        world.core.run_rows[run_id] = replace(run, status=TaskStatus.COMPLETED)
    await world.workspace.person("ada").post("general", "@treadle stop", thread_ts=root)
    await world.told("ada")
    assert "nothing running" in world.replies_to("ada")[0]
    assert carried(world, CancelThread) == []


async def test_an_archived_channel_ends_its_runs(world, bot):
    await a_task_with_a_post(world, bot)
    await world.workspace.person("ada").archive("general")
    await world.core.until(
        lambda: "CancelChannel" in {type(x).__name__ for x in world.core.carried}
    )
    channel = world.workspace.channel("general").id
    await world.workspace.until(
        lambda: world.rows.channel_rows[world.workspace.team_id, channel].is_archived
    )


async def test_a_reaction_that_comes_before_our_posting_is_noted_is_a_rating_all_the_same(
    world, bot
):
    _, ts = await a_task_with_a_post(world, bot)
    (place, note) = world.rows.post_rows.popitem()
    await world.workspace.person("grace").react("general", ts, "+1")
    assert carried(world, Rate) == []
    world.rows.post_rows[place] = note
    await world.core.until(lambda: carried(world, Rate))
