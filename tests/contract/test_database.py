"""Units of work: one transaction each, tried again only when nothing was committed."""

import asyncio
import threading
from collections.abc import Awaitable
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection

from agent_engine.errors import StorageError
from storage.database import MOST_TOGETHER, Database, open_database
from storage.tables import deliveries, slot_lock
from tests.contract.postgres import PostgresServer

COUNT = sa.select(sa.func.count()).select_from(deliveries)


async def count_of(database: Database) -> int:
    return await database.read(lambda c: c.execute(COUNT).scalar_one())


def add(connection: Connection, key: str) -> None:
    connection.execute(
        sa.text("INSERT INTO deliveries (key, received_at) VALUES (:k, '2026-01-01 00:00:00')"),
        {"k": key},
    )


async def all_of(*awaitables: Awaitable[None]) -> None:
    async def one(awaitable: Awaitable[None]) -> None:
        await awaitable

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        for awaitable in awaitables:
            group.create_task(one(awaitable))


async def test_eight_at_once_count_every_increment(database: Database) -> None:
    await database.write(lambda c: c.execute(sa.insert(slot_lock).values(id=0)))

    def increment(connection: Connection) -> None:
        number = connection.execute(sa.select(slot_lock.c.id)).scalar_one()
        connection.execute(sa.update(slot_lock).values(id=number + 1))

    async def eight() -> None:
        for _ in range(8):
            await database.write(increment)

    await all_of(*(eight() for _ in range(8)))
    assert await database.read(lambda c: c.execute(sa.select(slot_lock.c.id)).scalar_one()) == 64


async def test_a_failing_unit_of_work_writes_nothing(database: Database) -> None:
    def fail(connection: Connection) -> None:
        add(connection, "k1")
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await database.write(fail)
    assert await count_of(database) == 0


async def test_a_database_error_is_told_in_the_ports_words(database: Database) -> None:
    with pytest.raises(StorageError, match=r"no such table|does not exist") as caught:
        await database.write(lambda c: c.execute(sa.text("SELECT * FROM no_table")))
    assert isinstance(caught.value.__cause__, sa.exc.SQLAlchemyError)
    await database.write(lambda c: add(c, "k1"))
    assert await count_of(database) == 1


async def test_a_cancelled_caller_does_not_lose_its_write(database: Database) -> None:
    entered, may_go = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        entered.set()
        may_go.wait(5)
        add(connection, "k1")

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        writing = group.create_task(database.write(slow))
        await asyncio.to_thread(entered.wait, 5)
        for _ in range(2):  # cancelled once more while it waits for the write to finish
            writing.cancel()
            await asyncio.sleep(0)
        assert not writing.done()
        may_go.set()
    assert writing.cancelled()
    assert await count_of(database) == 1


async def _in_a_queue(database: Database, *works) -> list[object]:
    """Ask for all while the writer is busy, and return results and errors in order."""
    entered, may_go = threading.Event(), threading.Event()

    def busy(_connection: Connection) -> None:
        entered.set()
        may_go.wait(5)

    outcomes: list[object] = [None] * len(works)

    async def ask(position: int, work) -> None:
        try:
            outcomes[position] = await database.write(work)
        except (KeyError, StorageError) as error:
            outcomes[position] = error

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        first = group.create_task(database.write(busy))
        await asyncio.to_thread(entered.wait, 5)
        for position, work in enumerate(works):
            group.create_task(ask(position, work))
        await asyncio.sleep(0)  # each runs up to where it waits for its write
        may_go.set()
        await first
    return outcomes


async def test_what_is_asked_for_meanwhile_shares_a_transaction(sqlite_url: str) -> None:
    async with open_database(sqlite_url) as database:
        commits: list[object] = []
        event.listen(database.engine, "commit", commits.append)
        keys = [f"k{number}" for number in range(MOST_TOGETHER + 2)]
        outcomes = await _in_a_queue(
            database, *(lambda c, key=key: (add(c, key), key)[1] for key in keys)
        )
        assert outcomes == keys
        assert await count_of(database) == len(keys)
        assert len(commits) == 3 + 1  # the busy one, sixteen, two, and the count


