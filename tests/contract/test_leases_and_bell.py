"""Leases: one holder at a time. Bells: nobody who waits misses a ring."""

import asyncio
from pathlib import Path

import pytest

from agent_engine.errors import StorageError
from agent_engine.ports import Bell, Topic
from storage.bell import LocalBell, open_bell
from storage.database import Database, Dialect, open_database
from storage.leases import open_leases
from storage.lock_file import sole_owner
from tests.contract.postgres import PostgresServer


async def test_a_lease_is_taken_kept_and_given_back(database: Database) -> None:
    async with open_leases(database) as leases, open_leases(database) as others:
        assert await leases.hold("gateway T1")
        assert await leases.hold("gateway T1")
        if database.dialect is Dialect.POSTGRES:
            assert not await others.hold("gateway T1")
            assert await others.hold("gateway T2")
            await leases.let_go("gateway T1")
        assert await others.hold("gateway T1")
        await others.let_go("nothing")


async def test_a_lease_is_free_when_its_holder_is_gone(
    postgres: PostgresServer, postgres_name: str
) -> None:
    async with (
        open_database(postgres.address(postgres_name)) as database,
        open_leases(database) as mine,
        open_leases(database) as others,
    ):
        assert await mine.hold("gateway")
        postgres.cut_off(postgres_name)
        with pytest.raises(StorageError):
            await mine.hold("gateway")
        assert await others.hold("gateway")
        assert not await mine.hold("gateway")


async def test_a_second_process_may_not_run_on_the_same_file(tmp_path: Path) -> None:
    async with open_database(f"sqlite:///{tmp_path / 'live.db'}") as database:
        second = sole_owner(database)
        with sole_owner(database), pytest.raises(StorageError, match="already running"):
            second.__enter__()
        with sole_owner(database):
            pass


async def rings(bell: Bell, topic: Topic) -> bool:
    return await bell.wait(topic, timeout_s=0.01)


async def test_a_ring_wakes_all_who_wait_for_its_topic() -> None:
    bell = LocalBell()
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        waiting = [group.create_task(bell.wait(Topic.THREADS, timeout_s=5)) for _ in range(2)]
        other = group.create_task(bell.wait(Topic.SIGNALS, timeout_s=0.05))
        await asyncio.sleep(0)
        bell.ring(Topic.THREADS)
    assert [task.result() for task in waiting] == [True, True]
    assert other.result() is False


async def test_a_ring_between_two_waits_is_not_lost() -> None:
    bell = LocalBell()
    assert not await rings(bell, Topic.WAKEUPS)
    bell.ring(Topic.WAKEUPS)
    bell.ring(Topic.WAKEUPS)
    assert not await rings(bell, Topic.THREADS)
    assert await rings(bell, Topic.WAKEUPS)
    assert not await rings(bell, Topic.WAKEUPS)


async def test_a_ring_is_heard_on_the_bell_of_this_process(database: Database) -> None:
    async with open_bell(database) as bell, asyncio.timeout(5):
        bell.ring(Topic.SIGNALS)
        assert await bell.wait(Topic.SIGNALS, timeout_s=5)


async def test_a_ring_is_heard_in_other_processes(
    postgres: PostgresServer, postgres_name: str
) -> None:
    async with (
        open_database(postgres.address(postgres_name)) as database,
        open_bell(database) as bell,
        open_bell(database) as elsewhere,
    ):
        async with asyncio.timeout(10):
            assert await elsewhere.wait(Topic.THREADS, timeout_s=10)  # once it listens
            bell.ring(Topic.THREADS)
            assert await elsewhere.wait(Topic.THREADS, timeout_s=10)
            postgres.cut_off(postgres_name)
            assert await elsewhere.wait(Topic.THREADS, timeout_s=10)  # it listens again
