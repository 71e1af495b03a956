"""A program is held to its bounds, and nothing of it is left."""

import asyncio
import os
import time
from pathlib import Path
from uuid import uuid4

import pytest

from agent_engine.tools.sandbox import process
from agent_engine.tools.sandbox.driver import KilledReason
from agent_engine.tools.sandbox.failures import SandboxError
from agent_engine.tools.sandbox.memory_files import empty_memory_file, memory_file
from agent_engine.tools.sandbox.process import Bounds, Command, run_bounded

ENV = {"PATH": "/usr/bin:/bin"}


async def ran(script: str, *, stdin: bytes = b"", env=ENV, **bounds):
    command = Command(argv=("/bin/bash", "-c", script), env=env, stdin=stdin)
    async with asyncio.timeout(20):
        return await run_bounded(command, Bounds(**{"timeout_s": 10.0, **bounds}))


def living(mark: str) -> list[str]:
    """List processes with the mark in their command line; zombies have none."""
    lines: list[str] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes().decode(errors="replace"))
        except OSError:
            continue
    return [line for line in lines if mark in line]


async def gone(mark: str) -> bool:
    """Wait, for a second at most, until the kernel has cleared away what was killed."""
    for _ in range(100):
        if not living(mark):
            return True
        await asyncio.sleep(0.01)
    return False


async def test_output_input_and_exit_code_come_back():
    ended = await ran("cat; echo oops >&2; exit 3", stdin=b"hello")

    assert (ended.stdout, ended.stderr, ended.returncode) == (b"hello", b"oops\n", 3)
    assert ended.killed_reason is None
    assert not ended.truncated


async def test_no_variable_of_ours_is_inherited():
    ended = await ran("env", env={})

    names = {line.split("=")[0] for line in ended.stdout.decode().splitlines()}
    assert names <= {"PWD", "SHLVL", "_"}


async def test_a_program_that_goes_on_is_killed_at_the_timeout_and_its_output_kept():
    started_s = time.monotonic()
    ended = await ran("echo begun; while :; do :; done", timeout_s=0.3)

    assert ended.killed_reason is KilledReason.TIMEOUT
    assert ended.stdout == b"begun\n"
    assert ended.returncode == -9
    assert time.monotonic() - started_s < 3


@pytest.mark.parametrize("script", ["yes", "yes >&2"])
async def test_a_flood_on_either_stream_is_killed_and_its_beginning_kept(script):
    ended = await ran(script, stream_bytes=10_000)

    assert ended.killed_reason is KilledReason.OUTPUT
    assert len(ended.stdout + ended.stderr) == 10_000
    assert ended.truncated


async def test_output_of_exactly_the_limit_is_no_flood():
    ended = await ran("head -c 10000 /dev/zero", stream_bytes=10_000)

    assert ended.killed_reason is None
    assert len(ended.stdout) == 10_000
    assert not ended.truncated


async def test_what_is_still_in_the_pipe_at_the_end_is_read_though_the_loop_did_not_see_it():
    read_end, write_end = os.pipe()
    stream = process._Stream(read_end, 100_000, lambda: None)
    asyncio.get_running_loop().remove_reader(read_end)
    os.write(write_end, b"last words")

    await process._last_words([stream])
    stream.stop()
    for end in (read_end, write_end):
        os.close(end)

    assert bytes(stream.kept) == b"last words"


async def test_a_daemon_that_holds_the_pipes_does_not_hold_us():
    mark = uuid4().hex
    started_s = time.monotonic()
    ended = await ran(f"(exec -a {mark} sleep 600) & echo done")

    assert ended.stdout == b"done\n"
    assert time.monotonic() - started_s < 3
    assert await gone(mark)


async def test_children_in_sessions_of_their_own_are_killed_with_their_parent():
    mark = uuid4().hex
    await ran(f"setsid bash -c 'exec -a {mark} sleep 600' & wait", timeout_s=0.5)

    assert await gone(mark)


async def test_cancelling_kills_the_tree_before_it_passes_on():
    mark = uuid4().hex
    script = f"(exec -a {mark} sleep 600) & wait"
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        task = group.create_task(ran(script))
        while not living(mark):  # noqa: ASYNC110  there is no event in another process
            await asyncio.sleep(0.01)
        task.cancel()

    assert task.cancelled()
    assert await gone(mark)


async def test_processes_that_together_use_too_much_memory_are_killed():
    one = "python3 -c 'x=bytearray(60_000_000); import time; time.sleep(60)'"
    ended = await ran(f"{one} & {one} & {one} & wait", tree_bytes=120_000_000)

    assert ended.killed_reason is KilledReason.MEMORY


async def test_too_many_processes_are_killed():
    ended = await ran("for i in {1..30}; do sleep 60 & done; wait", tree_processes=20)

    assert ended.killed_reason is KilledReason.PROCESSES


async def test_a_reason_from_outside_is_a_reason_too():
    ended = await ran("sleep 60", watch=lambda _pids: KilledReason.DISK)

    assert ended.killed_reason is KilledReason.DISK


async def test_a_program_that_is_not_there_is_an_error():
    with pytest.raises(SandboxError, match="could not be started"):
        await run_bounded(Command(argv=("/no/such",)), Bounds(timeout_s=1.0))


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_no_descriptor_is_left_open():
    await ran("true")
    before = descriptors()
    await ran("echo x; echo y >&2")

    assert descriptors() == before


def test_files_in_memory_are_sealed():
    given, room = memory_file("given", b"abc"), empty_memory_file("room", 8)
    try:
        assert os.read(given, 9) == b"abc"
        with pytest.raises(PermissionError):
            os.pwrite(given, b"x", 0)
        assert os.pwrite(room, b"12345678", 0) == 8
        with pytest.raises(PermissionError):
            os.pwrite(room, b"9", 8)
    finally:
        os.close(given)
        os.close(room)
