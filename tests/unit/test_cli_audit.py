"""``treadle audit``: what it prints, and that its exit code says whether the log can be trusted."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from agent_engine.safeguards import AuditAction, AuditEntry
from agent_engine.types import AgentId, ChannelId, RunId, Scope, UserId, WorkspaceId
from bot.cli import app
from storage.audit import SqlAuditLog
from storage.database import Database, open_database
from storage.lock_file import sole_owner


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/treadle.db"


@pytest.fixture
def treadle(tmp_path, monkeypatch, url):
    """Run ``treadle audit`` on the test's own database."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str):
        env = {"TREADLE_HOME": str(tmp_path), "TREADLE_DATABASE_URL": url}
        return CliRunner().invoke(app, ["audit", *arguments], env=env, catch_exceptions=False)

    return run


@pytest.fixture
def on_database(url):
    """Do something with the database while no command runs."""

    def do(act: Callable[[Database], Awaitable[Any]]) -> None:
        async def opened() -> None:
            async with open_database(url) as database:
                await act(database)

        asyncio.run(opened())

    return do


@pytest.fixture
def written(on_database):
    """Three entries in one workspace, one in another."""

    async def append(database: Database) -> None:
        log = SqlAuditLog(database)
        for number in (1, 2, 3):
            await log.append(_entry(number, "T1"))
        await log.append(_entry(1, "T2"))

    on_database(append)


def _entry(number: int, workspace: str) -> AuditEntry:
    return AuditEntry(
        key=f"run:{number}:1",
        action=AuditAction.TOOL_CALL,
        scope=Scope(
            workspace_id=WorkspaceId(workspace),
            channel_id=ChannelId("C1"),
            agent_id=AgentId("ada"),
        ),
        actor=UserId("U1"),
        run_id=RunId("run"),
        step=number,
        subject="calculate",
        decision="allowed",
        result="success",
        text="words ü",
    )


def test_an_empty_log_holds(treadle):
    done = treadle("verify")
    assert (done.exit_code, done.stdout) == (0, "The audit log is empty.\n")
    assert json.loads(treadle("verify", "--json").stdout) == {"holds": True, "workspaces": []}
    assert (treadle("export").exit_code, treadle("export").stdout) == (0, "")


@pytest.mark.usefixtures("written")
def test_a_log_that_holds_is_said_with_the_hash_it_ends_in(treadle):
    done = treadle("verify")
    last = json.loads(treadle("export", "--workspace", "T1").stdout.splitlines()[-1])
    assert done.exit_code == 0
    assert f"T1: the chain of 3 entries holds; it ends in {last['hash']}." in done.stdout
    assert "T2: the chain of 1 entry holds" in done.stdout


@pytest.mark.usefixtures("written")
def test_a_broken_log_is_exit_code_1_and_one_sentence(treadle, on_database):
    async def meddle(database: Database) -> None:
        def change(connection: Any) -> None:
            connection.exec_driver_sql("DROP TRIGGER audit_entries_no_update")
            connection.exec_driver_sql(
                "UPDATE audit_entries SET actor = 'U2' WHERE workspace_id = 'T1' AND seq = 2"
            )

        await database.write(change)

    on_database(meddle)
    done = treadle("verify")
    assert done.exit_code == 1
    assert "T1: the chain is broken: row 2 was changed.\n" in done.stdout
    assert "T2: the chain of 1 entry holds" in done.stdout
    as_json = treadle("verify", "--json")
    said = json.loads(as_json.stdout)
    assert (as_json.exit_code, said["holds"]) == (1, False)
    assert [(w["workspace_id"], w["holds"], w["broken_at"]) for w in said["workspaces"]] == [
        ("T1", False, 2),
        ("T2", True, None),
    ]


@pytest.mark.usefixtures("written")
def test_the_log_is_exported_as_json_lines(treadle):
    lines = [json.loads(line) for line in treadle("export").stdout.splitlines()]
    assert [(line["workspace_id"], line["seq"]) for line in lines] == [
        ("T1", 1),
        ("T1", 2),
        ("T1", 3),
        ("T2", 1),
    ]
    first = lines[0]
    assert (first["action"], first["actor"], first["text"]) == ("tool_call", "U1", "words ü")
    assert (first["previous"], first["text_is_forgotten"]) == ("", False)
    behind = treadle("export", "--workspace", "T1", "--after", "2").stdout.splitlines()
    assert [json.loads(line)["seq"] for line in behind] == [3]
    assert treadle("export", "--workspace", "T9").stdout == ""


@pytest.mark.usefixtures("written")
def test_the_log_can_be_looked_into_while_the_bot_runs(treadle, url):
    async def beside_a_bot() -> list[int]:
        async with open_database(url) as database:
            with sole_owner(database):
                done = await asyncio.to_thread(treadle, "verify")
                exported = await asyncio.to_thread(treadle, "export")
                return [done.exit_code, exported.exit_code, len(exported.stdout.splitlines())]

    assert asyncio.run(beside_a_bot()) == [0, 0, 4]
