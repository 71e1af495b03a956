"""The audit log: appended in short transactions of its own, checked and exported page by page."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import bindparam, delete, select, union
from sqlalchemy.engine import Connection

from agent_engine.safeguards import AuditAction, AuditEntry, AuditRow, AuditVerdict
from agent_engine.types import AgentId, ChannelId, Scope, UserId, WorkspaceId, new_id
from storage.audit_chain import Walk, audit_row_from
from storage.audit_rows import AT_ONCE, append_entries, append_entry, drain_first
from storage.compiled import fetch_all, fetch_one
from storage.database import Database
from storage.mapping import AnyRow
from storage.one_by_one import see_what_is_committed
from storage.tables import audit_entries, audit_heads, audit_texts

PAGE_ROWS = 500
FORGOTTEN = "forgotten"

_COLUMNS = tuple(column.name for column in audit_entries.columns)
_PAGE = (
    select(audit_entries, audit_texts.c.salt, audit_texts.c.text)
    .outerjoin(
        audit_texts,
        (audit_texts.c.workspace_id == audit_entries.c.workspace_id)
        & (audit_texts.c.seq == audit_entries.c.seq),
    )
    .where(
        audit_entries.c.workspace_id == bindparam("workspace"),
        audit_entries.c.seq > bindparam("after"),
    )
    .order_by(audit_entries.c.seq)
    .limit(PAGE_ROWS)
)
_HEAD = select(audit_heads.c.seq, audit_heads.c.hash).where(
    audit_heads.c.workspace_id == bindparam("workspace")
)
_WORKSPACES = union(
    select(audit_heads.c.workspace_id), select(audit_entries.c.workspace_id)
).order_by("workspace_id")
_FORGET = delete(audit_texts).where(
    audit_texts.c.workspace_id == bindparam("workspace"),
    audit_texts.c.seq.in_(
        select(audit_entries.c.seq).where(
            audit_entries.c.workspace_id == bindparam("workspace"),
            audit_entries.c.actor == bindparam("person"),
        )
    ),
)


_OLDEST_TEXTS = (
    select(audit_texts.c.seq, audit_entries.c.at)
    .join(
        audit_entries,
        (audit_entries.c.workspace_id == audit_texts.c.workspace_id)
        & (audit_entries.c.seq == audit_texts.c.seq),
    )
    .where(audit_texts.c.workspace_id == bindparam("workspace"))
    .order_by(audit_texts.c.seq)
    .limit(PAGE_ROWS)
)
_FORGET_THESE = delete(audit_texts).where(
    audit_texts.c.workspace_id == bindparam("workspace"),
    audit_texts.c.seq.in_(bindparam("these", expanding=True)),
)


class SqlAuditLog:
    """An ``AuditLog`` on the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = asyncio.Lock()
        self._waiting: list[_Asked] = []

    async def append(self, entry: AuditEntry) -> None:
        """Add the entry in a short transaction. Safe to repeat.

        One transaction of this process at a time, for the next one would only hold a connection
        and wait for the head; what is asked for meanwhile goes into the chain together.
        """
        asked = _Asked(entry)
        self._waiting.append(asked)
        async with self._lock:
            if asked.is_done:
                return
            try:
                await self._append_all(self._waiting[:AT_ONCE])
            except Exception:  # noqa: BLE001  # whose fault it was shows when each is alone
                self._waiting.remove(asked)
                await self._append_all([asked])
            if not asked.is_done:  # so many were before it
                await self._append_all([asked])

    async def _append_all(self, batch: Sequence["_Asked"]) -> None:
        entries = [asked.entry for asked in batch]
        await self._database.write(lambda c: _append_alone(c, entries))
        for asked in batch:
            asked.is_done = True
        self._waiting = [asked for asked in self._waiting if not asked.is_done]

    async def verify(self, workspace_id: WorkspaceId) -> AuditVerdict:
        """Check every row of the chain, while others may append to it."""
        walk, is_over = Walk(), False
        while not is_over:
            walk, is_over = await self._database.read(_walking(workspace_id, walk))
        return AuditVerdict(
            workspace_id=workspace_id,
            rows=walk.seq,
            forgotten_texts=walk.forgotten,
            broken_at=walk.broken_at,
            because=walk.because,
            head=walk.hash,
        )

    async def export(self, workspace_id: WorkspaceId, *, after: int = 0) -> AsyncIterator[AuditRow]:
        """Yield the rows behind this seq, oldest first, a page at a time."""
        while rows := await self._page(workspace_id, after):
            for row in rows:
                yield audit_row_from(row)
            after = rows[-1].seq

    async def forget_texts(self, workspace_id: WorkspaceId, *, actor: UserId) -> int:
        """Empty the texts of what this person did or asked for; return how many.

        The chain still holds, and says that it was done.
        """
        return await self._database.write(lambda c: _forget(c, workspace_id, actor))

    async def forget_old_texts(self, workspace_id: WorkspaceId, *, before: datetime) -> int:
        """Empty the texts of some entries from before then; return how many, 0 when none is left.

        The chain still holds, and says that it was done.
        """
        return await self._database.write(lambda c: _forget_old(c, workspace_id, before))

    async def workspaces(self) -> Sequence[WorkspaceId]:
        """Return the workspaces that have a chain, or rows without one."""
        found = await self._database.read(lambda c: c.execute(_WORKSPACES).scalars().all())
        return [WorkspaceId(workspace_id) for workspace_id in found]

    async def _page(self, workspace_id: WorkspaceId, after: int) -> list[AnyRow]:
        where = {"workspace": workspace_id, "after": after}
        return await self._database.read(lambda c: fetch_all(c, _PAGE, where))


