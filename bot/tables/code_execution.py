"""``[tools.code_execution]``: where code runs, and with what."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from bot.tables.table import Table, like


def _whole(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("give the whole path, starting with a slash")
    return path


WholePath = Annotated[Path, AfterValidator(_whole)]
Image = Annotated[
    str, like(r"[A-Za-z0-9][A-Za-z0-9_./:@-]{0,299}", "give an image, such as python:3.12-slim")
]
Runtime = Annotated[str, like(r"[A-Za-z0-9_.-]{1,64}", "give the name of a runtime, such as runsc")]


class ContainerTable(Table):
    """The container in which programs run when the sandbox is one."""

    engine: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """The command, ``docker`` or ``podman`` or a path; None for the first that is installed."""
    image: Image = "python:3.12-slim"
    """Has to be on the machine already: nothing is ever pulled."""
    runtime: Runtime | None = None
    """``runsc`` is gVisor; None for it where it is registered, else the engine's usual one."""


class CodeExecutionTable(Table):
    """What the tool that runs code may do."""

    languages: tuple[Literal["python", "javascript", "bash"], ...] = (
        "python",
        "javascript",
        "bash",
    )
    sandbox: Literal["bubblewrap", "sandlock", "container"] | None = None
    """None for the first that works on this machine."""
    python_environment: WholePath | None = None
    """A virtual environment whose packages python programs may import."""
    node_modules: WholePath | None = None
    """A folder of that name whose packages javascript programs may load."""
    cgroup: WholePath | None = None
    """The control group below which programs get one each; None for one that systemd delegated."""
    container: ContainerTable = ContainerTable()
