"""Letting one transaction at a time decide something in a workspace, on PostgreSQL.

SQLite has one writer and needs none of it. At *repeatable read* whoever waited for a lock would go
on with a view from before it; so these transactions read what is committed, statement by statement.
"""

import hashlib

from sqlalchemy.engine import Connection

_READ_COMMITTED = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"


def see_what_is_committed(connection: Connection) -> None:
    """Let each statement see what others committed before it; first of its transaction."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(_READ_COMMITTED)


def lock_in_workspace(connection: Connection, what: str, workspace_id: str) -> None:
    """Wait until nobody else does this in the workspace; first of its transaction.

    What must be consistent afterwards is read in one statement.
    """
    if connection.dialect.name == "postgresql":
        number = _number(what, workspace_id)
        connection.exec_driver_sql(f"{_READ_COMMITTED}; SELECT pg_advisory_xact_lock({number})")


def _number(what: str, workspace_id: str) -> int:
    digest = hashlib.sha256(f"{what}\n{workspace_id}".encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
