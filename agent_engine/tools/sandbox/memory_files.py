"""Files that exist in memory only, sealed: what goes into a sandbox, and room for what comes out.

Linux only (memfd). Whoever makes one closes it.
"""

import fcntl
import os
from collections.abc import Callable
from typing import BinaryIO, Final

_SEALS: Final = fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL


def memory_file(name: str, data: bytes | memoryview) -> int:
    """Return a descriptor, at its start, of a sealed file in memory that holds the data."""
    return written_memory_file(name, lambda file: file.write(data))


def written_memory_file(name: str, write: Callable[[BinaryIO], object]) -> int:
    """Return a descriptor, at its start, of a sealed file in memory that holds what is written."""
    fd = _memory_file(name)
    try:
        with open(fd, "wb", closefd=False) as file:
            write(file)
    except BaseException:
        os.close(fd)
        raise
    os.lseek(fd, 0, os.SEEK_SET)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS | fcntl.F_SEAL_WRITE)
    return fd


def empty_memory_file(name: str, room: int) -> int:
    """Return a descriptor of a file in memory that can never hold more than ``room`` bytes."""
    fd = _memory_file(name)
    os.ftruncate(fd, room)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
    return fd


def _memory_file(name: str) -> int:
    return os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
