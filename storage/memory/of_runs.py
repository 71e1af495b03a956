"""What a run is told from memory and what it leaves there, as part of its own commits."""

from sqlalchemy import bindparam, select, update
from sqlalchemy.engine import Connection

from agent_engine.events import Recalled, Remembered
from storage.compiled import execute, fetch_values
from storage.mapping import Values
from storage.memory.keeping import count_uses, keep
from storage.memory.searching import Indexes
from storage.tables import runs

_USES = select(runs.c.memories_used).where(runs.c.id == bindparam("run"))
_USED = update(runs).where(runs.c.id == bindparam("run")).values(memories_used=bindparam("uses"))


def write_memory(
    connection: Connection, run_id: str, event: Recalled | Remembered, indexes: Indexes
) -> None:
    """Write the event, but for the log."""
    match event:
        case Recalled():
            _note_uses(connection, run_id, event)
        case Remembered(scope=scope, memory=memory):
            keep(connection, indexes, scope, memory, now=event.at)


def logged_of(event: Recalled | Remembered) -> Values:
    """Return what the log says of it: never the words, which can be forgotten."""
    match event:
        case Recalled(uses=uses):
            return {"memories": [use.id for use in uses]}
        case Remembered(memory=memory):
            return {"kind": str(memory.kind)}


def _note_uses(connection: Connection, run_id: str, event: Recalled) -> None:
    [noted] = fetch_values(connection, _USES, {"run": run_id})
    known = {memory_id for memory_id, *_ in noted}
    new = [[use.id, use.kind, use.is_own] for use in event.uses if use.id not in known]
    execute(connection, _USED, {"run": run_id, "uses": [*noted, *new]})
    count_uses(connection, event.scopes, [use.id for use in event.uses])
