"""How well memories are found: at random, by words, by meaning, and both, on the labelled set.

The set was written before the search was (``labelled.py`` reads it). Each memory is searched within
its scope, as agents do, with its author before its words. *equal* is both with equal weights,
*product* what agents get: the words weigh as much as they cover, and age and pins have a part.
"""

import asyncio
import math
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from sqlalchemy.engine import Connection

from agent_engine.memories import Embedding, MemoryKind, MemoryScope, NewMemory, Query
from agent_engine.memory import minilm
from agent_engine.memory.embeddings import Embedder
from agent_engine.types import AgentId, ChannelId, WorkspaceId
from benchmarks.labelled import KINDS, LabelledScope, Question, Told, read_set
from benchmarks.machine import table
from storage.database import Database, open_database
from storage.memory import finding, keeping
from storage.memory.fusion import fused
from storage.memory.indexes import indexes_of
from storage.memory.searching import Indexes
from storage.memory.shelves import shelves_of
from storage.memory.words import query_words

DEPTH = 10
WAYS = ("random", "keyword", "vector", "equal", "product")


class Quality(NamedTuple):
    """Means over questions, from 0 to 1."""

    recall_5: float
    recall_10: float
    hit_10: float
    ndcg_10: float


def main() -> None:
    """Print the tables."""
    scopes = read_set()
    memories = sum(len(scope.memories) for scope in scopes)
    questions = sum(len(scope.questions) for scope in scopes)
    embedder = minilm.MiniLM() if minilm.is_installed() else None
    by = embedder.model if embedder else "no model installed: keywords only"
    print(f"### Quality of memory search ({questions} questions, {memories:,} memories, {by})\n")
    rankings = asyncio.run(_rankings(scopes, embedder))
    table(
        ("way", "R@5", "R@10", "hit@10", "nDCG@10"),
        [(way, *_cells(_mean(asked))) for way, asked in rankings.items()],
    )
    print()
    table(
        ("R@10 by kind", *KINDS),
        [
            (way, *(_figure(_mean(asked, kind).recall_10) for kind in KINDS))
            for way, asked in rankings.items()
        ],
    )


Asked = list[tuple[Question, Sequence[str]]]
"""Each question with the ids found for it, best first."""


async def _rankings(
    scopes: Sequence[LabelledScope], embedder: Embedder | None
) -> Mapping[str, Asked]:
    ways = WAYS if embedder else ("random", "keyword")
    rankings: dict[str, Asked] = {way: [] for way in ways}
    with TemporaryDirectory() as folder:
        async with open_database(f"sqlite:///{Path(folder)}/memory.db") as database:
            indexes = indexes_of(database)
            for scope in scopes:
                names = await _fill(database, indexes, scope, embedder)
                for question in scope.questions:
                    for way, found in (
                        await _asked(database, indexes, scope, question, embedder)
                    ).items():
                        ids = [names[at] for at in found]
                        rankings[way].append((question, ids))
    return rankings


async def _fill(
    database: Database, indexes: Indexes, scope: LabelledScope, embedder: Embedder | None
) -> dict[int, str]:
    texts = [_text(told) for told in scope.memories]
    vectors: Iterable[Embedding | None] = (
        await embedder.passages(texts) if embedder else [None] * len(texts)
    )
    ready = list(zip(scope.memories, texts, vectors, strict=True))

    def insert(connection: Connection) -> dict[int, str]:
        shelf = keeping.shelf_to_fill(connection, _scope(scope), MemoryKind.FACT)
        names = {}
        for told, text, vector in ready:
            memory = NewMemory(kind=MemoryKind.FACT, text=text, embedding=vector)
            names[keeping.add(connection, indexes, shelf, memory, now=told.at)] = told.id
        return names

    return await database.write(insert)


async def _asked(
    database: Database,
    indexes: Indexes,
    scope: LabelledScope,
    question: Question,
    embedder: Embedder | None,
) -> dict[str, Sequence[int]]:
    vector = await embedder.query(question.text) if embedder else None
    now = max(told.at for told in scope.memories)

    def ask(connection: Connection) -> dict[str, Sequence[int]]:
        shelves = shelves_of(connection, [_scope(scope)], [MemoryKind.FACT])
        shelf_ids = [shelf.id for shelf in shelves]
        words = indexes.words.scores(connection, shelf_ids, query_words(question.text))
        found: dict[str, Sequence[int]] = {"keyword": tuple(fused(words, None, most=DEPTH))}
        everything = keeping_ids(connection, shelf_ids)
        found["random"] = random.Random(question.id).sample(everything, DEPTH)  # noqa: S311
        if vector is not None:
            near = indexes.vectors.nearest(connection, shelves, vector, most=DEPTH, also=words)
            found["vector"] = tuple(fused({}, near, most=DEPTH))
            found["equal"] = tuple(fused(words, near, most=DEPTH))
            query = Query(text=question.text, embedding=vector, limit=DEPTH)
            best = finding.find(connection, indexes, [_scope(scope)], query, now=now)
            found["product"] = [one.memory.id for one in best.found]
        return found

    return await database.read(ask)


def keeping_ids(connection: Connection, shelf_ids: Sequence[int]) -> list[int]:
    """Return the ids of all memories on these shelves."""
    rows = connection.exec_driver_sql(
        f"SELECT id FROM memories WHERE shelf_id IN ({','.join(map(str, shelf_ids))}) ORDER BY id"  # noqa: S608  # numbers
    )
    return [row[0] for row in rows]


def _mean(asked: Asked, kind: str | None = None) -> Quality:
    judged = [_judged(q, found) for q, found in asked if kind is None or q.kind == kind]
    return Quality(*(sum(column) / len(judged) for column in zip(*judged, strict=True)))


def _judged(question: Question, found: Sequence[str]) -> Quality:
    answers = set(question.answers)
    gains = [one in answers for one in found[:DEPTH]]
    ideal = sum(1 / math.log2(n + 2) for n in range(min(len(answers), DEPTH)))
    gained = sum(1 / math.log2(n + 2) for n, hit in enumerate(gains) if hit)
    return Quality(
        sum(gains[:5]) / len(answers),
        sum(gains) / len(answers),
        float(any(gains)),
        gained / ideal,
    )


def _cells(quality: Quality) -> tuple[str, ...]:
    return tuple(_figure(value) for value in quality)


def _figure(value: float) -> str:
    return f"{value:.3f}"


def _text(told: Told) -> str:
    return f"{told.author}: {told.text}"


def _scope(scope: LabelledScope) -> MemoryScope:
    return MemoryScope(
        workspace_id=WorkspaceId("T1"), channel_id=ChannelId(scope.name), agent_id=AgentId("A")
    )
