"""Shelves: the memories of one kind in one scope. Every statement on memories names shelves.

A shelf is changed by one transaction at a time: whoever changes it raises its version first, which
locks its row. So ids grow in the order in which others see them, and versions tell what changed.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import bindparam, select, update
from sqlalchemy.engine import Connection

from agent_engine.memories import MemoryKind, MemoryScope
from storage.compiled import execute, fetch_all, fetch_one
from storage.mapping import AnyRow, Values
from storage.memory.rows import scope_from
from storage.tables import memory_shelves
from storage.upsert import insert_or_ignore

_S = memory_shelves.c
_OF_SCOPE = select(_S.id, _S.kind, _S.version, _S.rewritten).where(
    _S.workspace_id == bindparam("workspace_id"),
    _S.channel_id == bindparam("channel_id"),
    _S.agent_id == bindparam("agent_id"),
    _S.person == bindparam("person"),
)
_OF_KIND = _OF_SCOPE.where(_S.kind == bindparam("kind"))
_OF_WORKSPACE = select(memory_shelves).where(_S.workspace_id == bindparam("workspace_id"))
_ADD = update(memory_shelves).where(_S.id == bindparam("shelf")).values(version=_S.version + 1)
_REWRITE = _ADD.values(rewritten=_S.rewritten + 1)


class Shelf(NamedTuple):
    """A shelf as it is in this transaction."""

    id: int
    scope: MemoryScope
    kind: MemoryKind
    version: int
    rewritten: int


def shelves_of(
    connection: Connection, scopes: Sequence[MemoryScope], kinds: Sequence[MemoryKind]
) -> list[Shelf]:
    """Return the shelves of these kinds that these scopes have."""
    shelves = (
        _shelf_from(row, scope)
        for scope in scopes
        for row in fetch_all(connection, _OF_SCOPE, _columns(scope))
    )
    return [shelf for shelf in shelves if shelf.kind in kinds]


def shelves_of_workspace(connection: Connection, workspace_id: str) -> list[Shelf]:
    """Return all shelves of a workspace; for what is deleted by its origin, and for figures."""
    rows = fetch_all(connection, _OF_WORKSPACE, {"workspace_id": workspace_id})
    return [_shelf_from(row, scope_from(row)) for row in rows]


def shelf_to_fill(connection: Connection, scope: MemoryScope, kind: MemoryKind) -> int:
    """Return the shelf's id, made if need be, locked for an addition."""
    where = {**_columns(scope), "kind": str(kind)}
    row = fetch_one(connection, _OF_KIND, where)
    if row is None:
        insert_or_ignore(connection, memory_shelves, [dict(where)])
        [row] = fetch_all(connection, _OF_KIND, where)
    shelf: int = row.id
    execute(connection, _ADD, {"shelf": shelf})
    return shelf


def rewrite(connection: Connection, shelf_ids: Sequence[int]) -> None:
    """Note, before it is done, that something other than an addition changes these shelves."""
    for shelf in sorted(set(shelf_ids)):
        execute(connection, _REWRITE, {"shelf": shelf})


def _shelf_from(row: AnyRow, scope: MemoryScope) -> Shelf:
    return Shelf(row.id, scope, MemoryKind(row.kind), row.version, row.rewritten)


def _columns(scope: MemoryScope) -> Values:
    return {
        "workspace_id": scope.workspace_id,
        "channel_id": scope.channel_id,
        "agent_id": scope.agent_id,
        "person": scope.person,
    }
