"""Which memories lack a vector of a model, and giving them theirs."""

from collections.abc import Iterator, Mapping

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.engine import Connection

from agent_engine.memories import Embedding, MemoryState, StoredMemory
from storage.compiled import execute_many, fetch_all, fetch_values
from storage.memory.finding import ROW
from storage.memory.rows import memory_from
from storage.memory.searching import Indexes
from storage.memory.shelves import rewrite
from storage.tables import memories

_M = memories.c
_HELD = _M.state == str(MemoryState.HELD)
_NEXT_MODEL = select(func.min(_M.model)).where(_HELD, _M.model > bindparam("behind"))
_NEXT = ROW.where(_HELD, _M.id > bindparam("after")).order_by(_M.id).limit(bindparam("most"))
_WITHOUT = _NEXT.where(_M.model.is_(None))
_OF_MODEL = _NEXT.where(_M.model == bindparam("other"))
_COUNT = select(func.count()).where(_HELD)
_COUNT_OF_MODEL = _COUNT.where(_M.model == bindparam("model"))
_SET_MODEL = update(memories).where(_M.id == bindparam("memory")).values(model=bindparam("name"))


def unembedded(connection: Connection, model: str, limit: int, after: int) -> list[StoredMemory]:
    """Return memories of any scope without a vector of this model, oldest first.

    One walk along the index for each model that there is: where nothing is missing, none is read.
    """
    where = {"after": after, "most": limit}
    rows = fetch_all(connection, _WITHOUT, where)
    for other in _models(connection):
        if other != model:
            rows += fetch_all(connection, _OF_MODEL, {**where, "other": other})
    return [memory_from(row) for row in sorted(rows, key=lambda row: row.id)[:limit]]


def embed(connection: Connection, indexes: Indexes, vectors: Mapping[int, Embedding]) -> int:
    """Give memories their vectors instead of older ones; return how many were still there."""
    statement = select(_M.id, _M.shelf_id, _M.created_at).where(_M.id.in_(list(vectors)), _HELD)
    rows = connection.execute(statement).all()
    rewrite(connection, [row.shelf_id for row in rows])
    indexes.drop_vectors(connection, [row.id for row in rows])
    for row in rows:
        indexes.vectors.put(connection, row.id, row.shelf_id, vectors[row.id], row.created_at)
    models = [{"memory": row.id, "name": vectors[row.id].model} for row in rows]
    execute_many(connection, _SET_MODEL, models)
    return len(rows)


def embedded(connection: Connection, model: str) -> tuple[int, int]:
    """Return how many memories have a vector of this model, and how many there are."""
    [done] = fetch_values(connection, _COUNT_OF_MODEL, {"model": model})
    [of] = fetch_values(connection, _COUNT, {})
    return done, of


def _models(connection: Connection) -> Iterator[str]:
    [model] = fetch_values(connection, _NEXT_MODEL, {"behind": ""})
    while model is not None:
        yield model
        [model] = fetch_values(connection, _NEXT_MODEL, {"behind": model})
