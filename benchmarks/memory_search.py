"""How fast memories are searched and kept, scoped and whole, on SQLite.

Vectors are random: speed does not depend on what they mean. Texts are drawn from a vocabulary with
the skew of real words. *naive* is what many do: read every row of the scope, compare in Python.
*one pass* reads the whole matrix once, which nothing exact can beat. CPU is this process's.
"""

import asyncio
import ctypes
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agent_engine.memories import Embedding, MemoryKind, MemoryScope, NewMemory, Query
from agent_engine.memory import reembedding
from agent_engine.types import AgentId, ChannelId, UserId, WorkspaceId, now_utc
from benchmarks.machine import median, rss_mb, table
from storage.compiled import execute_many
from storage.database import Database, open_database
from storage.housekeeping import SqlHousekeeping
from storage.mapping import Values
from storage.memory import keeping
from storage.memory.finding import find
from storage.memory.indexes import indexes_of
from storage.memory.matrices import DEFAULT_BYTES, Matrices
from storage.memory.matrix_vectors import MatrixVectors
from storage.memory.rows import values_of
from storage.memory.searching import Indexes
from storage.memory.shelves import Shelf, shelves_of_workspace
from storage.memory.store import SqlMemoryStore
from storage.memory.words import shelved, words_of
from storage.tables import memories

DIMENSION = 384
MODEL, OTHER_MODEL = f"random@{DIMENSION}", f"other@{DIMENSION}"
SIZES = ((1_000, 10), (10_000, 10), (100_000, 100), (1_000_000, 100))
"""Memories, and the scopes that they lie in; 10,000 is what a scope holds of a kind at most."""
GIGABYTES = 2_000_000_000
BATCH = 5_000
REEMBEDDED_TOGETHER = reembedding.BATCH
ASKED = 40
WORKSPACE = WorkspaceId("T1")
VOCABULARY = [f"word{n}" for n in range(20_000)]
_WEIGHTS = list(accumulate(1 / (n + 3) for n in range(len(VOCABULARY))))
_INSERT = sa.insert(memories)
_TELLING = list(accumulate(1 / (n + 103) for n in range(len(VOCABULARY) - 100)))


class Text(NamedTuple):
    """A memory's words, ready for its rows."""

    values: Values
    words: tuple[str, ...]


class Cost(NamedTuple):
    """Medians, in milliseconds."""

    cpu: float
    wall: float


def main() -> None:
    """Print the tables."""
    print(f"### Memory search (SQLite, {DIMENSION} dimensions, 10 results, {ASKED} queries)\n")
    scoped, whole, keeping_rows = [], [], []
    for count, scopes in SIZES:
        with TemporaryDirectory() as folder:
            measured = asyncio.run(_measured(Path(folder), count, scopes))
        scoped.append((f"{count:,} in {scopes:,} scopes", *measured[0]))
        whole.append((f"{count:,}", *measured[1]))
        keeping_rows.append((f"{count:,}", *measured[2]))
    table(
        (
            "in one scope",
            "naive CPU ms",
            "cold CPU ms",
            "cold ms",
            "warm CPU ms",
            "warm ms",
            "words alone CPU ms",
            "vectors alone CPU ms",
            "the same as naive",
        ),
        scoped,
    )
    print()
    table(
        (
            "whole workspace",
            "one pass CPU ms",
            f"{GIGABYTES / 1e9:.0f} GB bound CPU ms",
            "x one pass",
            f"default bound ({DEFAULT_BYTES / 1e6:.0f} MB) CPU ms",
            "cache / process grew MB, default",
            f"… {GIGABYTES / 1e9:.0f} GB",
            "the same as exact",
        ),
        whole,
    )
    print()
    table(
        (
            "memories there",
            "filled per second",
            "kept per second",
            "KB written each",
            "… 20 at once",
            "KB written each",
            "re-embedded per second",
            "looked for what lacks a vector, CPU ms",
        ),
        keeping_rows,
    )


async def _measured(folder: Path, count: int, scopes: int) -> tuple[list[Any], ...]:
    async with open_database(f"sqlite:///{folder}/memory.db") as database:
        began = time.perf_counter()
        await _fill(database, count, scopes)
        rate = count / (time.perf_counter() - began)
        while await SqlHousekeeping(database).merge_words():
            pass  # what a bot does once an hour
        kept = await _kept(database)
        await SqlHousekeeping(database).merge_words(most_steps=1)  # and once a minute
        scoped = await _scoped(database, scopes)
        whole = await _whole(database)
        reembedded = await _reembedded(database)
    return scoped, whole, [round(rate), *kept, *reembedded]


