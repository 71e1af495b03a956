"""Writing the audit log: into the chain, or into the outbox on the way there.

What must be on record exactly if a command was carried out is put into the outbox in the command's
transaction; draining it appends. A crash in between delays an entry, and cannot lose or repeat it.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection
from sqlalchemy.sql.dml import ReturningInsert

from agent_engine.safeguards import AuditEntry
from storage.audit_chain import entry_from, entry_json, link_of
from storage.compiled import execute, execute_many, fetch_all, fetch_one
from storage.mapping import AnyRow
from storage.one_by_one import see_what_is_committed
from storage.tables import audit_entries, audit_heads, audit_outbox, audit_texts
from storage.upsert import insert_or_ignore

AT_ONCE = 100
"""Entries that are taken out of the outbox in one transaction."""

_HEAD = (
    select(audit_heads.c.seq, audit_heads.c.hash)
    .where(audit_heads.c.workspace_id == bindparam("workspace"))
    .with_for_update()
)
_MOVE_HEAD = (
    update(audit_heads)
    .where(audit_heads.c.workspace_id == bindparam("workspace"))
    .values(seq=bindparam("new_seq"), hash=bindparam("new_hash"))
)
_INSERT_TEXT = insert(audit_texts)
_PUT_OUT = insert(audit_outbox)
_OUTBOX = select(audit_outbox).order_by(audit_outbox.c.id).limit(AT_ONCE)
_TAKEN = delete(audit_outbox).where(audit_outbox.c.id == bindparam("taken"))


def append_entry(connection: Connection, entry: AuditEntry) -> None:
    """Append the entry unless one with its key is in the chain.

    Its transaction must see what is committed (``one_by_one``), and should be short: whoever
    appends in the same workspace waits for it.
    """
    head = _locked_head(connection, entry.scope.workspace_id)
    link = link_of(entry, seq=head.seq + 1, previous=head.hash)
    if fetch_one(connection, _append(connection.dialect.name), link.row) is None:
        return
    if link.text is not None:
        execute(connection, _INSERT_TEXT, link.text)
    moved = {"new_seq": link.row["seq"], "new_hash": link.row["hash"]}
    execute(connection, _MOVE_HEAD, {"workspace": entry.scope.workspace_id, **moved})


def append_entries(connection: Connection, entries: Sequence[AuditEntry]) -> None:
    """Append the entries, one workspace after the other: everyone locks heads in the same order."""
    for entry in sorted(entries, key=lambda entry: entry.scope.workspace_id):
        append_entry(connection, entry)


def put_out(connection: Connection, entry: AuditEntry) -> None:
    """Put the entry into the outbox, together with what else the transaction does."""
    execute(connection, _PUT_OUT, {"entry": entry_json(entry)})


def drain(connection: Connection) -> int:
    """Append what lies in the outbox, up to ``AT_ONCE`` entries; return how many it were.

    The transaction's only work. Two at once do no harm: an entry is appended once.
    """
    see_what_is_committed(connection)
    return drain_first(connection)


def drain_first(connection: Connection) -> int:
    """As ``drain``, for a transaction that goes on."""
    found = fetch_all(connection, _OUTBOX, {})
    append_entries(connection, [entry_from(row.entry) for row in found])
    execute_many(connection, _TAKEN, [{"taken": row.id} for row in found])
    return len(found)


def _locked_head(connection: Connection, workspace_id: str) -> AnyRow:
    where = {"workspace": workspace_id}
    head = fetch_one(connection, _HEAD, where)
    if head is None:
        first = {"workspace_id": workspace_id, "seq": 0, "hash": ""}
        insert_or_ignore(connection, audit_heads, [first])
        [head] = fetch_all(connection, _HEAD, where)
    return head


@cache
def _append(dialect: str) -> ReturningInsert[Any]:
    make = sqlite.insert if dialect == "sqlite" else postgresql.insert
    statement = make(audit_entries).on_conflict_do_nothing(index_elements=["workspace_id", "key"])
    return statement.returning(audit_entries.c.seq)
