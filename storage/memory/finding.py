"""Finding memories: fuse what words and vectors say, then weigh age and pins. Reads only."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.engine import Connection

from agent_engine.memories import (
    Findings,
    Found,
    MemoryScope,
    MemoryState,
    NewMemory,
    Query,
    SearchMode,
    StoredMemory,
)
from storage.memory.fusion import fused
from storage.memory.rows import memory_from
from storage.memory.searching import Indexes
from storage.memory.shelves import Shelf, shelves_of
from storage.memory.words import query_words, telling_marks
from storage.tables import memories, memory_shelves

NEARLY_THE_SAME = 0.97
"""Cosine from which texts with the same names, numbers and negations say the same."""
CANDIDATES = 4
"""Times the limit: how many are looked at again, with their age and pins, after fusion."""
HALF_LIFE_DAYS = 180.0
AGED = 0.9
"""What is left of the score of something very old; it is never lost for its age alone."""
PINNED = 1.1

ROW = select(
    memories,
    memory_shelves.c.kind,
    memory_shelves.c.workspace_id,
    memory_shelves.c.channel_id,
    memory_shelves.c.agent_id,
    memory_shelves.c.person,
).join(memory_shelves, memory_shelves.c.id == memories.c.shelf_id)
"""What ``rows.memory_from`` reads."""


def find(
    connection: Connection,
    indexes: Indexes,
    scopes: Sequence[MemoryScope],
    query: Query,
    *,
    now: datetime,
) -> Findings:
    """Return the memories of these scopes that fit best."""
    shelves = shelves_of(connection, scopes, query.kinds)
    if not shelves or query.limit < 1:
        return Findings(mode=_mode(query))
    scores = ranked(connection, indexes, shelves, query, most=query.limit * CANDIDATES)
    rows = rows_of(connection, scores, shelves)
    held = [memory for memory in rows if is_found(memory, now)]
    found = [Found(memory=m, score=scores[m.id] * _factor(m, now)) for m in held]
    found.sort(key=lambda one: (-one.score, -one.memory.id))
    return Findings(found=tuple(found[: query.limit]), mode=_mode(query))


def ranked(
    connection: Connection, indexes: Indexes, shelves: Sequence[Shelf], query: Query, *, most: int
) -> dict[int, float]:
    """Return the ids of the best with their fused scores, best first."""
    shelf_ids = [shelf.id for shelf in shelves]
    keyword = indexes.words.scores(connection, shelf_ids, query_words(query.text))
    if query.embedding is None:
        return fused(keyword, (), (), most=most)
    ids, cosines = indexes.vectors.cosines(connection, shelves, query.embedding)
    return fused(keyword, ids, cosines, most=most)


def nearly_the_same(
    connection: Connection, indexes: Indexes, shelves: Sequence[Shelf], memory: NewMemory
) -> int | None:
    """Return the memory on these shelves that says the same in other words, if there is one."""
    if memory.embedding is None:
        return None
    ids, cosines = indexes.vectors.cosines(connection, shelves, memory.embedding)
    if not len(ids) or float(cosines.max()) < NEARLY_THE_SAME:
        return None
    nearest = int(ids[int(cosines.argmax())])
    same = rows_of(connection, [nearest], shelves)
    marks = telling_marks(memory.text)
    return nearest if any(telling_marks(one.text) == marks for one in same) else None


def rows_of(
    connection: Connection, memory_ids: Sequence[int] | dict[int, float], shelves: Sequence[Shelf]
) -> list[StoredMemory]:
    """Read these memories, if they lie on these shelves; in no order."""
    statement = ROW.where(
        memories.c.id.in_(list(memory_ids)),
        memories.c.shelf_id.in_([shelf.id for shelf in shelves]),
    )
    return [memory_from(row) for row in connection.execute(statement)]


def is_found(memory: StoredMemory, now: datetime) -> bool:
    """Say whether a memory may be told of now."""
    expired = memory.expires_at is not None and memory.expires_at <= now
    return memory.state is MemoryState.HELD and not expired


def _factor(memory: StoredMemory, now: datetime) -> float:
    if memory.pinned:
        return PINNED
    days = max((now - memory.created_at).total_seconds(), 0.0) / 86_400
    aged: float = AGED + (1.0 - AGED) * 0.5 ** (days / HALF_LIFE_DAYS)
    return aged


def _mode(query: Query) -> SearchMode:
    return SearchMode.KEYWORD if query.embedding is None else SearchMode.FUSED
