"""Tier 1: bubblewrap with namespaces, a system call filter, limits and capped file systems.

The settings are those that held in the escape battery (``tests/sandbox``); each is there because
something got out without it. A host folder is never mounted writable.
"""

import asyncio
import functools
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Final

from typing_extensions import override

from agent_engine.tools.quota import MIB
from agent_engine.tools.sandbox import seccomp
from agent_engine.tools.sandbox.cgroups import Group
from agent_engine.tools.sandbox.copying import (
    PACK,
    UNPACKED,
    CopiedIn,
    CopiedOut,
    archive_members,
    copy_out,
    read_folder,
    write_archive,
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
from agent_engine.tools.sandbox.memory_files import (
    empty_memory_file,
    memory_file,
    written_memory_file,
)
from agent_engine.tools.sandbox.probes import probe_driver
from agent_engine.tools.sandbox.process import Bounds, Command, Finished, run_bounded, wait_through
from agent_engine.tools.sandbox.results import result_of
from agent_engine.tools.sandbox.setup import Setup

WORK: Final = "/work"
_CODE: Final = "/code"
_ENVIRONMENT: Final = "/packages/python"
_PYTHON: Final = f"{_ENVIRONMENT}/bin/python3"
_CAPPED: Final = (WORK, "/tmp", "/dev/shm")  # noqa: S108  inside
_MAX_FILES: Final = 50_000
_HEADERS_BYTES: Final = 8 * MIB
"""Room for what an archive adds to its files."""
_READY: Final = b"\n"

# Runs inside, as the parent of the program: limits, files in, program, files out. The program gets
# neither of the archives' descriptors, and everything it left running is killed before the copy.
_KEEPER: Final = """\
exec {err}>&2 2>/dev/null
in=$1 out=$2 ready=$3 cpu=$4 data=$5 procs=$6 open=$7 file=$8; shift 8
ulimit -c 0 -t "$cpu" -d "$data" -u "$procs" -n "$open" || exit 125
# The first process lies open to the program (/proc/1/mem), so it gets the same limits.
prlimit --pid 1 --core=0 --cpu="$cpu" --data="$((data * 1024))" --nproc="$procs" \\
  --nofile="$open" --fsize="$((file * 1024))" || exit 125
if [ "$in" != - ]; then
  tar -xf - --no-same-owner <&"$in" || exit 125
  exec {in}<&-
fi
UNPACKED
printf '\\n' >&"$ready" || exit 125
exec {ready}>&-
(
  [ "$out" = - ] || exec {out}>&-
  ulimit -f "$file" || exit 125
  exec "$@" 2>&"$err" {err}>&-
)
code=$?
[ "$$" -lt 10 ] && kill -KILL -1
if [ "$out" != - ]; then
  shopt -s nullglob dotglob
  made=(*)
  [ "${#made[@]}" -eq 0 ] || {
PACK
  } >&"$out"
fi
exit "$code"
""".replace("UNPACKED", UNPACKED).replace("PACK", PACK)


class Bubblewrap(Driver):
    """Runs programs under bubblewrap."""

    name: Final = "bubblewrap"
    needs: Final = "allow it user namespaces and, in a container, an unmasked /proc"

    def __init__(self, setup: Setup | None = None) -> None:
        self._setup = setup or Setup()

    @functools.cached_property
    @override
    def languages(self) -> frozenset[Language]:
        return found_languages(self._setup.python)

    @override
    async def probe(self) -> ProbeResult:
        if shutil.which("bwrap", path=SEARCH_PATH) is None:
            return ProbeResult(
                usable=False,
                reason="bubblewrap is not installed",
                fix="install it (apt install bubblewrap)",
            )
        try:
            await asyncio.to_thread(seccomp.filter_program)
        except (ImportError, OSError, RuntimeError):
            return ProbeResult(
                usable=False,
                reason="libseccomp cannot be loaded",
                fix="install it (apt install libseccomp2)",
            )
        return await probe_driver(self, self._setup)

    @override
    async def run(self, job: SandboxJob) -> SandboxResult:
        with ExitStack() as stack:
            given = _Given(stack)
            loop = asyncio.get_running_loop()
            await wait_through(loop.run_in_executor(None, given.take, job))
            rules = await asyncio.to_thread(seccomp.filter_program)
            box = _Box(job, self._setup, given, stack, rules)
            group = stack.enter_context(self._setup.group(job.limits, given.what.size))
            finished = await run_bounded(box.command(), _bounds(job.limits, group))
            if not box.was_ready():
                raise SandboxError(_setup_sentence(finished))
            copied = await asyncio.to_thread(_copy_out, job, box, finished)
        return result_of(job, finished, copied)


class _Given:
    """A task folder's files, as an archive in memory, and what they were."""

    def __init__(self, stack: ExitStack) -> None:
        self.archive: int | None = None
        """A descriptor, open until the stack ends; None where there are no files."""
        self.what = CopiedIn()
        self._stack = stack

    def take(self, job: SandboxJob) -> None:
        """Take in the files; blocks."""
        self.archive = written_memory_file("files", functools.partial(self._write, job))
        self._stack.callback(os.close, self.archive)
        if not self.what.digests:
            self.archive = None

    def _write(self, job: SandboxJob, sink: BinaryIO) -> None:
        self.what = write_archive(read_folder(job.folder, job.limits), sink)


class _Box:
    """One sandbox: its descriptors and its command line."""

    def __init__(
        self, job: SandboxJob, setup: Setup, given: _Given, stack: ExitStack, rules: bytes
    ) -> None:
        self.given = given.what
        self.room = job.limits.copied_out_bytes + given.what.size + _HEADERS_BYTES
        self._job = job
        self._setup = setup
        self._stack = stack
        self._fds: list[int] = []
        self._ready_fd, ready = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        stack.callback(os.close, self._ready_fd)
        self._ready = self._keep(ready)
        self._rules = self._memory("rules", rules)
        self._archive_in = given.archive
        keeps = job.folder is not None
        self.archive_out = self._keep(empty_memory_file("made", self.room)) if keeps else None

    def command(self) -> Command:
        """Return what to start."""
        python = _PYTHON if self._setup.python is not None else None
        start = start_of(self._job.language, self._job.code, python)
        offered = _offered(self._setup)
        argv = ("bwrap", *_ISOLATION, *_system_folders(), *offered, *self._mounts(start), "--")
        return Command(
            argv=(*argv, *self._keeper(start)),
            env={"PATH": SEARCH_PATH},
            stdin=self._job.stdin.encode(errors="replace"),
            pass_fds=(*self._fds, *([] if self._archive_in is None else [self._archive_in])),
        )

    def was_ready(self) -> bool:
        """Whether the sandbox got as far as starting the program."""
        try:
            return os.read(self._ready_fd, 1) == _READY
        except BlockingIOError:
            return False

    def _mounts(self, start: Start) -> Iterator[str]:
        limits = self._job.limits
        work_bytes = limits.work_bytes + self.given.size
        yield from ("--dir", _CODE)
        for source in start.sources:
            fd = self._memory(source.name, source.text.encode(errors="replace"))
            yield from ("--ro-bind-data", str(fd), f"{_CODE}/{source.name}")
        for folder in _CAPPED:
            size = work_bytes if folder == WORK else limits.temp_bytes
            yield from ("--size", str(size), "--tmpfs", folder)
        # After every mount below them, so that neither is an uncapped place to write to.
        yield from ("--remount-ro", "/dev", "--remount-ro", "/", "--chdir", WORK)
        yield from ("--seccomp", str(self._rules))

    def _keeper(self, start: Start) -> tuple[str, ...]:
        limits = self._job.limits
        numbers = (
            self._archive_in,
            self.archive_out,
            self._ready,
            limits.cpu_s,
            limits.memory // 1024,
            limits.processes,
            limits.open_files,
            limits.file_bytes // 1024,
        )
        words = ("-" if number is None else str(number) for number in numbers)
        return ("/bin/bash", "--norc", "-c", _KEEPER, "keeper", *words, *start.argv(_CODE))

    def _memory(self, name: str, data: bytes) -> int:
        return self._keep(memory_file(name, data))

    def _keep(self, fd: int) -> int:
        self._fds.append(fd)
        self._stack.callback(os.close, fd)
        return fd


_ISOLATION: Final = (
    *("--unshare-all", "--unshare-user", "--disable-userns"),
    *("--die-with-parent", "--new-session", "--hostname", "sandbox"),
    *("--clearenv", "--setenv", "PATH", SEARCH_PATH, "--setenv", "HOME", WORK),
    *("--setenv", "LANG", "C.UTF-8", "--setenv", "PYTHONPATH", WORK),
)


def _offered(setup: Setup) -> Iterator[str]:
    """Mount prepared packages where no program can write above them."""
    if setup.python_environment is not None:
        yield from ("--ro-bind", str(setup.python_environment), _ENVIRONMENT)
        yield from ("--setenv", "PATH", f"{_ENVIRONMENT}/bin:{SEARCH_PATH}")
        if home := setup.python_home():
            yield from ("--ro-bind", str(home), str(home))
    if setup.node_modules is not None:
        # Found from the program's folder and from its work folder, which are both below "/".
        yield from ("--ro-bind", str(setup.node_modules), "/node_modules")


@functools.cache
def _system_folders() -> tuple[str, ...]:
    """Return the mounts every program sees: the system, read-only, and nothing of /etc or home."""
    words = ["--ro-bind", "/usr", "/usr"]
    for name in ("bin", "sbin", "lib", "lib32", "lib64"):
        folder = Path("/") / name
        if folder.is_symlink():
            words += ["--symlink", str(folder.readlink()), str(folder)]
        elif folder.is_dir():
            words += ["--ro-bind", str(folder), str(folder)]
    for file in ("/etc/alternatives", "/etc/ld.so.cache"):
        words += ["--ro-bind-try", file, file]
    return (*words, "--proc", "/proc", "--dev", "/dev")


def _bounds(limits: SandboxLimits, group: Group | None) -> Bounds:
    # Two of ours stand between: bubblewrap's own first process, and the keeper.
    return Bounds(
        timeout_s=limits.timeout_s,
        stream_bytes=limits.stream_bytes,
        tree_bytes=limits.memory + 32 * MIB,
        tree_processes=limits.processes + 4,
        watch=_too_many_files,
        group=group,
    )


def _too_many_files(pids: Sequence[int]) -> KilledReason | None:
    """Count files, through any process inside: empty ones fill no capped folder, only memory."""
    for pid in reversed(pids):
        root = f"/proc/{pid}/root"
        try:
            if Path(root).stat().st_dev == Path("/").stat().st_dev:
                continue  # it has not gone inside yet
            counts = [os.statvfs(root + folder) for folder in _CAPPED]
        except OSError:
            continue  # it has ended, or is on its way in
        used = sum(count.f_files - count.f_ffree for count in counts)
        return KilledReason.DISK if used > _MAX_FILES else None
    return None


def _copy_out(job: SandboxJob, box: _Box, finished: Finished) -> CopiedOut:
    if job.folder is None or box.archive_out is None:
        return CopiedOut()
    if finished.killed_reason is not None:
        return CopiedOut(notes=["the program was stopped, so files it made are not kept"])
    members = archive_members(box.archive_out, box.room)
    return copy_out(members, job.folder, box.given, job.limits)


def _setup_sentence(finished: Finished) -> str:
    said = finished.stderr.decode(errors="replace").strip().splitlines()
    why = said[-1][:200] if said else f"exit code {finished.returncode}"
    return f"the sandbox could not be set up: {why}"
