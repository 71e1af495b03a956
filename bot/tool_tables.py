"""The tables of ``treadle.toml`` that say where code runs, how much a task may keep, and how long.

They only say what may be written there; ``equipment`` makes the engine's values of them.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ContainerTable(_Table):
    """The container in which programs run when the sandbox is one."""

    engine: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """The command, ``docker`` or ``podman`` or a path; None for the first that is installed."""
    image: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_./:@-]*$", max_length=300)] = (
        "python:3.12-slim"
    )
    """Has to be on the machine already: nothing is ever pulled."""
    runtime: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$", max_length=64)] | None = None
    """``runsc`` is gVisor; None for it where it is registered, else the engine's usual one."""


class CodeExecutionTable(_Table):
    """What the tool that runs code may do."""

    languages: tuple[Literal["python", "javascript", "bash"], ...] = (
        "python",
        "javascript",
        "bash",
    )
    sandbox: Literal["bubblewrap", "sandlock", "container"] | None = None
    """None for the first that works on this machine."""
    python_environment: Path | None = None
    """A virtual environment whose packages python programs may import."""
    node_modules: Path | None = None
    """A folder of that name whose packages javascript programs may load."""
    cgroup: Path | None = None
    """The control group below which programs get one each; None for one that systemd delegated."""
    container: ContainerTable = ContainerTable()

    @field_validator("python_environment", "node_modules", "cgroup")
    @classmethod
    def _is_absolute(cls, path: Path | None) -> Path | None:
        if path is not None and not path.is_absolute():
            raise ValueError("give the whole path, starting with a slash")
        return path


class TaskFolderTable(_Table):
    """How much one task may keep in files, beside what people attach."""

    mib: Annotated[int, Field(ge=1, le=1_024)] = 128
    files: Annotated[int, Field(ge=1, le=20_000)] = 2_000


class RetentionTable(_Table):
    """How many days what is stored is kept; 0 for ever."""

    task_folders_days: Annotated[int, Field(ge=0, le=36_500)] = 30
    """After a task used its files for the last time. Tasks that are not over keep theirs."""
