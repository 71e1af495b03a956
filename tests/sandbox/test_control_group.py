"""In a control group it is the kernel that holds a program's memory, and nothing is left of it."""

import asyncio

import pytest

from agent_engine.tools.sandbox import process
from agent_engine.tools.sandbox.choose import drivers_with
from agent_engine.tools.sandbox.driver import KilledReason, Language, SandboxJob
from agent_engine.tools.sandbox.setup import Setup
from tests.sandbox.test_escapes import MEMORY, PRELUDE

pytestmark = [pytest.mark.needs_sandbox, pytest.mark.only_driver("bubblewrap", "sandlock")]


async def ran(driver, control_group, code):
    own = drivers_with(Setup(cgroup=control_group))[driver.name]()
    async with asyncio.timeout(30):
        return await own.run(SandboxJob(language=Language.PYTHON, code=PRELUDE + code))


async def empty(control_group) -> bool:
    """Whether all groups are gone, or go as soon as their last processes have."""
    for _ in range(200):
        for folder in control_group.glob("*/"):
            try:
                folder.rmdir()
            except OSError:
                await asyncio.sleep(0.01)
        if not list(control_group.glob("*/")):
            return True
    return False


async def test_a_program_is_in_a_group_of_its_own_that_is_gone_afterwards(driver, control_group):
    ended = await ran(driver, control_group, "print(bytearray(300_000_000)[-1])")

    assert (ended.stdout, ended.exit_code, ended.killed_reason) == ("0\n", 0, None)
    assert await empty(control_group)


@pytest.mark.only_driver("bubblewrap")
@pytest.mark.parametrize("kind", ["a tree", "shared mapping", "page tables"])
async def test_the_kernel_alone_holds_the_memory_of_all_processes(
    driver, control_group, monkeypatch, kind
):
    monkeypatch.setattr(process, "_tree_reason", lambda _pids, _bounds: None)

    ended = await ran(driver, control_group, MEMORY[kind] + "\nprint('ESCAPED')")

    assert ended.killed_reason is KilledReason.MEMORY
    assert "ESCAPED" not in ended.stdout
    assert await empty(control_group)


async def test_programs_side_by_side_have_groups_side_by_side(driver, control_group):
    async with asyncio.TaskGroup() as group:
        code = "print(bytearray(300_000_000)[-1]); time.sleep(0.3)"
        tasks = [group.create_task(ran(driver, control_group, code)) for _ in range(2)]

    assert [task.result().stdout for task in tasks] == ["0\n", "0\n"]
    assert await empty(control_group)
