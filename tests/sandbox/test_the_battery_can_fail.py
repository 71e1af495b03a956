"""The battery is worth something: each sandbox with one protection taken away fails it."""

import functools
import os
import signal
import struct
from pathlib import Path

import pytest

from agent_engine.tools.quota import MIB
from agent_engine.tools.sandbox import bubblewrap
from tests.sandbox import test_escapes as battery

pytestmark = [pytest.mark.needs_sandbox, pytest.mark.only_driver("bubblewrap")]

ALLOW_EVERYTHING = struct.pack("HBBI", 0x06, 0, 0, 0x7FFF0000)
NAMESPACES = {"--unshare-user", "--unshare-ipc", "--unshare-uts", "--unshare-net", "--unshare-pid"}


class Weakened:
    """Takes protections away from bubblewrap until the test ends."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch

    def isolation(self, *instead: str) -> None:
        kept = [w for w in bubblewrap._ISOLATION if not w.startswith("--unshare")]
        self._patch.setattr(bubblewrap, "_ISOLATION", (*kept, *instead))

    def mount(self, *words: str) -> None:
        mounts = bubblewrap._Box._mounts
        more = lambda box, start: (*mounts(box, start), *words)  # noqa: E731
        self._patch.setattr(bubblewrap._Box, "_mounts", more)

    def system_calls(self) -> None:
        self._patch.setattr(bubblewrap.seccomp, "filter_program", lambda: ALLOW_EVERYTHING)

    def processes(self) -> None:
        self.isolation(*sorted(NAMESPACES - {"--unshare-pid"}))
        words = list(bubblewrap._system_folders())
        at = words.index("--proc")
        words[at : at + 2] = ["--ro-bind", "/proc", "/proc"]
        self._patch.setattr(bubblewrap, "_system_folders", lambda: tuple(words))
        keeper = bubblewrap._KEEPER.replace("--pid 1", "--pid $$")
        self._patch.setattr(bubblewrap, "_KEEPER", keeper)


@pytest.fixture
def weaken(monkeypatch):
    return Weakened(monkeypatch)


async def test_a_reachable_network_is_caught(run, world, weaken):
    weaken.isolation(*sorted(NAMESPACES - {"--unshare-net"}))

    with pytest.raises(AssertionError):
        await battery.test_nobody_can_be_reached_over_any_kind_of_socket(run, world)


async def test_an_environment_that_is_passed_on_is_caught(run, world, driver, weaken):
    weaken.isolation("--unshare-all", "--unshare-user", "--setenv", "TOKEN", "secret")

    with pytest.raises(AssertionError, match="ESCAPED"):
        await battery.test_secrets_in_the_environment_of_processes_cannot_be_read(
            run, world, driver
        )


async def test_a_readable_folder_is_caught(run, world, driver, weaken):
    weaken.mount("--ro-bind", str(world.folder), str(world.folder))

    with pytest.raises(AssertionError, match="ESCAPED"):
        await battery.test_files_outside_cannot_be_read(run, world, driver)


async def test_a_writable_folder_is_caught(run, world, driver, weaken):
    weaken.mount("--bind", str(world.folder), str(world.folder))

    with pytest.raises(AssertionError, match="ESCAPED"):
        await battery.test_nothing_outside_can_be_written(run, world, driver)


async def test_a_missing_system_call_filter_is_caught(run, weaken):
    weaken.system_calls()

    with pytest.raises(AssertionError, match="ESCAPED"):
        await battery.test_system_calls_that_only_attacks_need_are_refused(run)


async def test_a_daemon_that_is_not_killed_is_caught(run, weaken):
    weaken.processes()
    try:
        with pytest.raises(AssertionError):
            await battery.test_no_daemon_outlives_its_program(run, "pass", "")
    finally:
        end_daemons()


def end_daemons() -> None:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        if is_daemon(path):
            os.kill(int(path.parent.name), signal.SIGKILL)


def is_daemon(path: Path) -> bool:
    try:
        return path.read_bytes().startswith(b"daemon-")
    except OSError:
        return False


one_process = functools.partial(
    battery.test_more_memory_than_allowed_cannot_be_had, kind="one process"
)
flood = functools.partial(
    battery.test_a_flood_of_output_is_stopped_and_its_beginning_kept, where=""
)


@pytest.mark.parametrize(
    ("limits", "attack"),
    [
        ({"processes": 120, "memory": 2_048 * MIB}, battery.test_a_fork_bomb_is_held),
        ({"memory": 2_048 * MIB}, one_process),
        ({"work_bytes": 200 * MIB}, battery.test_the_disk_cannot_be_filled),
        ({"file_bytes": 2_048 * MIB}, battery.test_one_file_cannot_be_huge),
        ({"stream_bytes": 2 * MIB}, flood),
    ],
)
async def test_a_limit_that_does_not_hold_is_caught(run, limits, attack):
    with pytest.raises(AssertionError):
        await attack(functools.partial(run, **limits))
