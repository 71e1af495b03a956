"""Vectors in PostgreSQL's pgvector, compared there: exact within the shelves, without an index.

An index for nearest neighbours finds too little behind a filter of scope, so there is none.
"""

from array import array
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy.engine import Connection

from agent_engine.memories import Embedding
from storage.compiled import fetch_raw
from storage.memory.searching import Nearest
from storage.memory.shelves import Shelf

_PUT = (
    "INSERT INTO memory_vectors (memory_id, shelf_id, model, created_at, vector) "
    "VALUES (%s, %s, %s, %s, %s)"
)
_NEAREST = """
    WITH compared AS MATERIALIZED (
        SELECT memory_id, 1 - (vector <=> %s::vector) AS cosine
        FROM memory_vectors WHERE shelf_id = ANY(%s) AND model = %s
    )
    (SELECT memory_id, cosine FROM compared ORDER BY cosine DESC LIMIT %s)
    UNION ALL (SELECT memory_id, cosine FROM compared WHERE memory_id = ANY(%s))
    UNION ALL (SELECT NULL, min(cosine) FROM compared)
"""
"""The best, those asked for, and the least: of all others nothing leaves the database."""


class PgvectorVectors:
    """A ``VectorIndex``."""

    def put(
        self,
        connection: Connection,
        memory_id: int,
        shelf_id: int,
        embedding: Embedding,
        created_at: datetime,
    ) -> None:
        """Enter the vector of a memory that has none."""
        made = created_at.timestamp()
        values = (memory_id, shelf_id, embedding.model, made, _spelled(embedding))
        connection.exec_driver_sql(_PUT, values)

    def nearest(
        self,
        connection: Connection,
        shelves: Sequence[Shelf],
        query: Embedding,
        *,
        most: int,
        also: Collection[int] = (),
    ) -> Nearest | None:
        """Return the ``most`` nearest vectors of the query's model, and those of ``also``."""
        of_shelves = (_spelled(query), [shelf.id for shelf in shelves], query.model)
        rows = fetch_raw(connection, _NEAREST, (*of_shelves, most, list(also)))
        *_, (_, least) = rows
        found = {at: cosine for at, cosine in rows if at is not None}
        return Nearest(found, least=least, greatest=max(found.values())) if found else None


def _spelled(embedding: Embedding) -> str:
    return f"[{','.join(map(repr, array('f', embedding.vector)))}]"
