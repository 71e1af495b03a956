"""Who may ask: members may; guests, outsiders and bots are refused with one sentence or ignored."""

from dataclasses import replace

import pytest

from agent_engine.types import AgentId
from bot.local_slack.config import PersonSeed

pytestmark = pytest.mark.usefixtures("bot")


async def test_a_guest_is_refused_with_one_sentence(world):
    await world.workspace.person("gus").post("general", "@treadle help me with this")
    await world.told("gus")
    assert await world.settled() == []
    assert len(world.replies_to("gus")) == 1
    assert "guests" in world.replies_to("gus")[0]


async def test_a_guest_may_ask_where_the_agent_allows_it(world):
    default = world.core.agent_rows[AgentId("default")]
    world.core.agent_rows[AgentId("default")] = replace(default, allow_guests=True)
    await world.workspace.person("gus").post("general", "@treadle please")
    assert len(await world.settled()) == 1


async def test_somebody_of_another_organisation_is_refused(world):
    sam = world.workspace.add_person(
        PersonSeed(name="sam", is_stranger=True), channels=("general",)
    )
    await sam.post("general", "@treadle please")
    await world.told("sam")
    assert await world.settled() == []
    assert "this workspace" in world.replies_to("sam")[0]


async def test_another_bot_is_ignored_without_a_word(world):
    robo = world.workspace.add_person(PersonSeed(name="robo", is_bot=True), channels=("general",))
    await robo.post("general", "@treadle please")
    assert await world.settled() == []
    assert world.replies_to("robo") == []


async def test_an_allowed_bot_may_mention_us_but_its_replies_are_ignored(world):
    default = world.core.agent_rows[AgentId("default")]
    world.core.agent_rows[AgentId("default")] = replace(default, allow_bots=True)
    robo = world.workspace.add_person(PersonSeed(name="robo", is_bot=True), channels=("general",))
    root = await robo.post("general", "@treadle please")
    await world.core.until(world.core.said)
    await robo.post("general", "thank you!", thread_ts=root)
    assert [s.message.id for s in await world.settled()] == [root]


async def test_a_guests_words_in_somebodys_thread_do_not_steer(world):
    root = await world.workspace.person("ada").post("general", "@treadle work")
    await world.core.until(world.core.said)
    await world.workspace.person("gus").post("general", "do it my way", thread_ts=root)
    assert [s.message.id for s in await world.settled()] == [root]
    assert world.replies_to("gus") == []


async def test_when_slack_does_not_tell_members_still_get_through(world):
    world.workspace.faults.fail_api["users.info"] = {"error": "user_not_found"}
    await world.workspace.person("ada").post("general", "@treadle please")
    assert len(await world.settled()) == 1
    assert world.rows.person_rows == {}, "a guess is not stored"
