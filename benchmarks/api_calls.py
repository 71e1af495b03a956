"""What the guarded way out costs: a hundred calls at once, against bare aiohttp.

The server is a process of its own on the same machine, and answers a small JSON object at once or
after a while. Each variant stands for one layer more, up to the path that agents use.
"""

import asyncio
import logging
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
from aiohttp import web

from agent_engine.clock import SystemClock
from agent_engine.ports import ToolContext
from agent_engine.tools.api_call.access import Access
from agent_engine.tools.api_call.tool import api_call
from agent_engine.tools.call import ToolCaller
from agent_engine.tools.http.client import HttpClient
from agent_engine.tools.http.exchange import HttpRequest
from agent_engine.tools.http.urls import read_domains, read_url
from agent_engine.tools.secrets import Secrets
from agent_engine.types import LIBRARY_SCOPE, RunId, TaskId
from benchmarks.machine import median, percentile, table

AT_ONCE = 100
CALLS = 2_000
ROUNDS = 3
SLOW_S = 0.05
SECRETS = Secrets(["made-up-secret-1", "made-up-secret-2", "made-up-secret-3"])
ANSWER = {"items": [{"id": number, "name": f"item {number}"} for number in range(20)]}

Call = Callable[[], Awaitable[None]]


def main() -> None:
    """Print throughput, latency and CPU per call of each variant."""
    logging.disable(logging.WARNING)
    print(f"### API calls ({AT_ONCE} at once, {CALLS} per round, medians of {ROUNDS} rounds)\n")
    head = ("server", "variant", "calls/s", "p50 ms", "p99 ms", "CPU ms per call", "over bare ms")
    with _server() as address:
        table(head, asyncio.run(_rows(address)))


async def _rows(address: str) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for said, path in (("at once", "/"), (f"after {SLOW_S * 1000:.0f} ms", "/slow")):
        bare_ms = 0.0
        for name, open_variant in VARIANTS.items():
            figures = await _measured(open_variant, address + path)
            bare_ms = bare_ms or figures[-1]
            rows.append((said, name, *figures, figures[-1] - bare_ms))
    return rows


async def _measured(
    open_variant: Callable[[str], Awaitable[tuple[Call, Call]]], url: str
) -> tuple[float, ...]:
    call, close = await open_variant(url)
    try:
        await _round(call, AT_ONCE)
        rounds = [await _round(call, CALLS) for _ in range(ROUNDS)]
    finally:
        await close()
    return tuple(median(column) for column in zip(*rounds, strict=True))


async def _round(call: Call, calls: int) -> tuple[float, ...]:
    """Return calls per second, p50, p99 and CPU of this process per call."""
    took_ms: list[float] = []
    left = iter(range(calls))

    async def worker() -> None:
        for _ in left:
            began_s = time.perf_counter()
            await call()
            took_ms.append((time.perf_counter() - began_s) * 1000)

    cpu_s, began_s = _cpu_s(), time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(worker())
    wall_s, cpu_s = time.perf_counter() - began_s, _cpu_s() - cpu_s
    p50, p99 = percentile(took_ms, 0.5), percentile(took_ms, 0.99)
    return calls / wall_s, p50, p99, cpu_s * 1000 / calls


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


# -- variants ------------------------------------------------------------------------------------


async def _bare(url: str) -> tuple[Call, Call]:
    session = aiohttp.ClientSession()

    async def call() -> None:
        async with session.get(url) as response:
            assert await response.json() == ANSWER

    return call, session.close


async def _guarded(url: str) -> tuple[Call, Call]:
    client, access = HttpClient(private_domains=HERE), _access(url)
    request = HttpRequest(method="GET", destination=read_url(url), is_repeatable=True)

    async def call() -> None:
        assert (await client.call(request, access)).status == web.HTTPOk.status_code

    return call, client.aclose


async def _as_agents(url: str) -> tuple[Call, Call]:
    client = HttpClient(private_domains=HERE)
    caller = ToolCaller([api_call(client, _access(url), SECRETS)], SystemClock())
    context = _context(Path(tempfile.gettempdir()))

    async def call() -> None:
        seen = await caller.call("api_call", {"url": url}, context)
        assert seen.content["data"] == ANSWER

    return call, client.aclose


HERE = read_domains(["127.0.0.1"])
VARIANTS = {
    "bare aiohttp, read as JSON": _bare,
    "the guarded client": _guarded,
    "`api_call` by the path of agents": _as_agents,
}


def _access(url: str) -> Access:
    return Access(domains=HERE, ports=frozenset({read_url(url).port}))


def _context(folder: Path) -> ToolContext:
    return ToolContext(
        scope=LIBRARY_SCOPE,
        run_id=RunId("bench"),
        task_id=TaskId("bench"),
        step=1,
        requester=None,
        task_folder=folder,
        idempotency_key="bench-1",
    )


# -- the server ----------------------------------------------------------------------------------


@contextmanager
def _server() -> Iterator[str]:
    """Start the server in a process of its own; gives its address."""
    command = [sys.executable, "-m", "benchmarks.api_calls", "serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own module
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


async def _serve() -> None:
    async def answer(request: web.Request) -> web.Response:
        if request.path == "/slow":
            await asyncio.sleep(SLOW_S)
        return web.json_response(ANSWER)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve()) if sys.argv[1:] == ["serve"] else main()
