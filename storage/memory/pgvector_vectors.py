"""Vectors in PostgreSQL's pgvector, compared there: exact within the shelves, without an index.

An index for nearest neighbours finds too little behind a filter of scope, so there is none.
"""

from array import array
from collections.abc import Sequence
from typing import Any

from sqlalchemy.engine import Connection

from agent_engine.memories import Embedding
from storage.compiled import fetch_raw
from storage.memory.shelves import Shelf

_PUT = "INSERT INTO memory_vectors (memory_id, shelf_id, model, vector) VALUES (%s, %s, %s, %s)"
_COSINES = (
    "SELECT memory_id, 1 - (vector <=> %s::vector) FROM memory_vectors "
    "WHERE shelf_id = ANY(%s) AND model = %s"
)


class PgvectorVectors:
    """A ``VectorIndex``."""

    def put(
        self, connection: Connection, memory_id: int, shelf_id: int, embedding: Embedding
    ) -> None:
        """Enter the vector of a memory that has none."""
        values = (memory_id, shelf_id, embedding.model, _spelled(embedding))
        connection.exec_driver_sql(_PUT, values)

    def cosines(
        self, connection: Connection, shelves: Sequence[Shelf], query: Embedding
    ) -> tuple[Any, Any]:
        """Return the ids and cosines of all vectors of the query's model."""
        import numpy as np  # noqa: PLC0415  # only where there are vectors

        values = (_spelled(query), [shelf.id for shelf in shelves], query.model)
        rows = fetch_raw(connection, _COSINES, values)
        ids = np.fromiter((row[0] for row in rows), np.int64, len(rows))
        return ids, np.fromiter((row[1] for row in rows), np.float32, len(rows))


def _spelled(embedding: Embedding) -> str:
    return f"[{','.join(map(repr, array('f', embedding.vector)))}]"
