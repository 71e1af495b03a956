"""What the operator offers to programs in every sandbox: packages, a control group, a container.

Values, and what can be read of them without starting anything.
"""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent_engine.tools.quota import MIB
from agent_engine.tools.sandbox.cgroups import Delegated, Group, delegated
from agent_engine.tools.sandbox.driver import SandboxLimits

_NOT_OFFERED: Final = frozenset({"pip", "setuptools", "wheel"})
_MOST_NAMED: Final = 60
_HIDDEN: Final = ("/work", "/tmp", "/dev", "/proc", "/code", "/packages")  # noqa: S108  inside
_SPARE_PROCESSES: Final = 8
_SPARE_BYTES: Final = 64 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSettings:
    """How containers are made."""

    engine: str | None = None
    """The command; None for the first of docker and podman that is installed."""
    image: str = "python:3.12-slim"
    runtime: str | None = None
    """None for gVisor where the engine has it, else the engine's usual one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What the operator offers; nothing at all is fine."""

    python_environment: Path | None = None
    """A virtual environment."""
    node_modules: Path | None = None
    cgroup: Path | None = None
    """Named by the operator; what systemd delegated is found without."""
    container: ContainerSettings = ContainerSettings()

    @property
    def python(self) -> Path | None:
        """The environment's interpreter."""
        return self.python_environment / "bin" / "python3" if self.python_environment else None

    def python_home(self) -> Path | None:
        """Return the installation that the environment was made from, unless all see it anyway."""
        if self.python is None:
            return None
        home = self.python.resolve().parent.parent
        return None if home.is_relative_to("/usr") else home

    def problem(self) -> str:
        """Say what is wrong with what is offered, in one sentence; empty when nothing is."""
        if self.python is not None and not self.python.exists():
            return f"{self.python_environment} is not a virtual environment"
        home = self.python_home()
        if home is not None and (home == Path("/") or str(home).startswith(_HIDDEN)):
            return f"{self.python_environment} was made from an interpreter in {home}"
        if self.node_modules is not None and not self.node_modules.is_dir():
            return f"{self.node_modules} is not a folder"
        return ""

    def packages(self) -> tuple[str, ...]:
        """Return the names of the environment's python packages, sorted."""
        if self.python_environment is None:
            return ()
        found = self.python_environment.glob("lib/python3*/site-packages/*.dist-info")
        names = {path.name.partition("-")[0].replace("_", "-").lower() for path in found}
        return tuple(sorted(names - _NOT_OFFERED))[:_MOST_NAMED]

    @contextmanager
    def group(self, limits: SandboxLimits, held_bytes: int) -> Iterator[Group | None]:
        """Make a control group for one program; None where none was delegated.

        Args:
            limits: the program's.
            held_bytes: what its files take up in memory before it has begun.
        """
        parent = _delegated(self.cgroup)
        if parent is None:
            yield None
            return
        # Files in memory count as memory: the work folder, the temporary ones and the archives.
        files = 2 * held_bytes + limits.work_bytes + 2 * limits.temp_bytes + limits.copied_out_bytes
        memory = limits.memory + files + _SPARE_BYTES
        with parent.group(memory=memory, processes=limits.processes + _SPARE_PROCESSES) as group:
            yield group

    def memory_remark(self) -> str:
        """Say how memory of a whole process tree is held."""
        parent = _delegated(self.cgroup)
        if parent is None:
            return "no control group is delegated, so a tree's memory is watched, not capped"
        if problem := parent.problem():
            return f"{problem}, so a tree's memory is watched, not capped"
        return f"the kernel caps a tree's memory below {parent.folder}"


@functools.cache
def _delegated(named: Path | None) -> Delegated | None:
    """Return the group that can really be used; a named one that cannot be is an error per run."""
    found = delegated(named)
    if named is None and found is not None and found.problem():
        return None
    return found
