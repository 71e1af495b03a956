"""Agents, channels and people come back as they were stored; old deliveries are forgotten."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from agent_engine.commands import CancelChannel, Repeated
from agent_engine.places import Channel, ChannelKind, Person
from agent_engine.retention import Retention
from agent_engine.types import (
    AgentId,
    AgentProfile,
    ChannelId,
    FollowUps,
    Limits,
    PlannerKind,
    UserId,
    WorkspaceId,
    now_utc,
)
from storage.channels import SqlChannelStore
from storage.housekeeping import SqlHousekeeping
from storage.people import SqlPersonStore
from tests.contract.house import CHANNEL, MORNING, WORKSPACE, House, answered


async def test_an_agent_comes_back_as_it_was_stored(house: House) -> None:
    profile = AgentProfile(
        id=AgentId("A2"),
        workspace_id=WORKSPACE,
        name="Bo ü",
        instructions="Be brief.",
        model="m1",
        planner=PlannerKind.STEPWISE,
        tools=("web_search",),
        delegates=(AgentId("A1"),),
        limits=Limits(iterations=3, usd=0.25),
        follow_ups=FollowUps.MENTION_ONLY,
        max_concurrent=2,
        icon_emoji=":owl:",
        allow_guests=True,
        allow_bots=True,
    )
    await house.agents.save_agent(profile)
    assert await house.agents.agent(WORKSPACE, AgentId("A2")) == profile
    changed = replace(profile, tools=None, name="Aa")
    await house.agents.save_agent(changed)
    assert list(await house.agents.agents(WORKSPACE)) == [changed, house.agent]
    assert await house.agents.agent(WorkspaceId("T2"), AgentId("A2")) is None
    assert await house.agents.agents(WorkspaceId("T2")) == []


async def test_a_channel_never_forgets_how_far_it_was_read(house: House) -> None:
    store = SqlChannelStore(house.database)
    channel = Channel(
        workspace_id=WORKSPACE,
        channel_id=CHANNEL,
        agent_id=AgentId("A1"),
        kind=ChannelKind.PRIVATE,
        name="maths",
        last_seen_ts="1000.000200",
    )
    assert await store.save_channel(channel) == channel
    renamed = replace(channel, name="sums", is_member=False, introduced=True)
    older = replace(renamed, last_seen_ts="999.000900")
    assert await store.save_channel(older) == renamed
    assert await store.save_channel(replace(renamed, last_seen_ts=None)) == renamed
    assert await store.channel(WORKSPACE, CHANNEL) == renamed
    assert list(await store.channels(WORKSPACE)) == [renamed]
    assert await store.channel(WORKSPACE, ChannelId("C9")) is None


async def test_what_was_seen_is_only_ever_raised(house: House) -> None:
    store = SqlChannelStore(house.database)
    for name in ("C1", "C2"):
        await store.save_channel(
            Channel(workspace_id=WORKSPACE, channel_id=ChannelId(name), agent_id=AgentId("A1"))
        )
    await store.saw(WORKSPACE, {ChannelId("C1"): "1000.000200", ChannelId("C9"): "1.0"})
    await store.saw(WORKSPACE, {ChannelId("C1"): "999.0", ChannelId("C2"): "1000.000100"})
    await store.saw(WORKSPACE, {})
    seen = {c.channel_id: c.last_seen_ts for c in await store.channels(WORKSPACE)}
    assert seen == {"C1": "1000.000200", "C2": "1000.000100"}


async def test_a_person_comes_back_as_stored(house: House) -> None:
    store = SqlPersonStore(house.database)
    person = Person(
        workspace_id=WORKSPACE, user_id=UserId("U1"), name="Cy", is_guest=True, fetched_at=MORNING
    )
    await store.save_person(person)
    assert await store.person(WORKSPACE, UserId("U1")) == person
    east = datetime(2026, 11, 22, 12, tzinfo=UTC).astimezone()
    await store.save_person(replace(person, is_admin=True, fetched_at=east))
    again = await store.person(WORKSPACE, UserId("U1"))
    assert again is not None
    assert again.is_admin
    assert again.fetched_at == east
    assert again.fetched_at.utcoffset() == timedelta(0)
    assert await store.person(WORKSPACE, UserId("U9")) is None


async def test_old_deliveries_are_forgotten(house: House) -> None:
    command = CancelChannel(workspace_id=WORKSPACE, channel_id=CHANNEL, reason="x")
    await house.commands.carry_out(command, keys=["k1", "k2"])
    store = SqlHousekeeping(house.database)
    assert await store.prune_deliveries(before=now_utc() - timedelta(minutes=1)) == 0
    assert await house.commands.carry_out(command, keys=["k1"]) == Repeated()
    assert await store.prune_deliveries(before=now_utc() + timedelta(minutes=1)) == 2
    assert await house.commands.carry_out(command, keys=["k1"]) != Repeated()


async def test_tasks_at_work_are_those_that_are_not_over(house: House) -> None:
    store = SqlHousekeeping(house.database)
    assert await store.tasks_at_work() == []
    run = await house.begin(await house.start())
    assert await store.tasks_at_work() == [(run.scope, run.task.id)]
    await house.commit(run, answered("42"))
    assert await store.tasks_at_work() == []


async def test_what_no_database_can_hold_is_replaced_in_plain_text(house: House) -> None:
    await house.agents.save_agent(replace(house.agent, name="A\x00B\ud800C😀"))
    stored = await house.agents.agent(WORKSPACE, house.agent.id)
    assert stored is not None
    assert stored.name == "A\ufffdB\ufffdC😀"


async def test_keeping_house_does_all_of_it(house: House) -> None:
    command = CancelChannel(workspace_id=WORKSPACE, channel_id=CHANNEL, reason="x")
    await house.commands.carry_out(command, keys=["k1", "k2"])
    store = SqlHousekeeping(house.database)
    kept = await store.keep(
        now=now_utc() + timedelta(days=2), kept=Retention(deliveries=timedelta(days=1))
    )
    assert kept == {
        "audit_settled": 0,
        "deliveries": 2,
        "cached": 0,
        "reservations": 0,
        "expired_memories": 0,
        "words_merged": 0,
    }
