"""Vectors as bytes in rows, compared here: one product per shelf, exact, matrices kept.

For SQLite, and for a PostgreSQL without pgvector.
"""

from collections.abc import Collection, Sequence
from typing import Any

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
_READ = sa.select(_V.memory_id, _V.vector).where(*_ADDED).order_by(_V.memory_id)
_AT_ONCE = 256
"""Rows that are copied together: few enough to stay in the processor's cache."""


class MatrixVectors:
    """A ``VectorIndex``."""

    def __init__(self, matrices: Matrices) -> None:
        self._matrices = matrices

    def put(
        self, connection: Connection, memory_id: int, shelf_id: int, embedding: Embedding
    ) -> None:
        """Enter the vector of a memory that has none."""
        values = {"memory_id": memory_id, "shelf_id": shelf_id, "model": embedding.model}
        execute(connection, _PUT, {**values, "vector": embedding.vector})

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
        asked = np.array(sorted(also), np.int64)
        best, least = _Best(most), np.inf
        told: dict[int, float] = {}
        for shelf in shelves:
            matrix = self._matrix(connection, shelf, query)
            if len(matrix.ids):
                cosines = np.vecdot(matrix.vectors, wanted)
                least = min(least, cosines.min())
                best.take(matrix.ids, cosines)
                told |= _of(asked, matrix.ids, cosines)
        found = best.found()
        if not found:
            return None
        return Nearest({**told, **found}, least=float(least), greatest=max(found.values()))

    def _matrix(self, connection: Connection, shelf: Shelf, query: Embedding) -> Matrix:
        place = (shelf.id, query.model)
        held = self._matrices.get(place)
        if held is not None and held.version == shelf.version:
            return held
        matrix = _read(connection, shelf, query, held)
        self._matrices.put(place, matrix)
        return matrix


class _Best:
    """The greatest of several arrays, without holding the arrays."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._ids: Any = ()
        self._cosines: Any = ()
        self._least = 0.0

    def take(self, ids: Any, cosines: Any) -> None:  # noqa: ANN401  # arrays of numpy
        """Look through another array for what is better than what there is."""
        import numpy as np  # noqa: PLC0415  # as above

        if len(self._ids) == self._most:
            hopeful = np.flatnonzero(cosines > self._least)
            ids, cosines = ids[hopeful], cosines[hopeful]
        if not len(ids):
            return
        if len(self._ids):
            ids = np.concatenate([self._ids, ids])
            cosines = np.concatenate([self._cosines, cosines])
        if len(ids) > self._most:
            top = np.argpartition(cosines, len(ids) - self._most)[-self._most :]
            ids, cosines = ids[top], cosines[top]
        self._ids, self._cosines, self._least = ids, cosines, cosines.min()

    def found(self) -> dict[int, float]:
        """Return the best with their ids; in no order."""
        return {int(at): float(cosine) for at, cosine in zip(self._ids, self._cosines, strict=True)}


def _of(asked: Any, ids: Any, cosines: Any) -> dict[int, float]:  # noqa: ANN401  # arrays of numpy
    """Return the cosines of these ids, where they are among the others; both are ascending."""
    if not len(asked):
        return {}
    places = ids.searchsorted(asked)
    places = places[places < len(ids)]
    here = places[ids[places] == asked[: len(places)]]
    return dict(zip(ids[here].tolist(), cosines[here].tolist(), strict=True))


def _read(connection: Connection, shelf: Shelf, query: Embedding, held: Matrix | None) -> Matrix:
    """Read the shelf's vectors, or only what was added since they were read last."""
    import numpy as np  # noqa: PLC0415  # as above

    known = held if held is not None and held.rewritten == shelf.rewritten else None
    at = len(known.ids) if known is not None else 0
    after = int(known.ids[-1]) if known is not None and at else 0
    where = {"shelf": shelf.id, "model": query.model, "after": after}
    [added] = fetch_values(connection, _COUNT, where)
    ids = np.empty(at + added, np.int64)
    vectors = np.empty((at + added, query.dimension), np.float32)
    if known is not None:
        ids[:at], vectors[:at] = known.ids, known.vectors
    for rows in fetch_pieces(connection, _READ, where, rows=_AT_ONCE) if added else ():
        end = at + len(rows)
        ids[at:end] = [row[0] for row in rows]
        joined = b"".join([row[1] for row in rows])
        vectors[at:end] = np.frombuffer(joined, np.float32).reshape(len(rows), query.dimension)
        at = end
    return Matrix(shelf.version, shelf.rewritten, ids, vectors)
