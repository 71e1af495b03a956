"""Carry a task folder's files into a sandbox and what a program made of them back out.

What comes out was made by the program: nothing in it is believed. Only regular files are taken,
under plain relative names, within bounds, and written with the primitives of ``paths``.
"""

import hashlib
import io
import os
import tarfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from agent_engine.tools.paths import (
    MAX_DEPTH,
    MAX_PATH_BYTES,
    Folder,
    Kind,
    PathError,
    QuotaError,
    split_path,
)
from agent_engine.tools.quota import shown_size
from agent_engine.tools.sandbox.driver import SandboxLimits
from agent_engine.tools.sandbox.failures import SandboxError

_BLOCK: Final = 512
_MAX_NOTES: Final = 10
_REGULAR: Final = (b"0", b"\0")
_FOLDER: Final = b"5"
_LONG_NAME: Final = b"L"
_LONG_TARGET: Final = b"K"
_POSIX: Final = b"ustar\0"
_EXECUTABLE: Final = 0o100
_MAX_SHOWN_CHARS: Final = 80

UNPACKED: Final = """
  us=${EPOCHREALTIME:-1000.000000}; us=$((${us/[.,]/} - 100000))
"""
"""Bash that notes when all files were there; the clock of files is coarser than its own."""
PACK: Final = """
  chmod -R u+rwX .
  {
    find . -mindepth 1 -maxdepth MAX_DEPTH ! -type d -newerct "@${us::-6}.${us: -6}" -print0
    find . -mindepth $((MAX_DEPTH + 1)) -maxdepth $((MAX_DEPTH + 1)) -print0 -quit
  } | tar --format=gnu --hard-dereference --no-recursion --null --verbatim-files-from -T - -cf -
""".replace("MAX_DEPTH", str(MAX_DEPTH))
"""Bash that writes what a program made or touched in its work folder to its output, as an archive.

Folders are not in it, but for one that says that there are deeper ones: of ten thousand, each in
the other, the names alone would fill it. What the program closed to itself is opened.
"""


class File(NamedTuple):
    """One file on its way in or out."""

    names: tuple[str, ...]
    data: bytes
    executable: bool = False

    @property
    def path(self) -> str:
        """The relative path."""
        return "/".join(self.names)


@dataclass(slots=True)
class CopiedIn:
    """What a program was given."""

    digests: dict[str, bytes] = field(default_factory=dict)
    size: int = 0

    def note(self, file: File) -> None:
        """Remember a file, so that it can be told later whether it was changed."""
        self.digests[file.path] = _digest(file.data)
        self.size += len(file.data)


@dataclass(slots=True)
class CopiedOut:
    """What a program's files became."""

    files: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    full: str = ""
    """Why something did not fit into the task folder; empty when all did."""

    def note(self, sentence: str) -> None:
        """Remember why something was left behind; the first few are enough."""
        if len(self.notes) < _MAX_NOTES:
            self.notes.append(sentence)


def read_folder(folder: Path | None, limits: SandboxLimits) -> Iterator[File]:
    """Read the files a program is given, one at a time; none where there is no folder.

    Raises:
        SandboxError: they are more, or larger together, than may be copied.
    """
    if folder is None:
        return
    room, count = limits.copied_in_bytes, 0
    with Folder(folder) as root:
        for entry in root.walk():
            if entry.kind is not Kind.FILE:
                continue
            room, count = room - entry.size, count + 1
            if room < 0 or count > limits.copied_files:
                raise SandboxError(_too_much(limits))
            file = _read(root, tuple(entry.path.split("/")), limits.copied_in_bytes)
            if file is not None:
                yield file


def write_archive(files: Iterable[File], sink: BinaryIO) -> CopiedIn:
    """Write the files as an archive for tar inside the sandbox; return what they were."""
    given = CopiedIn()
    with tarfile.open(fileobj=sink, mode="w|", format=tarfile.GNU_FORMAT) as archive:
        for file in files:
            archive.addfile(_header(file), io.BytesIO(file.data))
            given.note(file)
    return given


def copy_out(
    members: Iterator[File | str], folder: Path, given: CopiedIn, limits: SandboxLimits
) -> CopiedOut:
    """Write what the program made or changed into the task folder.

    Args:
        members: the program's files, or a sentence about one that cannot be taken.
        folder: the task folder.
        given: what it was given; files that are still equal are not written.
        limits: how many files are looked at, and how large one may be.
    """
    copied = CopiedOut()
    with Folder(folder, limits.folder_quota) as root:
        for number, member in enumerate(members):
            if number >= 2 * limits.copied_files:
                copied.note(f"more than {limits.copied_files} files were made; the rest is gone")
                break
            if isinstance(member, str):
                copied.note(member)
            elif given.digests.get(member.path) != _digest(member.data):
                _write(root, member, copied, limits.file_bytes)
    return copied


