"""Tier for servers that have one: a container per program, made by docker or podman.

Everything goes in by standard input and comes out by the standard streams, so no folder of the
host is mounted. It must never pull an image, and never use an engine that the bot reaches from
inside a container of its own: whoever holds that socket holds the host.
"""

import asyncio
import json
import logging
import os
import pwd
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from typing_extensions import override

from agent_engine.tools.quota import MIB
from agent_engine.tools.sandbox.copying import (
    CopiedIn,
    CopiedOut,
    File,
    archive_members,
    copied_in,
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
from agent_engine.tools.sandbox.failures import SandboxError
from agent_engine.tools.sandbox.interpreters import SEARCH_PATH, Start, start_of
from agent_engine.tools.sandbox.probes import probe_driver
from agent_engine.tools.sandbox.process import (
    Bounds,
    Command,
    Finished,
    memory_file,
    run_bounded,
    wait_through,
)
from agent_engine.tools.sandbox.results import result_of
from agent_engine.tools.sandbox.setup import Setup
from agent_engine.tools.shorten import one_line

logger = logging.getLogger(__name__)

ENGINES: Final = ("docker", "podman")
_LABEL: Final = "treadle.sandbox=1"
_NOBODY: Final = "65534:65534"
_GVISOR: Final = "runsc"
_ASK_S: Final = 15.0
_START_S: Final = 30.0
_REMOVE_S: Final = 20.0
_HEADERS_BYTES: Final = 8 * MIB
_IN_A_CONTAINER: Final = (Path("/.dockerenv"), Path("/run/.containerenv"))

# The first process inside. It reads a line of its own, then the files, and leaves the rest of the
# input to the program; both streams begin with a mark, and what follows the second one on the
# output is how it ended and what it made.
_KEEPER: Final = """\
root=$1 seconds=$2 cpu=$3 data=$4 open=$5 file=$6 keeps=$7 main=$8; shift 8
read -r mark size || exit 125
ulimit -c 0 -t "$cpu" -d "$data" -n "$open" || exit 125
head -c "$size" | tar -xf - -C "${root:-/}" --no-same-owner || exit 125
chmod -R a-w "$root/code"
cd "$root/work" || exit 125
printf 'R%s\\n' "$mark"
printf 'R%s\\n' "$mark" >&2
SECONDS=0
(ulimit -f "$file"; exec timeout -s KILL "$seconds" "$@" "$root/code/$main")
code=$? spent=$SECONDS
[ "$$" = 1 ] && kill -KILL -1
late=-
[ "$code" = 137 ] && [ "$((spent + 1))" -ge "${seconds%.*}" ] && late=T
printf '\\nE%s %s %s\\n' "$mark" "$code" "$late"
[ "$keeps" = - ] || tar --format=ustar --hard-dereference -cf - . 2>/dev/null
exit "$code"
"""


class Container(Driver):
    """Runs each program in a container of its own."""

    name: Final = "container"
    needs: Final = "use an image that has bash, GNU tar, coreutils and the interpreters"
    languages: Final = frozenset(Language)

    def __init__(self, setup: Setup | None = None) -> None:
        self._setup = setup or Setup()
        self._settings = self._setup.container
        self._runtime = self._settings.runtime

    @override
    async def probe(self) -> ProbeResult:
        try:
            remarks = await self._looked_at()
        except _NotUsableError as error:
            return ProbeResult(usable=False, reason=error.message, fix=error.fix)
        found = await probe_driver(self)
        return replace(found, remarks=(*found.remarks, *remarks))

    @override
    async def run(self, job: SandboxJob) -> SandboxResult:
        files = await asyncio.to_thread(_files, job)
        parcel = _Parcel.of(job, files)
        name = f"treadle-{secrets.token_hex(8)}"
        try:
            finished = await run_bounded(self._command(name, job, parcel), _bounds(job, parcel))
            parts = _split(finished, parcel.mark)
            if parts is None:
                raise SandboxError(_setup_sentence(finished))
            if parts.code == _KILLED and parts.reason is None and await self._ran_out(name):
                parts = replace(parts, reason=KilledReason.MEMORY)
        finally:
            removing = asyncio.get_running_loop().run_in_executor(None, self._remove, name)
            await wait_through(removing)
        copied = await asyncio.to_thread(_copy_out, job, parcel, parts)
        return result_of(job, _as_finished(finished, parts, job), copied)

    def _command(self, name: str, job: SandboxJob, parcel: "_Parcel") -> Command:
        limits = job.limits
        start = start_of(job.language, job.code)
        words = (
            "",
            f"{limits.timeout_s:g}",
            limits.cpu_s,
            limits.memory // 1024,
            limits.open_files,
            limits.file_bytes // 1024,
            "-" if job.folder is None else "+",
            start.main,
            Path(start.binary).name,
            *start.flags,
        )
        keeper = ("-c", _KEEPER, "keeper", *(str(word) for word in words))
        box = ("run", "--name", name, *_ISOLATION, *self._sizes(job, parcel), *self._with_runtime())
        return Command(
            argv=(self._engine(), *box, self._settings.image, *keeper),
            env=_engine_environment(),
            stdin=parcel.stdin,
            drop_root=False,  # the engine's socket is the bot's to use; the program never sees it
        )

    def _sizes(self, job: SandboxJob, parcel: "_Parcel") -> tuple[str, ...]:
        limits = job.limits
        work = limits.work_bytes + parcel.given.size + _HEADERS_BYTES
        # Files in memory count as memory of the container.
        memory = limits.memory + work + 2 * limits.temp_bytes
        return (
            *("--memory", str(memory), "--memory-swap", str(memory)),
            *("--pids-limit", str(limits.processes + 8), "--cpus", "1"),
            *("--tmpfs", f"/work:rw,exec,nosuid,nodev,size={work},mode=1777"),
            *("--tmpfs", f"/code:rw,nosuid,nodev,size={_HEADERS_BYTES},mode=1777"),
            *("--tmpfs", f"/tmp:rw,nosuid,nodev,size={limits.temp_bytes},mode=1777"),  # noqa: S108  inside
            *("--shm-size", str(limits.temp_bytes)),
        )

    def _with_runtime(self) -> tuple[str, ...]:
        return () if self._runtime is None else ("--runtime", self._runtime)

    # -- the engine ------------------------------------------------------------------------------

    def _engine(self) -> str:
        for name in (self._settings.engine,) if self._settings.engine else ENGINES:
            if path := shutil.which(name, path=SEARCH_PATH):
                return path
        wanted = self._settings.engine or "no container engine"
        raise _NotUsableError(f"{wanted} is not installed", fix="install docker or podman")

    async def _looked_at(self) -> tuple[str, ...]:
        """Look at engine, image and runtime; return what the operator should know."""
        engine = self._engine()
        called = Path(engine).name
        if any(mark.exists() for mark in _IN_A_CONTAINER):
            raise _NotUsableError(
                f"the bot runs in a container, from which it must not use {called}",
                fix="run the bot on the host or in a machine of its own",
            )
        await self._asked(
            ("version", "--format", "{{.Client.Version}} {{.Server.Version}}"),
            fix=f"start {called}, and let the bot's user use it",
        )
        image = self._settings.image
        await self._asked(("image", "inspect", image), fix=f"{called} pull {image}")
        await self._asked(
            ("container", "prune", "--force", "--filter", f"label={_LABEL}"),
            fix=f"let the bot's user use {called}",
        )
        if self._runtime is None and await self._has_gvisor():
            self._runtime = _GVISOR
        return self._remarks(called)

    def _remarks(self, called: str) -> tuple[str, ...]:
        said = [f"{called} with {self._runtime or 'its usual runtime'}"]
        if self._setup.python_environment or self._setup.node_modules:
            said.append(f"prepared packages are not used: they belong into {self._settings.image}")
        return tuple(said)

    async def _has_gvisor(self) -> bool:
        ended = await self._ask(("info", "--format", "{{json .Runtimes}}"))
        try:
            return _GVISOR in json.loads(ended.stdout)
        except (ValueError, TypeError):  # podman says no such thing: name it in the settings
            return False

    async def _ran_out(self, name: str) -> bool:
        ended = await self._ask(("inspect", "--format", "{{.State.OOMKilled}}", name))
        return ended.stdout.strip() == b"true"

    async def _asked(self, arguments: Sequence[str], *, fix: str) -> None:
        ended = await self._ask(arguments)
        if ended.returncode != 0:
            said = one_line(ended.stderr.decode(errors="replace"))[:200]
            why = said or ("no answer" if ended.killed_reason else f"exit code {ended.returncode}")
            raise _NotUsableError(f"{self._settings.engine or 'the engine'}: {why}", fix=fix)

    async def _ask(self, arguments: Sequence[str]) -> Finished:
        command = Command(
            argv=(self._engine(), *arguments), env=_engine_environment(), drop_root=False
        )
        return await run_bounded(command, Bounds(timeout_s=_ASK_S))

    def _remove(self, name: str) -> None:
        """Remove the container with all that runs in it; killing the command leaves it running."""
        words = ["rm", "--force", "--volumes", name]
        try:
            argv = [self._engine(), *words]
            ended = subprocess.run(  # noqa: S603  our own words, no shell
                argv, check=False, capture_output=True, timeout=_REMOVE_S, env=_engine_environment()
            )
        except (OSError, SandboxError, subprocess.TimeoutExpired):
            logger.warning("container_left", extra={"container": name})
        else:
            if ended.returncode != 0:
                logger.info("container_not_removed", extra={"container": name})


class _NotUsableError(SandboxError):
    """There is no engine to use."""

    def __init__(self, message: str, *, fix: str) -> None:
        super().__init__(message)
        self.fix = fix


_KILLED: Final = 137
_ISOLATION: Final = (
    *("--interactive", "--pull", "never", "--label", _LABEL, "--log-driver", "none"),
    *("--network", "none", "--read-only", "--cap-drop", "ALL"),
    *("--security-opt", "no-new-privileges", "--user", _NOBODY, "--hostname", "sandbox"),
    *("--env", "HOME=/work", "--env", "LANG=C.UTF-8", "--env", "PYTHONPATH=/work"),
    *("--entrypoint", "/bin/bash"),
)


def _engine_environment() -> dict[str, str]:
    """Return what a command line of an engine needs to find its server; nothing is inherited."""
    user = os.geteuid()
    found = {"PATH": SEARCH_PATH}
    try:
        found["HOME"] = pwd.getpwuid(user).pw_dir
    except KeyError:  # a user without a name
        found["HOME"] = "/nonexistent"
    own = Path(f"/run/user/{user}")
    if own.is_dir():
        found["XDG_RUNTIME_DIR"] = str(own)
        if (own / "docker.sock").exists() and not Path("/var/run/docker.sock").exists():
            found["DOCKER_HOST"] = f"unix://{own}/docker.sock"
    return found


# -- in and out ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parcel:
    """What goes in, on standard input."""

    mark: str
    """Random, so that no program says it by chance; one that finds it out only fools itself."""
    stdin: bytes
    given: CopiedIn

    @classmethod
    def of(cls, job: SandboxJob, files: list[File]) -> "_Parcel":
        start: Start = start_of(job.language, job.code)
        sources = [
            File(("code", source.name), source.text.encode(errors="replace"))
            for source in start.sources
        ]
        work = [File(("work", *file.names), file.data, file.executable) for file in files]
        archive = write_archive([*sources, *work])
        mark = secrets.token_hex(16)
        head = f"{mark} {len(archive)}\n".encode()
        stdin = head + archive + job.stdin.encode(errors="replace")
        return cls(mark=mark, stdin=stdin, given=copied_in(files))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """What came out."""

    stdout: bytes
    stderr: bytes
    archive: bytes
    code: int
    reason: KilledReason | None


def _files(job: SandboxJob) -> list[File]:
    return read_folder(job.folder, job.limits) if job.folder is not None else []


def _bounds(job: SandboxJob, parcel: _Parcel) -> Bounds:
    limits = job.limits
    room = limits.copied_out_bytes + parcel.given.size + _HEADERS_BYTES
    # Beyond the program's own time, which is kept inside: a container takes a while to start.
    return Bounds(
        timeout_s=limits.timeout_s + _START_S,
        stream_bytes=limits.stream_bytes + (room if job.folder is not None else _HEADERS_BYTES),
    )


def _split(finished: Finished, mark: str) -> _Parts | None:
    """Take the streams apart; None when the program was never started."""
    ready = f"R{mark}\n".encode()
    _, begun, stdout = finished.stdout.partition(ready)
    _, _, stderr = finished.stderr.partition(ready)
    if not begun:
        return None
    stdout, ended, rest = stdout.partition(f"\nE{mark} ".encode())
    line, _, archive = rest.partition(b"\n")
    code, _, late = line.partition(b" ")
    reason = finished.killed_reason or (KilledReason.TIMEOUT if late == b"T" else None)
    if not ended or not code.isdigit():
        number = finished.returncode if finished.returncode >= 0 else _KILLED
        return _Parts(stdout=stdout, stderr=stderr, archive=b"", code=number, reason=reason)
    return _Parts(stdout=stdout, stderr=stderr, archive=archive, code=int(code), reason=reason)


def _as_finished(finished: Finished, parts: _Parts, job: SandboxJob) -> Finished:
    limit = job.limits.stream_bytes
    over = len(parts.stdout) > limit or len(parts.stderr) > limit
    return replace(
        finished,
        stdout=parts.stdout,
        stderr=parts.stderr,
        returncode=parts.code,
        killed_reason=parts.reason or (KilledReason.OUTPUT if over else None),
        truncated=over,
    )


def _copy_out(job: SandboxJob, parcel: _Parcel, parts: _Parts) -> CopiedOut:
    if job.folder is None:
        return CopiedOut()
    if parts.reason is not None:
        return CopiedOut(notes=["the program was stopped, so files it made are not kept"])
    archive = memory_file("made", parts.archive)
    try:
        members = archive_members(archive, len(parts.archive))
        return copy_out(members, job.folder, parcel.given, job.limits)
    finally:
        os.close(archive)


def _setup_sentence(finished: Finished) -> str:
    said = finished.stderr.decode(errors="replace").strip().splitlines()
    why = said[-1][:200] if said else f"exit code {finished.returncode}"
    return f"the container could not be set up: {why}"
