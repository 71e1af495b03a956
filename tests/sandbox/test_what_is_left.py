"""Whatever a program leaves behind, in its folder or running, harms nobody and hides nothing."""

import time
from uuid import uuid4

import pytest

from agent_engine.tools.sandbox.driver import KilledReason, Language
from tests.sandbox.test_escapes import gone

pytestmark = pytest.mark.needs_sandbox

STOPPED = """
import os, signal, time
for _ in range(3):
    child = os.fork()
    if child == 0:
        os.setsid()
        os.execv("/bin/sleep", ["{mark}", "600"])
    os.kill(child, signal.SIGSTOP)
print("stopped", flush=True)
{then}
"""


@pytest.mark.parametrize("then", ["", "os.kill(os.getpid(), signal.SIGSTOP)"])
async def test_processes_that_are_stopped_are_gone_like_others(run, then):
    mark = f"stopped-{uuid4().hex}"
    started_s = time.monotonic()
    ended = await run(STOPPED.format(mark=mark, then=then), timeout_s=1.5)

    assert ended.stdout == "stopped\n"
    assert (ended.killed_reason is KilledReason.TIMEOUT) is bool(then)
    assert time.monotonic() - started_s < 8
    assert await gone(mark)


async def test_sockets_pipes_and_devices_in_the_folder_do_not_hold_up_the_files(run):
    started_s = time.monotonic()
    ended = await run(
        """
import os, socket
listener = socket.socket(socket.AF_UNIX); listener.bind("a-socket"); listener.listen()
os.mkfifo("a-pipe")
for kind in (0o20666, 0o60666):
    try: os.mknod(f"a-device-{kind}", kind, os.makedev(1, 3))
    except OSError: pass
os.symlink("/dev/zero", "a-device-link")
open("good.txt", "w").write("good")
"""
    )

    assert (ended.exit_code, ended.files) == (0, ("good.txt",)), ended
    assert [path.name for path in run.folder.iterdir()] == ["good.txt"]
    assert any("a-pipe" in note for note in ended.notes)
    assert any("a-device-link" in note for note in ended.notes)
    assert time.monotonic() - started_s < 8


NAMES = ("y" * 150, "отчёт за третий квартал и всё, что к нему относится, в одной таблице.csv",
         "/".join(["d" * 60] * 12))  # fmt: skip


async def test_files_with_long_names_come_back_and_are_given_again(run):
    code = f"""
import os
for name in {NAMES!r}:
    os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
    open(name, "w").write("long")
"""
    ended = await run(code)
    again = await run(f"for name in {NAMES!r}: print(open(name).read())")

    assert ended.files == tuple(sorted(NAMES))
    assert ended.notes == ()
    assert again.stdout == "long\n" * 3
    assert again.files == ()


async def test_what_lies_too_deep_is_said_and_the_rest_is_kept(run):
    ended = await run(
        """
import os
os.makedirs("/".join("d" * 50)); open("/".join("d" * 50) + "/f", "w").write("x")
open("good.txt", "w").write("good")
"""
    )

    assert ended.files == ("good.txt",)
    assert len(ended.notes) == 1


async def test_a_file_that_was_changed_is_told_from_one_that_was_only_looked_at(run):
    for name in ("read", "changed", "touched", "restored", "renamed", "deleted"):
        (run.folder / name).write_text("before")
    ended = await run(
        """
import os
open("read").read()
facts = os.stat("changed")
open("changed", "w").write("after!")
os.utime("changed", ns=(facts.st_atime_ns, facts.st_mtime_ns))
os.utime("touched")
open("restored", "w").write("x"); open("restored", "w").write("before")
os.rename("renamed", "other"); os.remove("deleted")
os.utime(os.open("old", os.O_CREAT | os.O_WRONLY), (0, 0))
"""
    )

    assert (ended.exit_code, ended.notes) == (0, ())
    assert ended.files == ("changed", "old", "other")
    assert (run.folder / "changed").read_text() == "after!"


@pytest.mark.only_driver("bubblewrap", "container")
async def test_a_file_that_a_program_closes_to_itself_is_kept_all_the_same(run):
    code = "mkdir in; echo a > in/a; echo b > b; chmod 0 in b"

    ended = await run(code, Language.BASH)

    assert (ended.files, ended.notes) == (("b", "in/a"), ())
