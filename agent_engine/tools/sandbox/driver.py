"""What a sandbox is: it runs a program that an agent wrote, and nothing gets in or out unasked.

The values every driver shares. There is no driver without a boundary, and must never be one.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from agent_engine.tools.quota import MIB, Quota


class Language(StrEnum):
    """What programs may be written in."""

    PYTHON = "python"
    JAVASCRIPT = "javascript"
    BASH = "bash"


class KilledReason(StrEnum):
    """Why a program was stopped from outside."""

    TIMEOUT = "timeout"
    OUTPUT = "output"
    """It wrote more than may be kept."""
    MEMORY = "memory"
    """Its processes together used more memory than allowed."""
    PROCESSES = "processes"
    DISK = "disk"


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxLimits:
    """Caps of one run; bytes unless the name says otherwise."""

    timeout_s: float = 30.0
    cpu_s: int = 20
    """Per process."""
    stream_bytes: int = MIB
    """Of stdout and of stderr; the program is killed when it writes more."""
    memory: int = 512 * MIB
    """Of one process (data), and of all together (resident)."""
    processes: int = 64
    open_files: int = 256
    file_bytes: int = 64 * MIB
    work_bytes: int = 64 * MIB
    """Room in the work folder beside what was copied in."""
    temp_bytes: int = 16 * MIB
    copied_in_bytes: int = 320 * MIB
    copied_files: int = 2_000
    copied_out_bytes: int = 64 * MIB
    """All of the work folder as an archive, beside what was copied in."""
    folder_quota: Quota = field(default_factory=Quota)
    """What the task folder may hold once the program's files are in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxJob:
    """One program to run."""

    language: Language
    code: str
    stdin: str = ""
    folder: Path | None = None
    """The task folder: its files are copied in, made and changed ones copied out; None for none."""
    limits: SandboxLimits = field(default_factory=SandboxLimits)


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxResult:
    """What came of a program."""

    stdout: str
    stderr: str
    exit_code: int
    """As a shell says it: 128 + n when a signal ended the program."""
    timed_out: bool = False
    killed_reason: KilledReason | None = None
    """None when the program ended by itself."""
    duration_s: float = 0.0
    output_truncated: bool = False
    files: tuple[str, ...] = ()
    """Paths, relative to the task folder, of files the program made or changed there."""
    notes: tuple[str, ...] = ()
    """What could not be copied out and why, one sentence each."""
    folder_full: str = ""
    """Why files the program made did not fit into the task folder; empty when all did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """Whether a driver works on this machine and holds."""

    usable: bool
    languages: frozenset[Language] = frozenset()
    """Those whose interpreter starts inside."""
    reason: str = ""
    """Why it is not usable, in one sentence; empty when it is."""
    fix: str = ""
    """What the operator can do about it."""
    remarks: tuple[str, ...] = ()
    """What the operator should know although it is usable."""


class Driver(Protocol):
    """Runs programs behind one kind of boundary."""

    @property
    def name(self) -> str:
        """What the operator calls it."""
        ...

    @property
    def languages(self) -> frozenset[Language]:
        """Languages whose interpreter was found; the probe tells which of them start."""
        ...

    @property
    def needs(self) -> str:
        """What the operator must see to where programs do not start."""
        ...

    async def probe(self) -> ProbeResult:
        """Run real programs that try to get out, and say whether the boundary held."""
        ...

    async def run(self, job: SandboxJob) -> SandboxResult:
        """Run a program to its end; cancellation leaves nothing of it behind.

        Raises SandboxError when the sandbox itself could not be set up; then nothing has run.
        """
        ...
