"""Run one program with bounds on its time, its output and the memory of its whole process tree.

It knows nothing of sandboxes: it starts what it is given, in a process group of its own, and sees
to it that nothing of it is left. Linux only (pidfd, ``/proc``).
"""

import asyncio
import contextlib
import errno
import functools
import itertools
import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from agent_engine.tools.quota import MIB
from agent_engine.tools.sandbox.cgroups import Group
from agent_engine.tools.sandbox.driver import KilledReason
from agent_engine.tools.sandbox.failures import SandboxError
from agent_engine.tools.sandbox.memory_files import memory_file
from agent_engine.tools.sandbox.waiting import WaitingProcess

logger = logging.getLogger(__name__)

READ_BYTES: Final = 64 * 1024
PIPE_GRACE_S: Final = 0.3
WATCH_EVERY_S: Final = 0.05
NOBODY_ID: Final = 65534
_TURNS_PER_CALL: Final = 4
_MAX_KILL_ROUNDS: Final = 20
_COUNTED: Final = ("RssAnon:", "RssShmem:", "VmSwap:", "VmPTE:")


class Tail(NamedTuple):
    """What is written to stdout after the program's own output."""

    mark: bytes
    """How it begins."""
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Caps of one program and everything it starts."""

    timeout_s: float
    stream_bytes: int = MIB
    """Of stdout and of stderr."""
    tail: Tail | None = None
    """What may follow on stdout, beyond the cap, once the program has ended."""
    tree_bytes: int | None = None
    """Resident memory of all its processes together; None for no cap."""
    tree_processes: int | None = None
    watch: Callable[[Sequence[int]], KilledReason | None] | None = None
    """Asked now and then, in a thread and with its processes, for another reason to kill."""
    group: Group | None = None
    """The control group to run in; None where none was delegated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to start."""

    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    """All of the environment: nothing is inherited."""
    stdin: bytes | int = b""
    """Or a descriptor of a file, at its start, which stays the caller's."""
    pass_fds: tuple[int, ...] = ()
    cwd: str = "/"
    drop_root: bool = True
    """Whether to start as an unprivileged user when the bot itself is root."""
    told: tuple[WaitingProcess, bytes] | None = None
    """A process that is there already, and what to tell it; then nothing else is started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What is left of a program that has ended."""

    stdout: bytes
    stderr: bytes
    returncode: int
    """Negative for the signal that ended it."""
    killed_reason: KilledReason | None
    truncated: bool
    duration_s: float


async def run_bounded(command: Command, bounds: Bounds) -> Finished:
    """Run a program to its end, or to the first bound it meets.

    Cancellation kills the whole tree before it passes on.

    Raises:
        SandboxError: the program could not be started.
    """
    started_s = time.monotonic()
    with _pipe() as out, _pipe() as err:
        process = _start(command, out, err, bounds.group)
        tree = _Tree(process, bounds.group)
        try:
            streams = await _watched(tree, bounds, (out, err))
        finally:
            await _ended(tree)
        return Finished(
            stdout=bytes(streams[0].kept),
            stderr=bytes(streams[1].kept),
            returncode=process.returncode,
            killed_reason=tree.killed_reason or _ended_by_kernel(bounds.group),
            truncated=any(stream.overflowed for stream in streams),
            duration_s=time.monotonic() - started_s,
        )


@functools.cache
def unprivileged_id() -> int | None:
    """Return the user that programs are started as when the bot is root; None to start as we are.

    A root whose namespace has no such user is somebody else outside, so nothing needs dropping.
    """
    return NOBODY_ID if os.geteuid() == 0 and _is_mapped(NOBODY_ID) else None


def _is_mapped(user: int) -> bool:
    ranges = (line.split() for line in _read_proc("/proc/self/uid_map").splitlines())
    return any(int(first) <= user < int(first) + int(count) for first, _, count in ranges)


async def wait_through(work: "asyncio.Future[None]") -> None:
    """Wait for what must be done to the end, however often this is cancelled meanwhile."""
    cancelled: asyncio.CancelledError | None = None
    while not work.done():
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    work.result()


def _ended_by_kernel(group: Group | None) -> KilledReason | None:
    return None if group is None else group.ended_by()


