"""One zygote and one PostgreSQL server for all recovery tests; databases that have their tables."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from tests.contract.postgres import PostgresServer
from tests.recovery.house import Builder
from tests.recovery.processes import Life, running_bot, running_zygote
from tests.recovery.workspace import doors

_EMPTY = """
    DO $$ DECLARE name text; BEGIN
        SET LOCAL session_replication_role = replica;
        FOR name IN
            SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
            WHERE schemaname IN ('public', 'dbos')
            AND tablename NOT IN ('alembic_version', 'dbos_migrations')
        LOOP EXECUTE 'DELETE FROM ' || name; END LOOP;
    END $$
"""


@pytest.fixture(scope="session")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    address = tmp_path_factory.mktemp("zygote") / "socket"
    with doors(), running_zygote(address):
        yield address


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.stop()


@pytest.fixture
async def sqlite_builder(zygote: Path, tmp_path: Path) -> Builder:
    template = tmp_path / "template"
    template.mkdir()
    await _make_tables(zygote, template, {})
    return Builder(zygote=zygote, template=template, folder=tmp_path)


@pytest.fixture(scope="session")
def idle_databases() -> list[str]:
    """The names of databases that a house may have: they have all tables and no rows."""
    return []


@pytest.fixture
async def postgres_builder(
    zygote: Path, tmp_path: Path, postgres_server: PostgresServer, idle_databases: list[str]
) -> Builder:
    home = tmp_path / "template"
    home.mkdir()

    @contextmanager
    def lend() -> Iterator[str]:
        if not idle_databases:
            idle_databases.append(f"r_{uuid4().hex}")
            postgres_server.execute(f"CREATE DATABASE {idle_databases[-1]} TEMPLATE {template}")
        name = idle_databases.pop()
        yield postgres_server.address(name)
        postgres_server.cut_off(name)
        postgres_server.execute(_EMPTY, database=name)
        idle_databases.append(name)

    template = postgres_server.new_database()
    await _make_tables(zygote, home, {"TREADLE_DATABASE_URL": postgres_server.address(template)})
    return Builder(zygote=zygote, template=home, folder=tmp_path, lend_database=lend)


@pytest.fixture(params=["sqlite", "postgres"])
def builder(request: pytest.FixtureRequest) -> Builder:
    return request.getfixturevalue(f"{request.param}_builder")


async def _make_tables(zygote: Path, home: Path, settings: dict[str, str]) -> None:
    """Start a worker once, which makes our tables and dbos's, and end it."""
    life = Life(
        settings=settings | {"TREADLE_HOME": str(home)}, log=home / "first.log", role="worker"
    )
    async with running_bot(zygote, life) as worker:
        await worker.until_ready()
        worker.terminate()
        assert await worker.until_ended() == 0, worker.last_words()
