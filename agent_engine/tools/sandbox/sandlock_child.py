"""The process that holds a sandlock sandbox: it confines one program and waits for its end.

Started by ``sandlock.py``, ahead of need, as a script of its own: neither a fault nor a privilege
of the bot's process is shared with it. It must import nothing of the project. Linux only.
"""

import ctypes
import json
import os
import resource
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

SETUP_FAILED: Final = 125
_PR_SET_DUMPABLE: Final = 4
_PR_SET_CHILD_SUBREAPER: Final = 36
_PR_SET_SECCOMP: Final = 22
_PR_SET_NO_NEW_PRIVS: Final = 38
_FILTER_MODE: Final = 2
# The kernel's packet filter: load a word, compare it, return what is to be done with a call.
_LOAD, _IS_EQUAL, _IS_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4
_ALLOW, _SUCCESS, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_OTHER_NUMBERS: Final = 0x40000000
"""Where the numbers of x32 begin: the same calls once more."""
_NEWER: Final = (452, 463, 466, 469)
"""fchmodat2, setxattrat, removexattrat, file_setattr: alike everywhere."""
_ATTRIBUTE_CALLS: Final = {
    # chmod fchmod chown fchown lchown utime setxattr lsetxattr fsetxattr removexattr lremovexattr
    # fremovexattr utimes fchownat futimesat fchmodat utimensat
    "x86_64": (
        0xC000003E,
        (*range(90, 95), 132, *range(188, 191), *range(197, 200), 235, 260, 261, 268, 280, *_NEWER),
    ),
    # setxattr … fremovexattr, fchmod fchmodat fchownat fchown utimensat
    "aarch64": (0xC00000B7, (*range(5, 8), *range(14, 17), *range(52, 56), 88, *_NEWER)),
}
_LOOK_EVERY_S: Final = 0.5
_MAX_MESSAGE: Final = 65_536
_MAX_DESCRIPTORS: Final = 5
"""Three standard streams, where to say that the program has begun, and the control group."""


def main(packages: str, control: socket.socket) -> int:
    """Wait for a program and run it; return its exit code as a shell says it."""
    problem: Exception | None = None
    sys.path.append(packages)
    try:
        # While there is time, and before root is dropped: it may be where only root can read.
        import sandlock  # type: ignore[import-untyped]  # noqa: F401, PLC0415  see above
    except (ImportError, OSError) as error:
        problem = error
    try:
        message, descriptors, _, _ = socket.recv_fds(control, _MAX_MESSAGE, _MAX_DESCRIPTORS)
    except TimeoutError:
        return 0
    control.close()
    if not message:  # the bot has ended, or wants nobody to wait any more
        return 0
    ready, *joining = _take_over(descriptors)
    if problem is not None:
        raise problem
    for group in joining:
        os.write(group, b"0")
        os.close(group)
    return run(json.loads(message), ready)


def _take_over(descriptors: list[int]) -> list[int]:
    """Make the first three the standard streams; return the others, which no program gets."""
    for standard, given in enumerate(descriptors[:3]):
        os.dup2(given, standard)
        os.close(given)
    for other in descriptors[3:]:
        os.set_inheritable(other, False)  # noqa: FBT003  the call has no keyword
    return descriptors[3:]


def run(job: dict[str, Any], ready: int) -> int:
    """Run a program; return its exit code."""
    import sandlock  # noqa: PLC0415  loaded already

    if job["user"] is not None:
        _become(job["user"])
    else:
        _pretend_to_change_attributes()
    _adopt_orphans()
    threading.Thread(target=_end_with, args=(job["bot"],), daemon=True).start()
    for limit, value in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, job["file_bytes"])):
        resource.setrlimit(limit, (value, value))
    resource.setrlimit(resource.RLIMIT_CPU, (job["cpu_s"], job["cpu_s"]))
    box = sandlock.Sandbox(
        fs_readable=job["readable"],
        fs_writable=job["writable"],
        clean_env=True,
        env=job["env"],
        cwd=job["work"],
        max_memory=job["memory"],
        max_processes=job["processes"],
        max_open_files=job["open_files"],
        no_coredump=True,
        extra_deny_syscalls=["memfd_create", "memfd_secret", "inotify_add_watch"],
    )
    program = box.popen(job["argv"])
    os.write(ready, b"\n")
    ended = program.wait()
    _kill_what_is_left()
    if os.getppid() != job["bot"]:  # nobody else is left to clear away
        os.execv("/bin/rm", ["rm", "-rf", "--", job["base"]])  # noqa: S606  our own path, no shell
    return _exit_code(ended.exit_code, ended.signal)


def _become(user: int) -> None:
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    # Changing the user closed /proc/self to us, which sandlock needs.
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("if_true", ctypes.c_uint8),
        ("if_false", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    )


class _Filter(ctypes.Structure):
    _fields_ = (("count", ctypes.c_uint16), ("instructions", ctypes.POINTER(_Instruction)))


def _pretend_to_change_attributes() -> None:
    """Make calls that change modes, times and the like succeed without doing anything.

    Landlock does not hold them, and a program that runs as the bot's own user could close the
    bot's files to it, or open them to others. Refused, they would end every ``tar`` and ``cp -p``.
    """
    machine = os.uname().machine
    if machine not in _ATTRIBUTE_CALLS:
        raise RuntimeError(f"on {machine} the bot must be root, or use another sandbox")
    architecture, numbers = _ATTRIBUTE_CALLS[machine]
    left = range(len(numbers), 0, -1)
    lines = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_IS_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_IS_LEAST, 0, 1, _OTHER_NUMBERS),
        (_RETURN, 0, 0, _KILL),
        *((_IS_EQUAL, more, 0, number) for more, number in zip(left, numbers, strict=True)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _SUCCESS),
    ]
    rules = _Filter(
        len(lines), (_Instruction * len(lines))(*(_Instruction(*line) for line in lines))
    )
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if libc.prctl(_PR_SET_SECCOMP, _FILTER_MODE, ctypes.byref(rules)) != 0:
        raise OSError(ctypes.get_errno(), "the filter for attributes was refused")


def _adopt_orphans() -> None:
    """Become the parent of daemons, so that they can be found and killed."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _end_with(bot: int) -> None:
    """End the program when the bot has died without a word; then the main thread goes on."""
    while os.getppid() == bot:
        time.sleep(_LOOK_EVERY_S)
    _kill_what_is_left()


def _kill_what_is_left() -> None:
    while children := _children():
        for child in children:
            _kill(child)
        for child in children:
            _reap(child)


def _kill(child: int) -> None:
    try:
        os.kill(child, signal.SIGKILL)
    except ProcessLookupError:
        return


def _reap(child: int) -> None:
    try:
        os.waitpid(child, 0)
    except ChildProcessError:
        return


def _children() -> list[int]:
    texts = [path.read_text() for path in Path("/proc/self/task").glob("*/children")]
    return [int(word) for text in texts for word in text.split()]


def _exit_code(code: int, signal_number: int) -> int:
    if signal_number > 0:
        return 128 + signal_number
    return code if code >= 0 else 128 + int(signal.SIGKILL)


if __name__ == "__main__":
    try:
        _, packages, number, idle_s = sys.argv
        with socket.socket(fileno=int(number)) as control:
            control.settimeout(float(idle_s))
            status = main(packages, control)
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        sys.stderr.write(f"sandlock: {error}\n")
        status = SETUP_FAILED
    # Past sandlock's threads, which have nothing left to do.
    os._exit(status)
