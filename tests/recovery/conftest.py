"""One zygote and one PostgreSQL server for all recovery tests; databases that have their tables."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.contract.postgres import PostgresServer
from tests.recovery.house import Builder
from tests.recovery.processes import running_bot, running_zygote
from tests.recovery.workspace import doors


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
    await _make_tables(zygote, template, {})
    return Builder(zygote=zygote, template=template, folder=tmp_path)


@pytest.fixture
async def postgres_builder(
    zygote: Path, tmp_path: Path, postgres_server: PostgresServer
) -> AsyncIterator[Builder]:
    made = [postgres_server.new_database()]
    template = tmp_path / "template"
    address = postgres_server.address(made[0])
    await _make_tables(zygote, template, {"TREADLE_DATABASE_URL": address})

    def new_database() -> str:
        made.append(f"r_{uuid4().hex}")
        postgres_server.execute(f"CREATE DATABASE {made[-1]} TEMPLATE {made[0]}")
        return postgres_server.address(made[-1])

    yield Builder(zygote=zygote, template=template, folder=tmp_path, new_database=new_database)
    for name in made:
        postgres_server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgres"])
def builder(request: pytest.FixtureRequest) -> Builder:
    return request.getfixturevalue(f"{request.param}_builder")


async def _make_tables(zygote: Path, home: Path, settings: dict[str, str]) -> None:
    """Start a worker once, which makes our tables and dbos's, and end it."""
    home.mkdir()
    settings = settings | {"TREADLE_HOME": str(home)}
    async with running_bot(zygote, settings, log=home / "first.log", role="worker") as worker:
        await worker.until_ready()
        worker.terminate()
        assert await worker.until_ended() == 0, worker.last_words()
