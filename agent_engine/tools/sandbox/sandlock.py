"""Tier 2a: sandlock (Landlock and a system call filter), where user namespaces are refused.

The work folder is a temporary folder of the host, since there is no mount to cap: its size is
watched. ``/proc`` is not readable inside, because it is shared with the bot.
"""

import asyncio
import contextlib
import functools
import importlib.util
import json
import logging
import os
import stat
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from typing_extensions import override

from agent_engine.tools.quota import MIB
from agent_engine.tools.sandbox.cgroups import Group
from agent_engine.tools.sandbox.copying import (
    CopiedIn,
    CopiedOut,
    copy_out,
    folder_members,
    read_folder,
)
from agent_engine.tools.sandbox.driver import (
    Driver,
    KilledReason,
    Language,
    ProbeResult,
    SandboxJob,
    SandboxLimits,
    SandboxResult,
)
from agent_engine.tools.sandbox.failures import SandboxError
from agent_engine.tools.sandbox.interpreters import (
    SEARCH_PATH,
    Start,
    found_languages,
    start_of,
)
from agent_engine.tools.sandbox.probes import probe_driver
from agent_engine.tools.sandbox.process import (
    Bounds,
    Command,
    Finished,
    run_bounded,
    unprivileged_id,
    wait_through,
)
from agent_engine.tools.sandbox.results import result_of
from agent_engine.tools.sandbox.setup import Setup
from agent_engine.tools.sandbox.waiting import WaitingProcess

logger = logging.getLogger(__name__)

_CHILD: Final = Path(__file__).with_name("sandlock_child.py")
_READABLE: Final = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64"),
    *("/etc/alternatives", "/etc/ld.so.cache", "/dev/null", "/dev/zero", "/dev/urandom"),
)
_MAX_LOOKED_AT: Final = 20_000
_MAX_DEPTH: Final = 100
_SLACK_BYTES: Final = 512 * MIB
_PREFIX: Final = "treadle-run-"
_STALE_S: Final = 3600.0
_CLEAN_UP_S: Final = 20.0


class Sandlock(Driver):
    """Runs programs under sandlock, each in a process of its own."""

    name: Final = "sandlock"
    needs: Final = "run a kernel of 6.12 or newer and, in a container, add CAP_SYS_PTRACE"

    def __init__(self, setup: Setup | None = None) -> None:
        self._setup = setup or Setup()
        self._spare: WaitingProcess | None = None
        self._dismissal: weakref.finalize[[], Sandlock] | None = None

    @functools.cached_property
    @override
    def languages(self) -> frozenset[Language]:
        return found_languages(self._setup.python)

    @override
    async def probe(self) -> ProbeResult:
        if importlib.util.find_spec("sandlock") is None:
            return ProbeResult(
                usable=False,
                reason="sandlock is not installed",
                fix="install it (pip install sandlock)",
            )
        await asyncio.to_thread(_remove_stale)
        return await probe_driver(self, self._setup)

    @override
    async def run(self, job: SandboxJob) -> SandboxResult:
        python = self._setup.python
        start = start_of(job.language, job.code, str(python) if python else None)
        async with _work_place(job, start, self._setup) as place:
            child = self._taken()
            read_end, ready = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
            command = Command(
                argv=("sandlock",),
                stdin=job.stdin.encode(errors="replace"),
                pass_fds=(ready,),
                told=(child, _message(job, start, place, self._setup)),
            )
            try:
                with self._setup.group(job.limits, 0) as group:
                    finished = await run_bounded(command, _bounds(job, place, group))
                if not _was_ready(read_end):
                    raise SandboxError(_setup_sentence(finished))
            finally:
                os.close(read_end)
                os.close(ready)
                child.dismiss()
            self._prepare()
            copied = await asyncio.to_thread(_copy_out, job, place, finished)
        return result_of(job, finished, copied)

    def _taken(self) -> WaitingProcess:
        """Return the process that was started ahead, or start one now."""
        spare, self._spare = self._spare, None
        if self._dismissal is not None:
            self._dismissal.detach()
        if spare is None:
            return _new_child()
        if spare.is_waiting:
            return spare
        spare.dismiss()
        return _new_child()

    def _prepare(self) -> None:
        """Start the next program's process: loading sandlock is most of what a start costs."""
        if self._spare is None:
            self._spare = _new_child()
            self._dismissal = weakref.finalize(self, self._spare.dismiss)


