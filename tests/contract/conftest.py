"""Every store test runs on SQLite and on PostgreSQL, each time on a fresh database."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest

from storage.database import Database, open_database
from tests.contract.house import House
from tests.contract.postgres import PostgresServer


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
def empty_postgres(postgres: PostgresServer) -> Callable[[], str]:
    """The name of a PostgreSQL database with all tables and no rows."""
    made: list[str] = []

    def name() -> str:
        if not made:
            made.append(postgres.new_database())
            _make_tables(postgres.address(made[0]))
        return made[0]

    return name


@pytest.fixture
def sqlite_url(empty_sqlite: Callable[[], Path], tmp_path: Path) -> str:
    shutil.copy(empty_sqlite(), tmp_path / "treadle.db")
    return f"sqlite:///{tmp_path / 'treadle.db'}"


@pytest.fixture
def postgres_url(postgres: PostgresServer, empty_postgres: Callable[[], str]) -> Iterator[str]:
    name = postgres.new_database(template=empty_postgres())
    yield postgres.address(name)
    postgres.drop_database(name)


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
