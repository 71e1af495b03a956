"""Tier for servers that have one: a container per program, made by docker or podman.

Everything goes in by standard input and comes out by the standard streams, so no folder of the
host is mounted.
"""

import asyncio
import os
import re
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final

from typing_extensions import override

from agent_engine.tools.quota import MIB
from agent_engine.tools.sandbox import seccomp
from agent_engine.tools.sandbox.copying import (
    PACK,
    UNPACKED,
    CopiedIn,
    CopiedOut,
    File,
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
    SandboxResult,
)
from agent_engine.tools.sandbox.engine import LABEL, Engine, NotUsableError, environment
from agent_engine.tools.sandbox.failures import SandboxError
from agent_engine.tools.sandbox.interpreters import start_of
from agent_engine.tools.sandbox.memory_files import memory_file, written_memory_file
from agent_engine.tools.sandbox.probes import probe_driver
from agent_engine.tools.sandbox.process import (
    Bounds,
    Command,
    Finished,
    Tail,
    run_bounded,
    wait_through,
)
from agent_engine.tools.sandbox.results import result_of
from agent_engine.tools.sandbox.setup import Setup

_NOBODY: Final = "65534:65534"
_START_S: Final = 30.0
_HEADERS_BYTES: Final = 8 * MIB
_CODE_BYTES: Final = MIB
_MARKS_BYTES: Final = 16 * 1024
"""Room on each stream for the keeper's marks and an engine's warnings."""
_LAST_LINE: Final = re.compile(rb"\nE\w+ ([0-9]{1,3}) ([-TM])\n")
_REASONS: Final = {b"T": KilledReason.TIMEOUT, b"M": KilledReason.MEMORY}
_PROXIES: Final = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")

# The first process inside. It reads a line of its own, then the files, and leaves the rest of the
# input to the program; both streams begin with a mark, and what follows the second one on the
# output is how it ended and what it made.
_KEEPER: Final = """\
root=$1 seconds=$2 cpu=$3 data=$4 open=$5 file=$6 room=$7 main=$8; shift 8
read -r mark size || exit 125
ulimit -c 0 -t "$cpu" -d "$data" -n "$open" || exit 125
head -c "$size" | tar -xf - -C "${root:-/}" --no-same-owner || exit 125
UNPACKED
chmod -R a-w "$root/code"
cd "$root/work" || exit 125
printf 'R%s\\n' "$mark"
printf 'R%s\\n' "$mark" >&2
exec {err}>&2 2>/dev/null
SECONDS=0
(ulimit -f "$file"; exec timeout -s KILL "$seconds" "$@" "$root/code/$main" 2>&"$err" {err}>&-)
code=$? spent=$SECONDS
[ "$$" = 1 ] && kill -KILL -1
why=-
if [ "$code" = 137 ]; then
  [ "$((spent + 1))" -ge "${seconds%.*}" ] && why=T
  grep -qs 'oom_kill [1-9]' /sys/fs/cgroup/{memory.events,memory/memory.oom_control} && why=M
fi
printf '\\nE%s %s %s\\n' "$mark" "$code" "$why"
[ "$room" = 0 ] || {
PACK
} | head -c "$room"
exit "$code"
""".replace("UNPACKED", UNPACKED).replace("PACK", PACK)