async def test_reads_that_are_asked_for_at_once_share_a_transaction(sqlite_url: str) -> None:
    async with open_database(sqlite_url) as database:
        await database.write(lambda c: add(c, "k1"))
        commits: list[object] = []
        event.listen(database.engine, "commit", commits.append)
        counts: list[int] = []

        async def count() -> None:
            counts.append(await count_of(database))

        await all_of(*(count() for _ in range(MOST_TOGETHER)))
        assert counts == [1] * MOST_TOGETHER
        assert len(commits) == 1


async def test_a_slow_read_holds_up_nobody(sqlite_url: str) -> None:
    entered, may_go = threading.Event(), threading.Event()

    def slow(_connection: Connection) -> None:
        entered.set()
        may_go.wait(5)

    async with (
        asyncio.timeout(5),
        open_database(sqlite_url) as database,
        asyncio.TaskGroup() as group,
    ):
        for _ in range(2):
            entered.clear()
            reading = group.create_task(database.read(slow))
            await asyncio.to_thread(entered.wait, 5)
        assert await count_of(database) == 0
        assert not reading.done()
        may_go.set()


async def test_units_that_are_asked_for_at_once_work_at_the_same_time(postgres_url: str) -> None:
    meet = threading.Barrier(3, timeout=5)
    async with open_database(postgres_url) as database:
        await all_of(*(database.write(lambda _: meet.wait() and None) for _ in range(3)))


async def test_a_unit_that_fails_among_others_fails_alone(sqlite_url: str) -> None:
    def fail(connection: Connection) -> None:
        add(connection, "lost")
        raise KeyError("mine")

    def refused(connection: Connection) -> None:
        add(connection, "k1")
        add(connection, "k1")

    async with open_database(sqlite_url) as database:
        outcomes = await _in_a_queue(
            database, lambda c: add(c, "a"), fail, refused, lambda c: add(c, "b")
        )
        assert [type(outcome) for outcome in outcomes] == [
            type(None),
            KeyError,
            StorageError,
            type(None),
        ]
        keys = sa.select(deliveries.c.key).order_by(deliveries.c.key)
        assert await database.read(lambda c: c.execute(keys).scalars().all()) == ["a", "b"]


async def test_nobody_is_answered_before_a_shared_commit(sqlite_url: str) -> None:
    async with open_database(sqlite_url) as database:
        keys = sa.select(deliveries.c.key)

        async def add_and_look(key: str) -> None:
            await database.write(lambda c: add(c, key))
            assert key in await database.read(lambda c: c.execute(keys).scalars().all())

        await all_of(*(add_and_look(f"k{number}") for number in range(20)))


async def test_a_shared_commit_that_fails_fails_for_all(sqlite_url: str) -> None:
    async with open_database(sqlite_url) as database:
        commits: list[object] = []

        def break_the_second(connection: Connection) -> None:
            commits.append(connection)
            if len(commits) == 2:
                raise sa.exc.OperationalError("COMMIT", None, OSError("disk I/O error"))

        event.listen(database.engine, "commit", break_the_second)
        outcomes = await _in_a_queue(database, lambda c: add(c, "a"), lambda c: add(c, "b"))
        assert [type(outcome) for outcome in outcomes] == [StorageError, StorageError]
        assert await count_of(database) == 0


async def test_a_lost_connection_is_replaced(postgres: PostgresServer, postgres_name: str) -> None:
    async with open_database(postgres.address(postgres_name)) as database:
        await database.write(lambda c: add(c, "k1"))
        postgres.cut_off(postgres_name)
        assert [await count_of(database) for _ in range(3)] == [1, 1, 1]


async def test_work_that_was_cut_off_before_its_commit_is_done_again(postgres_url: str) -> None:
    tries: list[int] = []

    def cut_off_once(connection: Connection) -> None:
        tries.append(len(tries))
        add(connection, "k1")
        if len(tries) == 1:
            connection.execute(sa.text("SELECT pg_terminate_backend(pg_backend_pid())"))

    async with open_database(postgres_url) as database:
        await database.write(cut_off_once)
        assert tries == [0, 1]
        assert await count_of(database) == 1


async def test_work_that_was_cut_off_while_committing_is_not_done_again(
    postgres: PostgresServer, postgres_name: str
) -> None:
    tries: list[int] = []

    def work(connection: Connection) -> None:
        tries.append(len(tries))
        add(connection, "k1")

    async with open_database(postgres.address(postgres_name)) as database:
        await count_of(database)
        event.listen(database.engine, "commit", lambda _: postgres.cut_off(postgres_name))
        with pytest.raises(StorageError):
            await database.write(work)
        assert tries == [0]