def archive_members(archive: int, room: int) -> Iterator[File | str]:
    """Read a program's archive, member by member, from a descriptor that holds ``room`` bytes.

    Reads ustar with GNU's long names and nothing else, because whoever wrote it may have wanted to
    harm.
    """
    at, long_name = 0, b""
    while at + _BLOCK <= room:
        header = os.pread(archive, _BLOCK, at)
        at += _BLOCK
        if len(header) < _BLOCK or not header.strip(b"\0"):
            return
        size = _octal(header[124:136])
        if header[257:262] != b"ustar" or size is None or at + size > room:
            yield "the rest of the files could not be read"
            return
        kind = header[156:157]
        if kind == _LONG_NAME:
            # One that is cut here is still too long to be taken.
            long_name = _text(os.pread(archive, min(size, 2 * MAX_PATH_BYTES), at))
        elif kind != _LONG_TARGET:
            yield from _member(header, long_name or _short_name(header), archive, at)
            long_name = b""
        at += -(-size // _BLOCK) * _BLOCK


def folder_members(folder: Path, limits: SandboxLimits) -> Iterator[File | str]:
    """Read a program's files from its own work folder, after everything of it has been killed."""
    room = limits.copied_out_bytes + limits.copied_in_bytes
    unseen: list[PathError] = []
    with Folder(folder) as root:
        for entry in root.walk(missed=unseen.append):
            while unseen:
                yield f"not kept: {unseen.pop()}"
            if entry.kind is not Kind.FILE:
                continue
            room -= entry.size
            if room < 0:
                yield "the files are too large together; the rest is gone"
                return
            try:
                names = split_path(entry.path)
                # One that was given may be larger than one that may be made.
                data, executable = root.read_with_mode(names, max_bytes=limits.copied_in_bytes)
            except PathError as error:
                yield f"not kept: {error}"
            else:
                yield File(names, data, executable)
    for missed in unseen:
        yield f"not kept: {missed}"


def _read(root: Folder, names: tuple[str, ...], max_bytes: int) -> File | None:
    """Read one file; None for one that may not be opened, or has just gone."""
    try:
        data, executable = root.read_with_mode(names, max_bytes=max_bytes)
    except PathError:
        return None
    return File(names, data, executable)


def _header(file: File) -> tarfile.TarInfo:
    member = tarfile.TarInfo(file.path)
    member.size = len(file.data)
    member.mtime = int(time.time())  # zip archives cannot hold dates before 1980
    member.mode = 0o755 if file.executable else 0o644
    return member


def _member(header: bytes, raw: bytes, archive: int, at: int) -> Iterator[File | str]:
    kind = header[156:157]
    if kind == _FOLDER:
        if raw.strip(b"/").count(b"/") >= MAX_DEPTH:
            yield f"not kept: what lies more than {MAX_DEPTH} folders deep"
        return
    shown = repr(raw.decode(errors="replace"))[:_MAX_SHOWN_CHARS]
    if kind not in _REGULAR:
        yield f"not kept: {shown} is not a regular file"
        return
    try:
        names = split_path(raw.decode())
    except (UnicodeDecodeError, PathError):
        yield f"not kept: {shown} is not a usable name"
        return
    size, mode = _octal(header[124:136]) or 0, _octal(header[100:108]) or 0
    yield File(names, os.pread(archive, size, at), bool(mode & _EXECUTABLE))


def _short_name(header: bytes) -> bytes:
    """Return the name in a header; only ustar's own, not GNU's, has room for its beginning."""
    before = _text(header[345:500]) if header[257:263] == _POSIX else b""
    return b"/".join(part for part in (before, _text(header[:100])) if part)


def _write(root: Folder, file: File, copied: CopiedOut, max_bytes: int) -> None:
    try:
        root.write(file.names, file.data, executable=file.executable, max_bytes=max_bytes)
    except QuotaError as error:
        copied.full = copied.full or str(error)
    except PathError as error:
        copied.note(f"not kept: {error}")
    else:
        copied.files.append(file.path)


def _text(piece: bytes) -> bytes:
    return piece.split(b"\0", 1)[0]


def _octal(piece: bytes) -> int | None:
    digits = piece.strip(b" \0")
    if not all(char in b"01234567" for char in digits):
        return None
    return int(digits or b"0", 8)


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _too_much(limits: SandboxLimits) -> str:
    return (
        f"the task folder holds more than {limits.copied_files} files or "
        f"{shown_size(limits.copied_in_bytes)}, which is more than a program is given; "
        "delete some files first"
    )
