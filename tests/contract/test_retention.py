"""What is old goes, a few rows at a time; what is newer, pinned or under way stays."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import Table, event, func, select, update

from agent_engine.events import ModelCalled
from agent_engine.memories import MemoryKind, MemoryScope, MemoryState, NewMemory, Origin, OriginOf
from agent_engine.retention import Retention
from agent_engine.safeguards import SpentToday
from agent_engine.types import (
    AgentId,
    ChannelId,
    Scope,
    TaskId,
    WorkspaceId,
    now_utc,
)
from storage import audit, housekeeping, retention, tables
from storage.audit import SqlAuditLog
from storage.budgets import SqlBudgetStore
from storage.database import Dialect
from storage.housekeeping import SqlHousekeeping
from storage.memory import ageing, changing
from storage.memory.indexes import indexes_of
from storage.memory.store import SqlMemoryStore
from tests.contract.house import ALICE, CHANNEL, WORKSPACE, House, answered
from tests.contract.test_audit import entry, rows_of
from tests.contract.test_erasing import CALL, done
from tests.contract.test_lessons import answered_run, draw, lessons, rate, unrate
from tests.contract.test_memories import texts
from tests.contract.test_sub_tasks import delegate

YEAR = timedelta(days=365)
OLD = timedelta(days=366)
HERE = MemoryScope(workspace_id=WORKSPACE, channel_id=CHANNEL, agent_id=AgentId("A1"))
OTHERS = MemoryScope(
    workspace_id=WorkspaceId("T2"), channel_id=ChannelId("C2"), agent_id=AgentId("A1")
)
OTHERS_SCOPE = Scope(
    workspace_id=OTHERS.workspace_id, channel_id=OTHERS.channel_id, agent_id=OTHERS.agent_id
)
OWN = MemoryScope.of_person(WORKSPACE, ALICE)


@pytest.fixture
def keeper(house: House) -> SqlHousekeeping:
    return SqlHousekeeping(house.database)


@pytest.fixture
def store(house: House) -> SqlMemoryStore:
    return SqlMemoryStore(house.database, indexes_of(house.database))


async def deleted(keeper: SqlHousekeeping, **kept: timedelta) -> dict[str, int]:
    """Delete what is old; return what was, without the kinds of which nothing was."""
    gone = await keeper.delete_old(now=now_utc(), kept=Retention(**kept))
    return {name: number for name, number in gone.items() if number}


async def change(house: House, table: Table, where: object, **values: object) -> None:
    await house.database.write(lambda c: c.execute(update(table).where(where).values(**values)))


async def end_earlier(house: House, *task_ids: TaskId, by: timedelta = OLD) -> None:
    """Let these tasks have ended so long ago."""
    at = now_utc() - by
    for task_id in task_ids:
        await change(house, tables.tasks, tables.tasks.c.id == task_id, completed_at=at)
        await change(house, tables.runs, tables.runs.c.task_id == task_id, ended_at=at)


async def use_earlier(house: House, *memory_ids: int, by: timedelta = OLD) -> None:
    """Let these memories have been used, or put aside, so long ago."""
    where = tables.memories.c.id.in_(memory_ids)
    await change(house, tables.memories, where, used_at=now_utc() - by)


async def ids_of(house: House, table: Table = tables.tasks) -> set[object]:
    [key, *_] = table.primary_key
    return set(await house.database.read(lambda c: c.execute(select(key)).scalars().all()))


async def count(house: House, table: Table) -> int:
    found = select(func.count()).select_from(table)
    return await house.database.read(lambda c: c.execute(found).scalar_one())


async def keep(store: SqlMemoryStore, words: str, scope: MemoryScope = HERE, **more) -> int:
    kind = more.pop("kind", MemoryKind.FACT)
    return (await store.keep(scope, NewMemory(kind=kind, text=words, **more))).id


# -- tasks ---------------------------------------------------------------------------------------


async def test_a_task_that_ended_long_ago_goes_and_newer_ones_stay(
    house: House, keeper: SqlHousekeeping
) -> None:
    old, new = await done(house, "1.0"), await done(house, "2.0")
    await end_earlier(house, old.task.id)
    assert await deleted(keeper, tasks=YEAR) == {"tasks": 1}
    assert await ids_of(house) == {new.task.id}
    left = await house.every_row()
    assert "forty-two of 1.0" not in left
    assert "forty-two of 2.0" in left
    assert await deleted(keeper, tasks=YEAR) == {}


async def test_a_task_stays_with_its_family_while_one_of_it_is_young(
    house: House, keeper: SqlHousekeeping
) -> None:
    await house.add_agent("helper")
    parent, below, child_id = await delegate(house)
    assert child_id is not None
    await house.commit(await house.begin(child_id), answered("It is blue."))
    await house.commit(await house.begin(parent.run_id), answered())
    await house.all_shown()
    await end_earlier(house, parent.task.id)
    assert await deleted(keeper, tasks=YEAR) == {}
    await end_earlier(house, below.id)
    assert await deleted(keeper, tasks=YEAR) == {"tasks": 2}
    assert await ids_of(house) == set()


async def test_an_old_task_that_goes_on_or_is_not_shown_yet_stays(
    house: House, keeper: SqlHousekeeping
) -> None:
    goes_on, unseen = await done(house, "1.0"), await done(house, "2.0")
    await end_earlier(house, goes_on.task.id, unseen.task.id)
    await house.say("more", ts="1.0")
    await house.all_shown()
    await house.database.write(
        lambda c: c.execute(update(tables.threads).values(dirty_seq=tables.threads.c.dirty_seq + 1))
    )
    assert await deleted(keeper, tasks=YEAR) == {}
    assert len(await ids_of(house)) == 2


async def test_an_analysis_goes_and_what_is_being_analysed_stays(
    house: House, keeper: SqlHousekeeping
) -> None:
    rated = await answered_run(house)
    await rate(house)
    task_id = (await house.runs.load(rated)).task.id
    await house.all_shown()
    await end_earlier(house, task_id)
    assert await deleted(keeper, tasks=YEAR) == {}
    await draw(house, rated)
    await house.all_shown()
    assert await deleted(keeper, tasks=YEAR) == {}
    await end_earlier(house, *map(TaskId, map(str, await ids_of(house))))
    assert await deleted(keeper, tasks=YEAR) == {"tasks": 2}


async def test_tasks_that_stay_do_not_keep_those_behind_them(
    house: House, keeper: SqlHousekeeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_ROOTS", retention._ROOTS.limit(1))
    stays, goes = await done(house, "1.0"), await done(house, "2.0")
    await end_earlier(house, stays.task.id, by=2 * OLD)
    await end_earlier(house, goes.task.id)
    await house.say("more", ts="1.0")
    task = tables.tasks.c.id == stays.task.id
    await change(house, tables.tasks, task, completed_at=now_utc() - 2 * OLD)
    assert await deleted(keeper, tasks=YEAR) == {"tasks": 1}
    assert await ids_of(house) == {stays.task.id}


async def test_only_so_many_go_at_a_time_and_the_rest_the_next_time(
    house: House, keeper: SqlHousekeeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_ROOTS", retention._ROOTS.limit(1))
    monkeypatch.setattr(housekeeping, "MOST_STEPS", 2)
    gone = [await done(house, f"{n}.0") for n in range(1, 4)]
    await end_earlier(house, *(run.task.id for run in gone))
    assert await deleted(keeper, tasks=YEAR) == {"tasks": 2}
    assert await deleted(keeper, tasks=YEAR) == {"tasks": 1}


async def test_two_processes_that_delete_at_once_do_no_harm(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_ROOTS", retention._ROOTS.limit(2))
    stays = await done(house, "20.0")
    gone = [await done(house, f"{n}.0") for n in range(1, 11)]
    await end_earlier(house, *(run.task.id for run in gone))
    keepers = [SqlHousekeeping(house.database) for _ in range(3)]
    async with asyncio.TaskGroup() as group:
        done_by = [group.create_task(deleted(keeper, tasks=YEAR)) for keeper in keepers]
    assert sum(one.result().get("tasks", 0) for one in done_by) == len(gone)
    assert await ids_of(house) == {stays.task.id}


async def test_the_folder_of_a_deleted_task_is_named_until_it_is_gone(
    house: House, keeper: SqlHousekeeping
) -> None:
    run = await done(house, "1.0")
    await end_earlier(house, run.task.id)
    await deleted(keeper, tasks=YEAR)
    left = await keeper.folders_left(limit=10)
    assert left == [(run.scope, run.task.id)]
    await keeper.folders_gone(left)
    await keeper.folders_gone(left)
    assert await keeper.folders_left(limit=10) == []


async def test_what_came_of_a_task_that_was_rated_low_goes_with_it(
    house: House, keeper: SqlHousekeeping, store: SqlMemoryStore
) -> None:
    found = []
    for ts, choice, rating in (("1.0", "-1", 1), ("2.0", "+1", 5), ("3.0", "-1", 1)):
        run = await house.runs.load(await answered_run(house, ts))
        origin = Origin(task_id=run.task.id, run_id=run.run_id, person=ALICE)
        found.append(await keep(store, f"kiln {ts}", kind=MemoryKind.EPISODE, origin=origin))
        await rate(house, choice, rating, message_ts=f"{ts}5")
        for analysis, _ in await house.woken():
            await house.commit(await house.begin(analysis), answered())
    await store.pin(HERE, found[2], pinned=True)
    await house.all_shown()
    await end_earlier(house, *map(TaskId, map(str, await ids_of(house))))
    assert (await deleted(keeper, tasks=YEAR))["tasks"] == 5
    assert await ids_of(house, tables.memories) == set(found[1:])


# -- memories ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [MemoryKind.EPISODE, MemoryKind.EXAMPLE])
async def test_what_came_of_tasks_goes_when_it_was_not_used_for_long(
    house: House, keeper: SqlHousekeeping, store: SqlMemoryStore, kind: MemoryKind
) -> None:
    names = ("old", "new", "pinned")
    old, new, pinned = [await keep(store, f"kiln {name}", kind=kind) for name in names]
    elsewhere = await keep(store, "kiln elsewhere", OTHERS, kind=kind)
    fact = await keep(store, "a fact about kilns")
    await store.pin(HERE, pinned, pinned=True)
    await use_earlier(house, old, pinned, elsewhere, fact)
    assert await deleted(keeper, episodes=YEAR) == {"episodes": 2}
    assert await ids_of(house, tables.memories) == {new, pinned, fact}
    assert sorted(await texts(store, "kiln")) == ["a fact about kilns", "kiln new", "kiln pinned"]


async def test_history_goes_and_what_is_held_stays(
    house: House, keeper: SqlHousekeeping, store: SqlMemoryStore
) -> None:
    first = await keep(store, "the limit is four", key="limit")
    second = await keep(store, "the limit is five", key="limit")
    third = await keep(store, "the limit is six", key="limit")
    proposed = await keep(store, "the vault opens at nine", state=MemoryState.PROPOSED)
    newly = await keep(store, "the vault opens at ten", state=MemoryState.PROPOSED)
    await use_earlier(house, first, third, proposed)
    assert await deleted(keeper, memory_history=YEAR) == {"memory_history": 2}
    assert await ids_of(house, tables.memories) == {second, third, newly}
    assert [one.id for one in await store.history(HERE, third)] == [third, second]
    await use_earlier(house, second)
    assert await deleted(keeper, memory_history=YEAR) == {"memory_history": 1}
    assert [one.id for one in await store.history(HERE, third)] == [third]


async def test_what_was_said_before_counts_as_history_from_when_it_was_put_aside(
    house: House, keeper: SqlHousekeeping, store: SqlMemoryStore
) -> None:
    old = await keep(store, "the limit is four", key="limit")
    fact = await keep(store, "the printer is upstairs")
    await use_earlier(house, old, fact)
    await keep(store, "the limit is five", key="limit")
    indexes = indexes_of(house.database)
    retire = lambda c: changing.settle(c, indexes, HERE, fact, MemoryState.RETIRED)  # noqa: E731
    await house.database.write(retire)
    assert await deleted(keeper, memory_history=YEAR) == {}


async def test_forgetting_reaches_what_was_derived_from_history_that_is_gone(
    house: House, keeper: SqlHousekeeping, store: SqlMemoryStore
) -> None:
    source = await keep(store, "I was born in May", OWN, origin=Origin(person=ALICE))
    before = await keep(store, "my kiln is red", OWN, key="kiln", origin=Origin(memories=(source,)))
    derived = await keep(
        store, "an answer", OWN, kind=MemoryKind.EPISODE, origin=Origin(memories=(before,))
    )
    further = await keep(
        store, "another", OWN, kind=MemoryKind.EPISODE, origin=Origin(memories=(derived,))
    )
    now = await keep(store, "my kiln is blue", OWN, key="kiln")
    await use_earlier(house, before, derived)
    kept = {"memory_history": YEAR, "episodes": YEAR}
    assert await deleted(keeper, **kept) == {"memory_history": 1, "episodes": 1}
    assert await ids_of(house, tables.memories) == {source, now, further}
    assert set((await store.forget(OWN, [now])).ids) == {now, further}


async def test_forgetting_a_source_reaches_past_what_is_gone(
    house: House, keeper: SqlHousekeeping, store: SqlMemoryStore
) -> None:
    source = await keep(store, "I was born in May", OWN, origin=Origin(person=ALICE))
    between = await keep(
        store, "an answer", OWN, kind=MemoryKind.EPISODE, origin=Origin(memories=(source,))
    )
    further = await keep(
        store, "another", OWN, kind=MemoryKind.EPISODE, origin=Origin(memories=(between,))
    )
    await use_earlier(house, between)
    await deleted(keeper, episodes=YEAR)
    gone = await store.forget_from(WORKSPACE, OriginOf.PERSON, ALICE)
    assert set(gone.ids) == {source, further}


async def test_a_lesson_that_was_corrected_keeps_its_place_in_the_thread(
    house: House, keeper: SqlHousekeeping, store: SqlMemoryStore
) -> None:
    rated = await answered_run(house)
    await rate(house)
    await draw(house, rated)
    for words in ("Ask about refunds.", "Ask me about refunds."):
        [current] = await store.listed(HERE, kinds=[MemoryKind.LESSON], offset=0, limit=9)
        told = NewMemory(kind=MemoryKind.LESSON, text=words, key=current.key)
        assert await store.correct(HERE, current.id, told)
    await house.all_shown()
    history = await ids_of(house, tables.memories) - {current.id + 1}
    await use_earlier(house, *(int(str(at)) for at in history))
    assert await deleted(keeper, memory_history=YEAR) == {"memory_history": 2}
    assert await lessons(house, rated) == [("Ask me about refunds.", False)]
    await unrate(house)
    assert await lessons(house, rated) == [("Ask me about refunds.", True)]


async def test_a_lesson_that_was_taken_back_long_ago_does_not_come_back(
    house: House, keeper: SqlHousekeeping
) -> None:
    rated = await answered_run(house)
    await rate(house)
    await draw(house, rated)
    await unrate(house)
    await house.all_shown()
    [retired] = await ids_of(house, tables.memories)
    await use_earlier(house, int(str(retired)))
    assert await deleted(keeper, memory_history=YEAR) == {"memory_history": 1}
    assert await lessons(house, rated) == [("", False)]
    assert len(await house.threads.dirty(limit=10)) == 1
    await rate(house)
    assert await lessons(house, rated) == [("", False)]


async def test_expired_memories_go_at_once(
    house: House, keeper: SqlHousekeeping, store: SqlMemoryStore
) -> None:
    hour = timedelta(hours=1)
    gone = await keep(store, "the stove is on", expires_at=now_utc() - hour, pinned=True)
    stays = await keep(store, "the kiln is on", expires_at=now_utc() + hour)
    assert await deleted(keeper) == {"expired_memories": 1}
    assert await ids_of(house, tables.memories) == {stays} - {gone}


async def test_many_memories_go_in_several_transactions(
    house: House, keeper: SqlHousekeeping, store: SqlMemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ageing, "HISTORY", ageing.HISTORY.limit(2))
    for number in range(6):
        await keep(store, f"the limit is {number}", key="limit")
    everything = await ids_of(house, tables.memories)
    await use_earlier(house, *(int(str(at)) for at in everything))
    assert await deleted(keeper, memory_history=YEAR) == {"memory_history": 5}
    assert await texts(store, "limit") == ["the limit is 5"]


# -- the audit log and figures -------------------------------------------------------------------


async def test_old_texts_of_the_audit_log_are_emptied_and_its_chain_holds(
    house: House, keeper: SqlHousekeeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "_OLDEST_TEXTS", audit._OLDEST_TEXTS.limit(2))
    log, elsewhere = SqlAuditLog(house.database), WorkspaceId("T2")
    for number in range(1, 6):
        await log.append(entry(number, at=now_utc() - (OLD if number < 4 else timedelta())))
    await log.append(entry(9, at=now_utc() - OLD, scope=OTHERS_SCOPE))
    assert await deleted(keeper, audit_texts=YEAR) == {"audit_texts": 4}
    said = [(row.entry.text, row.entry.result) for row in await rows_of(log)]
    assert [words for words, _ in said] == ["", "", "", "words of 4", "words of 5", "", ""]
    assert [what for _, what in said[5:]] == ["2 texts", "1 texts"]
    for workspace_id, forgotten in ((WORKSPACE, 3), (elsewhere, 1)):
        verdict = await log.verify(workspace_id)
        assert (verdict.broken_at, verdict.forgotten_texts) == (None, forgotten)
    assert await deleted(keeper, audit_texts=YEAR) == {}
    assert len(await rows_of(log)) == 7


async def test_old_usage_goes_and_what_today_has_cost_still_counts(
    house: House, keeper: SqlHousekeeping
) -> None:
    run = await done(house, "1.0")
    await change(house, tables.usage, tables.usage.c.id > 0, at=now_utc() - OLD)
    await house.commit(await house.begin(await house.start("2.0")), ModelCalled(call=CALL))
    assert await deleted(keeper, usage=timedelta(days=2)) == {"usage": 1}
    spent: SpentToday = await SqlBudgetStore(house.database).spent_today(
        WORKSPACE, person=ALICE, channel=CHANNEL
    )
    assert spent.workspace.tokens == spent.person.tokens == 7
    assert await ids_of(house) >= {run.task.id}


async def test_old_ratings_go_once_their_runs_are_gone(
    house: House, keeper: SqlHousekeeping
) -> None:
    gone, new, there = [await done(house, ts) for ts in ("1.0", "2.0", "3.0")]
    await end_earlier(house, gone.task.id, new.task.id)
    rows = tables.feedback.c.run_id.in_([gone.run_id, there.run_id])
    await change(house, tables.feedback, rows, given_at=now_utc() - OLD)
    kept = {"tasks": YEAR, "ratings": YEAR}
    assert await deleted(keeper, **kept) == {"tasks": 2, "ratings": 1}
    left = select(tables.feedback.c.run_id)
    found = await house.database.read(lambda c: c.execute(left).scalars().all())
    assert set(found) == {new.run_id, there.run_id}


# -- nothing without being told ------------------------------------------------------------------


async def test_nothing_is_deleted_of_what_is_kept_for_ever(
    house: House, keeper: SqlHousekeeping, store: SqlMemoryStore
) -> None:
    run = await done(house, "1.0")
    await keep(store, "the limit is four", key="limit")
    await keep(store, "the limit is five", key="limit")
    await keep(store, "a kiln", kind=MemoryKind.EPISODE)
    await SqlAuditLog(house.database).append(entry(1))
    await end_earlier(house, run.task.id)
    before = {table.name: await count(house, table) for table in tables.metadata.sorted_tables}
    later = now_utc() + timedelta(days=10_000)
    assert await keeper.delete_old(now=later, kept=Retention()) == {"expired_memories": 0}
    after = {table.name: await count(house, table) for table in tables.metadata.sorted_tables}
    assert after == before


# -- by an index ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "by"),
    [
        (retention._ROOTS, "ix_tasks_family"),
        (ageing.HISTORY, "ix_memories_history"),
        (ageing.UNUSED, "ix_memories_use"),
        (ageing.EXPIRED, "ix_memories_expires_at"),
        (retention.USAGE, "ix_usage_scope"),
        (retention.RATINGS, "ix_feedback_recent"),
    ],
)
async def test_what_is_old_is_found_by_an_index(house: House, statement, by: str) -> None:
    if house.database.dialect is not Dialect.SQLITE:
        return  # PostgreSQL goes by what it has counted: in small tables by no index
    values = {"before": now_utc(), **({"behind": 0} if statement is retention._ROOTS else {})}
    asked = []

    def plan(connection) -> str:
        listen = lambda *said: asked.append(said[2:4])  # noqa: E731
        event.listen(connection, "before_cursor_execute", listen)
        connection.execute(statement, values)
        [(sql, parameters)] = asked
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", parameters)
        return "\n".join(row[3] for row in rows)

    found = await house.database.write(plan)
    assert by in found
    searched = ("tasks", "memories", "usage", "feedback")
    assert not any(f"SCAN {table}" in found for table in searched), found
