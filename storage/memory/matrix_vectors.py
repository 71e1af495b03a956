"""Vectors as bytes in rows, compared here: one product per shelf, exact, matrices kept.

For SQLite, and for a PostgreSQL without pgvector.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agent_engine.memories import Embedding
from storage.compiled import execute, fetch_pieces, fetch_values
from storage.memory.matrices import Matrices, Matrix
from storage.memory.searching import Nearest
from storage.memory.shelves import Shelf

_VECTORS = sa.table(
    "memory_vectors",
    sa.column("memory_id"),
    sa.column("shelf_id"),
    sa.column("model"),
    sa.column("created_at"),
    sa.column("vector"),
)
_V = _VECTORS.c
_PUT = sa.insert(_VECTORS)
_ADDED = (
    _V.shelf_id == sa.bindparam("shelf", required=True),
    _V.model == sa.bindparam("model", required=True),
    _V.memory_id > sa.bindparam("after", required=True),
)
_COUNT = sa.select(sa.func.count()).select_from(_VECTORS).where(*_ADDED)
_READ = sa.select(_V.memory_id, _V.created_at, _V.vector).where(*_ADDED).order_by(_V.memory_id)
_AT_ONCE = 256
"""Rows that are copied together: few enough to stay in the processor's cache."""


class MatrixVectors:
    """A ``VectorIndex``."""

    def __init__(self, matrices: Matrices) -> None:
        self._matrices = matrices

    def put(
        self,
        connection: Connection,
        memory_id: int,
        shelf_id: int,
        embedding: Embedding,
        created_at: datetime,
    ) -> None:
        """Enter the vector of a memory that has none."""
        values = {"memory_id": memory_id, "shelf_id": shelf_id, "model": embedding.model}
        made = {"created_at": created_at.timestamp(), "vector": embedding.vector}
        execute(connection, _PUT, {**values, **made})

    def nearest(
        self,
        connection: Connection,
        shelves: Sequence[Shelf],
        query: Embedding,
        *,
        most: int,
        also: Collection[int] = (),
    ) -> Nearest | None:
        """Return the best, and these besides; each shelf is gone through while it is in reach."""
        import numpy as np  # noqa: PLC0415  # only where there are vectors

        wanted = np.frombuffer(query.vector, np.float32)
        asked = np.sort(np.fromiter(also, np.int64, len(also)))
        best, besides, least = _Best(most), list[_Compared](), np.inf
        for shelf in shelves:
            matrix = self._matrix(connection, shelf, query)
            if len(matrix.ids):
                compared = _Compared(matrix.ids, np.vecdot(matrix.vectors, wanted), matrix.created)
                least = min(least, compared.cosines.min())
                best.take(compared)
                besides.append(compared.of(asked))
        if best.found is None:
            return None
        told: dict[int, float] = {}
        created: dict[int, float] = {}
        for some in (*besides, best.found):
            ids = some.ids.tolist()
            told.update(zip(ids, some.cosines.tolist(), strict=True))
            created.update(zip(ids, some.created.tolist(), strict=True))
        greatest = float(best.found.cosines.max())
        return Nearest(told, least=float(least), greatest=greatest, created=created)

    def _matrix(self, connection: Connection, shelf: Shelf, query: Embedding) -> Matrix:
        place = (shelf.id, query.model)
        held = self._matrices.get(place)
        if held is not None and held.version == shelf.version:
            return held
        matrix = _read(connection, shelf, query, held)
        self._matrices.put(place, matrix)
        return matrix


class _Compared(NamedTuple):
    """Vectors that were compared: arrays of the same length."""

    ids: Any
    cosines: Any
    created: Any

    def at(self, places: Any) -> "_Compared":  # noqa: ANN401  # an array, or a slice
        """Return those at these places."""
        return _Compared(self.ids[places], self.cosines[places], self.created[places])

    def of(self, asked: Any) -> "_Compared":  # noqa: ANN401  # an array
        """Return those of these ids that are among them; both are ascending."""
        places = self.ids.searchsorted(asked)
        places = places[places < len(self.ids)]
        return self.at(places[self.ids[places] == asked[: len(places)]])

    def and_of(self, other: "_Compared") -> "_Compared":
        """Return both."""
        import numpy as np  # noqa: PLC0415  # as above

        return _Compared(*(np.concatenate(pair) for pair in zip(self, other, strict=True)))


class _Best:
    """The greatest of several arrays, without holding the arrays."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.found: _Compared | None = None
        """In no order."""

    def take(self, compared: _Compared) -> None:
        """Look through more for what is better than what there is."""
        import numpy as np  # noqa: PLC0415  # as above

        found = self.found
        if found is not None and len(found.ids) == self._most:
            compared = compared.at(np.flatnonzero(compared.cosines > found.cosines.min()))
            if not len(compared.ids):
                return
        if found is not None:
            compared = found.and_of(compared)
        count = len(compared.ids)
        if count > self._most:
            compared = compared.at(compared.cosines.argpartition(count - self._most)[-self._most :])
        self.found = compared


def _read(connection: Connection, shelf: Shelf, query: Embedding, held: Matrix | None) -> Matrix:
    """Read the shelf's vectors, or only what was added since they were read last."""
    import numpy as np  # noqa: PLC0415  # as above

    known = held if held is not None and held.rewritten == shelf.rewritten else None
    at = len(known.ids) if known is not None else 0
    after = int(known.ids[-1]) if known is not None and at else 0
    where = {"shelf": shelf.id, "model": query.model, "after": after}
    [added] = fetch_values(connection, _COUNT, where)
    ids = np.empty(at + added, np.int64)
    created = np.empty(at + added, np.float64)
    vectors = np.empty((at + added, query.dimension), np.float32)
    if known is not None:
        ids[:at], created[:at], vectors[:at] = known.ids, known.created, known.vectors
    for rows in fetch_pieces(connection, _READ, where, rows=_AT_ONCE) if added else ():
        end = at + len(rows)
        ids[at:end] = [row[0] for row in rows]
        created[at:end] = [row[1] for row in rows]
        joined = b"".join([row[2] for row in rows])
        vectors[at:end] = np.frombuffer(joined, np.float32).reshape(len(rows), query.dimension)
        at = end
    return Matrix(shelf.version, shelf.rewritten, ids, created, vectors)
