"""What a database must offer for searching memories; one driver per way in the files beside.

Drivers work inside a transaction of the caller's, and know neither scopes nor states: they are
given shelves, and hold entries only of memories that may be found.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple, Protocol

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agent_engine.memories import Embedding, NewMemory
from storage.memory.shelves import Shelf

MOST_KEYWORD_ROWS = 300
"""The best of them by their words; what is behind has nothing to add to a ranking of ten."""


_DROP_VECTOR = sa.text("DELETE FROM memory_vectors WHERE memory_id = :id")


class Nearest(NamedTuple):
    """What vectors say of a query."""

    cosines: Mapping[int, float]
    """By memory id; in no order."""
    least: float
    """Of everything that was compared."""
    greatest: float
    created: Mapping[int, float] = MappingProxyType({})
    """When they were made, in seconds since 1970; empty where it takes another look."""


class WordIndex(Protocol):
    """The words of memories."""

    def put(self, connection: Connection, memory_id: int, shelf_id: int, text: str) -> None:
        """Enter a memory's words."""
        ...

    def drop(self, connection: Connection, memory_ids: Sequence[int]) -> None:
        """Take memories out. Safe to repeat."""
        ...

    def scores(
        self, connection: Connection, shelf_ids: Sequence[int], words: Sequence[str]
    ) -> dict[int, float]:
        """Return the best ``MOST_KEYWORD_ROWS`` that have one of the words; more is better."""
        ...

    def spread(
        self, connection: Connection, shelf_ids: Sequence[int], words: Sequence[str], memory_id: int
    ) -> Sequence[tuple[int, bool]]:
        """Return of each word how many memories have it, and whether this one is among them."""
        ...


class VectorIndex(Protocol):
    """The vectors of memories."""

    def put(
        self,
        connection: Connection,
        memory_id: int,
        shelf_id: int,
        embedding: Embedding,
        created_at: datetime,
    ) -> None:
        """Enter the vector of a memory that has none, made at this time."""
        ...

    def nearest(
        self,
        connection: Connection,
        shelves: Sequence[Shelf],
        query: Embedding,
        *,
        most: int,
        also: Collection[int] = (),
    ) -> Nearest | None:
        """Return the ``most`` nearest vectors of the query's model, and those of ``also``.

        None when there are none on these shelves. Only for transactions that write nothing: what is
        read may be kept for the next search.
        """
        ...


@dataclass(frozen=True, slots=True)
class Indexes:
    """Where memories are found."""

    words: WordIndex
    vectors: VectorIndex

    def enter(
        self,
        connection: Connection,
        memory_id: int,
        shelf_id: int,
        memory: NewMemory,
        created_at: datetime,
    ) -> None:
        """Let a memory be found."""
        self.words.put(connection, memory_id, shelf_id, f"{memory.heading}\n{memory.text}")
        if memory.embedding is not None:
            self.vectors.put(connection, memory_id, shelf_id, memory.embedding, created_at)

    def drop(self, connection: Connection, memory_ids: Sequence[int]) -> None:
        """Let memories be found no more. Safe to repeat."""
        if memory_ids:
            self.words.drop(connection, memory_ids)
            self.drop_vectors(connection, memory_ids)

    def drop_vectors(self, connection: Connection, memory_ids: Sequence[int]) -> None:
        """Let memories be found by their words alone. Safe to repeat."""
        connection.execute(_DROP_VECTOR, [{"id": at} for at in memory_ids])