@dataclass(slots=True, eq=False)
class _Asked:
    """An entry that somebody waits to see in the chain."""

    entry: AuditEntry
    is_done: bool = False


def _append_alone(connection: Connection, entries: Sequence[AuditEntry]) -> None:
    see_what_is_committed(connection)
    append_entries(connection, entries)


class _Walked(NamedTuple):
    """How far the walk came, and whether that was the end or the chain is broken."""

    walk: Walk
    is_over: bool


def _walking(workspace_id: str, walk: Walk) -> Callable[[Connection], _Walked]:
    return lambda connection: _walk_a_page(connection, workspace_id, replace(walk))


def _walk_a_page(connection: Connection, workspace_id: str, walk: Walk) -> _Walked:
    """Check the next rows, and the head where they are the last."""
    rows = fetch_all(connection, _PAGE, {"workspace": workspace_id, "after": walk.seq})
    for row in rows:
        columns = {name: getattr(row, name) for name in _COLUMNS}
        if not walk.take(columns, salt=row.salt, text=row.text):
            return _Walked(walk, is_over=True)
    if len(rows) == PAGE_ROWS:
        return _Walked(walk, is_over=False)
    head = fetch_one(connection, _HEAD, {"workspace": workspace_id})
    walk.arrive(seq=head.seq if head else 0, head=head.hash if head else "")
    return _Walked(walk, is_over=True)


def _forget(connection: Connection, workspace_id: WorkspaceId, actor: UserId) -> int:
    see_what_is_committed(connection)
    while drain_first(connection) == AT_ONCE:
        pass
    where = {"workspace": workspace_id, "person": actor}
    forgotten: int = connection.execute(_FORGET, where).rowcount
    append_entry(connection, _forgetting(workspace_id, forgotten, actor=actor))
    return forgotten


def _forget_old(connection: Connection, workspace_id: WorkspaceId, before: datetime) -> int:
    """Entries are written in order, but for moments: where the oldest text is new, all are."""
    see_what_is_committed(connection)
    rows = fetch_all(connection, _OLDEST_TEXTS, {"workspace": workspace_id})
    these = [row.seq for row in rows if row.at < before]
    if not these:
        return 0
    where = {"workspace": workspace_id, "these": these}
    forgotten: int = connection.execute(_FORGET_THESE, where).rowcount
    if forgotten:  # nobody else was faster
        subject = f"texts from before {before:%Y-%m-%d}"
        append_entry(connection, _forgetting(workspace_id, forgotten, subject=subject))
    return forgotten


def _forgetting(
    workspace_id: WorkspaceId, texts: int, *, actor: UserId | None = None, subject: str = ""
) -> AuditEntry:
    return AuditEntry(
        key=f"forget:{new_id()}",
        action=AuditAction.FORGET,
        scope=Scope(workspace_id=workspace_id, channel_id=ChannelId(""), agent_id=AgentId("")),
        actor=actor,
        subject=subject,
        decision=FORGOTTEN,
        result=f"{texts} texts",
    )