class Container(Driver):
    """Runs each program in a container of its own."""

    name: Final = "container"
    needs: Final = "use an image that has bash, GNU tar, coreutils and the interpreters"
    languages: Final = frozenset(Language)

    def __init__(self, setup: Setup | None = None) -> None:
        self._setup = setup or Setup()
        self._engine = Engine(self._setup.container)

    @override
    async def probe(self) -> ProbeResult:
        try:
            remarks = [await self._engine.look()]
        except NotUsableError as error:
            return ProbeResult(usable=False, reason=error.message, fix=error.fix)
        if self._setup.python_environment or self._setup.node_modules:
            image = self._setup.container.image
            remarks.append(f"prepared packages are not used: they belong into {image}")
        found = await probe_driver(self)
        return replace(found, remarks=(*found.remarks, *remarks))

    @override
    async def run(self, job: SandboxJob) -> SandboxResult:
        with ExitStack() as stack:
            parcel = _Parcel(job, stack)
            loop = asyncio.get_running_loop()
            await wait_through(loop.run_in_executor(None, parcel.pack))
            parts = await self._made(job, parcel)
        copied = await asyncio.to_thread(_copy_out, job, parcel, parts)
        return result_of(job, parts.finished, copied)

    async def _made(self, job: SandboxJob, parcel: "_Parcel") -> "_Parts":
        """Make a container, run the program in it, and remove it whatever happens."""
        name = f"treadle-{secrets.token_hex(8)}"
        try:
            command = self._command(name, job, parcel, await self._engine.words())
            finished = await run_bounded(command, _bounds(job, parcel))
            parts = _split(finished, parcel.mark, job.limits.stream_bytes)
            if parts is None:
                raise SandboxError(_setup_sentence(finished))
            if parts.is_unexplained and await self._engine.ran_out_of_memory(name):
                finished = replace(parts.finished, killed_reason=KilledReason.MEMORY)
                return replace(parts, finished=finished)
            return parts
        finally:
            removing = asyncio.get_running_loop().run_in_executor(None, self._engine.remove, name)
            await wait_through(removing)

    def _command(
        self, name: str, job: SandboxJob, parcel: "_Parcel", engine_words: tuple[str, ...]
    ) -> Command:
        limits = job.limits
        start = start_of(job.language, job.code)
        words = (
            "",
            f"{limits.timeout_s:g}",
            limits.cpu_s,
            limits.memory // 1024,
            limits.open_files,
            limits.file_bytes // 1024,
            0 if job.folder is None else _room(job, parcel),
            start.main,
            Path(start.binary).name,
            *start.flags,
        )
        keeper = ("/bin/bash", "-c", _KEEPER, "keeper", *(str(word) for word in words))
        box = ("run", "--name", name, *_ISOLATION, *self._sizes(job, parcel), *engine_words)
        held = ("--security-opt", f"seccomp={parcel.profile}", self._setup.container.image)
        return Command(
            argv=(self._engine.path, *box, *held, *_WITHOUT_PROXIES, *keeper),
            env=environment(),
            cwd=parcel.place,
            stdin=parcel.stdin,
            drop_root=False,  # the engine's socket is the bot's to use; the program never sees it
        )

    def _sizes(self, job: SandboxJob, parcel: "_Parcel") -> tuple[str, ...]:
        limits = job.limits
        work = limits.work_bytes + parcel.given.size
        # Files in memory count as memory of the container.
        memory = limits.memory + work + _CODE_BYTES + 2 * limits.temp_bytes
        return (
            *("--memory", str(memory), "--memory-swap", str(memory)),
            *("--pids-limit", str(limits.processes + 8), "--cpus", "1"),
            *("--tmpfs", f"/work:rw,exec,nosuid,nodev,size={work},mode=1777"),
            *("--tmpfs", f"/code:rw,nosuid,nodev,size={_CODE_BYTES},mode=1777"),
            *("--tmpfs", f"/tmp:rw,nosuid,nodev,size={limits.temp_bytes},mode=1777"),  # noqa: S108  inside
            *("--shm-size", str(limits.temp_bytes)),
        )


_KILLED: Final = 137
_ISOLATION: Final = (
    *("--interactive", "--pull", "never", "--label", LABEL, "--log-driver", "none"),
    *("--network", "none", "--read-only", "--cap-drop", "ALL"),
    *("--security-opt", "no-new-privileges", "--user", _NOBODY, "--hostname", "sandbox"),
    *("--env", "HOME=/work", "--env", "LANG=C.UTF-8", "--env", "PYTHONPATH=/work"),
    # The first process heeds no other signal, and podman waits ten seconds before it sends this.
    *("--stop-signal", "KILL", "--entrypoint", "/usr/bin/env"),
)
# An operator's settings of docker or podman may add proxies, and with them their passwords.
_WITHOUT_PROXIES: Final = tuple(
    word for name in _PROXIES for word in ("-u", name, "-u", name.upper())
)


# -- in and out ----------------------------------------------------------------------------------


