"""The audit log: what is in it stays in it, and whatever is done to its rows is found."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.engine import Connection

from agent_engine.errors import StorageError
from agent_engine.safeguards import AuditAction, AuditEntry, AuditRow
from agent_engine.types import AgentId, ChannelId, RunId, Scope, UserId, WorkspaceId
from storage import audit, tables
from storage.audit import SqlAuditLog
from storage.audit_chain import entry_from, entry_json, link_of, row_hash
from storage.audit_rows import put_out
from storage.columns import storable, to_json
from storage.database import Database, Dialect, open_database
from tests.contract.house import ALICE, BOB, CHANNEL, WORKSPACE
from tests.contract.racing import meeting

SCOPE = Scope(workspace_id=WORKSPACE, channel_id=CHANNEL, agent_id=AgentId("A1"))
AT = datetime(2026, 11, 22, 9, 0, 0, 123456, tzinfo=UTC)
ROWS = tables.audit_entries
TEXTS = tables.audit_texts
HEADS = tables.audit_heads


@pytest.fixture
def log(database: Database) -> SqlAuditLog:
    return SqlAuditLog(database)


def entry(number: int, **more) -> AuditEntry:
    made = AuditEntry(
        key=f"run:{number}:1",
        action=AuditAction.TOOL_CALL,
        scope=SCOPE,
        actor=ALICE,
        run_id=RunId("run"),
        step=number,
        subject="api_call",
        arguments_digest=f"d{number}",
        decision="allowed",
        result="success",
        usd=0.1 + number,
        duration_s=1 / 3,
        text=f"words of {number}",
        at=AT,
    )
    return replace(made, **more)


async def write(log: SqlAuditLog, count: int, **more) -> None:
    for number in range(1, count + 1):
        await log.append(entry(number, **more))


async def rows_of(log: SqlAuditLog, workspace: WorkspaceId = WORKSPACE, after: int = 0):
    return [row async for row in log.export(workspace, after=after)]


async def tamper(database: Database, change: Callable[[Connection], object]) -> None:
    """Do what someone can who owns the database: take the triggers away first."""

    def do(connection: Connection) -> None:
        if database.dialect is Dialect.POSTGRES:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            change(connection)
            return
        found = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        triggers = connection.exec_driver_sql(found).all()
        for name, _ in triggers:
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
        change(connection)
        for _, sql in triggers:
            connection.exec_driver_sql(sql)

    await database.write(do)


# -- appending -----------------------------------------------------------------------------------


async def test_entries_come_back_as_they_were_written_in_one_chain(log: SqlAuditLog) -> None:
    await write(log, 3)
    rows = await rows_of(log)
    assert [row.entry for row in rows] == [entry(1), entry(2), entry(3)]
    assert [row.seq for row in rows] == [1, 2, 3]
    assert [row.previous for row in rows] == ["", rows[0].hash, rows[1].hash]
    verdict = await log.verify(WORKSPACE)
    assert (verdict.rows, verdict.broken_at, verdict.because) == (3, None, "")
    assert verdict.head == rows[2].hash


async def test_an_entry_appended_twice_is_one(log: SqlAuditLog) -> None:
    await log.append(entry(1))
    await log.append(entry(1, result="error", text="other words"))
    assert [row.entry for row in await rows_of(log)] == [entry(1)]
    await log.append(entry(2))
    assert (await log.verify(WORKSPACE)).rows == 2


async def test_each_workspace_has_a_chain_of_its_own(log: SqlAuditLog) -> None:
    other = replace(SCOPE, workspace_id=WorkspaceId("T2"))
    await log.append(entry(1))
    await log.append(entry(1, scope=other))
    await log.append(entry(2, scope=other))
    assert await log.workspaces() == [WORKSPACE, WorkspaceId("T2")]
    assert (await log.verify(WORKSPACE)).rows == 1
    assert [row.seq for row in await rows_of(log, WorkspaceId("T2"))] == [1, 2]


async def test_two_processes_that_append_at_once_make_one_chain(
    log: SqlAuditLog, database_url: str
) -> None:
    async with open_database(database_url) as other_process:
        logs = [log, SqlAuditLog(other_process)]
        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            for number in range(1, 41):  # every entry is appended by both of them
                for each in logs:
                    group.create_task(each.append(entry(number)))
    rows = await rows_of(log)
    assert sorted(row.entry.step or 0 for row in rows) == list(range(1, 41))
    verdict = await log.verify(WORKSPACE)
    assert (verdict.rows, verdict.broken_at) == (40, None)


async def test_two_processes_that_see_the_same_head_do_not_both_follow_it(
    database: Database, log: SqlAuditLog, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await log.append(entry(1))
    monkeypatch.setattr("storage.audit_rows.link_of", meeting(link_of))
    async with (
        open_database(database_url) as other_process,
        asyncio.timeout(10),
        asyncio.TaskGroup() as group,
    ):
        for number, each in ((2, database), (3, other_process)):
            work = partial(audit._append_alone, entries=[entry(number)])
            group.create_task(each.write(work))
    verdict = await log.verify(WORKSPACE)
    assert (verdict.rows, verdict.broken_at) == (3, None)


async def test_many_at_once_are_all_in_the_chain_when_they_return(log: SqlAuditLog) -> None:
    async def append(number: int) -> None:
        await log.append(entry(number))
        assert number in [row.step for row in await entries_of(log)]

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        for number in range(1, 131):
            group.create_task(append(number))
    assert (await log.verify(WORKSPACE)).rows == 130


async def entries_of(log: SqlAuditLog) -> list[AuditEntry]:
    return [row.entry for row in await rows_of(log)]


async def test_an_entry_that_cannot_be_stored_does_not_hold_up_others(log: SqlAuditLog) -> None:
    impossible = entry(99, step=10**30)

    async def refused() -> None:
        with pytest.raises((StorageError, OverflowError)):
            await log.append(impossible)

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        for number in range(1, 6):
            group.create_task(log.append(entry(number)))
        group.create_task(refused())
        for number in range(6, 11):
            group.create_task(log.append(entry(number)))
    assert sorted(made.step or 0 for made in await entries_of(log)) == list(range(1, 11))
    assert (await log.verify(WORKSPACE)).broken_at is None


WORDS = st.text(max_size=6)
ENTRIES = st.builds(
    AuditEntry,
    key=WORDS,
    action=st.sampled_from(AuditAction),
    scope=st.builds(
        Scope,
        workspace_id=st.just(WORKSPACE),
        channel_id=WORDS.map(ChannelId),
        agent_id=WORDS.map(AgentId),
    ),
    actor=st.none() | WORDS.map(UserId),
    run_id=st.none() | WORDS.map(RunId),
    step=st.none() | st.integers(0, 2**31 - 1),
    subject=WORDS,
    arguments_digest=WORDS,
    decision=WORDS,
    decided_by=st.none() | WORDS.map(UserId),
    result=WORDS,
    usd=st.integers(0, 5) | st.floats(0, 1e9),
    duration_s=st.floats(0, 1e9),
    text=WORDS,
    at=st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  # the time zone is given
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(written=st.lists(ENTRIES, min_size=1, max_size=4))
async def test_the_chain_holds_whatever_an_entry_says(
    database: Database, written: Sequence[AuditEntry]
) -> None:
    log = SqlAuditLog(database)
    before = (await log.verify(WORKSPACE)).rows
    for number, made in enumerate(written):
        await log.append(replace(made, key=f"{before}-{number}-{made.key}"))
        assert entry_from(entry_json(made)) == made
    verdict = await log.verify(WORKSPACE)
    assert (verdict.rows, verdict.broken_at) == (before + len(written), None)
    last = (await rows_of(log, after=before))[-1].entry
    assert (last.text, last.at) == (storable(written[-1].text), written[-1].at)


# -- append-only ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [update(ROWS).values(result="success"), delete(ROWS)],
    ids=["update", "delete"],
)
async def test_the_database_itself_refuses_to_change_an_entry(
    database: Database, log: SqlAuditLog, change
) -> None:
    await write(log, 2)
    with pytest.raises(StorageError, match="append-only"):
        await database.write(lambda c: c.execute(change))
    assert [row.entry for row in await rows_of(log)] == [entry(1), entry(2)]


# -- what was done to the rows is found ----------------------------------------------------------


def of_row(number: int):
    return (ROWS.c.workspace_id == WORKSPACE) & (ROWS.c.seq == number)


def change_field(connection: Connection) -> None:
    connection.execute(update(ROWS).where(of_row(3)).values(decided_by="U-mallory"))


def change_field_and_hash(connection: Connection) -> None:
    row = dict(connection.execute(select(ROWS).where(of_row(3))).mappings().one())
    row["result"] = "error"
    connection.execute(update(ROWS).where(of_row(3)).values({**row, "hash": row_hash(row)}))


def change_text(connection: Connection) -> None:
    connection.execute(update(TEXTS).where(TEXTS.c.seq == 3).values(text="harmless"))


def add_text(connection: Connection) -> None:
    values = {"workspace_id": WORKSPACE, "seq": 5, "salt": "", "text": "never said"}
    connection.execute(insert(TEXTS).values(values))


def remove_row(connection: Connection) -> None:
    connection.execute(delete(ROWS).where(of_row(3)))


def remove_row_and_close_the_gap(connection: Connection) -> None:
    connection.execute(delete(ROWS).where(of_row(3)))
    for number in (4, 5):
        connection.execute(update(ROWS).where(of_row(number)).values(seq=number - 1))


def remove_first_row(connection: Connection) -> None:
    connection.execute(delete(ROWS).where(of_row(1)))


def remove_tail(connection: Connection) -> None:
    connection.execute(delete(ROWS).where(ROWS.c.seq > 3))


def remove_everything(connection: Connection) -> None:
    connection.execute(delete(ROWS))


def remove_head(connection: Connection) -> None:
    connection.execute(delete(HEADS))


def swap_rows(connection: Connection) -> None:
    for old, new in ((2, 99), (3, 2), (99, 3)):
        connection.execute(update(ROWS).where(of_row(old)).values(seq=new))


def forge_row(connection: Connection) -> None:
    """One more row at the end whose hash is right, of which the head knows nothing."""
    last = dict(connection.execute(select(ROWS).where(of_row(5))).mappings().one())
    forged = {**last, "seq": 6, "key": "forged", "previous": last["hash"]}
    connection.execute(insert(ROWS).values({**forged, "hash": row_hash(forged)}))


def replace_last(connection: Connection) -> None:
    last = dict(connection.execute(select(ROWS).where(of_row(5))).mappings().one())
    last["subject"] = "calculate"
    connection.execute(update(ROWS).where(of_row(5)).values({**last, "hash": row_hash(last)}))


@pytest.mark.parametrize(
    ("change", "broken_at", "because"),
    [
        (change_field, 3, "row 3 was changed"),
        (change_field_and_hash, 4, "row 4 does not follow the row before it"),
        (change_text, 3, "the text of row 3 was changed"),
        (add_text, 5, "the text of row 5 was changed"),
        (remove_row, 3, "row 3 is missing"),
        (remove_row_and_close_the_gap, 3, "row 3 does not follow the row before it"),
        (remove_first_row, 1, "row 1 is missing"),
        (remove_tail, 4, "the rows from 4 to 5 are missing at the end"),
        (remove_everything, 1, "the rows from 1 to 5 are missing at the end"),
        (remove_head, 1, "row 1 was added without the head knowing of it"),
        (swap_rows, 2, "row 2 does not follow the row before it"),
        (forge_row, 6, "row 6 was added without the head knowing of it"),
        (replace_last, 5, "the last row, 5, is not the one that was written last"),
    ],
)
async def test_whatever_is_done_to_the_rows_is_found(
    database: Database, log: SqlAuditLog, change, broken_at: int, because: str
) -> None:
    await write(log, 4)
    await log.append(entry(5, text=""))
    assert (await log.verify(WORKSPACE)).broken_at is None
    await tamper(database, change)
    verdict = await log.verify(WORKSPACE)
    assert (verdict.broken_at, verdict.because) == (broken_at, because)


async def test_a_chain_whose_texts_are_all_gone_holds_and_says_how_many(
    database: Database, log: SqlAuditLog
) -> None:
    await write(log, 4)
    await log.append(entry(5, text=""))
    await tamper(database, lambda c: c.execute(delete(TEXTS)))
    verdict = await log.verify(WORKSPACE)
    assert (verdict.rows, verdict.broken_at, verdict.forgotten_texts) == (5, None, 4)


async def test_a_chain_cut_together_with_its_head_shows_in_the_hash_it_ends_in(
    database: Database, log: SqlAuditLog
) -> None:
    await write(log, 5)
    noted = (await log.verify(WORKSPACE)).head

    def cut(connection: Connection) -> None:
        remove_tail(connection)
        third = connection.execute(select(ROWS.c.hash).where(of_row(3))).scalar_one()
        connection.execute(update(HEADS).values(seq=3, hash=third))

    await tamper(database, cut)
    verdict = await log.verify(WORKSPACE)
    assert (verdict.rows, verdict.broken_at) == (3, None)
    assert verdict.head != noted


@pytest.mark.parametrize("number", [3, 4, 6, 7])
async def test_what_is_done_where_a_page_ends_is_found(
    database: Database, log: SqlAuditLog, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(audit, "PAGE_ROWS", 3)
    monkeypatch.setattr(audit, "_PAGE", audit._PAGE.limit(3))
    await write(log, 7)
    await tamper(database, lambda c: c.execute(delete(ROWS).where(of_row(number))))
    assert (await log.verify(WORKSPACE)).broken_at == number


@pytest.mark.parametrize("name", [c.name for c in ROWS.columns if c.name != "hash"])
async def test_no_field_of_a_row_can_be_changed_unseen(
    database: Database, log: SqlAuditLog, name: str
) -> None:
    await write(log, 3)
    odd = {"step": 77, "seq": 77, "usd": 7.5, "duration_s": 7.5, "at": AT.replace(year=2020)}
    change = update(ROWS).where(of_row(2)).values({name: odd.get(name, "other")})
    await tamper(database, lambda c: c.execute(change))
    assert (await log.verify(WORKSPACE)).broken_at == 2


# -- checking and exporting ----------------------------------------------------------------------


async def test_a_chain_of_many_pages_is_checked_and_exported_whole(
    log: SqlAuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "PAGE_ROWS", 3)
    monkeypatch.setattr(audit, "_PAGE", audit._PAGE.limit(3))
    for count in (6, 7):
        await write(log, count)
        verdict = await log.verify(WORKSPACE)
        assert (verdict.rows, verdict.broken_at) == (count, None)
        assert [row.seq for row in await rows_of(log)] == list(range(1, count + 1))
    assert [row.seq for row in await rows_of(log, after=4)] == [5, 6, 7]


async def test_what_is_appended_meanwhile_does_not_break_the_check(
    log: SqlAuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "PAGE_ROWS", 2)
    monkeypatch.setattr(audit, "_PAGE", audit._PAGE.limit(2))
    await write(log, 4)

    async def append() -> None:
        for number in range(5, 30):
            await log.append(entry(number))

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        appending = group.create_task(append())
        while not appending.done():
            assert (await log.verify(WORKSPACE)).broken_at is None
    assert (await log.verify(WORKSPACE)).rows == 29


async def test_an_unknown_workspace_has_an_empty_chain(log: SqlAuditLog) -> None:
    verdict = await log.verify(WorkspaceId("T9"))
    assert (verdict.rows, verdict.broken_at, verdict.head) == (0, None, "")
    assert await log.workspaces() == []


# -- forgetting ----------------------------------------------------------------------------------


async def test_texts_are_forgotten_and_the_chain_still_holds(
    database: Database, log: SqlAuditLog
) -> None:
    await write(log, 2)
    await log.append(entry(3, actor=BOB, text="bob's words"))
    await database.write(lambda c: put_out(c, entry(4, text="on the way")))
    assert await log.forget_texts(WORKSPACE, actor=ALICE) == 3
    rows = await rows_of(log)
    assert [row.entry.text for row in rows] == ["", "", "bob's words", "", ""]
    assert [row.text_is_forgotten for row in rows] == [True, True, False, True, False]
    assert (rows[4].entry.action, rows[4].entry.actor) == (AuditAction.FORGET, ALICE)
    assert rows[4].entry.result == "3 texts"
    verdict = await log.verify(WORKSPACE)
    assert (verdict.rows, verdict.broken_at, verdict.forgotten_texts) == (5, None, 3)


async def test_a_forgotten_text_is_nowhere_and_cannot_be_guessed(
    database: Database, log: SqlAuditLog
) -> None:
    await log.append(entry(1, text="4711"))
    await log.append(entry(2, text="4711"))
    same = [row.text_hash for row in await rows_of(log)]
    assert same[0] != same[1]  # each has a salt of its own, which goes with the text
    await log.forget_texts(WORKSPACE, actor=ALICE)
    count = select(func.count()).select_from(TEXTS)
    assert await database.read(lambda c: c.execute(count).scalar_one()) == 0
    columns = select(ROWS).where(ROWS.c.seq < 3)
    left = await database.read(lambda c: [tuple(row) for row in c.execute(columns)])
    assert "4711" not in to_json([str(row) for row in left])


async def test_other_peoples_texts_are_kept(log: SqlAuditLog) -> None:
    other = replace(SCOPE, workspace_id=WorkspaceId("T2"))
    await log.append(entry(1, actor=BOB))
    await log.append(entry(1, scope=other))
    assert await log.forget_texts(WORKSPACE, actor=ALICE) == 0
    [elsewhere] = await rows_of(log, WorkspaceId("T2"))
    assert elsewhere.entry.text == "words of 1"
    rows: list[AuditRow] = await rows_of(log)
    assert rows[0].entry.text == "words of 1"
