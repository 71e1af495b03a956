"""What vectors find is what comparing with each of them finds, wherever they are compared."""

import numpy as np
import pytest

from agent_engine.memories import Embedding, MemoryKind, MemoryScope, NewMemory
from agent_engine.types import AgentId, ChannelId
from storage.database import Dialect
from storage.memory import changing, finding
from storage.memory.indexes import indexes_of
from storage.memory.matrices import Matrices
from storage.memory.matrix_vectors import MatrixVectors
from storage.memory.shelves import Shelf, shelves_of
from storage.memory.store import SqlMemoryStore
from tests.contract.house import MORNING, WORKSPACE

SCOPES = [
    MemoryScope(workspace_id=WORKSPACE, channel_id=ChannelId(f"C{n}"), agent_id=AgentId("A1"))
    for n in range(3)
]
MODEL = "m@8"
ONE_SHELF = 30 * (8 + 8 + 8 * 4)
"""Bytes of thirty ids, times and vectors."""


def vectors(count, seed=1):
    array = np.random.default_rng(seed).standard_normal((count, 8), np.float32)
    return array / np.linalg.norm(array, axis=1, keepdims=True)


def embedding(array, model=MODEL):
    return Embedding(model, array.tobytes())


async def filled(house):
    """Keep thirty memories in each scope, in turn; return the vectors by id, and by scope."""
    store = SqlMemoryStore(house.database, indexes_of(house.database))
    kept = [{} for _ in SCOPES]
    for n, array in enumerate(vectors(90)):
        memory = NewMemory(kind=MemoryKind.NOTE, text=f"note {n}", embedding=embedding(array))
        kept[n % 3][(await store.keep(SCOPES[n % 3], memory)).id] = array
    await store.keep(
        SCOPES[0],
        NewMemory(kind=MemoryKind.NOTE, text="of another model", embedding=embedding(array, "n@8")),
    )
    return kept


def compared(query, kept):
    """Compare with each, one by one; return the cosines by id, greatest first."""
    cosines = {at: float(sum(query * array)) for at, array in kept.items()}
    return dict(sorted(cosines.items(), key=lambda pair: -pair[1]))


def is_right(nearest, cosines, *, most, also=()):
    assert nearest.least == pytest.approx(min(cosines.values()), abs=1e-5)
    assert nearest.greatest == pytest.approx(max(cosines.values()), abs=1e-5)
    wanted = {*list(cosines)[:most], *(at for at in also if at in cosines)}
    assert nearest.cosines == pytest.approx({at: cosines[at] for at in wanted}, abs=1e-5)
    return True


@pytest.mark.parametrize("most", [1, 7, 45, 60, 500])
async def test_the_nearest_are_exactly_those_that_comparing_one_by_one_finds(house, most) -> None:
    kept = await filled(house)
    index, query = indexes_of(house.database).vectors, vectors(1, seed=7)[0]
    cosines = compared(query, kept[0] | kept[2])
    last, elsewhere = list(cosines)[-1], next(iter(kept[1]))

    def find(connection):
        shelves = shelves_of(connection, [SCOPES[0], SCOPES[2]], [MemoryKind.NOTE])
        also = {last, elsewhere, 999_999}
        return index.nearest(connection, shelves, embedding(query), most=most, also=also)

    for _ in ("cold", "warm"):
        nearest = await house.database.read(find)
        assert is_right(nearest, cosines, most=most, also=[last])


async def test_where_no_vector_is_of_the_model_nothing_is_near(house) -> None:
    await filled(house)
    index = indexes_of(house.database).vectors

    def find(connection):
        shelves = shelves_of(connection, SCOPES, tuple(MemoryKind))
        asked = embedding(vectors(1)[0], "unknown@8")
        return index.nearest(connection, shelves, asked, most=5, also=[1])

    assert await house.database.read(find) is None


async def test_matrices_find_the_same_within_any_bound_and_on_any_database(house) -> None:
    on_postgres = house.database.dialect is Dialect.POSTGRES
    query, arrays = vectors(1, seed=7)[0], vectors(90)
    cosines = compared(query, dict(enumerate(arrays, start=1)))
    shelves = [Shelf(shelf, SCOPES[0], MemoryKind.NOTE, 1, 0) for shelf in (1, 2, 3)]

    def find(connection):
        blob = "BYTEA" if on_postgres else "BLOB"
        connection.exec_driver_sql(
            "CREATE TEMPORARY TABLE memory_vectors "  # in place of the one that has foreign keys
            f"(memory_id INTEGER, shelf_id INTEGER, model TEXT, created_at FLOAT, vector {blob})"
        )
        for bound in (0, ONE_SHELF, 2 * ONE_SHELF + 1, 10**6):
            cache = Matrices(bound)
            index = MatrixVectors(cache)
            if not bound:
                for n, array in enumerate(arrays):
                    index.put(connection, n + 1, n % 3 + 1, embedding(array), MORNING)
            for _ in range(2):
                nearest = index.nearest(connection, shelves, embedding(query), most=10, also=[5])
                assert is_right(nearest, cosines, most=10, also=[5])
                assert cache.size == min(bound // ONE_SHELF, 3) * ONE_SHELF
        connection.exec_driver_sql("DROP TABLE memory_vectors")

    await house.database.write(find)


async def test_what_has_marks_is_told_among_candidates(house) -> None:
    store, notes = SqlMemoryStore(house.database, indexes_of(house.database)), {}
    more = {"pinned": {"pinned": True}, "passing": {"expires_at": MORNING}}
    for text in ("plain", "pinned", "passing", "weighed"):
        memory = NewMemory(kind=MemoryKind.NOTE, text=text, **more.get(text, {}))
        notes[text] = (await store.keep(SCOPES[0], memory)).id
    await house.database.write(
        lambda c: changing.weigh(c, SCOPES[0], [notes["weighed"]], factor=2.0)
    )

    def marked(connection, asked):
        statement = finding._MARKED[connection.dialect.name]
        return {row.id for row in finding._by_id(connection, statement, asked)}

    found = await house.database.read(lambda c: marked(c, list(notes.values())))
    assert found == set(notes.values()) - {notes["plain"]}
    only = [notes["plain"], notes["pinned"], 999_999]
    assert await house.database.read(lambda c: marked(c, only)) == {notes["pinned"]}


@pytest.mark.parametrize(
    ("statement", "path"),
    [
        (finding._LEAN, "INTEGER PRIMARY KEY (rowid=?)"),
        (finding._MARKED["sqlite"], "INDEX ix_memories_marked (id=?"),
    ],
)
async def test_candidates_are_looked_up_by_their_ids(house, statement, path) -> None:
    if house.database.dialect is Dialect.POSTGRES:
        return  # its planner has statistics to go by

    def plan(connection):
        compiled = statement.compile(dialect=connection.dialect)
        explain = f"EXPLAIN QUERY PLAN {compiled}"
        rows = connection.exec_driver_sql(explain, (0,) * len(compiled.positiontup))
        return [row[3] for row in rows]

    [told] = await house.database.read(plan)
    assert path in told
