"""Several processes on one PostgreSQL: what one leaves another takes over, and only one acts."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select, text

from agent_engine.durable import _lock_key
from storage.database import Database
from storage.tables import (
    events,
    outputs,
    plans,
    posts,
    runs,
    steps,
    tasks,
    usage,
    waits,
    wakeups,
)
from tests.recovery import rows
from tests.recovery.house import Builder, House
from tests.recovery.processes import DeathWish
from tests.recovery.sweep import PROBLEM, differences, undisturbed
from tests.recovery.workspace import AFTER

IN_STEP_1 = "SqlRunStore.commit#1"
OWNERS = text("SELECT DISTINCT executor_id FROM dbos.workflow_status WHERE status = 'PENDING'")
HANG_UP = text(
    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
    " AND (classid::bigint << 32) | objid::bigint = :key"
)


async def test_a_dead_workers_run_is_finished_by_another(postgres_builder: Builder):
    plain = await undisturbed(postgres_builder)
    wish = DeathWish(at=IN_STEP_1, side=AFTER)
    async with (
        postgres_builder.house("dead-worker") as house,
        house.bot(role="gateway") as gateway,
        house.bot(role="worker", at_write=wish) as first,
    ):
        await house.until_connected(gateway)
        ts = await house.ask(PROBLEM)
        assert await first.until_ended() == -9
        async with house.bot(role="worker") as second:
            await house.until_settled(second)
        assert await differences(house, ts, plain.remains) == []
        assert await rows.starts(house.database) == {"step 1": 2, "step 2": 1}


async def test_a_stalled_worker_whose_run_was_taken_over_writes_nothing_more(
    postgres_builder: Builder,
):
    plain = await undisturbed(postgres_builder)
    wish = DeathWish(at=IN_STEP_1, side=AFTER, stalls=True)
    async with (
        postgres_builder.house("stalled-worker") as house,
        house.bot(role="gateway") as gateway,
        house.bot(role="worker", at_write=wish) as stalled,
    ):
        await house.until_connected(gateway)
        ts = await house.ask(PROBLEM)
        await stalled.until(lambda: stalled.is_stalled)
        await _let_it_look_dead(house.database)
        async with house.bot(role="worker") as second:
            await house.until_settled(second)
            before = await _rows_of_runs(house.database)
            stalled.go_on()
            assert await stalled.until_ended() == 1
            assert "OwnershipLostError" in stalled.last_words()
        assert await _rows_of_runs(house.database) == before
        assert await differences(house, ts, plain.remains) == []


async def test_a_stalled_worker_that_finishes_its_step_is_fenced(postgres_builder: Builder):
    """As above, but the other one is still at work when the stalled one comes back."""
    async with (
        postgres_builder.house("fenced-worker") as house,
        house.bot(role="gateway") as gateway,
        _stalling(house, IN_STEP_1) as first,
    ):
        await house.until_connected(gateway)
        await house.ask(PROBLEM)
        await first.until(lambda: first.is_stalled)
        await _let_it_look_dead(house.database)
        async with _stalling(house, IN_STEP_1) as second:
            await second.until(lambda: second.is_stalled)
            first.go_on()
            await first.until_ended()
            assert await rows.starts(house.database) == {"step 1": 2}
            second.go_on()
            await house.until_settled(second)
        assert await rows.starts(house.database) == {"step 1": 2, "step 2": 1}
        assert await rows.repeated_steps(house.database) == []


async def test_two_workers_that_race_for_tasks_do_none_twice(postgres_builder: Builder):
    async with (
        postgres_builder.house("two-workers") as house,
        house.bot(role="gateway") as gateway,
        house.bot(role="worker") as first,
        house.bot(role="worker") as second,
    ):
        await house.until_connected(gateway)
        await first.until_ready()
        await second.until_ready()
        for number in range(4):
            for channel in ("general", "data", "ops"):
                await house.ask(f"calculate {number}+1", channel=channel)
        await house.until_settled(gateway)
        assert [epoch for (epoch,) in await house.read(select(runs.c.epoch))] == [1] * 12
        assert sum("=" in message.text for message in house.said()) == 12


async def test_a_dead_gateway_is_replaced_by_the_one_that_stands_by(postgres_builder: Builder):
    wish = DeathWish(at="SqlPostStore.intend#1", side=AFTER)
    async with (
        postgres_builder.house("dead-gateway") as house,
        house.bot(role="gateway", at_write=wish) as first,
    ):
        await first.until_ready()
        await house.until(first.holds_the_workspace)
        async with house.bot(role="gateway") as second, house.bot(role="worker") as worker:
            await second.until_ready()
            assert not await second.holds_the_workspace()
            await house.ask(PROBLEM)
            assert await first.until_ended() == -9
            await house.until_settled(worker)
            assert await second.holds_the_workspace()
        answers = [m for m in house.said() if "= *391*" in m.text]
        plans = [m for m in house.said() if m.text.startswith("Done")]
        assert (len(plans), len(answers)) == (1, 1)


# ------------------------------------------------------------------------------------------------


def _stalling(house: House, at: str) -> Any:
    wish = DeathWish(at=at, side=AFTER, stalls=True)
    return house.bot(role="worker", at_write=wish)


async def _let_it_look_dead(database: Database) -> None:
    """End the connection by which the others know that the only owner of runs is alive."""
    [(owner,)] = await database.read(lambda c: c.execute(OWNERS).all())
    ended = await database.read(lambda c: c.execute(HANG_UP, {"key": _lock_key(owner)}).all())
    assert ended == [(True,)]


async def _rows_of_runs(database: Database) -> Sequence[Any]:
    """Return all that a worker may write, to the last figure."""
    tables = (tasks, runs, plans, steps, waits, events, usage, outputs, posts, wakeups)
    return await database.read(
        lambda c: [sorted(map(repr, c.execute(select(table)))) for table in tables]
    )
