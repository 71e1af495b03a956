"""Keeping memories: the same is not kept twice, and a shelf has only so many places."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import and_, bindparam, case, func, insert, select, update
from sqlalchemy.engine import Connection

from agent_engine.memories import Kept, MemoryKind, MemoryScope, MemoryState, NewMemory, Origin
from agent_engine.types import now_utc
from storage.compiled import execute, execute_many, fetch_values
from storage.memory.deleting import delete_alone
from storage.memory.rows import origins_of, values_of
from storage.memory.searching import Indexes
from storage.memory.shelves import rewrite, shelf_to_fill, shelves_of
from storage.memory.words import likeness_of
from storage.tables import memories, memory_origins
from storage.upsert import insert_or_ignore

PLACES = {
    MemoryKind.FACT: 10_000,
    MemoryKind.NOTE: 10_000,
    MemoryKind.EPISODE: 1_000,
    MemoryKind.LESSON: 1_000,
    MemoryKind.EXAMPLE: 1_000,
}
"""Memories of a kind in one scope."""
_WITH_HISTORY = (MemoryKind.FACT, MemoryKind.LESSON)
"""Kinds of which people can see what was held before."""

_M = memories.c
_INSERT = insert(memories).returning(_M.id)
_ALIKE = select(_M.id).where(
    _M.shelf_id == bindparam("shelf"),
    _M.likeness == bindparam("likeness"),
    _M.state == bindparam("state"),
    _M.key.is_not_distinct_from(bindparam("key")),
)
_STILL = select(_M.id).where(
    _M.id == bindparam("memory"), _M.shelf_id == bindparam("shelf"), _M.state == bindparam("state")
)
_OF_KEY = (
    select(_M.id)
    .where(
        _M.shelf_id == bindparam("shelf"),
        _M.key == bindparam("key"),
        _M.state == bindparam("state"),
    )
    .order_by(_M.id)
)
_SUPERSEDE = (
    update(memories)
    .where(_M.id == bindparam("memory"))
    .values(state=str(MemoryState.SUPERSEDED), model=None, used_at=bindparam("now"))
)
_CONFIRM = (
    update(memories)
    .where(_M.id == bindparam("memory"))
    .values(
        used_at=bindparam("now"),
        expires_at=bindparam("until"),
        content=bindparam("body"),
        trust=case((_M.trust == "person", "person"), else_=bindparam("by")),
        pinned=_M.pinned | bindparam("pin"),
    )
)
_COUNT = select(func.count()).where(_M.shelf_id == bindparam("shelf"))
_WORST = (
    select(_M.id)
    .where(_M.shelf_id == bindparam("shelf"), ~_M.pinned)
    .order_by(
        case(
            (and_(_M.state == str(MemoryState.HELD), _M.expires_at <= bindparam("now")), 0),
            (_M.state != str(MemoryState.HELD), 1),
            else_=2,
        ),
        _M.access_count,
        _M.used_at,
        _M.id,
    )
    .limit(bindparam("most"))
)


def keep(  # noqa: PLR0913  # what is kept, where, when, and what is alike
    connection: Connection,
    indexes: Indexes,
    scope: MemoryScope,
    memory: NewMemory,
    *,
    now: datetime,
    nearly: int | None = None,
) -> Kept:
    """Keep the memory, or confirm the same one; ``nearly`` says the same in other words."""
    shelf = shelf_to_fill(connection, scope, memory.kind)
    same = _same(connection, shelf, memory, nearly)
    if same is not None:
        _confirm(connection, same, memory, now)
        return Kept(id=same, merged=True)
    older = _older(connection, shelf, memory)
    if older and memory.kind in _WITH_HISTORY:
        supersede(connection, indexes, older, shelf=shelf)
    elif older:
        delete_alone(connection, indexes, dict.fromkeys(older, shelf))
    last = older[-1] if older and memory.kind in _WITH_HISTORY else None
    kept = add(connection, indexes, shelf, memory, now=now, supersedes=last)
    evicted = _make_room(connection, indexes, shelf, PLACES[memory.kind], now)
    return Kept(id=kept, evicted=evicted)


def add(  # noqa: PLR0913  # as above
    connection: Connection,
    indexes: Indexes,
    shelf: int,
    memory: NewMemory,
    *,
    now: datetime,
    supersedes: int | None = None,
) -> int:
    """Insert the memory on its shelf and let it be found if it is held; return its id."""
    values = {**values_of(memory, shelf_id=shelf, now=now), "supersedes": supersedes}
    [kept] = fetch_values(connection, _INSERT, values)
    note_origin(connection, kept, memory.origin)
    if memory.state is MemoryState.HELD:
        indexes.enter(connection, kept, shelf, memory, now)
    found: int = kept
    return found


def count_uses(
    connection: Connection, scopes: Sequence[MemoryScope], memory_ids: Sequence[int]
) -> None:
    """Note that these memories were used just now. Ids that are not there change nothing."""
    shelves = [shelf.id for shelf in shelves_of(connection, scopes, tuple(MemoryKind))]
    used = update(memories).where(_M.id.in_(list(memory_ids)), _M.shelf_id.in_(shelves))
    connection.execute(used.values(access_count=_M.access_count + 1, used_at=now_utc()))


def note_origin(connection: Connection, memory_id: int, origin: Origin) -> None:
    """Note where a memory comes from, besides what was noted before."""
    rows = [
        {"memory_id": memory_id, "what": str(what), "ref": ref} for what, ref in origins_of(origin)
    ]
    if rows:
        insert_or_ignore(connection, memory_origins, rows)


def supersede(
    connection: Connection, indexes: Indexes, memory_ids: Sequence[int], *, shelf: int
) -> None:
    """Let memories of this shelf be history."""
    rewrite(connection, [shelf])
    indexes.drop(connection, memory_ids)
    now = now_utc()
    rows = [{"memory": memory_id, "now": now} for memory_id in memory_ids]
    execute_many(connection, _SUPERSEDE, rows)


def displace(
    connection: Connection, indexes: Indexes, memory_id: int, *, shelf: int, key: str
) -> int | None:
    """Let what else is held of the key be history; return the newest of it."""
    where = {"shelf": shelf, "key": key, "state": str(MemoryState.HELD)}
    older = [at for at in fetch_values(connection, _OF_KEY, where) if at != memory_id]
    if older:
        supersede(connection, indexes, older, shelf=shelf)
    return older[-1] if older else None


def _older(connection: Connection, shelf: int, memory: NewMemory) -> list[int]:
    """Return what is held, or proposed as this one is, under the same key."""
    if memory.key is None:
        return []
    where = {"shelf": shelf, "key": memory.key, "state": str(memory.state)}
    return fetch_values(connection, _OF_KEY, where)


def _same(connection: Connection, shelf: int, memory: NewMemory, nearly: int | None) -> int | None:
    where = {"shelf": shelf, "state": str(memory.state), "key": memory.key}
    found = fetch_values(connection, _ALIKE, {**where, "likeness": likeness_of(memory.text)})
    if not found and nearly is not None and memory.key is None:
        where = {"shelf": shelf, "state": str(MemoryState.HELD), "memory": nearly}
        found = fetch_values(connection, _STILL, where)
    return found[0] if found else None


def _confirm(connection: Connection, memory_id: int, memory: NewMemory, now: datetime) -> None:
    values = {"now": now, "until": memory.expires_at, "body": memory.content}
    told = {"by": str(memory.trust), "pin": memory.pinned, "memory": memory_id}
    execute(connection, _CONFIRM, {**values, **told})
    note_origin(connection, memory_id, memory.origin)


def _make_room(
    connection: Connection, indexes: Indexes, shelf: int, places: int, now: datetime
) -> int:
    [count] = fetch_values(connection, _COUNT, {"shelf": shelf})
    if count <= places:
        return 0
    where = {"shelf": shelf, "now": now, "most": count - places}
    worst = fetch_values(connection, _WORST, where)
    delete_alone(connection, indexes, dict.fromkeys(worst, shelf))
    return len(worst)
