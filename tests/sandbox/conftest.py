"""Every test of the battery is held on every driver that works on this machine."""

import asyncio
import functools
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from agent_engine.tools.sandbox import engine
from agent_engine.tools.sandbox.cgroups import Delegated, delegated
from agent_engine.tools.sandbox.choose import drivers_with
from agent_engine.tools.sandbox.driver import (
    Driver,
    Language,
    ProbeResult,
    SandboxJob,
    SandboxLimits,
)
from agent_engine.tools.sandbox.process import unprivileged_id
from agent_engine.tools.sandbox.setup import ContainerSettings, Setup
from tests.sandbox.image import IMAGE

SETUP = Setup(container=ContainerSettings(image=IMAGE))
DRIVERS = drivers_with(SETUP)


@functools.cache
def working_drivers() -> tuple[str, ...]:
    return tuple(name for name, found in probed().items() if found.usable)


@functools.cache
def probed() -> dict[str, ProbeResult]:
    with pytest.MonkeyPatch.context() as patch:
        # A test machine is often a container; the engine in it is the tests' own.
        patch.setattr(engine, "_IN_A_CONTAINER", ())
        return {name: asyncio.run(DRIVERS[name]().probe()) for name in DRIVERS}


@functools.cache
def delegated_folder() -> Path | None:
    """Return the control group below which tests may make others; None where there is none."""
    lines = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    own = [Path(f"/sys/fs/cgroup/memory{path}") for _, name, path in lines if name == "memory"]
    found = own[0] if own else getattr(delegated(None), "folder", None)
    return found if found is not None and not Delegated(found).problem() else None


def pytest_terminal_summary(terminalreporter) -> None:
    """Say aloud on which drivers the battery was not held, for that is no success."""
    if delegated_folder.cache_info().currsize and delegated_folder() is None:
        terminalreporter.write_line("Not held in a control group: none can be made here.")
    if not probed.cache_info().currsize:
        return
    for name, found in probed().items():
        if not found.usable:
            terminalreporter.write_line(f"Not held on {name}: {found.reason}.")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "only_driver(name): says what only this driver promises")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "control_group" in metafunc.fixturenames:
        found = [] if delegated_folder() is None else [delegated_folder()]
        metafunc.parametrize("control_group", found, indirect=True, ids=str)
    if "driver" not in metafunc.fixturenames:
        return
    only = metafunc.definition.get_closest_marker("only_driver")
    names = [name for name in working_drivers() if only is None or name in only.args]
    metafunc.parametrize("driver", names, indirect=True)


@pytest.fixture
def driver(request, monkeypatch) -> Driver:
    monkeypatch.setattr(engine, "_IN_A_CONTAINER", ())
    return DRIVERS[request.param]()


@pytest.fixture
def run(driver, tmp_path):
    """Run a program and return what came of it; ``folder`` is the task folder."""
    folder = tmp_path / "folder"
    folder.mkdir()

    async def act(code: str, language: Language = Language.PYTHON, **limits):
        job = SandboxJob(
            language=language,
            code=code,
            folder=folder,
            limits=SandboxLimits(**{"timeout_s": 15.0, **limits}),
        )
        async with asyncio.timeout(30):
            return await driver.run(job)

    act.folder = folder
    return act


@pytest.fixture
def control_group(request) -> Iterator[Path]:
    folder = request.param / f"treadle-tests-{uuid4().hex}"
    folder.mkdir()
    yield folder
    folder.rmdir()


@dataclass(frozen=True)
class World:
    """What there is outside to be read, written, reached and killed."""

    secret: str
    folder: Path
    pid: int
    port: int
    abstract_name: str
    tcp: socket.socket
    udp: socket.socket
    abstract: socket.socket
    path: socket.socket


@pytest.fixture
def world(tmp_path_factory) -> Iterator[World]:
    """Lay out the bait where the permissions alone would let a program have it."""
    folder = tmp_path_factory.mktemp("bait")
    for open_to_all in (folder, *list(folder.parents)[:2]):
        if open_to_all.owner() == folder.owner() and open_to_all != Path(tempfile.gettempdir()):
            open_to_all.chmod(0o777)
    secret = uuid4().hex
    (folder / "secret").write_text(secret)
    name = f"treadle-{uuid4().hex}"
    process = subprocess.Popen(
        ["/bin/cat"],
        stdin=subprocess.PIPE,
        env={"SECRET": secret},
        cwd=folder,
        user=unprivileged_id(),
    )
    sockets = [
        bound(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
        bound(socket.AF_UNIX, socket.SOCK_STREAM, f"\0{name}"),
        bound(socket.AF_UNIX, socket.SOCK_STREAM, str(folder / "socket")),
    ]
    port = sockets[0].getsockname()[1]
    sockets.append(bound(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", port)))
    (folder / "socket").chmod(0o777)
    tcp, abstract, path, udp = sockets
    try:
        yield World(secret, folder, process.pid, port, name, tcp, udp, abstract, path)
    finally:
        process.communicate()
        for one in sockets:
            one.close()


def bound(family: int, kind: int, address) -> socket.socket:
    made = socket.socket(family, kind)
    made.bind(address)
    if kind == socket.SOCK_STREAM:
        made.listen()
    made.settimeout(0)
    return made