def _new_child() -> WaitingProcess:
    try:
        return WaitingProcess((sys.executable, "-I", "-B", str(_CHILD), _packages_folder()))
    except OSError as error:
        raise SandboxError(f"the sandbox could not be started: {error.strerror}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A temporary folder: the program in one half, its work in the other."""

    code: Path
    work: Path
    temp: Path
    given: CopiedIn


@asynccontextmanager
async def _work_place(job: SandboxJob, start: Start, setup: Setup) -> AsyncIterator[_Place]:
    base = Path(tempfile.mkdtemp(prefix=_PREFIX))
    try:
        yield await asyncio.to_thread(_laid_out, base, job, start, setup)
    finally:
        await wait_through(asyncio.get_running_loop().run_in_executor(None, _remove, base))


def _laid_out(base: Path, job: SandboxJob, start: Start, setup: Setup) -> _Place:
    place = _Place(code=base / "code", work=base / "work", temp=base / "temp", given=CopiedIn())
    for folder in (place.code, place.work, place.temp):
        folder.mkdir(mode=0o700)
    if setup.node_modules is not None:  # found from the program's folder and from its work folder
        (base / "node_modules").symlink_to(setup.node_modules)
    for source in start.sources:
        (place.code / source.name).write_text(source.text, errors="replace")
    for file in read_folder(job.folder, job.limits):
        place.given.note(file)
        target = place.work.joinpath(*file.names)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        target.write_bytes(file.data)
        target.chmod(0o700 if file.executable else 0o600)
    _hand_over(base)
    return place


def _hand_over(base: Path) -> None:
    """Give everything to the user the program runs as."""
    user = unprivileged_id()
    if user is None:
        return
    for path in (base, *base.rglob("*")):
        os.chown(path, user, user, follow_symlinks=False)


def _remove_stale() -> None:
    """Remove what a bot that was killed in the middle of a run left behind."""
    owners = (os.geteuid(), unprivileged_id())
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        facts = path.lstat()
        is_ours = stat.S_ISDIR(facts.st_mode) and facts.st_uid in owners
        if is_ours and time.time() - facts.st_mtime > _STALE_S:
            _remove(path)


def _remove(base: Path) -> None:
    """Remove the folder whatever the program did to it: no permissions, a thousand levels."""
    for argv in (["/bin/rm", "-rf"], ["/bin/chmod", "-R", "u+rwX"], ["/bin/rm", "-rf"]):
        with contextlib.suppress(subprocess.TimeoutExpired):  # the next probe goes on with it
            subprocess.run(  # noqa: S603  our own path, no shell
                [*argv, "--", str(base)], check=False, capture_output=True, timeout=_CLEAN_UP_S
            )
        if not base.exists():
            return
    logger.warning("sandbox_folder_left")


def _message(job: SandboxJob, start: Start, place: _Place, setup: Setup) -> bytes:
    """Say what to run, to the process that will; it drops root, having loaded sandlock."""
    limits = job.limits
    offered = (setup.python_environment, setup.python_home(), setup.node_modules)
    path = f"{setup.python.parent}:{SEARCH_PATH}" if setup.python else SEARCH_PATH
    what = {
        "argv": start.argv(str(place.code)),
        "work": str(place.work),
        "readable": [
            str(place.code),
            *(str(folder) for folder in offered if folder is not None),
            *(folder for folder in _READABLE if Path(folder).exists()),
        ],
        "writable": [str(place.work), str(place.temp), "/dev/null"],
        "env": {
            "PATH": path,
            "HOME": str(place.work),
            "TMPDIR": str(place.temp),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(place.work),
            # An unreadable one ends node; nothing here needs one.
            "OPENSSL_CONF": "/dev/null",
        },
        "memory": limits.memory,
        "processes": limits.processes,
        "open_files": limits.open_files,
        "file_bytes": limits.file_bytes,
        "cpu_s": limits.cpu_s,
        "user": unprivileged_id(),
        "bot": os.getpid(),
        "base": str(place.code.parent),
    }
    return json.dumps(what).encode()


def _packages_folder() -> str:
    """Return where sandlock is installed: the child's own search path may be another."""
    spec = importlib.util.find_spec("sandlock")
    if spec is None or spec.origin is None:
        raise SandboxError("sandlock is not installed")
    return str(Path(spec.origin).parent.parent)


def _bounds(job: SandboxJob, place: _Place, group: Group | None) -> Bounds:
    limits = job.limits
    return Bounds(
        timeout_s=limits.timeout_s,
        stream_bytes=limits.stream_bytes,
        tree_bytes=limits.memory + 32 * MIB,
        tree_processes=limits.processes + 4,
        watch=_DiskWatch(place, limits).reason,
        group=group,
    )


class _DiskWatch:
    """Says when a program has filled more disk, or made more files, than it may.

    What it can see it counts. Against what a program hides (deleted files it holds open) it looks
    at what has become of the disk's free space, which others use as well, hence the slack.
    """

    def __init__(self, place: _Place, limits: SandboxLimits) -> None:
        self._place = place
        self._room = limits.work_bytes + limits.temp_bytes + place.given.size
        self._free_at_start = _free_bytes(place.work)

    def reason(self, _pids: Sequence[int]) -> KilledReason | None:
        """Return a reason to kill the program; None while there is none."""
        lost = self._free_at_start - _free_bytes(self._place.work)
        return KilledReason.DISK if lost > self._room + _SLACK_BYTES or self._too_much() else None

    def _too_much(self) -> bool:
        room, looked_at = self._room, 0
        waiting = [(self._place.work, 0), (self._place.temp, 0)]
        while waiting:
            folder, depth = waiting.pop()
            entries = _listed(folder)
            if entries is None or depth > _MAX_DEPTH:
                return True  # closed to us, or too deep to be looked at: something is hidden
            for entry in entries:
                looked_at += 1
                used = _blocks(entry)
                if used is None:
                    return True
                room -= used
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((Path(entry.path), depth + 1))
            if room < 0 or looked_at > _MAX_LOOKED_AT:
                return True
        return False


def _free_bytes(folder: Path) -> int:
    facts = os.statvfs(folder)
    return facts.f_bavail * facts.f_frsize


def _listed(folder: Path) -> list["os.DirEntry[str]"] | None:
    """List a folder; empty when it has just gone, None when it cannot be looked into."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError:
        return None


def _blocks(entry: "os.DirEntry[str]") -> int | None:
    """Return the bytes a file takes up; 0 when it has just gone, None when that cannot be seen."""
    try:
        return entry.stat(follow_symlinks=False).st_blocks * 512
    except FileNotFoundError:
        return 0
    except OSError:
        return None


def _was_ready(read_end: int) -> bool:
    try:
        return os.read(read_end, 1) == b"\n"
    except BlockingIOError:
        return False


def _copy_out(job: SandboxJob, place: _Place, finished: Finished) -> CopiedOut:
    if job.folder is None:
        return CopiedOut()
    if finished.killed_reason is not None:
        return CopiedOut(notes=["the program was stopped, so files it made are not kept"])
    return copy_out(folder_members(place.work, job.limits), job.folder, place.given, job.limits)


def _setup_sentence(finished: Finished) -> str:
    said = finished.stderr.decode(errors="replace").strip().splitlines()
    why = said[-1][:200] if said else f"exit code {finished.returncode}"
    return f"the sandbox could not be set up: {why}"
