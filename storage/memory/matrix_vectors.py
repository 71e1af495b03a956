"""Vectors as bytes in rows, compared here: one product per shelf, exact, matrices kept.

For SQLite, and for a PostgreSQL without pgvector.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agent_engine.memories import Embedding
from storage.memory.matrices import Matrices, Matrix
from storage.memory.shelves import Shelf

_PUT = sa.text(
    "INSERT INTO memory_vectors (memory_id, shelf_id, model, vector) "
    "VALUES (:id, :shelf, :model, :vector)"
)
_READ = sa.text(
    "SELECT memory_id, vector FROM memory_vectors "
    "WHERE shelf_id = :shelf AND model = :model AND memory_id > :after ORDER BY memory_id"
)


class MatrixVectors:
    """A ``VectorIndex``."""

    def __init__(self, matrices: Matrices) -> None:
        self._matrices = matrices

    def put(
        self, connection: Connection, memory_id: int, shelf_id: int, embedding: Embedding
    ) -> None:
        """Enter the vector of a memory that has none."""
        values = {"id": memory_id, "shelf": shelf_id, "model": embedding.model}
        connection.execute(_PUT, {**values, "vector": embedding.vector})

    def cosines(
        self, connection: Connection, shelves: Sequence[Shelf], query: Embedding
    ) -> tuple[Any, Any]:
        """Return the ids and cosines of all vectors of the query's model."""
        import numpy as np  # noqa: PLC0415  # only where there are vectors

        wanted = np.frombuffer(query.vector, np.float32)
        ids, cosines = [np.empty(0, np.int64)], [np.empty(0, np.float32)]
        for shelf in shelves:
            matrix = self._matrix(connection, shelf, query)
            if len(matrix.ids):
                ids.append(matrix.ids)
                cosines.append(np.vecdot(matrix.vectors, wanted))
        return np.concatenate(ids), np.concatenate(cosines)

    def _matrix(self, connection: Connection, shelf: Shelf, query: Embedding) -> Matrix:
        place = (shelf.id, query.model)
        held = self._matrices.get(place)
        if held is not None and held.version == shelf.version:
            return held
        matrix = _read(connection, shelf, query, held)
        self._matrices.put(place, matrix)
        return matrix


def _read(connection: Connection, shelf: Shelf, query: Embedding, held: Matrix | None) -> Matrix:
    """Read the shelf's vectors, or only what was added since they were read last."""
    import numpy as np  # noqa: PLC0415  # as above

    known = held if held is not None and held.rewritten == shelf.rewritten else None
    after = int(known.ids[-1]) if known is not None and len(known.ids) else 0
    where = {"shelf": shelf.id, "model": query.model, "after": after}
    rows = connection.execute(_READ, where).all()
    ids = np.fromiter((row[0] for row in rows), np.int64, len(rows))
    joined = b"".join([row[1] for row in rows])
    vectors = np.frombuffer(joined, np.float32).reshape(len(rows), query.dimension)
    if known is not None:
        ids = np.concatenate([known.ids, ids])
        vectors = np.concatenate([known.vectors, vectors])
    return Matrix(shelf.version, shelf.rewritten, ids, vectors)
