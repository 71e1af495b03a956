"""The system calls a sandboxed program may not make, for bubblewrap and for container engines.

Default allow, minus what widens the kernel's attack surface or leads out of the namespaces. The
filter must be loaded anew for every program: a descriptor that was read once is at its end.
"""

import errno
import functools
import json
import tempfile
from typing import Any, Final

_REFUSED: Final = """
    mount umount2 pivot_root chroot setns unshare ptrace process_vm_readv process_vm_writev kcmp
    bpf perf_event_open userfaultfd keyctl add_key request_key kexec_load kexec_file_load
    init_module finit_module delete_module open_by_handle_at name_to_handle_at io_uring_setup
    io_uring_enter io_uring_register reboot swapon swapoff syslog acct quotactl settimeofday
    clock_settime adjtimex clock_adjtime iopl ioperm lookup_dcookie fsopen fsconfig fsmount
    fspick open_tree move_mount mount_setattr pidfd_getfd vhangup nfsservctl sethostname
    setdomainname modify_ldt fanotify_init move_pages mbind migrate_pages
"""
_MISSING: Final = """
    clone3 memfd_create memfd_secret shmget semget msgget
"""
_NAMESPACE_FLAGS: Final = (
    0x00020000,  # CLONE_NEWNS
    0x02000000,  # CLONE_NEWCGROUP
    0x04000000,  # CLONE_NEWUTS
    0x08000000,  # CLONE_NEWIPC
    0x10000000,  # CLONE_NEWUSER
    0x20000000,  # CLONE_NEWPID
    0x40000000,  # CLONE_NEWNET
)
_REFUSED_FAMILIES: Final = (16, 17, 21, 29, 31, 38, 40, 44)
"""netlink, packet, rds, can, bluetooth, alg, vsock, xdp."""
_SOCKET_TYPE_MASK: Final = 0xF
_SOCK_RAW: Final = 3
_TERMINAL_INJECTION: Final = (0x5412, 0x541C)
"""TIOCSTI, TIOCLINUX."""
_LOW_WORD: Final = 0xFFFFFFFF
_UNKNOWN_CALL: Final = -1


@functools.cache
def filter_program() -> bytes:
    """Return the filter as the kernel reads it. Raises OSError or RuntimeError without libseccomp.

    Slow the first time (it looks for the library), so call it in a thread.
    """
    import pyseccomp as seccomp  # type: ignore[import-untyped]  # noqa: PLC0415  Linux only, and it looks for libseccomp at import

    rules = seccomp.SyscallFilter(defaction=seccomp.ALLOW)
    for name in _REFUSED.split():
        _refuse(rules, seccomp.ERRNO(errno.EPERM), name)
    # glibc falls back from clone3 to clone, whose flags can be looked at; memory without a process
    # to count it against would pass every limit.
    for name in _MISSING.split():
        _refuse(rules, seccomp.ERRNO(errno.ENOSYS), name)
    _refuse_arguments(rules, seccomp)
    with tempfile.TemporaryFile() as file:
        rules.export_bpf(file)
        file.seek(0)
        return file.read()


def profile() -> str:
    """Return the same rules as docker and podman read them; theirs allow ptrace and vsock."""
    rules: list[dict[str, object]] = [
        _rule(_REFUSED.split(), errno.EPERM),
        _rule(_MISSING.split(), errno.ENOSYS),
        _rule(["socket"], errno.EPERM, (1, _SOCKET_TYPE_MASK, _SOCK_RAW)),
    ]
    rules += [_rule(["clone"], errno.EPERM, (0, flag, flag)) for flag in _NAMESPACE_FLAGS]
    rules += [
        _rule(["socket"], errno.EAFNOSUPPORT, (0, _LOW_WORD, family))
        for family in _REFUSED_FAMILIES
    ]
    rules += [
        _rule(["ioctl"], errno.EPERM, (1, _LOW_WORD, request)) for request in _TERMINAL_INJECTION
    ]
    return json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules})


def _rule(
    names: list[str], code: int, argument: tuple[int, int, int] | None = None
) -> dict[str, object]:
    """Return one rule; its argument is an index, a mask, and what is left under the mask."""
    rule: dict[str, object] = {"names": names, "action": "SCMP_ACT_ERRNO", "errnoRet": code}
    if argument is not None:
        index, mask, value = argument
        masked = {"index": index, "value": mask, "valueTwo": value, "op": "SCMP_CMP_MASKED_EQ"}
        rule["args"] = [masked]
    return rule


def _refuse_arguments(rules: Any, seccomp: Any) -> None:  # noqa: ANN401  pyseccomp has no types
    eperm, no_family = seccomp.ERRNO(errno.EPERM), seccomp.ERRNO(errno.EAFNOSUPPORT)
    for flag in _NAMESPACE_FLAGS:
        rules.add_rule(eperm, "clone", seccomp.Arg(0, seccomp.MASKED_EQ, flag, flag))
    for family in _REFUSED_FAMILIES:
        rules.add_rule(no_family, "socket", seccomp.Arg(0, seccomp.EQ, family))
    kind = seccomp.Arg(1, seccomp.MASKED_EQ, _SOCKET_TYPE_MASK, _SOCK_RAW)
    rules.add_rule(eperm, "socket", kind)
    for request in _TERMINAL_INJECTION:
        rules.add_rule(eperm, "ioctl", seccomp.Arg(1, seccomp.MASKED_EQ, _LOW_WORD, request))


def _refuse(rules: Any, action: Any, name: str) -> None:  # noqa: ANN401  pyseccomp has no types
    """Refuse a call, unless this machine's libseccomp does not know it: then nor does the rule."""
    import pyseccomp as seccomp  # noqa: PLC0415  as above

    if seccomp.resolve_syscall(seccomp.system_arch(), name) != _UNKNOWN_CALL:
        rules.add_rule(action, name)
