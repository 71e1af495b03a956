"""``treadle audit verify`` on both databases: what was done to the rows is its exit code."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from sqlalchemy import delete
from typer.testing import CliRunner

from bot.cli import app
from storage.audit import SqlAuditLog
from storage.database import Database
from tests.contract.house import WORKSPACE
from tests.contract.test_audit import (
    TEXTS,
    change_field,
    remove_row,
    remove_tail,
    swap_rows,
    tamper,
    write,
)

Treadle = Callable[..., Result]


@pytest.fixture
def treadle(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Treadle:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Result:
        env = {"TREADLE_HOME": str(tmp_path), "TREADLE_DATABASE_URL": database_url}
        return CliRunner().invoke(app, ["audit", *arguments], env=env, catch_exceptions=False)

    return run


@pytest.fixture
async def log(database: Database) -> SqlAuditLog:
    made = SqlAuditLog(database)
    await write(made, 5)
    return made


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (remove_tail, "the rows from 4 to 5 are missing at the end"),
        (remove_row, "row 3 is missing"),
        (change_field, "row 3 was changed"),
        (swap_rows, "row 2 does not follow the row before it"),
    ],
)
@pytest.mark.usefixtures("log")
async def test_a_chain_that_was_meddled_with_is_exit_code_1(
    database: Database, treadle: Treadle, change: Callable, sentence: str
) -> None:
    await tamper(database, change)
    done = await asyncio.to_thread(treadle, "verify")
    assert (done.exit_code, done.stdout) == (
        1,
        f"{WORKSPACE}: the chain is broken: {sentence}.\n",
    )


async def test_a_chain_whose_texts_were_emptied_holds(
    database: Database, treadle: Treadle, log: SqlAuditLog
) -> None:
    await tamper(database, lambda c: c.execute(delete(TEXTS)))
    done = await asyncio.to_thread(treadle, "verify")
    head = (await log.verify(WORKSPACE)).head
    words = f"{WORKSPACE}: the chain of 5 entries holds, 5 texts forgotten; it ends in {head}.\n"
    assert (done.exit_code, done.stdout) == (0, words)


@pytest.mark.usefixtures("log")
async def test_the_whole_chain_is_exported(treadle: Treadle) -> None:
    done = await asyncio.to_thread(treadle, "export")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.exit_code, [line["seq"] for line in lines]) == (0, [1, 2, 3, 4, 5])
