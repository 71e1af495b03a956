"""How long each sandbox driver takes to start a program that does next to nothing."""

import asyncio
import logging
import statistics
import subprocess
import time

from agent_engine.tools.sandbox.choose import DRIVERS
from agent_engine.tools.sandbox.driver import Driver, Language, SandboxJob
from agent_engine.tools.sandbox.interpreters import binary_of
from benchmarks.machine import table

RUNS = 15
PAUSE_S = 0.5
"""Between two programs, as an agent makes one: what a driver prepares ahead is ready by then."""
HELLO = {
    Language.PYTHON: "print('hello')",
    Language.JAVASCRIPT: "console.log('hello')",
    Language.BASH: "echo hello",
}
_FLAG = {Language.PYTHON: "-c", Language.JAVASCRIPT: "-e", Language.BASH: "-c"}


def main() -> None:
    """Print the start latency of each driver and language."""
    logging.disable(logging.WARNING)
    print("### Sandbox start (hello world, wall time)\n")
    head = ("driver", "language", "bare ms", "in the sandbox p50 ms", "max ms", "over bare ms")
    table(head, asyncio.run(_rows()))
    print(f"\n{RUNS} runs each, after one to warm up; a probe is made once per process.")


async def _rows() -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for name, make in DRIVERS.items():
        driver = make()
        began_s = time.perf_counter()
        found = await driver.probe()
        probe_ms = (time.perf_counter() - began_s) * 1000
        if not found.usable:
            rows.append((name, f"not usable here: {found.reason}", "", "", "", ""))
            continue
        rows.append((name, "probe (once)", "", probe_ms, "", ""))
        rows += [
            (name, language.value, *await _compared(driver, language))
            for language in sorted(found.languages)
        ]
    return rows


async def _compared(driver: Driver, language: Language) -> tuple[float, ...]:
    job = SandboxJob(language=language, code=HELLO[language])
    await _ran(driver, job)
    bare, inside = [], []
    for _ in range(RUNS):  # in turns, so that a busy machine slows both alike
        await asyncio.sleep(PAUSE_S)
        bare.append(_bare_ms(language))
        inside.append(await _ran(driver, job))
    middle = statistics.median(bare)
    return middle, statistics.median(inside), max(inside), statistics.median(inside) - middle


async def _ran(driver: Driver, job: SandboxJob) -> float:
    began_s = time.perf_counter()
    result = await driver.run(job)
    if result.stdout != "hello\n":
        raise RuntimeError(f"{driver.name}: {result}")
    return (time.perf_counter() - began_s) * 1000


def _bare_ms(language: Language) -> float:
    binary = binary_of(language)
    if binary is None:
        raise RuntimeError(f"{language} is not installed")
    command = [binary, _FLAG[language], HELLO[language]]
    began_s = time.perf_counter()
    # Without the environment, as inside: a NODE_EXTRA_CA_CERTS alone doubles node's start.
    subprocess.run(command, check=True, capture_output=True, env={})  # noqa: S603 - our own one-liner
    return (time.perf_counter() - began_s) * 1000


if __name__ == "__main__":
    main()
