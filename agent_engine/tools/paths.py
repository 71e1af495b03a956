"""Files inside one folder that no path can leave.

Every tool that touches a task folder goes through ``Folder``: links are never followed, names are
resolved from a descriptor of the folder, and what was opened is looked at again before it is used.
It must not call ``realpath`` or compare path strings: both lose the race against a rename.
"""

import ctypes
import errno
import fcntl
import functools
import os
import secrets
import stat
import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from agent_engine.errors import ToolError
from agent_engine.tools.quota import Quota, Tally

MAX_FILE_BYTES: Final = 10 * 1024 * 1024
MAX_PATH_BYTES: Final = 1024
MAX_NAME_BYTES: Final = 200
MAX_DEPTH: Final = 32
FOLDER_MODE: Final = 0o700
FILE_MODE: Final = 0o600
EXECUTABLE_MODE: Final = 0o700

_PART_PREFIX: Final = ".treadle-"
_PART_SUFFIX: Final = ".part"
_OPEN_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK so that a FIFO in place of a file cannot hang the reader.
_OPEN_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_OPEN_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

_SYS_OPENAT2: Final = 437
_RESOLVE_NO_MAGICLINKS: Final = 0x02
_RESOLVE_NO_SYMLINKS: Final = 0x04
_RESOLVE_BENEATH: Final = 0x08
_OPENAT2_MISSING: Final = frozenset({errno.ENOSYS, errno.EPERM, errno.EINVAL, errno.E2BIG})


class PathError(ToolError):
    """This path cannot be used."""


class QuotaError(PathError):
    """The folder is full."""


