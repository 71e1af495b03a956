"""Choosing what memories are searched by on this database."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy.engine import Connection

from agent_engine.memories import Embedding
from storage.database import Database, Dialect
from storage.memory.fts5_words import Fts5Words
from storage.memory.matrices import DEFAULT_BYTES, Matrices
from storage.memory.matrix_vectors import MatrixVectors
from storage.memory.pgvector_vectors import PgvectorVectors
from storage.memory.searching import Indexes, Nearest, VectorIndex
from storage.memory.shelves import Shelf
from storage.memory.tsvector_words import TsvectorWords

_COLUMN = (
    "SELECT udt_name FROM information_schema.columns WHERE table_schema = current_schema() "
    "AND table_name = 'memory_vectors' AND column_name = 'vector'"
)


def indexes_of(database: Database, *, cache_bytes: int = DEFAULT_BYTES) -> Indexes:
    """Return SQLite's FTS5 and matrices of our own, or PostgreSQL's text search and pgvector."""
    matrices = MatrixVectors(Matrices(cache_bytes))
    if database.dialect is Dialect.SQLITE:
        return Indexes(Fts5Words(), matrices)
    return Indexes(TsvectorWords(), _PostgresVectors(matrices))


class _PostgresVectors:
    """pgvector where the server had it when the tables were made, else matrices of our own."""

    def __init__(self, matrices: MatrixVectors) -> None:
        self._matrices = matrices
        self._chosen: VectorIndex | None = None

    def put(
        self,
        connection: Connection,
        memory_id: int,
        shelf_id: int,
        embedding: Embedding,
        created_at: datetime,
    ) -> None:
        """Enter the vector of a memory that has none."""
        self._choice(connection).put(connection, memory_id, shelf_id, embedding, created_at)

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
        return self._choice(connection).nearest(connection, shelves, query, most=most, also=also)

    def _choice(self, connection: Connection) -> VectorIndex:
        if self._chosen is None:
            column = connection.exec_driver_sql(_COLUMN).scalar_one()
            self._chosen = PgvectorVectors() if column == "vector" else self._matrices
        return self._chosen
