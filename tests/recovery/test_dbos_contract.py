"""What taking over relies on in dbos: a private method, so an upgrade has to be looked at."""

import asyncio
import inspect
import json
import sys
from pathlib import Path

import pytest
from dbos import DBOS

from tests.contract.postgres import PostgresServer
from tests.recovery.processes import PATIENCE_S


@pytest.fixture(params=["sqlite", "postgres"])
def dbos_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'durable.sqlite'}"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.address(server.new_database())


def test_the_method_is_there_and_takes_the_ids_of_executors():
    parameters = inspect.signature(DBOS._recover_pending_workflows).parameters
    assert list(parameters) == ["executor_ids"]


async def test_the_workflows_of_a_dead_process_are_finished_by_another_and_no_others_touched(
    dbos_url: str, tmp_path: Path
):
    for dead in ("dead", "other"):
        code, _ = await _run("die", dbos_url, str(tmp_path), dead)
        assert code == -9
    code, said = await _run("adopt", dbos_url, str(tmp_path), "living", "dead")
    assert code == 0
    assert said == {
        "first": ["run-of-dead"],
        "second": [],
        "result": 6,
        "owners": {
            "run-of-dead": ["SUCCESS", "living"],
            "run-of-other": ["PENDING", "other"],
        },
    }
    assert (tmp_path / "dead").read_text().split() == ["1", "2", "3"]
    assert (tmp_path / "other").read_text().split() == ["1"]


async def _run(*arguments: str) -> tuple[int | None, object]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.recovery.dbos_process", *arguments),
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(PATIENCE_S):
        output, _ = await process.communicate()
    return process.returncode, json.loads(output) if output else None