class Kind(StrEnum):
    """What a path leads to."""

    FILE = "file"
    FOLDER = "folder"
    OTHER = "other"
    """A link, a pipe, a socket, a device: never opened."""
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing in a folder."""

    name: str
    path: str
    """Relative to the folder that cannot be left, with ``/`` between names."""
    kind: Kind
    size: int


def split_path(path: str) -> tuple[str, ...]:
    """Return the names along a relative path, ``()`` for the folder itself.

    Raises:
        PathError: the path is absolute, climbs with ``..``, or holds what no file name may hold.

    >>> split_path("notes/./plan.md")
    ('notes', 'plan.md')
    """
    if path.startswith("/"):
        raise PathError("the path must be relative to the task folder, without a leading slash")
    names = tuple(name for name in path.split("/") if name not in ("", "."))
    if len(names) > MAX_DEPTH:
        raise PathError(f"the path has more than {MAX_DEPTH} levels")
    for name in names:
        _check_name(name)
    if len(os.fsencode("/".join(names))) > MAX_PATH_BYTES:
        raise PathError(f"the path is longer than {MAX_PATH_BYTES} bytes")
    return names


def _check_name(name: str) -> None:
    if name == "..":
        raise PathError("the path must not climb with '..'; only the task folder can be used")
    if any(unicodedata.category(char) == "Cc" for char in name):
        raise PathError("the path holds a control character")
    try:
        size = len(name.encode())
    except UnicodeEncodeError as error:
        raise PathError("the path is not valid Unicode") from error
    if size > MAX_NAME_BYTES:
        raise PathError(f"a name in the path is longer than {MAX_NAME_BYTES} bytes")
    if name.startswith(_PART_PREFIX) and name.endswith(_PART_SUFFIX):
        raise PathError("names of this form are reserved")


class Folder:
    """A folder, held open, whose files are reached by relative paths only.

    Paths are tuples of names as ``split_path`` makes them. Every method raises PathError with a
    sentence for the model; an OSError that says something else is translated as well.

    From its first write until it is closed it keeps other writers waiting, so that several
    together cannot pass the quota: do not open another one for writing inside it.

    Args:
        root: the folder.
        quota: how much it may hold.
    """

    def __init__(self, root: Path, quota: Quota | None = None) -> None:
        self._root = root
        self._quota = quota or Quota()
        self._fd = -1
        self._tally: Tally | None = None

    def __enter__(self) -> Self:
        self._fd = os.open(self._root, _OPEN_FOLDER)
        self._tally = None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._fd)
        self._fd = -1

    def read(self, names: tuple[str, ...], *, max_bytes: int = MAX_FILE_BYTES) -> bytes:
        """Return the bytes of a regular file that nothing else links to."""
        with _told(names), self._file(names, max_bytes) as (fd, _):
            return _read_all(fd, max_bytes)

    def read_start(self, names: tuple[str, ...], *, max_bytes: int) -> bytes:
        """Return the first bytes of such a file, however large it is."""
        with _told(names), self._file(names, sys.maxsize) as (fd, _):
            return os.read(fd, max_bytes)

    def read_with_mode(
        self, names: tuple[str, ...], *, max_bytes: int = MAX_FILE_BYTES
    ) -> tuple[bytes, bool]:
        """Return a file's bytes and whether its owner may execute it."""
        with _told(names), self._file(names, max_bytes) as (fd, facts):
            return _read_all(fd, max_bytes), bool(facts.st_mode & stat.S_IXUSR)

    def write(
        self,
        names: tuple[str, ...],
        data: bytes,
        *,
        executable: bool = False,
        max_bytes: int = MAX_FILE_BYTES,
    ) -> None:
        """Put a file there whole or not at all, creating the folders above it."""
        if not names:
            raise PathError("a file needs a name")
        if len(data) > max_bytes:
            raise PathError(f"a file may have at most {max_bytes} bytes; this one has {len(data)}")
        with _told(names):
            tally = self._counted()
            if objection := tally.objection(names, len(data)):
                raise QuotaError(objection)
            with self._folder(names[:-1], create=True) as parent:
                _refuse_to_replace(parent, names[-1])
                _write_atomically(parent, names[-1], data, executable=executable)
            tally.add(names, len(data))

    def entries(self, names: tuple[str, ...]) -> list[Entry]:
        """List what is in a folder, by name. Links are listed, never followed."""
        with _told(names), self._folder(names) as fd, os.scandir(fd) as found:
            rows = [_entry(names, item) for item in found if not _is_part(item.name)]
        return sorted(rows, key=lambda row: row.name)

    def kind(self, names: tuple[str, ...]) -> Kind:
        """Say what is at the path, without opening it."""
        if not names:
            return Kind.FOLDER
        try:
            with self._folder(names[:-1]) as parent:
                return _kind(os.stat(names[-1], dir_fd=parent, follow_symlinks=False).st_mode)
        except OSError:
            return Kind.MISSING

    def delete(self, names: tuple[str, ...]) -> None:
        """Remove a file, a link itself, or an empty folder."""
        if not names:
            raise PathError("the task folder itself cannot be deleted")
        with _told(names), self._folder(names[:-1]) as parent:
            facts = os.stat(names[-1], dir_fd=parent, follow_symlinks=False)
            if stat.S_ISDIR(facts.st_mode):
                os.rmdir(names[-1], dir_fd=parent)
            else:
                os.unlink(names[-1], dir_fd=parent)
        self._tally = None

    def walk(self, *, missed: Callable[[PathError], object] = lambda _: None) -> Iterator[Entry]:
        """Yield every file and folder below, folders before what they hold.

        Args:
            missed: told of what is left out: links and special files, and folders that cannot be
                looked into because they are closed, too deep or oddly named.
        """
        waiting: list[tuple[str, ...]] = [()]
        while waiting:
            above = waiting.pop()
            try:
                entries = self.entries(above)
            except PathError as error:
                if not above:
                    raise
                missed(error)
                continue
            for entry in entries:
                if entry.kind is Kind.OTHER:
                    missed(PathError(f"{entry.path!r} is not a regular file"))
                elif entry.kind is Kind.FILE:
                    yield entry
                elif entry.kind is Kind.FOLDER:
                    yield entry
                    below = tuple(entry.path.split("/"))
                    if len(below) < MAX_DEPTH:
                        waiting.append(below)
                    else:
                        missed(PathError(f"{entry.path!r} is as deep as folders are looked into"))

    def _counted(self) -> Tally:
        """Return the count of what is here, having waited until nobody else writes."""
        if self._tally is None:
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            held = ((entry.path, entry.size) for entry in self.walk())
            self._tally = Tally(self._quota, held)
        return self._tally

    @contextmanager
    def _file(self, names: tuple[str, ...], max_bytes: int) -> Iterator[tuple[int, os.stat_result]]:
        if not names:
            raise PathError("the task folder is a folder, not a file")
        with self._folder(names[:-1]) as parent:
            fd = os.open(names[-1], _OPEN_FILE, dir_fd=parent)
        try:
            facts = os.fstat(fd)
            _refuse_odd_file(facts, max_bytes)
            yield fd, facts
        finally:
            os.close(fd)

    @contextmanager
    def _folder(self, names: tuple[str, ...], *, create: bool = False) -> Iterator[int]:
        fd = self._open_folder(names, create=create)
        try:
            yield fd
        finally:
            os.close(fd)

    def _open_folder(self, names: tuple[str, ...], *, create: bool) -> int:
        if create:
            return _walk_to(self._fd, names, create=True)
        if _has_openat2():
            return _openat2_folder(self._fd, "/".join(names) or ".")
        return _walk_to(self._fd, names, create=False)


# -- opening ------------------------------------------------------------------------------------


class _OpenHow(ctypes.Structure):
    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


@functools.cache
def _libc_syscall() -> "ctypes._NamedFuncPointer | None":
    try:
        call = ctypes.CDLL(None, use_errno=True).syscall
    except (OSError, AttributeError):
        return None
    call.restype = ctypes.c_long
    return call


@functools.cache
def _has_openat2() -> bool:
    """Whether the kernel has openat2 and lets us use it; containers may refuse it."""
    if sys.platform != "linux":  # elsewhere the number means another call
        return False
    try:
        here = os.open("/", _OPEN_FOLDER)
    except OSError:
        return False
    try:
        os.close(_openat2_folder(here, "."))
    except OSError as error:
        if error.errno in _OPENAT2_MISSING:
            return False
        raise
    finally:
        os.close(here)
    return True