class _Parcel:
    """What goes in, on standard input: a line for the keeper, an archive, the program's input."""

    def __init__(self, job: SandboxJob, stack: ExitStack) -> None:
        # Random, so that no program says it by chance; one that finds it out only fools itself.
        self.mark = secrets.token_hex(16)
        self.given = CopiedIn()
        self.stdin = -1
        """A descriptor, open until the stack ends."""
        # Podman leaves a file where it is called when memory runs out.
        self.place = stack.enter_context(tempfile.TemporaryDirectory(prefix="treadle-container-"))
        self.profile = Path(self.place, "seccomp.json")
        self._job = job
        self._stack = stack

    def pack(self) -> None:
        """Take in the program, the task's files and what the engine reads; blocks."""
        self.profile.write_text(seccomp.profile())
        self.stdin = written_memory_file("parcel", self._write)
        self._stack.callback(os.close, self.stdin)

    def _write(self, sink: BinaryIO) -> None:
        head = len(self._head(0))
        sink.seek(head)
        write_archive(self._files(), sink)
        size = sink.tell() - head
        sink.write(self._job.stdin.encode(errors="replace"))
        sink.seek(0)
        sink.write(self._head(size))

    def _head(self, size: int) -> bytes:
        return f"{self.mark} {size:020d}\n".encode()

    def _files(self) -> Iterator[File]:
        for source in start_of(self._job.language, self._job.code).sources:
            yield File(("code", source.name), source.text.encode(errors="replace"))
        for file in read_folder(self._job.folder, self._job.limits):
            self.given.note(file)
            yield file._replace(names=("work", *file.names))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """What came out."""

    finished: Finished
    """The program, as if nothing stood around it."""
    archive: memoryview

    @property
    def is_unexplained(self) -> bool:
        """Whether something outside killed the program, and it was none of ours."""
        return self.finished.returncode == _KILLED and self.finished.killed_reason is None


def _room(job: SandboxJob, parcel: _Parcel) -> int:
    """Return how many bytes the archive of what the program made may have."""
    return job.limits.copied_out_bytes + parcel.given.size + _HEADERS_BYTES


def _bounds(job: SandboxJob, parcel: _Parcel) -> Bounds:
    limits = job.limits
    # Beyond the program's own time, which is kept inside: a container takes a while to start.
    return Bounds(
        timeout_s=limits.timeout_s + _START_S,
        stream_bytes=limits.stream_bytes + _MARKS_BYTES,
        tail=Tail(_end(parcel.mark), _room(job, parcel) + _MARKS_BYTES),
    )


def _end(mark: str) -> bytes:
    return f"\nE{mark} ".encode()


def _split(finished: Finished, mark: str, stream_bytes: int) -> _Parts | None:
    """Take the streams apart; None when the program was never started."""
    output, ready = finished.stdout, f"R{mark}\n".encode()
    if ready not in output:
        return None
    begun = output.index(ready) + len(ready)
    ended = output.find(_end(mark), begun)
    stdout = output[begun : None if ended < 0 else ended]
    _, _, stderr = finished.stderr.partition(ready)
    over = max(len(stdout), len(stderr)) > stream_bytes
    code = finished.returncode if finished.returncode >= 0 else _KILLED
    archive_at, reason = len(output), finished.killed_reason
    if ended >= 0 and (line := _LAST_LINE.match(output, ended)):
        archive_at, code = line.end(), int(line[1])
        reason = reason or _REASONS.get(line[2])
    return _Parts(
        finished=replace(
            finished,
            stdout=stdout,
            stderr=stderr,
            returncode=code,
            killed_reason=reason or (KilledReason.OUTPUT if over else None),
            truncated=over,
        ),
        archive=memoryview(output)[archive_at:],
    )


def _copy_out(job: SandboxJob, parcel: _Parcel, parts: _Parts) -> CopiedOut:
    if job.folder is None:
        return CopiedOut()
    if parts.finished.killed_reason is not None:
        return CopiedOut(notes=["the program was stopped, so files it made are not kept"])
    archive = memory_file("made", parts.archive)
    try:
        members = archive_members(archive, len(parts.archive))
        return copy_out(members, job.folder, parcel.given, job.limits)
    finally:
        os.close(archive)


def _setup_sentence(finished: Finished) -> str:
    lines = finished.stderr.decode(errors="replace").strip().splitlines()
    said = [line for line in lines if line.strip() and not line.startswith("Run 'docker ")]
    why = said[-1][:200] if said else f"exit code {finished.returncode}"
    return f"the container could not be set up: {why}"
