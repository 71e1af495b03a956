"""Control groups are made and removed where one was delegated, and nowhere else.

The kernel's side is played by plain files, so what these tests hold is what is written there.
"""

import contextlib
from pathlib import Path

import pytest

from agent_engine.tools.quota import MIB
from agent_engine.tools.sandbox import cgroups
from agent_engine.tools.sandbox.cgroups import Delegated, Group, delegated
from agent_engine.tools.sandbox.driver import KilledReason
from agent_engine.tools.sandbox.failures import SandboxError
from agent_engine.tools.sandbox.process import Bounds, Command, run_bounded

UNIFIED = ("memory.max", "memory.swap.max", "pids.max", "cgroup.procs", "cgroup.kill")
OLD = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "cgroup.procs")


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """Give every folder that is made the files the kernel would give it, and take them back."""
    root = tmp_path / "delegated"
    root.mkdir()
    made: list[dict[str, str]] = []
    mkdir, rmdir = Path.mkdir, Path.rmdir

    def make(path, *arguments, **options):
        mkdir(path, *arguments, **options)
        for name in UNIFIED if (root / "cgroup.controllers").exists() else OLD:
            (path / name).write_text("")

    def remove(path):
        with contextlib.suppress(FileNotFoundError):
            made.append({file.name: file.read_text() for file in path.iterdir()})
            for file in path.iterdir():
                file.unlink()
        rmdir(path)

    monkeypatch.setattr(Path, "mkdir", make)
    monkeypatch.setattr(Path, "rmdir", remove)
    return root, made


def unify(root: Path) -> None:
    (root / "cgroup.controllers").write_text("cpu memory pids")
    (root / "cgroup.subtree_control").write_text("")


def test_a_unified_group_caps_memory_swap_and_processes_and_is_removed(kernel):
    root, made = kernel
    unify(root)

    with Delegated(root).group(memory=600 * MIB, processes=70) as group:
        assert group.folder.parent == root
        assert group.ended_by() is None

    assert (root / "cgroup.subtree_control").read_text() == "+memory +pids"
    assert made == [
        {"memory.max": str(600 * MIB), "memory.swap.max": "0", "pids.max": "70",
         "cgroup.procs": "", "cgroup.kill": "1"}
    ]  # fmt: skip
    assert not group.folder.exists()


def test_an_old_group_caps_memory_and_swap_together(kernel):
    root, made = kernel

    with Delegated(root).group(memory=600 * MIB, processes=70):
        pass

    assert made[0]["memory.limit_in_bytes"] == made[0]["memory.memsw.limit_in_bytes"]
    assert made[0]["memory.limit_in_bytes"] == str(600 * MIB)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("memory.events", "low 0\noom 1\noom_kill 2\n", KilledReason.MEMORY),
        ("memory.events", "low 0\noom 1\noom_kill 0\noom_group_kill 0\n", None),
        ("memory.oom_control", "under_oom 0\noom_kill 1\n", KilledReason.MEMORY),
        ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n", None),
    ],
)
def test_a_program_the_kernel_ended_for_its_memory_is_told_so(tmp_path, name, text, reason):
    (tmp_path / name).write_text(text)

    assert Group(tmp_path).ended_by() is reason


def test_a_folder_that_is_no_control_group_is_a_sentence(tmp_path):
    there = tmp_path / "plain"
    there.mkdir()

    assert "no control group below" in Delegated(tmp_path / "missing").problem()
    assert "No such file" in Delegated(there).problem()
    assert list(there.iterdir()) == []
    with pytest.raises(SandboxError), Delegated(there).group(memory=1, processes=1):
        pass


@pytest.mark.parametrize(
    ("own", "marked", "found"),
    [
        ("0::/system.slice/treadle.service/bot\n", True, "system.slice/treadle.service"),
        ("0::/system.slice/treadle.service/bot\n", False, None),
        ("4:memory:/somebody/elses\n0::/\n", False, None),
        ("4:memory:/somebody/elses\n", True, None),
    ],
)
def test_only_what_was_delegated_is_used(tmp_path, monkeypatch, own, marked, found):
    (tmp_path / "own").write_text(own)
    monkeypatch.setattr(cgroups, "_OWN", tmp_path / "own")
    monkeypatch.setattr(cgroups, "_ROOT", tmp_path)
    monkeypatch.setattr(cgroups, "_is_marked", lambda _: marked)

    group = delegated(None)

    assert (group and group.folder) == (found and tmp_path / found)
    named = delegated(tmp_path / "named")
    assert named is not None
    assert named.folder == tmp_path / "named"


async def test_a_program_is_in_its_group_before_it_starts_and_cannot_write_to_it(tmp_path):
    (tmp_path / "cgroup.procs").write_text("")
    code = f"cat {tmp_path}/cgroup.procs; ls /proc/self/fd | wc -l"
    bounds = Bounds(timeout_s=10, group=Group(tmp_path))
    tmp_path.chmod(0o755)
    for above in list(tmp_path.parents)[:2]:
        above.chmod(0o755)

    ended = await run_bounded(Command(argv=("/bin/bash", "-c", code)), bounds)
    plain = await run_bounded(Command(argv=("/bin/bash", "-c", "ls /proc/self/fd | wc -l")),
                              Bounds(timeout_s=10))  # fmt: skip

    assert ended.stdout.split() == [b"0", plain.stdout.strip()]


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_at_the_timeout_the_group_is_killed_too(tmp_path):
    for name in ("cgroup.procs", "cgroup.kill"):
        (tmp_path / name).write_text("")
    (tmp_path / "memory.events").write_text("oom_kill 1\n")
    sleeping = Command(argv=("/bin/sleep", "60"), drop_root=False)
    before = descriptors()

    ended = await run_bounded(sleeping, Bounds(timeout_s=0.3, group=Group(tmp_path)))

    assert ended.killed_reason is KilledReason.TIMEOUT
    assert (tmp_path / "cgroup.kill").read_text() == "1"
    assert descriptors() == before
