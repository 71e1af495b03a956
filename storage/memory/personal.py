"""Where people let their own memories be used: a channel for each word of theirs, none at first.

A row names one person and one channel, so that consent given in one place is none in another.
"""

from sqlalchemy import bindparam, delete, select
from sqlalchemy.engine import Connection

from agent_engine.memories import MemoryScope, PersonalUse
from storage.compiled import execute, fetch_one
from storage.tables import personal_memory_uses
from storage.upsert import insert_or_replace

_U = personal_memory_uses.c
_THERE = (
    (_U.workspace_id == bindparam("workspace"))
    & (_U.channel_id == bindparam("channel"))
    & (_U.person == bindparam("whose"))
)
_USE = select(_U.use).where(_THERE)
_END = delete(personal_memory_uses).where(_THERE)
_END_ALL = delete(personal_memory_uses).where(
    _U.workspace_id == bindparam("workspace"), _U.person == bindparam("whose")
)


def use_of(connection: Connection, scope: MemoryScope, person: str) -> PersonalUse:
    """Say whether the person's own memories are used in the channel of this scope."""
    where = {"workspace": scope.workspace_id, "channel": scope.channel_id, "whose": person}
    row = fetch_one(connection, _USE, where)
    return PersonalUse.OFF if row is None else PersonalUse(row.use)


def set_use(connection: Connection, scope: MemoryScope, person: str, use: PersonalUse) -> None:
    """Let them be used there, or no more; the memories themselves stay. Safe to repeat."""
    if use is PersonalUse.OFF:
        where = {"workspace": scope.workspace_id, "channel": scope.channel_id, "whose": person}
        execute(connection, _END, where)
        return
    named = {"workspace_id": scope.workspace_id, "channel_id": scope.channel_id}
    insert_or_replace(
        connection, personal_memory_uses, {**named, "person": person, "use": str(use)}
    )


def end_all(connection: Connection, workspace_id: str, person: str) -> None:
    """Let them be used nowhere any more. Safe to repeat."""
    execute(connection, _END_ALL, {"workspace": workspace_id, "whose": person})
