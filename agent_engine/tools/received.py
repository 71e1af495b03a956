"""Keeps the files that people attached to a task: each once, whole, under a safe name.

What comes in is written beside the task folder, where no tool can reach it, noted in a list there,
and only then moved in under its name. A crash between any two of these is put right by the next
``open``. Smaller versions of pictures stay beside the folder. It fetches nothing, and it never
looks into a file.
"""

import hashlib
import json
import logging
import os
import secrets
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, Final, Self

from agent_engine.tools.paths import FILE_MODE, Folder, Kind

logger = logging.getLogger(__name__)

MAX_NAME_BYTES: Final = 120
_MAX_SUFFIX_CHARS: Final = 12
_LIST: Final = "list.json"
_SMALLER: Final = "smaller-"
"""Begins the name of a smaller version of a picture."""
_UNNAMED: Final = "file"
_NOT_IN_NAMES: Final = frozenset('/\\:*?"<>|')
"""Separators, and what other systems or shells read as something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What became of one attachment."""

    path: str = ""
    """Its name in the task folder; empty where it was not taken."""
    staged: str = ""
    """Its name beside the folder, until it was moved in."""
    size: int = 0
    problem: str = ""
    """Why it will never be taken."""


def safe_name(name: str) -> str:
    """Return a plain file name for whatever a file is called.

    >>> safe_name("../../etc/passwd"), safe_name(".bashrc"), safe_name("Q3: a/b?.csv")
    ('etc_passwd', 'bashrc', 'Q3_ a_b_.csv')
    """
    text = unicodedata.normalize("NFC", name.encode(errors="replace").decode())
    text = "".join("_" if char in _NOT_IN_NAMES else char for char in text)
    shown = (char for char in text if unicodedata.category(char) not in ("Cc", "Cf", "Co", "Cn"))
    text = " ".join("".join(shown).split()).strip("._- ") or _UNNAMED
    stem, suffix = _parts(text)
    return _cut(stem, MAX_NAME_BYTES - len(suffix.encode())) + suffix


class Received:
    """The attachments of one task. Blocks; not for use from two threads at once."""

    def __init__(self, folder: Path, aside: Path) -> None:
        self._folder = folder
        self._aside = aside
        self._kept: dict[str, Kept] = {}

    @classmethod
    def open(cls, folder: Path, aside: Path) -> Self:
        """Read what is kept, and put right what a crash left."""
        received = cls(folder, aside)
        received._read()
        return received

    @property
    def kept(self) -> dict[str, Kept]:
        """What became of each attachment that was dealt with for good, by its id."""
        return dict(self._kept)

    @property
    def size(self) -> int:
        """The bytes of all that was taken."""
        return sum(kept.size for kept in self._kept.values())

    @contextmanager
    def staging(self) -> Iterator[tuple[str, BinaryIO]]:
        """Yield a name and a file to write to; the file is gone afterwards unless it was taken."""
        staged = secrets.token_hex(8)
        path = self._aside / staged
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            with os.fdopen(os.open(path, flags, FILE_MODE), "w+b") as file:
                yield staged, file
        finally:
            path.unlink(missing_ok=True)

    def take(self, file_id: str, staged: str, *, name: str) -> Kept:
        """Put a file that is written into the task folder, under a name that is free there."""
        size = (self._aside / staged).stat().st_size
        kept = Kept(path=self._free_name(safe_name(name)), staged=staged, size=size)
        self._note(file_id, kept)
        self._move_in(kept)
        return kept

    def refuse(self, file_id: str, problem: str) -> Kept:
        """Note that an attachment will never be taken, and why."""
        kept = Kept(problem=problem)
        self._note(file_id, kept)
        return kept

    def smaller(self, file_id: str) -> bytes | None:
        """Return the smaller version of a picture; None where none was taken."""
        try:
            return self._smaller(file_id).read_bytes()
        except FileNotFoundError:
            return None

    def take_smaller(self, file_id: str, staged: str) -> bytes:
        """Keep a smaller version of a picture that is written, and return it."""
        (self._aside / staged).replace(self._smaller(file_id))
        return self._smaller(file_id).read_bytes()

    # --------------------------------------------------------------------------------------------

    def _read(self) -> None:
        self._kept = self._listed()
        for kept in self._kept.values():
            if kept.staged and (self._aside / kept.staged).exists():
                self._move_in(kept)
        for left in self._aside.iterdir():
            if left.name != _LIST and not left.name.startswith(_SMALLER):
                left.unlink(missing_ok=True)

    def _listed(self) -> dict[str, Kept]:
        """Read the list; one that a machine's crash has spoilt is begun anew, the files come again.

        They then come under other names, which is better than never.
        """
        try:
            listed = json.loads((self._aside / _LIST).read_text("utf-8"))
            return {file_id: Kept(**values) for file_id, values in listed.items()}
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, AttributeError):
            logger.exception("attachment_list_spoilt")
            return {}

    def _smaller(self, file_id: str) -> Path:
        return self._aside / f"{_SMALLER}{hashlib.sha256(file_id.encode()).hexdigest()[:32]}"

    def _note(self, file_id: str, kept: Kept) -> None:
        self._kept[file_id] = kept
        part = self._aside / f"{_LIST}.{secrets.token_hex(4)}"
        values = {known: asdict(one) for known, one in self._kept.items()}
        part.write_text(json.dumps(values), "utf-8")
        part.replace(self._aside / _LIST)

    def _move_in(self, kept: Kept) -> None:
        (self._aside / kept.staged).replace(self._folder / kept.path)

    def _free_name(self, name: str) -> str:
        stem, suffix = _parts(name)
        taken = {kept.path for kept in self._kept.values()}
        with Folder(self._folder) as folder:
            number, free = 1, name
            while free in taken or folder.kind((free,)) is not Kind.MISSING:
                number += 1
                free = f"{stem}-{number}{suffix}"
        return free


def _parts(name: str) -> tuple[str, str]:
    """Return a name's beginning and its suffix with the dot, which is short or is none."""
    stem, dot, suffix = name.rpartition(".")
    if not stem or len(suffix) > _MAX_SUFFIX_CHARS or not suffix.isalnum():
        return name, ""
    return stem, dot + suffix


def _cut(text: str, max_bytes: int) -> str:
    return text.encode()[:max_bytes].decode(errors="ignore").rstrip()
