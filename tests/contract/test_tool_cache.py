"""Stored results of tools: per scope, for a time, and bounded per workspace."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from agent_engine.types import AgentId, ChannelId, Scope, WorkspaceId, now_utc
from storage import tables
from storage.housekeeping import SqlHousekeeping
from storage.tool_cache import SqlToolCache
from tests.contract.house import CHANNEL, WORKSPACE, House

HERE = Scope(workspace_id=WORKSPACE, channel_id=CHANNEL, agent_id=AgentId("A1"))
RESULT = {"success": True, "text": "\x00 \ud800 ü", "n": [1, 2.5, None]}


@pytest.fixture
def cache(house: House) -> SqlToolCache:
    return SqlToolCache(house.database)


async def stored(house: House) -> int:
    count = select(func.count()).select_from(tables.tool_cache)
    return await house.database.read(lambda c: c.execute(count).scalar_one())


async def expire(house: House, key: str) -> None:
    past = now_utc() - timedelta(seconds=1)
    change = update(tables.tool_cache).where(tables.tool_cache.c.key == key)
    await house.database.write(lambda c: c.execute(change.values(expires_at=past)))


async def test_a_kept_result_is_found_by_the_same_agent_in_the_same_channel(cache) -> None:
    assert await cache.find(HERE, "k") is None
    await cache.keep(HERE, "k", RESULT, ttl_s=60)
    assert await cache.find(HERE, "k") == RESULT
    assert await cache.find(HERE, "other") is None
    for elsewhere in (
        replace(HERE, workspace_id=WorkspaceId("T2")),
        replace(HERE, channel_id=ChannelId("C2")),
        replace(HERE, agent_id=AgentId("A2")),
    ):
        assert await cache.find(elsewhere, "k") is None


async def test_a_newer_result_takes_the_place_of_an_older_one(house, cache) -> None:
    await cache.keep(HERE, "k", {"n": 1}, ttl_s=60)
    await expire(house, "k")
    assert await cache.find(HERE, "k") is None
    await cache.keep(HERE, "k", {"n": 2}, ttl_s=60)
    assert await cache.find(HERE, "k") == {"n": 2}
    assert await stored(house) == 1


async def test_what_is_not_fresh_is_pruned(house, cache) -> None:
    await cache.keep(HERE, "old", {"n": 1}, ttl_s=60)
    await cache.keep(HERE, "new", {"n": 2}, ttl_s=60)
    await expire(house, "old")
    assert await SqlHousekeeping(house.database).prune_cache(now=now_utc()) == 1
    assert await stored(house) == 1
    assert await cache.find(HERE, "new") == {"n": 2}


async def test_of_too_many_entries_the_oldest_goes(house) -> None:
    cache = SqlToolCache(house.database, entries=3)
    other = replace(HERE, workspace_id=WorkspaceId("T2"))
    await cache.keep(other, "k", {"n": 0}, ttl_s=60)
    for n in range(5):
        await cache.keep(HERE, f"k{n}", {"n": n}, ttl_s=60)
    found = [await cache.find(HERE, f"k{n}") for n in range(5)]
    assert found == [None, None, {"n": 2}, {"n": 3}, {"n": 4}]
    assert await cache.find(other, "k") == {"n": 0}


async def test_of_too_many_bytes_the_oldest_go(house) -> None:
    cache = SqlToolCache(house.database, size=1000)
    for n in range(3):
        await cache.keep(HERE, f"k{n}", {"text": "x" * 400}, ttl_s=60)
    assert [await cache.find(HERE, f"k{n}") is not None for n in range(3)] == [False, True, True]
    await cache.keep(HERE, "k3", {"text": "x" * 900}, ttl_s=60)
    assert await stored(house) == 1
    await cache.keep(HERE, "huge", {"text": "x" * 2000}, ttl_s=60)
    assert await cache.find(HERE, "huge") is None
    assert await cache.find(HERE, "k3") is not None
