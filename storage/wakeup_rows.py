"""Writing wake-up rows: the only way in which a transaction asks for ``advance``."""

from sqlalchemy import insert
from sqlalchemy.engine import Connection

from agent_engine.ports import WakeupKind
from agent_engine.types import now_utc
from storage.compiled import execute
from storage.tables import wakeups

_INSERT = insert(wakeups)


def write_wakeup(connection: Connection, run_id: str, kind: WakeupKind) -> None:
    """Ask that the run be advanced once this transaction is committed.

    One more for the same run is never left out: the one before may just be being delivered.
    """
    values = {"run_id": run_id, "kind": str(kind), "written_at": now_utc()}
    execute(connection, _INSERT, values)
