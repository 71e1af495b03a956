"""Vectors of shelves as matrices, kept between searches, within a bound of bytes.

A matrix is as good as the shelf's version that it was read at: the caller reads the version in the
same transaction, so what another process wrote is never missed. Used by several threads.
"""

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Any

DEFAULT_BYTES = 64_000_000


@dataclass(frozen=True, slots=True)
class Matrix:
    """The vectors of one shelf, by one model."""

    version: int
    rewritten: int
    ids: Any
    """int64, ascending."""
    created: Any
    """float64, when each was made, in seconds since 1970."""
    vectors: Any
    """float32, a row per id."""

    @property
    def size(self) -> int:
        """Bytes."""
        return int(self.ids.nbytes + self.created.nbytes + self.vectors.nbytes)


Place = tuple[int, str]
"""A shelf and a model."""


class Matrices:
    """A cache; the least recently used go first."""

    def __init__(self, most_bytes: int = DEFAULT_BYTES) -> None:
        self._most_bytes = most_bytes
        self._held: OrderedDict[Place, Matrix] = OrderedDict()
        self._size = 0
        self._lock = Lock()

    @property
    def size(self) -> int:
        """Bytes that are held."""
        return self._size

    def get(self, place: Place) -> Matrix | None:
        """Return what is held, of whatever version."""
        with self._lock:
            matrix = self._held.get(place)
            if matrix is not None:
                self._held.move_to_end(place)
            return matrix

    def put(self, place: Place, matrix: Matrix) -> None:
        """Hold the matrix, unless it alone is beyond the bound or a newer one is held."""
        with self._lock:
            held = self._held.get(place)
            if held is not None and held.version > matrix.version:
                return
            self._drop(place)
            if matrix.size > self._most_bytes:
                return
            self._held[place] = matrix
            self._size += matrix.size
            while self._size > self._most_bytes:
                self._drop(next(iter(self._held)))

    def _drop(self, place: Place) -> None:
        matrix = self._held.pop(place, None)
        if matrix is not None:
            self._size -= matrix.size
