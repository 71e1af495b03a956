"""The words of memories in SQLite's FTS5: BM25 over words that carry their shelf."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.engine import Connection

from storage.compiled import fetch_raw
from storage.memory.searching import MOST_KEYWORD_ROWS
from storage.memory.words import shelved, words_of

_PUT = "INSERT INTO memory_words (rowid, words) VALUES (?, ?)"
_DROP = "DELETE FROM memory_words WHERE rowid = ?"
_SCORES = (
    "SELECT rowid, -bm25(memory_words) AS score FROM memory_words WHERE memory_words MATCH ? "
    "ORDER BY score DESC LIMIT ?"
)
"""Not ``ORDER BY rank``, by which FTS5 prepares and runs a statement of its own each time."""


_SPREAD = (
    "SELECT count(*), coalesce(max(rowid = ?), 0) FROM memory_words WHERE memory_words MATCH ?"
)


_MERGE = "INSERT INTO memory_words (memory_words, rank) VALUES ('merge', ?)"
_PAGES = 100
"""Written in one transaction at most: others wait meanwhile."""


def merge_some(connection: Connection) -> bool:
    """Merge some of the pieces that the index has grown by; False when nothing was left to do.

    A search looks into each piece for each of its words, so many cost several times what one does.
    """
    driver: Any = connection.connection.driver_connection
    before = driver.total_changes
    connection.exec_driver_sql(_MERGE, (_PAGES,))
    changed: int = driver.total_changes - before
    return changed > 1  # https://sqlite.org/fts5.html#the_merge_command: one is the statement's own


class Fts5Words:
    """A ``WordIndex``."""

    def put(self, connection: Connection, memory_id: int, shelf_id: int, text: str) -> None:
        """Enter a memory's words."""
        words = " ".join(shelved(shelf_id, words_of(text)))
        connection.exec_driver_sql(_PUT, (memory_id, words))

    def drop(self, connection: Connection, memory_ids: Sequence[int]) -> None:
        """Take memories out. Safe to repeat."""
        for memory_id in memory_ids:
            connection.exec_driver_sql(_DROP, (memory_id,))

    def scores(
        self, connection: Connection, shelf_ids: Sequence[int], words: Sequence[str]
    ) -> dict[int, float]:
        """Return the best by their words; more is better."""
        wanted = " OR ".join(f'"{word}"' for shelf in shelf_ids for word in shelved(shelf, words))
        if not wanted:
            return {}
        return dict(fetch_raw(connection, _SCORES, (wanted, MOST_KEYWORD_ROWS)))

    def spread(
        self, connection: Connection, shelf_ids: Sequence[int], words: Sequence[str], memory_id: int
    ) -> Sequence[tuple[int, bool]]:
        """Return of each word how many memories have it, and whether this one is among them."""
        found = []
        for word in words:
            wanted = " OR ".join(f'"{one}"' for at in shelf_ids for one in shelved(at, [word]))
            [(count, has)] = fetch_raw(connection, _SPREAD, (memory_id, wanted))
            found.append((count, bool(has)))
        return found
