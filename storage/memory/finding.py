"""Finding memories: fuse what words and vectors say, then age, pins and weight. Reads only."""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Integer, Select, bindparam, column, select, text
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
from storage.compiled import fetch_all
from storage.mapping import AnyRow
from storage.memory.fusion import coverage_of, fused
from storage.memory.rows import memory_of
from storage.memory.searching import Indexes
from storage.memory.shelves import Shelf, shelves_of
from storage.memory.words import query_words, telling_marks
from storage.tables import MARKED, memories, memory_shelves

NEARLY_THE_SAME = 0.97
"""Cosine from which texts with the same names, numbers and negations say the same."""
CANDIDATES = 4
"""Times the limit: how many are looked at again, with their age and pins, after fusion."""
HALF_LIFE_DAYS = 180.0
_HALF_LIFE_S = HALF_LIFE_DAYS * 86_400
AGED = 0.9
"""What is left of the score of something very old; it is never lost for its age alone."""
PINNED = 1.1
LEAST_WEIGHT, MOST_WEIGHT = 0.1, 10.0
WEIGHED = 0.1
"""How much of the score the greatest weight adds, and the least takes away."""

ROW = select(
    memories,
    memory_shelves.c.kind,
    memory_shelves.c.workspace_id,
    memory_shelves.c.channel_id,
    memory_shelves.c.agent_id,
    memory_shelves.c.person,
).join(memory_shelves, memory_shelves.c.id == memories.c.shelf_id)
"""What ``rows.memory_from`` reads."""
_TOGETHER = 40
_IDS = tuple(f"id_{n}" for n in range(_TOGETHER))
_NO_ID = 0
_HELD = str(MemoryState.HELD)
_M = memories.c
_AMONG = _M.id.in_([bindparam(name) for name in _IDS])
_WHOLE = select(memories).where(_AMONG)
_LEAN = select(
    _M.id, _M.shelf_id, _M.state, _M.created_at, _M.expires_at, _M.pinned, _M.weight
).where(_AMONG)
"""By id alone: with more to go by, SQLite's planner may walk along another index."""


def _marked_in(table: str) -> Select[int]:
    of_memory = column("id", Integer)
    asked = of_memory.in_([bindparam(name) for name in _IDS])
    return select(of_memory).select_from(text(table)).where(asked, MARKED)


_MARKED = {
    "sqlite": _marked_in("memories INDEXED BY ix_memories_marked"),
    "postgresql": _marked_in("memories"),
}
"""Few have marks, so SQLite looks into a small index in place of every row."""


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
    ranking = ranked(connection, indexes, shelves, query, most=query.limit * CANDIDATES)
    weighed = sorted(_weighed(connection, ranking, shelves, now), reverse=True)[: query.limit]
    rows = {memory.id: memory for memory in rows_of(connection, [at for _, at in weighed], shelves)}
    found = tuple(Found(memory=rows[at], score=score) for score, at in weighed)
    return Findings(found=found, mode=_mode(query))


class Ranking(NamedTuple):
    """The best by their words and their vectors."""

    scores: Mapping[int, float]
    """By memory id, best first."""
    created: Mapping[int, float]
    """When they were made, as ``Nearest`` has it."""


def ranked(
    connection: Connection, indexes: Indexes, shelves: Sequence[Shelf], query: Query, *, most: int
) -> Ranking:
    """Return the ids of the best with their fused scores."""
    shelf_ids = [shelf.id for shelf in shelves]
    words = query_words(query.text)
    keyword = indexes.words.scores(connection, shelf_ids, words)
    if query.embedding is None:
        return Ranking(fused(keyword, None, most=most), {})
    nearest = indexes.vectors.nearest(connection, shelves, query.embedding, most=most, also=keyword)
    best = max(keyword, key=keyword.__getitem__, default=None)
    spread = indexes.words.spread(connection, shelf_ids, words, best) if best is not None else ()
    scores = fused(keyword, nearest, most=most, coverage=coverage_of(spread))
    return Ranking(scores, nearest.created if nearest is not None else {})


def nearly_the_same(
    connection: Connection, indexes: Indexes, shelves: Sequence[Shelf], memory: NewMemory
) -> int | None:
    """Return the memory on these shelves that says the same in other words, if there is one."""
    if memory.embedding is None:
        return None
    nearest = indexes.vectors.nearest(connection, shelves, memory.embedding, most=1)
    if nearest is None or nearest.greatest < NEARLY_THE_SAME:
        return None
    [alike] = nearest.cosines
    same = rows_of(connection, [alike], shelves)
    marks = telling_marks(memory.text)
    return alike if any(telling_marks(one.text) == marks for one in same) else None


def rows_of(
    connection: Connection, memory_ids: Sequence[int], shelves: Sequence[Shelf]
) -> list[StoredMemory]:
    """Read these memories, if they lie on these shelves; in no order."""
    lie_here = {shelf.id: shelf for shelf in shelves}
    return [
        memory_of(row, shelf.scope, shelf.kind)
        for row in _by_id(connection, _WHOLE, memory_ids)
        if (shelf := lie_here.get(row.shelf_id)) is not None
    ]


def _weighed(
    connection: Connection, ranking: Ranking, shelves: Sequence[Shelf], now: datetime
) -> Iterator[tuple[float, int]]:
    """Yield what may be told of now with its score, which its age and a pin have a part in."""
    scores, made = ranking
    lie_here, now_s = {shelf.id for shelf in shelves}, now.timestamp()
    known = [at for at in scores if at in made]
    marked = {row.id for row in _by_id(connection, _MARKED[connection.dialect.name], known)}
    to_read = [at for at in scores if at in marked or at not in made]
    for row in _by_id(connection, _LEAN, to_read):
        is_over = row.expires_at is not None and row.expires_at <= now
        if row.shelf_id in lie_here and row.state == _HELD and not is_over:
            aged = PINNED if row.pinned else _aged(now_s - row.created_at.timestamp())
            yield scores[row.id] * weighed(row.weight) * aged, row.id
    for at in known:
        if at not in marked:
            yield scores[at] * _aged(now_s - made[at]), at


def _by_id(
    connection: Connection, statement: Select[Any], memory_ids: Sequence[int]
) -> Iterator[AnyRow]:
    """Yield the rows with these ids, so many at a time: the statement is always the same."""
    for start in range(0, len(memory_ids), _TOGETHER):
        some = memory_ids[start : start + _TOGETHER]
        asked = dict.fromkeys(_IDS, _NO_ID) | dict(zip(_IDS, some, strict=False))
        yield from fetch_all(connection, statement, asked)


def weighed(weight: float) -> float:
    """Return the factor for what people thought of a memory's use: 1 where they thought nothing.

    >>> weighed(1.0), weighed(10.0), weighed(0.1)
    (1.0, 1.1, 0.9)
    """
    bounded = min(max(weight, LEAST_WEIGHT), MOST_WEIGHT)
    return 1.0 + WEIGHED * math.log10(bounded)


def _aged(seconds: float) -> float:
    aged: float = AGED + (1.0 - AGED) * 0.5 ** (max(seconds, 0.0) / _HALF_LIFE_S)
    return aged


def _mode(query: Query) -> SearchMode:
    return SearchMode.KEYWORD if query.embedding is None else SearchMode.FUSED