async def _fill(database: Database, count: int, scopes: int) -> None:
    """Insert all memories, many rows a statement, the scopes in turn as in a bot's life."""
    pool, rng = _pool(), np.random.default_rng(1)
    shelves = [
        await database.write(
            lambda c, n=n: keeping.shelf_to_fill(c, _scope(n), MemoryKind.NOTE)  # type: ignore[misc]
        )
        for n in range(scopes)
    ]
    for start in range(0, count, BATCH):
        told = [
            (n + 1, shelves[n % scopes], pool[(n // scopes + 37 * (n % scopes)) % len(pool)])
            for n in range(start, min(start + BATCH, count))
        ]
        vectors = _vectors(rng, len(told))
        await database.write(lambda c, told=told, vectors=vectors: _insert(c, told, vectors))


def _insert(connection: Connection, told: list[tuple[int, int, Text]], vectors: Any) -> None:
    execute_many(
        connection,
        _INSERT,
        [{**text.values, "id": at, "shelf_id": shelf} for at, shelf, text in told],
    )
    words = [(at, " ".join(shelved(shelf, text.words))) for at, shelf, text in told]
    put = "INSERT INTO memory_words (rowid, words) VALUES (?, ?)"
    connection.exec_driver_sql(put, words)
    made = now_utc().timestamp()
    blobs = [
        (at, shelf, MODEL, made, vector.tobytes())
        for (at, shelf, _), vector in zip(told, vectors, strict=True)
    ]
    put = "INSERT INTO memory_vectors VALUES (?, ?, ?, ?, ?)"
    connection.exec_driver_sql(put, blobs)


async def _kept(database: Database) -> list[Any]:
    """Measure keeping memories, one after the other and twenty at once."""
    store, texts, rng = _store(database), _texts(seed=9), np.random.default_rng(2)
    scope = MemoryScope.of_person(WORKSPACE, UserId("U1"))

    def memory() -> NewMemory:
        embedding = Embedding(MODEL, _vectors(rng, 1)[0].tobytes())
        return NewMemory(kind=MemoryKind.NOTE, text=next(texts), embedding=embedding)

    began, written = time.perf_counter(), _written_bytes()
    for _ in range(400):
        await store.keep(scope, memory())
    alone = 400 / (time.perf_counter() - began)
    each_kb = (_written_bytes() - written) / 400 / 1_000
    began, written = time.perf_counter(), _written_bytes()
    for _ in range(20):
        async with asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(store.keep(scope, memory()))
    together = 400 / (time.perf_counter() - began)
    each_of_20_kb = (_written_bytes() - written) / 400 / 1_000
    return [round(alone), round(each_kb), round(together), round(each_of_20_kb)]


async def _reembedded(database: Database) -> list[Any]:
    """Measure giving memories the vectors of another model, and looking when none is missing."""
    store, rng = _store(database), np.random.default_rng(6)
    look = await _costs(lambda _: store.unembedded(MODEL, limit=REEMBEDDED_TOGETHER), 5)
    began, after = time.perf_counter(), 0
    for _ in range(16):
        some = await store.unembedded(OTHER_MODEL, limit=REEMBEDDED_TOGETHER, after=after)
        vectors = _vectors(rng, len(some))
        await store.embed(
            {
                one.id: Embedding(OTHER_MODEL, vector.tobytes())
                for one, vector in zip(some, vectors, strict=True)
            }
        )
        after = some[-1].id
    rate = 16 * REEMBEDDED_TOGETHER / (time.perf_counter() - began)
    return [round(rate), look.cpu]


def _store(database: Database) -> SqlMemoryStore:
    return SqlMemoryStore(database, indexes_of(database))


def _written_bytes() -> int:
    """Return what this process has written until now, to files of all kinds."""
    counts = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(counts["wchar"])


async def _scoped(database: Database, scopes: int) -> list[Any]:
    rng, texts = np.random.default_rng(3), _questions()
    places = [_scope(int(n)) for n in rng.integers(0, scopes, ASKED)]
    asked = [(next(texts), vector) for vector in _vectors(rng, ASKED)]
    warm = indexes_of(database, cache_bytes=GIGABYTES)
    same = 0

    async def search(n: int, indexes: Indexes, *, words: bool = True, vectors: bool = True) -> Any:
        text, vector = asked[n]
        query = Query(
            text=text if words else "",
            embedding=Embedding(MODEL, vector.tobytes()) if vectors else None,
            kinds=(MemoryKind.NOTE,),
        )
        return await database.read(lambda c: find(c, indexes, [places[n]], query, now=now_utc()))

    for n in range(ASKED):
        await search(n, warm)
    naive = await _costs(lambda n: database.read(lambda c: _naive(c, places[n], asked[n][1])))
    for n in range(ASKED):
        best = await database.read(lambda c, n=n: _naive(c, places[n], asked[n][1]))
        found = await search(n, warm, words=False)
        same += {one.memory.id for one in found.found} == set(best)
    cold = await _costs(lambda n: search(n, indexes_of(database)))
    hot = await _costs(lambda n: search(n, warm))
    by_words = await _costs(lambda n: search(n, warm, vectors=False))
    by_vectors = await _costs(lambda n: search(n, warm, words=False))
    return [
        naive.cpu,
        cold.cpu,
        cold.wall,
        hot.cpu,
        hot.wall,
        by_words.cpu,
        by_vectors.cpu,
        f"{same} of {ASKED}",
    ]


async def _whole(database: Database) -> list[Any]:
    query = Embedding(MODEL, _vectors(np.random.default_rng(5), 1)[0].tobytes())

    def search(connection: Connection, cache: Matrices) -> set[int]:
        shelves = _channels(connection)
        found = MatrixVectors(cache).nearest(connection, shelves, query, most=10)
        return set(found.cosines) if found else set()

    async def best(cache: Matrices) -> set[int]:
        return await database.read(lambda c: search(c, cache))

    idle_mb, small = _held_mb(), Matrices()
    default = await _costs(lambda _: best(small), 3)
    small_mb = _held_mb() - idle_mb
    idle_mb, big = _held_mb(), Matrices(GIGABYTES)
    await best(big)
    big_mb = _held_mb() - idle_mb
    shelves = await database.read(_channels)
    held = [matrix for shelf in shelves if (matrix := big.get((shelf.id, MODEL))) is not None]
    ids = np.concatenate([matrix.ids for matrix in held])
    everything = np.concatenate([matrix.vectors for matrix in held])
    wanted = np.frombuffer(query.vector, np.float32)
    exact = {int(ids[at]) for at in np.argsort(np.vecdot(everything, wanted))[-10:]}

    async def one_pass(_: int) -> None:
        np.vecdot(everything, wanted)

    # In turn, so that whatever else the machine does befalls both.
    turns = [(await _costs(one_pass, 1), await _costs(lambda _: best(big), 1)) for _ in range(15)]
    alone = median([one.cpu for one, _ in turns])
    cached = median([search.cpu for _, search in turns])
    return [
        alone,
        cached,
        cached / alone,
        default.cpu,
        f"{small.size / 1e6:.0f} / {small_mb:.0f}",
        f"{big.size / 1e6:.0f} / {big_mb:.0f}",
        f"{len(exact & await best(big))} of 10",
    ]


def _held_mb() -> float:
    """Return the process's memory without what the allocator keeps for later."""
    ctypes.CDLL(None).malloc_trim(0)
    return rss_mb()


def _channels(connection: Connection) -> list[Shelf]:
    shelves = shelves_of_workspace(connection, WORKSPACE)
    return [shelf for shelf in shelves if shelf.kind is MemoryKind.NOTE]


def _naive(connection: Connection, scope: MemoryScope, vector: Any) -> list[int]:
    rows = connection.execute(
        sa.text(
            "SELECT v.memory_id, v.vector FROM memory_vectors v "
            "JOIN memory_shelves s ON s.id = v.shelf_id WHERE s.channel_id = :channel"
        ),
        {"channel": scope.channel_id},
    )
    scored = [(float(np.frombuffer(blob, np.float32) @ vector), at) for at, blob in rows]
    return [at for _, at in sorted(scored, reverse=True)[:10]]


async def _costs(ask: Callable[[int], Awaitable[Any]], times: int = ASKED) -> Cost:
    cpu, wall = [], []
    for n in range(times):
        began, used = time.perf_counter(), time.process_time()
        await ask(n)
        cpu.append((time.process_time() - used) * 1_000)
        wall.append((time.perf_counter() - began) * 1_000)
    return Cost(median(cpu), median(wall))


def _scope(number: int) -> MemoryScope:
    return MemoryScope(
        workspace_id=WORKSPACE, channel_id=ChannelId(f"C{number}"), agent_id=AgentId("A")
    )


def _vectors(rng: np.random.Generator, count: int) -> Any:
    vectors = rng.standard_normal((count, DIMENSION), np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _questions() -> Iterator[str]:
    """Six words each, none of them among the most common: those are not searched for."""
    rng = random.Random(4)  # noqa: S311 - words for a measurement
    while True:
        yield " ".join(rng.choices(VOCABULARY[100:], cum_weights=_TELLING, k=6))


def _pool() -> list[Text]:
    """Return as many texts as the largest scope has places, and as many again."""
    texts, now = _texts(), now_utc()
    pool = []
    for _ in range(20_000):
        memory = NewMemory(kind=MemoryKind.NOTE, text=next(texts))
        values = {**values_of(memory, shelf_id=0, now=now), "id": 0, "model": MODEL}
        pool.append(Text(values, tuple(words_of(memory.text))))
    return pool


def _texts(seed: int = 0) -> Iterator[str]:
    rng = random.Random(seed)  # noqa: S311 - words for a measurement
    while True:
        yield " ".join(rng.choices(VOCABULARY, cum_weights=_WEIGHTS, k=25))
