"""The words of memories in PostgreSQL's text search: plain ``ts_rank``, any of the words."""

from collections.abc import Sequence

from sqlalchemy.engine import Connection

from storage.compiled import fetch_raw
from storage.memory.searching import MOST_KEYWORD_ROWS
from storage.memory.words import words_of

_PUT = (
    "INSERT INTO memory_words (memory_id, shelf_id, words) "
    "VALUES (%s, %s, to_tsvector('english', %s))"
)
_DROP = "DELETE FROM memory_words WHERE memory_id = ANY(%s)"
_SCORES = (
    "SELECT memory_id, ts_rank(words, wanted) AS score "
    "FROM memory_words, to_tsquery('english', %s) AS wanted "
    "WHERE shelf_id = ANY(%s) AND words @@ wanted ORDER BY score DESC, memory_id DESC LIMIT %s"
)


_SPREAD = (
    "SELECT count(memory_id), coalesce(bool_or(memory_id = %s), false) "
    "FROM unnest(%s::text[]) WITH ORDINALITY AS asked (word, place) "
    "LEFT JOIN memory_words ON words @@ to_tsquery('english', word) AND shelf_id = ANY(%s) "
    "GROUP BY place ORDER BY place"
)


class TsvectorWords:
    """A ``WordIndex``."""

    def put(self, connection: Connection, memory_id: int, shelf_id: int, text: str) -> None:
        """Enter a memory's words."""
        connection.exec_driver_sql(_PUT, (memory_id, shelf_id, " ".join(words_of(text))))

    def drop(self, connection: Connection, memory_ids: Sequence[int]) -> None:
        """Take memories out. Safe to repeat."""
        connection.exec_driver_sql(_DROP, (list(memory_ids),))

    def scores(
        self, connection: Connection, shelf_ids: Sequence[int], words: Sequence[str]
    ) -> dict[int, float]:
        """Return the best by their words; more is better."""
        wanted = " | ".join(f"'{word}'" for word in words)
        arguments = (wanted, list(shelf_ids), MOST_KEYWORD_ROWS)
        return dict(fetch_raw(connection, _SCORES, arguments)) if wanted else {}

    def spread(
        self, connection: Connection, shelf_ids: Sequence[int], words: Sequence[str], memory_id: int
    ) -> Sequence[tuple[int, bool]]:
        """Return of each word how many memories have it, and whether this one is among them."""
        asked = [f"'{word}'" for word in words]
        return fetch_raw(connection, _SPREAD, (memory_id, asked, list(shelf_ids)))
