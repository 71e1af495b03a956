"""Every store test runs on SQLite and on PostgreSQL, each time on a fresh database."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest

from storage.database import Database, open_database
from storage.schema import REVISIONS
from storage.tables import metadata
from tests.contract.house import House
from tests.contract.postgres import PostgresServer

_EMPTY = "; ".join(
    [
        "SET session_replication_role = replica",  # the audit log refuses to be emptied
        "DELETE FROM memory_words; DELETE FROM memory_vectors",  # of migrations alone
        *(f"DELETE FROM {table.name}" for table in reversed(metadata.sorted_tables)),  # noqa: S608  # our own names
        f"UPDATE alembic_version SET version_num = '{REVISIONS[-1]}'",  # noqa: S608  # as above
    ]
)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def empty_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Where a SQLite file with all tables and no rows can be copied from."""
    made: list[Path] = []

    def path() -> Path:
        if not made:
            made.append(tmp_path_factory.mktemp("template") / "empty.db")
            _make_tables(f"sqlite:///{made[0]}")
        return made[0]

    return path


@pytest.fixture(scope="session")
def idle_postgres() -> list[str]:
    """The names of databases that a test may have: they have all tables and no rows."""
    return []


@pytest.fixture
def sqlite_url(empty_sqlite: Callable[[], Path], tmp_path: Path) -> str:
    shutil.copy(empty_sqlite(), tmp_path / "treadle.db")
    return f"sqlite:///{tmp_path / 'treadle.db'}"


@pytest.fixture
def postgres_name(postgres: PostgresServer, idle_postgres: list[str]) -> Iterator[str]:
    if not idle_postgres:
        idle_postgres.append(postgres.new_database())
        _make_tables(postgres.address(idle_postgres[-1]))
    name = idle_postgres.pop()
    yield name
    postgres.cut_off(name)
    postgres.execute(_EMPTY, database=name)
    idle_postgres.append(name)


@pytest.fixture
def postgres_url(postgres: PostgresServer, postgres_name: str) -> str:
    return postgres.address(postgres_name)


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url) as opened:
        yield opened


@pytest.fixture
async def house(database: Database) -> House:
    """All stores on the database, with one agent."""
    made = House(database)
    await made.agents.save_agent(made.agent)
    return made


def _make_tables(url: str) -> None:
    async def open_once() -> None:
        async with open_database(url):
            pass

    # On a thread of its own: the test that asks first has a running loop on this one.
    thread = Thread(target=asyncio.run, args=[open_once()])
    thread.start()
    thread.join()
