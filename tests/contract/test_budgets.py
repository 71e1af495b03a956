"""Budgets of a day: never passed, whoever reserves at once; what dies gives back what it held."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from agent_engine.commands import BudgetExtended, Declined, ExtendBudget, Repeated
from agent_engine.errors import FencedError
from agent_engine.events import ModelCalled, Slept
from agent_engine.safeguards import (
    AuditAction,
    Budget,
    BudgetExceeded,
    BudgetOf,
    CapOf,
    Spent,
)
from agent_engine.types import ChannelId, ModelCall, RunId, RunSnapshot, WorkspaceId, now_utc
from storage import tables
from storage.audit import SqlAuditLog
from storage.budgets import SqlBudgetStore, spent
from storage.database import open_database
from storage.housekeeping import SqlHousekeeping
from storage.memory.indexes import indexes_of
from storage.memory.store import SqlMemoryStore
from tests.contract.house import ALICE, BOB, CHANNEL, WORKSPACE, House, answered
from tests.contract.racing import meeting

OF_ALICE = Budget(of=BudgetOf.PERSON, tokens=100)
ALL_OF_THEM = (
    Budget(of=BudgetOf.PERSON, tokens=100),
    Budget(of=BudgetOf.CHANNEL, tokens=150),
    Budget(of=BudgetOf.WORKSPACE, tokens=180),
)


@pytest.fixture
def budgets(house: House) -> SqlBudgetStore:
    return SqlBudgetStore(house.database)


def called(tokens: int, *, usd: float | None = None, reservation: str | None = None, at=None):
    call = ModelCall(
        model="m",
        purpose="plan",
        prompt_tokens=tokens - 1,
        completion_tokens=1,
        usd=usd,
        duration_s=0.1,
        reservation=reservation,
    )
    return ModelCalled(call=call, at=at or now_utc())


async def run_of(house: House, ts: str, **who) -> RunSnapshot:
    return await house.begin(await house.start(ts, **who))


async def held(house: House) -> int:
    count = select(func.count()).select_from(tables.reservations)
    return await house.database.read(lambda c: c.execute(count).scalar_one())


async def age(house: House, by: timedelta) -> None:
    older = update(tables.reservations).values(at=now_utc() - by)
    await house.database.write(lambda c: c.execute(older))


def exceeded(outcome) -> BudgetOf | None:
    return outcome.budget.of if isinstance(outcome, BudgetExceeded) else None


async def test_a_budget_holds_what_is_spent_and_what_is_set_aside(house, budgets) -> None:
    run = await run_of(house, "1.0")
    await house.commit(run, called(60))
    first = await budgets.reserve(run.run_id, [OF_ALICE], epoch=run.epoch, tokens=30, usd=0.0)
    assert isinstance(first, str)
    refused = await budgets.reserve(run.run_id, [OF_ALICE], epoch=run.epoch, tokens=11, usd=0.0)
    assert refused == BudgetExceeded(
        budget=OF_ALICE, cap=CapOf.TOKENS, used_tokens=90, used_usd=0.0
    )
    assert isinstance(
        await budgets.reserve(run.run_id, [OF_ALICE], epoch=run.epoch, tokens=10, usd=0.0), str
    )


async def test_money_is_held_as_tokens_are(house, budgets) -> None:
    run = await run_of(house, "1.0")
    dollar = [Budget(of=BudgetOf.WORKSPACE, usd=1.0)]
    await house.commit(run, called(60, usd=0.5), called(10_000_000, usd=None))
    for _ in range(5):
        assert isinstance(
            await budgets.reserve(run.run_id, dollar, epoch=run.epoch, tokens=9, usd=0.1), str
        )
    refused = await budgets.reserve(run.run_id, dollar, epoch=run.epoch, tokens=9, usd=0.01)
    assert exceeded(refused) is BudgetOf.WORKSPACE
    assert refused.used_usd == pytest.approx(1.0)


async def test_each_budget_counts_its_own(house, budgets) -> None:
    alice = await run_of(house, "1.0")
    bob = await run_of(house, "2.0", author=BOB)
    away = await run_of(house, "3.0", author=BOB, channel=ChannelId("C2"))

    async def reserve(run: RunSnapshot, tokens: int) -> BudgetOf | None:
        return exceeded(
            await budgets.reserve(run.run_id, ALL_OF_THEM, epoch=run.epoch, tokens=tokens, usd=0.0)
        )

    assert await reserve(alice, 90) is None
    assert await reserve(alice, 20) is BudgetOf.PERSON
    assert await reserve(bob, 70) is BudgetOf.CHANNEL
    assert await reserve(bob, 60) is None
    assert await reserve(away, 31) is BudgetOf.WORKSPACE
    assert await reserve(away, 30) is None


async def test_another_workspace_has_its_own_day(house, budgets) -> None:
    run = await run_of(house, "1.0")
    await house.commit(run, called(100))
    elsewhere = await budgets.spent_today(WorkspaceId("T2"), person=ALICE, channel=CHANNEL)
    assert elsewhere.person == elsewhere.channel == elsewhere.workspace == Spent()


async def test_what_no_run_asks_for_is_held_by_the_workspaces_budget_alone(house, budgets) -> None:
    run = await run_of(house, "1.0")
    await house.commit(run, called(150))
    memories = SqlMemoryStore(house.database, indexes_of(house.database))
    await memories.account(WORKSPACE, [called(20).call])

    async def fits(tokens: int, *, usd: float = 0.0, workspace: str = WORKSPACE) -> BudgetOf | None:
        found = await budgets.exceeded(WorkspaceId(workspace), ALL_OF_THEM, tokens=tokens, usd=usd)
        return exceeded(found)

    assert await fits(10) is None
    assert await fits(11) is BudgetOf.WORKSPACE
    assert await fits(180, workspace="T2") is None
    assert await held(house) == 0
    today = await budgets.spent_today(WORKSPACE, person=ALICE, channel=CHANNEL)
    assert (today.person.tokens, today.channel.tokens, today.workspace.tokens) == (150, 150, 170)


async def test_yesterday_does_not_count(house, budgets) -> None:
    run = await run_of(house, "1.0")
    midnight = now_utc().replace(hour=0, minute=0, second=0, microsecond=0)
    await house.commit(run, called(90, at=midnight - timedelta(microseconds=1)))
    await house.commit(run, called(7, at=midnight))
    today = await budgets.spent_today(WORKSPACE, person=ALICE, channel=CHANNEL)
    assert today.person.tokens == today.channel.tokens == today.workspace.tokens == 7


async def test_eight_at_once_never_pass_the_cap(house, budgets, database_url) -> None:
    runs = [await run_of(house, f"{n}.0") for n in range(1, 9)]
    caps = [Budget(of=BudgetOf.PERSON, tokens=100, usd=1.0)]

    async with open_database(database_url) as other_process:
        stores = [budgets, SqlBudgetStore(other_process)]

        async def spend(n: int, run: RunSnapshot) -> int:
            """Reserve and settle until the budget is used up; return how many tokens it was."""
            used = 0
            while True:
                held = await stores[n % 2].reserve(
                    run.run_id, caps, epoch=run.epoch, tokens=7, usd=0.07
                )
                if isinstance(held, BudgetExceeded):
                    return used
                await house.commit(run, called(7, usd=0.07, reservation=held))
                used += 7

        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            tasks = [group.create_task(spend(n, run)) for n, run in enumerate(runs)]
    assert sum(task.result() for task in tasks) == 98
    assert (await budgets.spent_today(WORKSPACE, person=ALICE, channel=CHANNEL)).person == Spent(
        tokens=98, usd=pytest.approx(0.98)
    )


async def test_two_who_look_at_once_do_not_both_reserve_what_is_left(
    house, budgets, database_url, monkeypatch
) -> None:
    runs = [await run_of(house, f"{n}.0") for n in (1, 2)]
    monkeypatch.setattr("storage.budgets.spent", meeting(spent))
    async with open_database(database_url) as other_process:
        stores = [budgets, SqlBudgetStore(other_process)]
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(
                    store.reserve(run.run_id, [OF_ALICE], epoch=run.epoch, tokens=60, usd=0.0)
                )
                for store, run in zip(stores, runs, strict=True)
            ]
    assert sorted(exceeded(task.result()) or "" for task in tasks) == ["", BudgetOf.PERSON]
    assert await held(house) == 1


async def test_settling_takes_the_reservation_away_with_the_same_commit(house, budgets) -> None:
    run = await run_of(house, "1.0")
    reserved = await budgets.reserve(run.run_id, [OF_ALICE], epoch=run.epoch, tokens=90, usd=0.0)
    figures = (await budgets.spent_today(WORKSPACE, person=ALICE, channel=CHANNEL)).person
    assert figures == Spent(reserved_tokens=90)
    await house.commit(run, called(12, reservation=reserved))
    figures = (await budgets.spent_today(WORKSPACE, person=ALICE, channel=CHANNEL)).person
    assert figures == Spent(tokens=12)
    assert await held(house) == 0


async def test_what_a_failed_call_held_is_given_back(house, budgets) -> None:
    run = await run_of(house, "1.0")
    reserved = await budgets.reserve(run.run_id, [OF_ALICE], epoch=run.epoch, tokens=90, usd=0.0)
    await budgets.release(reserved)
    await budgets.release(reserved)
    assert isinstance(
        await budgets.reserve(run.run_id, [OF_ALICE], epoch=run.epoch, tokens=90, usd=0.0), str
    )


async def test_beginning_a_run_gives_back_what_its_dead_worker_held(house, budgets) -> None:
    run = await run_of(house, "1.0")
    other = await run_of(house, "2.0")
    await budgets.reserve(run.run_id, [OF_ALICE], epoch=run.epoch, tokens=90, usd=0.0)
    await budgets.reserve(other.run_id, [OF_ALICE], epoch=other.epoch, tokens=10, usd=0.0)
    await house.begin(run.run_id)
    figures = (await budgets.spent_today(WORKSPACE, person=ALICE, channel=CHANNEL)).person
    assert figures.reserved_tokens == 10
    begun = await house.begin(other.run_id)
    await house.commit(begun, Slept())
    assert await held(house) == 0


async def test_a_reservation_that_nobody_settles_ends_after_an_hour(house, budgets) -> None:
    run = await run_of(house, "1.0")
    await budgets.reserve(run.run_id, [OF_ALICE], epoch=run.epoch, tokens=90, usd=0.0)
    keeping = SqlHousekeeping(house.database)
    await age(house, timedelta(minutes=59))
    assert exceeded(
        await budgets.reserve(run.run_id, [OF_ALICE], epoch=run.epoch, tokens=11, usd=0.0)
    )
    assert await keeping.sweep_reservations(now=now_utc()) == 0
    await age(house, timedelta(minutes=61))
    assert isinstance(
        await budgets.reserve(run.run_id, [OF_ALICE], epoch=run.epoch, tokens=11, usd=0.0), str
    )
    assert await keeping.sweep_reservations(now=now_utc()) == 1
    assert await held(house) == 1


async def test_an_extension_counts_for_today_and_is_on_record(house, budgets) -> None:
    run = await run_of(house, "1.0")
    await house.commit(run, called(95))
    extend = ExtendBudget(
        workspace_id=WORKSPACE, of=BudgetOf.PERSON, id=ALICE, by=BOB, tokens=50, usd=2.5
    )
    done = await house.commands.carry_out(extend, keys=["k1"])
    assert done == BudgetExtended(of=BudgetOf.PERSON, id=ALICE, extra_tokens=50, extra_usd=2.5)
    assert await house.commands.carry_out(extend, keys=["k1"]) == Repeated()
    assert isinstance(
        await budgets.reserve(run.run_id, [OF_ALICE], epoch=run.epoch, tokens=55, usd=0.0), str
    )
    refused = await budgets.reserve(run.run_id, [OF_ALICE], epoch=run.epoch, tokens=1, usd=0.0)
    assert isinstance(refused, BudgetExceeded)
    assert (refused.budget.tokens, refused.budget.usd, refused.used_tokens) == (150, 0.0, 150)
    [row] = [row async for row in SqlAuditLog(house.database).export(WORKSPACE)]
    assert (row.entry.action, row.entry.actor) == (AuditAction.BUDGET, BOB)
    assert (row.entry.subject, row.entry.result) == (f"person {ALICE}", "50 tokens, 2.5 USD")
    yesterday = update(tables.budget_extensions).values(day="2026-11-21")
    await house.database.write(lambda c: c.execute(yesterday))
    today = await budgets.spent_today(WORKSPACE, person=ALICE, channel=CHANNEL)
    assert (today.person.extra_tokens, today.person.extra_usd) == (0, 0.0)


@pytest.mark.parametrize("amount", [{}, {"tokens": -1}, {"tokens": 5, "usd": -0.5}])
async def test_an_extension_by_nothing_is_declined(house, amount) -> None:
    extend = ExtendBudget(
        workspace_id=WORKSPACE, of=BudgetOf.WORKSPACE, id=WORKSPACE, by=BOB, **amount
    )
    assert await house.commands.carry_out(extend, keys=[]) == Declined(why="nothing_to_add")


async def test_a_run_that_nobody_asked_for_is_held_by_other_budgets_only(house, budgets) -> None:
    run = await run_of(house, "1.0")
    nobody = update(tables.runs).values(requester=None)
    await house.database.write(lambda c: c.execute(nobody))
    reserved = await budgets.reserve(run.run_id, ALL_OF_THEM, epoch=run.epoch, tokens=120, usd=0.0)
    assert isinstance(reserved, str)
    refused = await budgets.reserve(run.run_id, ALL_OF_THEM, epoch=run.epoch, tokens=60, usd=0.0)
    assert exceeded(refused) is BudgetOf.CHANNEL


async def test_an_unknown_run_reserves_nothing(budgets) -> None:
    with pytest.raises(KeyError):
        await budgets.reserve(RunId("nothing"), [OF_ALICE], epoch=1, tokens=1, usd=0.0)


async def test_a_commit_that_fails_settles_nothing(house, budgets) -> None:
    run = await run_of(house, "1.0")
    reserved = await budgets.reserve(run.run_id, [OF_ALICE], epoch=run.epoch, tokens=90, usd=0.0)
    other = await house.begin(run.run_id)  # it also gives back what this worker held
    again = await budgets.reserve(run.run_id, [OF_ALICE], epoch=other.epoch, tokens=90, usd=0.0)
    with pytest.raises(FencedError):
        await house.commit(run, called(12, reservation=again), answered())
    assert isinstance(reserved, str)
    assert await held(house) == 1


@pytest.mark.parametrize(
    ("spent_so_far", "asked", "cap"),
    [
        ((10, 0.95), (10, 0.1), CapOf.USD),
        ((95, 0.10), (10, 0.1), CapOf.TOKENS),
        ((100, 0.50), (0, 0.6), CapOf.USD),
        ((95, 0.95), (10, 0.1), CapOf.TOKENS),
    ],
)
async def test_of_two_caps_the_one_that_was_met_is_named(
    house, budgets, spent_so_far, asked, cap
) -> None:
    run = await run_of(house, "1.0")
    tokens, usd = spent_so_far
    await house.commit(run, called(tokens, usd=usd))
    both = [Budget(of=BudgetOf.PERSON, tokens=100, usd=1.0)]
    refused = await budgets.reserve(
        run.run_id, both, epoch=run.epoch, tokens=asked[0], usd=asked[1]
    )
    assert isinstance(refused, BudgetExceeded)
    assert refused.cap is cap


async def test_a_worker_that_was_taken_over_reserves_nothing(house, budgets) -> None:
    stalled = await run_of(house, "1.0")
    await house.begin(stalled.run_id)
    with pytest.raises(FencedError):
        await budgets.reserve(stalled.run_id, [OF_ALICE], epoch=stalled.epoch, tokens=90, usd=0.0)
    assert await held(house) == 0


async def test_what_a_worker_reserved_while_it_was_taken_over_holds_nobody_up(
    house, budgets
) -> None:
    stalled = await run_of(house, "1.0")
    await budgets.reserve(stalled.run_id, [OF_ALICE], epoch=stalled.epoch, tokens=90, usd=0.0)
    # As if the reservation were written a moment after the take-over had given back the others.
    other = update(tables.runs).values(epoch=tables.runs.c.epoch + 1)
    await house.database.write(lambda c: c.execute(other))
    figures = (await budgets.spent_today(WORKSPACE, person=ALICE, channel=CHANNEL)).person
    assert figures == Spent()
    assert await held(house) == 1


async def test_what_is_left_of_an_ended_run_holds_nobody_up(house, budgets) -> None:
    run = await run_of(house, "1.0")
    await budgets.reserve(run.run_id, [OF_ALICE], epoch=run.epoch, tokens=90, usd=0.0)
    await house.commit(run, answered())
    figures = (await budgets.spent_today(WORKSPACE, person=ALICE, channel=CHANNEL)).person
    assert figures == Spent()
    with pytest.raises(FencedError):
        await budgets.reserve(run.run_id, [OF_ALICE], epoch=run.epoch, tokens=1, usd=0.0)
