"""How much one task folder may hold, and the count of what it holds.

Pure bookkeeping: it must not touch files; that is ``paths``, which holds every writer to it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """Caps of one task folder."""

    size: int = 320 * MIB
    """Bytes of all files together."""
    files: int = 2_000
    """Files and folders together: empty ones use up a disk as well."""


class Tally:
    """What a folder holds, kept while files are written to it.

    Args:
        quota: what it may hold.
        held: paths and sizes of what is there; 0 for folders.
    """

    def __init__(self, quota: Quota, held: Iterable[tuple[str, int]]) -> None:
        self._quota = quota
        self._sizes = dict(held)
        self._size = sum(self._sizes.values())

    def objection(self, names: tuple[str, ...], size: int) -> str:
        """Say why a file of this size cannot be put there; empty when it can."""
        after = self._size + size - self._sizes.get("/".join(names), 0)
        # One that shrinks what is there is let through even where too much is there already.
        if after > self._quota.size and after > self._size:
            return (
                f"the task folder may hold {shown_size(self._quota.size)} and would hold "
                f"{shown_size(after)} with this file; delete some files first"
            )
        if len(self._sizes) + len(self._new(names)) > self._quota.files and self._new(names):
            return (
                f"the task folder may hold {self._quota.files} files and folders, "
                "which is what it holds; delete some first"
            )
        return ""

    def add(self, names: tuple[str, ...], size: int) -> None:
        """Count a file that was put there, and the folders made for it."""
        path = "/".join(names)
        self._size += size - self._sizes.get(path, 0)
        self._sizes.update(dict.fromkeys(self._new(names), 0))
        self._sizes[path] = size

    def _new(self, names: tuple[str, ...]) -> list[str]:
        paths = ("/".join(names[:count]) for count in range(1, len(names) + 1))
        return [path for path in paths if path not in self._sizes]


def shown_size(size: int) -> str:
    """Return a number of bytes as people write it.

    >>> shown_size(900), shown_size(320 * MIB), shown_size(334_217_728)
    ('900 bytes', '320 MiB', '318.7 MiB')
    """
    return f"{size} bytes" if size < MIB else f"{size / MIB:.1f} MiB".replace(".0 MiB", " MiB")
