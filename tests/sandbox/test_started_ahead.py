"""The process that holds a sandlock sandbox is started ahead of need, one for each program."""

import asyncio
import gc
from pathlib import Path

import pytest

from agent_engine.tools.sandbox.choose import DRIVERS
from agent_engine.tools.sandbox.driver import Language, SandboxJob

pytestmark = [pytest.mark.needs_sandbox, pytest.mark.only_driver("sandlock")]

HELLO = SandboxJob(language=Language.BASH, code="echo hello; echo $PPID")


def waiting() -> set[int]:
    mark = b"sandlock_child.py"
    return {int(p.parent.name) for p in Path("/proc").glob("[0-9]*/cmdline") if mark in read(p)}


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


async def test_the_next_program_gets_the_process_that_waits_and_no_other_after_it(driver):
    before = waiting()
    first = await driver.run(HELLO)
    (spare,) = waiting() - before
    second = await driver.run(HELLO)

    assert first.stdout.startswith("hello\n")
    assert second.stdout == f"hello\n{spare}\n"
    assert spare not in waiting()


async def test_programs_side_by_side_each_have_a_process(driver):
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        tasks = [group.create_task(driver.run(HELLO)) for _ in range(3)]

    assert len({task.result().stdout for task in tasks}) == 3


async def test_one_that_died_while_it_waited_is_replaced(driver):
    await driver.run(HELLO)
    spare = driver._spare.process  # what an out-of-memory killer may do
    spare.kill()
    spare.wait()

    assert (await driver.run(HELLO)).stdout.startswith("hello\n")


async def test_nobody_waits_for_a_driver_that_is_gone(driver):
    gc.collect()  # drivers of earlier tests
    before = waiting()
    own = DRIVERS[driver.name]()
    await own.run(HELLO)
    assert waiting() - before

    del own
    gc.collect()

    assert waiting() <= before
