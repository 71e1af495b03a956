"""What is found out about a database without changing it."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from agent_engine.errors import StorageError
from storage.database import Database, open_database
from storage.inspection import Condition, inspect_database
from storage.schema import REVISIONS
from tests.contract.postgres import PostgresServer


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


async def test_a_database_in_use_is_current(database: Database, database_url: str, tmp_path: Path):
    await database.write(lambda c: c.execute(sa.text("DELETE FROM posts")))
    found = await inspect_database(database_url, home=tmp_path)
    assert (found.dialect, found.condition) == (database.dialect, Condition.CURRENT)


@pytest.mark.parametrize(
    ("revision", "condition"),
    [("9999", Condition.NEWER), ("0001", Condition.OLDER), (REVISIONS[-1], Condition.CURRENT)],
)
async def test_the_revision_of_the_tables_says_how_it_is(
    database_url: str, tmp_path: Path, revision: str, condition: Condition
):
    async with open_database(database_url) as database:
        change = sa.text("UPDATE alembic_version SET version_num = :revision")
        await database.write(lambda c: c.execute(change, {"revision": revision}))
    found = await inspect_database(database_url, home=tmp_path)
    assert found.condition is condition


async def test_looking_at_a_file_that_nobody_uses_leaves_everything_as_it_was(
    sqlite_url: str, tmp_path: Path
):
    before = contents(tmp_path)
    found = await inspect_database(sqlite_url, home=tmp_path)
    assert found.condition is Condition.CURRENT
    assert contents(tmp_path) == before


async def test_what_does_not_exist_yet_is_not_made(tmp_path: Path):
    home = tmp_path / "made" / "later"
    found = await inspect_database(f"sqlite:///{home}/treadle.db", home=home)
    assert found.condition is Condition.MISSING
    assert contents(tmp_path) == {}
    assert not home.parent.exists()


async def test_an_empty_postgres_database_stays_empty(postgres: PostgresServer, tmp_path: Path):
    url = postgres.address(postgres.new_database())
    for _ in range(2):
        assert (await inspect_database(url, home=tmp_path)).condition is Condition.MISSING


async def test_a_path_with_signs_that_addresses_give_a_meaning_is_found(tmp_path: Path):
    folder = tmp_path / "50% a#b"
    folder.mkdir()
    with closing(sqlite3.connect(folder / "t.db")) as made:
        made.execute("CREATE TABLE alembic_version (version_num)")
        made.execute("INSERT INTO alembic_version VALUES ('9999')")
        made.commit()
    url = f"sqlite:///{folder}/t.db"
    assert (await inspect_database(url, home=tmp_path)).condition is Condition.NEWER


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqlite:////proc/treadle/t.db", "does not exist"),
        ("sqlite:///{folder}/text.txt", "could not be used"),
        ("postgresql://me:hunter2@127.0.0.1:1/none", "could not be used"),
        ("mysql://host/db", "no support"),
    ],
)
async def test_what_cannot_be_used_is_one_sentence_without_a_secret(
    tmp_path: Path, url: str, words: str
):
    (tmp_path / "text.txt").write_text("this is no database, only a text that is long enough")
    with pytest.raises(StorageError) as refused:
        await inspect_database(url.format(folder=tmp_path), home=tmp_path)
    said = str(refused.value)
    assert words in said
    assert "\n" not in said
    assert "hunter2" not in said
