"""What the path around a tool adds to calling it: without a database, and with rules and records.

A tool that does nothing is called through ever more of the path, in one process.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from agent_engine.clock import SystemClock
from agent_engine.ports import ToolContext, ToolTraits
from agent_engine.tools.audit import Auditor
from agent_engine.tools.cache import Caching
from agent_engine.tools.call import Guards, ToolCaller
from agent_engine.tools.declare import DeclaredTool, Parameters
from agent_engine.tools.policy import ToolPolicy, ToolRule
from agent_engine.types import LIBRARY_SCOPE, Asks, JsonObject, RunId, TaskId
from benchmarks.machine import median, percentile, table
from storage.approvals import SqlApprovalStore
from storage.audit import SqlAuditLog
from storage.database import open_database
from storage.tool_cache import SqlToolCache

CALLS = 500


class NothingParameters(Parameters):
    """What a tool that does nothing is told."""

    text: str
    count: int = 1


async def _nothing(parameters: NothingParameters, _context: ToolContext) -> JsonObject:
    return {"success": True, "result": parameters.text * parameters.count}


def _tool(**traits: object) -> DeclaredTool[NothingParameters]:
    return DeclaredTool(
        name="nothing",
        description="Does nothing.",
        parameters=NothingParameters,
        run=_nothing,
        traits=ToolTraits(**traits),  # type: ignore[arg-type]  # fields of the traits
    )


def main() -> None:
    """Print what each part adds."""
    print("### What the path around a tool adds to a call\n")
    rows = asyncio.run(_measured())
    table(("path", "wall p50 ms", "p95 ms", "CPU ms", "over bare p50 ms"), rows)
    print(f"\n{CALLS} calls each, one after the other, after 50 to warm up; SQLite on disk.")


async def _measured() -> list[tuple[object, ...]]:
    async with AsyncExitStack() as stack:
        root = Path(stack.enter_context(TemporaryDirectory(prefix="treadle-bench-")))
        database = await stack.enter_async_context(open_database(f"sqlite:///{root / 'b.db'}"))
        audit, approvals = SqlAuditLog(database), SqlApprovalStore(database)
        asking = ToolPolicy([ToolRule(tool="nothing", asks=Asks.FIRST_TIME)])
        recorded = Guards(approvals=approvals, audit=Auditor(audit, str))
        ruled = Guards(policy=asking, approvals=approvals, audit=Auditor(audit, str))
        cache = Caching(SqlToolCache(database), str)
        tool, cached = _tool(), _tool(cache_ttl_s=600.0)
        clock = SystemClock()
        paths = {
            "bare: validate and run": _bare(tool),
            "the path without a database": _through(ToolCaller([tool], clock), root),
            "… with the audit log": _through(ToolCaller([tool], clock, guards=recorded), root),
            "… and a rule looked up, call refused": _through(
                ToolCaller([tool], clock, guards=ruled), root
            ),
            "… and the cache, not found": _through(
                ToolCaller([cached], clock, stages=[cache], guards=recorded), root
            ),
            "… and the cache, found": _through(
                ToolCaller([cached], clock, stages=[cache], guards=recorded), root, same=True
            ),
        }
        timed = {label: await _timed(call) for label, call in paths.items()}
        bare = median(timed["bare: validate and run"][0])
        return [
            (label, median(walls), percentile(walls, 0.95), cpu, median(walls) - bare)
            for label, (walls, cpu) in timed.items()
        ]


Call = Callable[[int], Awaitable[object]]


def _bare(tool: DeclaredTool[NothingParameters]) -> Call:
    context = _context(Path(), 0)

    async def call(number: int) -> object:
        return await tool.execute({"text": f"call {number}"}, context)

    return call


def _through(caller: ToolCaller, root: Path, *, same: bool = False) -> Call:
    label = id(caller)

    async def call(number: int) -> object:
        text = "the same" if same else f"call {label} {number}"
        return await caller.call("nothing", {"text": text}, _context(root, number, label))

    return call


def _context(root: Path, number: int, label: int = 0) -> ToolContext:
    return ToolContext(
        scope=LIBRARY_SCOPE,
        run_id=RunId("bench"),
        task_id=TaskId("bench"),
        step=number + 1,
        requester=None,
        task_folder=root,
        idempotency_key=f"bench:{label}:{number}",
    )


async def _timed(call: Call) -> tuple[list[float], float]:
    """Return the wall time of each call and the CPU time per call, in ms."""
    for number in range(50):
        await call(-number - 1)
    walls = []
    cpu_s = time.process_time()
    for number in range(CALLS):
        began_s = time.perf_counter()
        await call(number)
        walls.append((time.perf_counter() - began_s) * 1_000)
    return walls, (time.process_time() - cpu_s) * 1_000 / CALLS


if __name__ == "__main__":
    main()