def _openat2_folder(root: int, path: str) -> int:
    call = _libc_syscall()
    if call is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    how = _OpenHow(
        flags=_OPEN_FOLDER,
        mode=0,
        resolve=_RESOLVE_BENEATH | _RESOLVE_NO_SYMLINKS | _RESOLVE_NO_MAGICLINKS,
    )
    name = ctypes.c_char_p(os.fsencode(path))
    size = ctypes.c_size_t(ctypes.sizeof(how))
    fd: int = call(ctypes.c_long(_SYS_OPENAT2), root, name, ctypes.byref(how), size)
    if fd < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), path)
    return fd


def _walk_to(root: int, names: tuple[str, ...], *, create: bool) -> int:
    """Open a folder one name at a time; each step refuses a link."""
    fd = os.dup(root)
    try:
        for name in names:
            if create:
                _make_folder(fd, name)
            below = os.open(name, _OPEN_FOLDER, dir_fd=fd)
            os.close(fd)
            fd = below
    except BaseException:
        os.close(fd)
        raise
    return fd


def _make_folder(parent: int, name: str) -> None:
    try:
        os.mkdir(name, FOLDER_MODE, dir_fd=parent)
    except FileExistsError:
        return


# -- reading and writing -------------------------------------------------------------------------


def _refuse_odd_file(facts: os.stat_result, max_bytes: int) -> None:
    if stat.S_ISDIR(facts.st_mode):
        raise PathError("this is a folder, not a file")
    if not stat.S_ISREG(facts.st_mode):
        raise PathError("this is not a regular file")
    if facts.st_nlink != 1:
        raise PathError("this file has more than one name (hard links), so it is not opened")
    if facts.st_size > max_bytes:
        raise PathError(f"the file has {facts.st_size} bytes; at most {max_bytes} are allowed")


def _refuse_to_replace(parent: int, name: str) -> None:
    try:
        mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        raise PathError("there is a folder of this name")
    if not stat.S_ISREG(mode):
        raise PathError("there is a link or a special file of this name; delete it first")


def _read_all(fd: int, max_bytes: int) -> bytes:
    pieces: list[bytes] = []
    left = max_bytes + 1
    while left > 0 and (piece := os.read(fd, min(left, 1 << 20))):
        pieces.append(piece)
        left -= len(piece)
    if left <= 0:
        raise PathError(f"the file has more than {max_bytes} bytes")
    return b"".join(pieces)


def _write_atomically(parent: int, name: str, data: bytes, *, executable: bool) -> None:
    part = f"{_PART_PREFIX}{secrets.token_hex(8)}{_PART_SUFFIX}"
    mode = EXECUTABLE_MODE if executable else FILE_MODE
    fd = os.open(part, _OPEN_NEW, mode, dir_fd=parent)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
        os.rename(part, name, src_dir_fd=parent, dst_dir_fd=parent)
    except BaseException:
        os.unlink(part, dir_fd=parent)
        raise


def _is_part(name: str) -> bool:
    return name.startswith(_PART_PREFIX) and name.endswith(_PART_SUFFIX)


def _entry(above: tuple[str, ...], item: "os.DirEntry[str]") -> Entry:
    name = os.fsencode(item.name).decode(errors="replace")
    kind, size = Kind.MISSING, 0
    try:
        facts = item.stat(follow_symlinks=False)
        kind = _kind(facts.st_mode)
        size = facts.st_size if kind is Kind.FILE else 0
    except FileNotFoundError:
        pass  # it went away while we were looking
    return Entry(name=name, path="/".join((*above, name)), kind=kind, size=size)


def _kind(mode: int) -> Kind:
    if stat.S_ISREG(mode):
        return Kind.FILE
    return Kind.FOLDER if stat.S_ISDIR(mode) else Kind.OTHER


# -- telling -------------------------------------------------------------------------------------

_SENTENCES: Final = {
    errno.ENOENT: "there is no such file or folder",
    errno.ENOTDIR: "a part of the path is not a folder",
    errno.EISDIR: "this is a folder, not a file",
    errno.ELOOP: "the path goes through a link, which is not followed",
    errno.EXDEV: "the path leads out of the task folder",
    errno.ENOTEMPTY: "the folder is not empty",
    errno.EEXIST: "something of this name is already there",
    errno.ENXIO: "this is not a regular file",
    errno.ENAMETOOLONG: "the path is too long",
    errno.ENOSPC: "the disk is full",
    errno.EACCES: "access is denied",
}


@contextmanager
def _told(names: tuple[str, ...]) -> Iterator[None]:
    """Turn what goes wrong into one sentence that names the path as it was asked for."""
    path = "/".join(names) or "."
    try:
        yield
    except QuotaError as error:
        raise QuotaError(f"{path!r}: {error}") from error
    except PathError as error:
        raise PathError(f"{path!r}: {error}") from error
    except OSError as error:
        sentence = _SENTENCES.get(error.errno or 0, "the file system refused")
        raise PathError(f"{path!r}: {sentence}") from error
