"""A control group for each program, where the operator or systemd has delegated one to the bot.

The kernel then caps the memory of the whole process tree, files in memory included. It must not
touch a group that was not delegated: what another program manages is not ours to divide.
"""

import contextlib
import logging
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent_engine.tools.sandbox.driver import KilledReason
from agent_engine.tools.sandbox.failures import SandboxError

logger = logging.getLogger(__name__)

_ROOT: Final = Path("/sys/fs/cgroup")
_OWN: Final = Path("/proc/self/cgroup")
_PREFIX: Final = "treadle-"
_MARK: Final = "user.delegate"
"""Set by systemd (251 and newer) on groups of units with ``Delegate=``."""
_REMOVE_TRIES: Final = 3
_REMOVE_EVERY_S: Final = 0.005
_STALE_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Group:
    """The control group of one program."""

    folder: Path

    def joining_fd(self) -> int:
        """Return a descriptor; who writes ``0`` to it is in the group, whatever its user."""
        return os.open(self.folder / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)

    def ended_by(self) -> KilledReason | None:
        """Say whether the kernel ended something in it for want of memory."""
        for name in ("memory.events", "memory.oom_control"):
            for line in _lines(self.folder / name):
                if line.startswith("oom_kill ") and line.split()[1] != "0":
                    return KilledReason.MEMORY
        return None

    def kill(self) -> None:
        """Kill whatever is in it, wherever in the process tree it has gone."""
        with contextlib.suppress(OSError):  # older kernels have no such file
            _write(self.folder / "cgroup.kill", 1)


class Delegated:
    """A control group below which the bot may make others."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._left: list[Group] = []
        """Groups whose last processes were still on their way out."""

    def problem(self) -> str:
        """Make a group and remove it again; say why that does not work, empty when it does."""
        try:
            self._sweep()
            with self.group(memory=64 * 1024 * 1024, processes=8):
                return ""
        except SandboxError as error:
            return error.message

    @contextlib.contextmanager
    def group(self, *, memory: int, processes: int) -> Iterator[Group]:
        """Make a group with these caps, and remove it with whatever is left in it.

        Raises:
            SandboxError: it cannot be made.
        """
        made = Group(self.folder / f"{_PREFIX}{secrets.token_hex(8)}")
        self._left = [group for group in self._left if not _is_removed(group)]
        try:
            if self._is_unified:
                _let_children_have(self.folder)
            made.folder.mkdir()
            self._cap(made.folder, memory, processes)
        except OSError as error:
            self._remove(made)
            why = error.strerror or "refused"
            raise SandboxError(f"no control group below {self.folder}: {why}") from error
        try:
            yield made
        finally:
            self._remove(made)

    def _remove(self, group: Group) -> None:
        """Remove a group, now or, when something in it takes its time, before the next is made."""
        group.kill()
        for _ in range(_REMOVE_TRIES):
            if _is_removed(group):
                return
            time.sleep(_REMOVE_EVERY_S)
        self._left.append(group)
        logger.info("control_group_left", extra={"groups": len(self._left)})

    def _sweep(self) -> None:
        """Remove what a bot that was killed left behind; groups of another bot are younger."""
        for folder in self.folder.glob(f"{_PREFIX}*"):
            with contextlib.suppress(FileNotFoundError):  # another bot was faster
                if time.time() - folder.stat().st_mtime > _STALE_S:
                    _is_removed(Group(folder))

    @property
    def _is_unified(self) -> bool:
        return (self.folder / "cgroup.controllers").exists()

    def _cap(self, folder: Path, memory: int, processes: int) -> None:
        if not self._is_unified:
            _write(folder / "memory.limit_in_bytes", memory)
            _write_if_there(folder / "memory.memsw.limit_in_bytes", memory)
            return
        _write(folder / "memory.max", memory)
        _write_if_there(folder / "memory.swap.max", 0)
        _write_if_there(folder / "memory.oom.group", 1)
        _write_if_there(folder / "pids.max", processes)


def delegated(named: Path | None) -> Delegated | None:
    """Return the group to use: the named one, else one that systemd delegated; None for none."""
    if named is not None:
        return Delegated(named)
    for line in _lines(_OWN):
        if line.startswith("0::/"):
            # The bot's own group may hold processes, so it cannot have children with caps:
            # ``DelegateSubgroup=`` puts the bot one below the group that was delegated.
            above = (_ROOT / line[4:]).parent
            return Delegated(above) if _is_marked(above) else None
    return None


def _is_marked(folder: Path) -> bool:
    try:
        return os.getxattr(folder, _MARK) == b"1"
    except OSError:
        return False


def _let_children_have(folder: Path) -> None:
    control = folder / "cgroup.subtree_control"
    missing = {"memory", "pids"} - set(control.read_text().split())
    there = set((folder / "cgroup.controllers").read_text().split())
    if missing & there:
        control.write_text(" ".join(f"+{name}" for name in sorted(missing & there)))


def _write(path: Path, value: int) -> None:
    # Not created where it is missing: then this is no control group, or has no such controller.
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, str(value).encode())
    finally:
        os.close(fd)


def _write_if_there(path: Path, value: int) -> None:
    if path.exists():
        _write(path, value)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def _is_removed(group: Group) -> bool:
    """Remove a group that is empty; say whether it is gone."""
    try:
        group.folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
