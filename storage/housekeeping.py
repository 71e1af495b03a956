"""Deleting what has served its time, and bringing onto record what a crash held back."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime, time, timedelta

from sqlalchemy import Delete, bindparam, delete, or_, select
from sqlalchemy.engine import Connection

from agent_engine.retention import Retention
from agent_engine.types import Scope, TaskId, TaskStatus
from storage.audit import SqlAuditLog
from storage.audit_rows import AT_ONCE, drain
from storage.budgets import sweep_reservations
from storage.compiled import execute_many, fetch_all
from storage.database import Database, Dialect
from storage.mapping import scope_from
from storage.memory import ageing
from storage.memory.fts5_words import merge_some
from storage.memory.indexes import indexes_of
from storage.memory.searching import Indexes
from storage.retention import RATINGS, USAGE, Piece, delete_rows, erase_old_tasks
from storage.tables import deliveries, folders_left, runs, tasks
from storage.tool_cache import prune_cache

MOST_STEPS = 500
"""Of a kind at a time; each is a short transaction, and the rest is done the next time."""
_PRUNE = delete(deliveries).where(deliveries.c.received_at < bindparam("before"))
_AT_WORK = (
    select(runs.c.task_id, runs.c.workspace_id, runs.c.channel_id, runs.c.agent_id)
    .join(tasks, tasks.c.id == runs.c.task_id)
    .where(
        or_(
            runs.c.end_reason.is_(None),
            tasks.c.status.not_in([status.value for status in TaskStatus if status.is_final]),
        )
    )
    .distinct()
)
_FOLDERS_LEFT = select(folders_left).limit(bindparam("most"))
_FOLDER_GONE = delete(folders_left).where(
    folders_left.c.workspace_id == bindparam("workspace_id"),
    folders_left.c.channel_id == bindparam("channel_id"),
    folders_left.c.agent_id == bindparam("agent_id"),
    folders_left.c.task_id == bindparam("task_id"),
)
_Delete = Callable[[Connection, datetime, int], Piece]
"""Deletes some of what is older than this, behind so many that stay."""


class SqlHousekeeping:
    """A ``Housekeeping`` on the database."""

    def __init__(self, database: Database, indexes: Indexes | None = None) -> None:
        self._database = database
        self._indexes = indexes or indexes_of(database)

    async def keep(self, *, now: datetime, kept: Retention) -> dict[str, int]:
        """Do all of the below that needs no files; return how many of what, by name."""
        return {
            "audit_settled": await self.settle_audit(),
            "deliveries": await self.prune_deliveries(before=now - kept.deliveries),
            "cached": await self.prune_cache(now=now),
            "reservations": await self.sweep_reservations(now=now),
            **await self.delete_old(now=now, kept=kept),
            "words_merged": await self.merge_words(),
        }

    async def delete_old(self, *, now: datetime, kept: Retention) -> dict[str, int]:
        """Delete what is older than it is kept; return how many of each kind that is not for ever.

        May be killed at any moment, and done by several processes at once.
        """
        kinds: dict[str, tuple[timedelta | None, _Delete]] = {
            "tasks": (kept.tasks, self._some_tasks),
            "episodes": (kept.episodes, self._some_memories(ageing.UNUSED)),
            "memory_history": (kept.memory_history, self._some_memories(ageing.HISTORY)),
            "expired_memories": (timedelta(0), self._some_memories(ageing.EXPIRED)),
            "usage": (kept.usage, _some_rows(USAGE)),
            "ratings": (kept.ratings, _some_rows(RATINGS)),
        }
        deleted = {
            name: await self._step_by_step(some, before=now - age)
            for name, (age, some) in kinds.items()
            if age is not None
        }
        if kept.audit_texts is not None:
            deleted["audit_texts"] = await self._forget_texts(now - kept.audit_texts)
        return deleted

    async def folders_left(self, *, limit: int) -> Sequence[tuple[Scope, TaskId]]:
        """Return tasks that are deleted and whose folders may still be there."""
        return await self._database.read(
            lambda c: [
                (scope_from(row), TaskId(row.task_id))
                for row in fetch_all(c, _FOLDERS_LEFT, {"most": limit})
            ]
        )

    async def folders_gone(self, folders: Sequence[tuple[Scope, TaskId]]) -> None:
        """Note that these folders are deleted. Safe to repeat."""
        gone = [{**asdict(scope), "task_id": task_id} for scope, task_id in folders]
        await self._database.write(lambda c: execute_many(c, _FOLDER_GONE, gone))

    async def prune_deliveries(self, *, before: datetime) -> int:
        """Forget deliveries older than this; return how many."""
        return await self._database.write(lambda c: c.execute(_PRUNE, {"before": before}).rowcount)

    async def tasks_at_work(self) -> Sequence[tuple[Scope, TaskId]]:
        """Return the tasks that are not over or have a run that is not; in whose scope each ran."""
        return await self._database.read(
            lambda c: [(scope_from(row), TaskId(row.task_id)) for row in c.execute(_AT_WORK)]
        )

    async def prune_cache(self, *, now: datetime) -> int:
        """Delete results of tools that are not fresh any more; return how many."""
        return await self._database.write(lambda c: prune_cache(c, now))

    async def sweep_reservations(self, *, now: datetime) -> int:
        """Delete what calls that nobody will settle had set aside; return how many."""
        return await self._database.write(lambda c: sweep_reservations(c, now))

    async def merge_words(self, *, most_steps: int = MOST_STEPS) -> int:
        """Keep searches by words quick on SQLite; return how many steps it took, the rest later."""
        if self._database.dialect is not Dialect.SQLITE:
            return 0
        steps = 0
        while steps < most_steps and await self._database.write(merge_some):
            steps += 1
        return steps

    async def settle_audit(self) -> int:
        """Append to the audit log what commands have put out; return how many entries."""
        settled = taken = await self._database.write(drain)
        while taken == AT_ONCE:
            taken = await self._database.write(drain)
            settled += taken
        return settled

    # --------------------------------------------------------------------------------------------

    async def _step_by_step(self, some: _Delete, *, before: datetime) -> int:
        gone = stayed = 0
        for _ in range(MOST_STEPS):
            piece = await self._database.write(_step(some, before, stayed))
            gone += piece.gone
            stayed += piece.stayed
            if not any(piece):
                break
        return gone

    async def _forget_texts(self, before: datetime) -> int:
        """Once a day, so that the log does not grow with what it says of this."""
        day = datetime.combine(before, time(), before.tzinfo)
        log, gone = SqlAuditLog(self._database), 0
        for workspace_id in await log.workspaces():
            for _ in range(MOST_STEPS):
                forgotten = await log.forget_old_texts(workspace_id, before=day)
                gone += forgotten
                if not forgotten:
                    break
        return gone

    def _some_tasks(self, connection: Connection, before: datetime, behind: int) -> Piece:
        return erase_old_tasks(connection, self._indexes, before, behind=behind)

    def _some_memories(self, old: ageing.Old) -> _Delete:
        return lambda c, before, _: Piece(ageing.delete_old(c, self._indexes, old, before))


def _step(some: _Delete, before: datetime, behind: int) -> Callable[[Connection], Piece]:
    return lambda connection: some(connection, before, behind)


def _some_rows(rows: Delete) -> _Delete:
    return lambda c, before, _: delete_rows(c, rows, before)