async def test_work_that_always_conflicts_ends_in_an_error(postgres_url: str) -> None:
    def conflict(connection: Connection) -> None:
        connection.execute(
            sa.text("DO $$ BEGIN RAISE EXCEPTION 'in the way' USING ERRCODE = '40001'; END $$")
        )

    async with open_database(postgres_url) as database:
        with pytest.raises(StorageError, match="in the way"):
            await database.write(conflict)


async def test_a_closed_database_says_so(database_url: str) -> None:
    async with open_database(database_url) as database:
        pass
    with pytest.raises(StorageError, match="closed"):
        await count_of(database)


async def test_a_database_made_by_a_newer_version_is_refused(database_url: str) -> None:
    async with open_database(database_url) as database:
        newer = sa.text("UPDATE alembic_version SET version_num = '9999'")
        await database.write(lambda c: c.execute(newer))
    with pytest.raises(StorageError, match="newer version"):
        async with open_database(database_url):
            pass


async def test_two_processes_may_open_a_fresh_database_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'fresh.db'}"

    async def open_it() -> None:
        async with open_database(url) as database:
            await count_of(database)

    await all_of(*(open_it() for _ in range(3)))


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("nonsense", "not understood"),
        ("mysql://host/name", "no support for mysql"),
        ("sqlite://", "needs a file"),
        ("sqlite:////no/such/folder/treadle.db", "does not exist"),
        ("postgresql://127.0.0.1:1/treadle", "could not be used"),
    ],
)
async def test_a_wrong_address_is_told_in_one_sentence(url: str, sentence: str) -> None:
    with pytest.raises(StorageError, match=sentence) as caught:
        async with open_database(url):
            pass
    assert "\n" not in str(caught.value)


async def test_a_backup_is_made_while_work_goes_on(tmp_path: Path) -> None:
    async with open_database(f"sqlite:///{tmp_path / 'live.db'}") as database:
        await database.write(lambda c: add(c, "k1"))
        await database.backup(tmp_path / "copy.db")
        await database.write(lambda c: add(c, "k2"))
        with pytest.raises(StorageError, match="never overwrites"):
            await database.backup(tmp_path / "copy.db")
    async with open_database(f"sqlite:///{tmp_path / 'copy.db'}") as copy:
        assert await count_of(copy) == 1


async def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    async with open_database(f"sqlite:///{tmp_path / 'live.db'}") as database:
        await database.backup(tmp_path / "copy.db")
        await database.write(lambda c: add(c, "k1"))
        modes = {path.name: path.stat().st_mode & 0o077 for path in files_in(tmp_path)}
    assert set(modes) >= {"live.db", "live.db-wal", "copy.db"}
    assert set(modes.values()) == {0}


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_a_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="could not be used"):
        async with open_database(f"sqlite:///{tmp_path}"):
            pass


async def test_a_file_that_is_no_database_is_told_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear all, " * 100)
    with pytest.raises(StorageError, match="not a database"):
        async with open_database(f"sqlite:///{path}"):
            pass


async def test_a_held_lock_is_waited_for(tmp_path: Path) -> None:
    async with open_database(f"sqlite:///{tmp_path / 'live.db'}") as database:
        other = sa.create_engine(f"sqlite:///{tmp_path / 'live.db'}")
        with other.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            async with asyncio.timeout(5), asyncio.TaskGroup() as group:
                writing = group.create_task(database.write(lambda c: add(c, "k1")))
                assert await count_of(database) == 0  # reading goes on
                connection.rollback()
            assert writing.done()
        other.dispose()
        assert await count_of(database) == 1


async def test_what_is_deleted_is_overwritten_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "treadle.db"
    async with open_database(f"sqlite:///{path}") as database:
        await database.write(lambda c: add(c, "a word that is forgotten"))
        await database.write(lambda c: add(c, "a word that stays"))
        await database.write(
            lambda c: c.execute(sa.delete(deliveries).where(deliveries.c.key.contains("forgotten")))
        )
    assert b"a word that stays" in path.read_bytes()
    assert b"a word that is forgotten" not in path.read_bytes()