# -- starting ------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Pipe:
    read: int
    write: int

    def close_write(self) -> None:
        if self.write >= 0:
            os.close(self.write)
            self.write = -1

    def close_read(self) -> None:
        if self.read >= 0:
            os.close(self.read)
            self.read = -1


@contextlib.contextmanager
def _pipe() -> Iterator[_Pipe]:
    pipe = _Pipe(*os.pipe2(os.O_CLOEXEC))
    try:
        yield pipe
    finally:
        pipe.close_write()
        pipe.close_read()


# Who writes 0 there is in the group; the descriptor must not reach the program.
_JOIN: Final = 'fd=$0; echo 0 >&"$fd" || exit 125; exec {fd}>&-; exec "$@"'


def _start(
    command: Command, out: _Pipe, err: _Pipe, group: Group | None
) -> "subprocess.Popen[bytes]":
    # In the loop's own thread: a sandbox that dies with its parent dies with the forking thread.
    user = unprivileged_id() if command.drop_root else None
    given = command.stdin
    stdin = given if isinstance(given, int) else memory_file("stdin", given)
    joining = () if group is None else (group.joining_fd(),)
    before = ("/bin/bash", "--norc", "-c", _JOIN, str(*joining)) if joining else ()
    try:
        if command.told is not None:
            waiting, message = command.told
            return waiting.tell(message, [stdin, out.write, err.write, *command.pass_fds, *joining])
        return subprocess.Popen(  # noqa: S603  the argv is the driver's, no shell
            [*before, *command.argv],
            stdin=stdin,
            stdout=out.write,
            stderr=err.write,
            env=dict(command.env),
            cwd=command.cwd,
            pass_fds=(*command.pass_fds, *joining),
            start_new_session=True,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise SandboxError(f"the sandbox could not be started: {command.argv[0]}") from error
    finally:
        for fd in (*(() if stdin == given else (stdin,)), *joining):
            os.close(fd)
        out.close_write()
        err.close_write()


# -- watching ------------------------------------------------------------------------------------


class _Stream:
    """What a program writes to one of its pipes, read as it comes and kept up to a limit."""

    def __init__(
        self, fd: int, limit: int, flooded: Callable[[], None], tail: Tail | None = None
    ) -> None:
        self.kept = bytearray()
        self.overflowed = False
        self.ended = asyncio.Event()
        self._fd = fd
        self._limit = limit
        self._flooded = flooded
        self._tail = tail
        os.set_blocking(fd, False)
        asyncio.get_running_loop().add_reader(fd, self.read_some)

    def read_some(self) -> bool:
        """Read one piece; say whether there was one and more may follow."""
        if self.ended.is_set():
            return False
        try:
            piece = os.read(self._fd, READ_BYTES)
        except BlockingIOError:
            return False
        seen = len(self.kept)
        self.kept += piece
        self._look_for_tail(seen)
        if len(self.kept) > self._limit:
            del self.kept[self._limit :]
            self.overflowed = True
            self._flooded()
        if not piece or self.overflowed:
            self.stop()
        return not self.ended.is_set()

    def _look_for_tail(self, seen: int) -> None:
        if self._tail is not None:
            mark, size = self._tail
            at = self.kept.find(mark, max(0, seen - len(mark)))
            if at >= 0:
                self._limit, self._tail = at + size, None

    def stop(self) -> None:
        """Read no more."""
        asyncio.get_running_loop().remove_reader(self._fd)
        self.ended.set()


async def _watched(tree: "_Tree", bounds: Bounds, pipes: tuple[_Pipe, _Pipe]) -> list[_Stream]:
    """Read, watch and wait until the program has ended, by itself or because of a bound."""
    flooded = functools.partial(tree.kill, KilledReason.OUTPUT)
    out, err = pipes
    streams = [
        _Stream(out.read, bounds.stream_bytes, flooded, bounds.tail),
        _Stream(err.read, bounds.stream_bytes, flooded),
    ]
    try:
        async with asyncio.TaskGroup() as group:
            watcher = group.create_task(_watch(tree, bounds))
            try:
                async with asyncio.timeout(bounds.timeout_s):
                    await tree.exited()
            except TimeoutError:
                tree.kill(KilledReason.TIMEOUT)
            await _ended(tree)
            watcher.cancel()
        await _last_words(streams)
    finally:
        for stream in streams:
            stream.stop()
    return streams


async def _last_words(streams: list[_Stream]) -> None:
    """Read what the dead program left in its pipes, then stop."""
    # A daemon may hold the pipes open for ever; what it writes later is of no interest.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PIPE_GRACE_S):
            for stream in streams:
                await stream.ended.wait()
    for stream in streams:
        while stream.read_some():  # ends at the limit at the latest
            pass


async def _watch(tree: "_Tree", bounds: Bounds) -> None:
    """Hold the tree to its bounds; limits of the kernel's count single processes only."""
    for turn in itertools.count():
        await asyncio.sleep(WATCH_EVERY_S)
        pids = tree.descendants()
        reason = _tree_reason(pids, bounds)
        if reason is None and bounds.watch is not None and turn % _TURNS_PER_CALL == 0:
            reason = await asyncio.to_thread(bounds.watch, pids)
        if reason is not None:
            tree.kill(reason)
            return


def _tree_reason(pids: Sequence[int], bounds: Bounds) -> KilledReason | None:
    if bounds.tree_processes is not None and len(pids) > bounds.tree_processes:
        return KilledReason.PROCESSES
    if bounds.tree_bytes is not None and _used_bytes(pids) > bounds.tree_bytes:
        return KilledReason.MEMORY
    return None


# -- the process tree ----------------------------------------------------------------------------


class _Tree:
    """A process and all that descend from it."""

    def __init__(self, process: "subprocess.Popen[bytes]", group: Group | None) -> None:
        self.killed_reason: KilledReason | None = None
        self._process = process
        self._group = group

    async def exited(self) -> None:
        """Wait until the first process has ended, without reaping it."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        handle = os.pidfd_open(self._process.pid)
        loop.add_reader(handle, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(handle)
            os.close(handle)

    def kill(self, reason: KilledReason | None = None) -> None:
        """Kill everything; the first reason is the one that is told."""
        if self.killed_reason is None:
            self.killed_reason = reason
        if self.is_reaped:  # the number may be somebody else's by now
            return
        if self._group is not None:
            self._group.kill()
        # Descendants first: once their parent is dead they can no longer be found.
        for _ in range(_MAX_KILL_ROUNDS):
            living = [pid for pid in self.descendants() if not _is_zombie(pid)]
            for pid in living:
                _kill(pid)
            if not living:
                break
        self.kill_group()

    def kill_group(self) -> None:
        """Kill the process group; the leader is not reaped yet, so its id is still ours."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def reap(self) -> None:
        """Wait for the first process, which has ended or is about to."""
        self._process.wait()

    @property
    def is_reaped(self) -> bool:
        """Whether the first process has ended and was waited for."""
        return self._process.returncode is not None

    def descendants(self) -> list[int]:
        """List what descends from the first process, children before grandchildren."""
        found: list[int] = []
        waiting = [self._process.pid]
        while waiting:
            children = _children(waiting.pop())
            found += children
            waiting += children
        return found


async def _ended(tree: _Tree) -> None:
    """See to it that the tree is dead and reaped, however often this is cancelled meanwhile."""
    if tree.is_reaped:
        return
    tree.kill()
    await wait_through(asyncio.get_running_loop().run_in_executor(None, tree.reap))


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


def _children(pid: int) -> list[int]:
    """Read a process's children, of all its threads."""
    children: list[int] = []
    for text in _read_each(f"/proc/{pid}/task", "children"):
        children += [int(word) for word in text.split()]
    return children


def _read_each(folder: str, name: str) -> Iterator[str]:
    try:
        threads = os.listdir(folder)  # noqa: PTH208  /proc, many times a second
    except OSError:
        return
    for thread in threads:
        yield _read_proc(f"{folder}/{thread}/{name}")


def _read_proc(path: str) -> str:
    """Return the text of a file of /proc; empty when the process has gone."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123  as above
            return file.read()
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ESRCH, errno.EACCES):
            raise
        return ""


def _is_zombie(pid: int) -> bool:
    state = _read_proc(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return not state or state[0] in ("Z", "X")


def _used_bytes(pids: Sequence[int]) -> int:
    """Sum the resident memory of processes, what they only share with files on disk left out."""
    return sum(
        1024 * int(line.split()[1])
        for pid in pids
        for line in _read_proc(f"/proc/{pid}/status").splitlines()
        if line.startswith(_COUNTED)
    )
