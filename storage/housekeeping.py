"""Deleting what has served its time, and bringing onto record what a crash held back."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import bindparam, delete, or_, select

from agent_engine.types import Scope, TaskId, TaskStatus
from storage.audit_rows import AT_ONCE, drain
from storage.budgets import sweep_reservations
from storage.database import Database, Dialect
from storage.mapping import scope_from
from storage.memory.fts5_words import merge_some
from storage.tables import deliveries, runs, tasks
from storage.tool_cache import prune_cache

MOST_MERGES = 500
"""Steps at a time; each is a short transaction."""
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


class SqlHousekeeping:
    """A ``Housekeeping`` on the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, *, now: datetime, deliveries_kept: timedelta) -> dict[str, int]:
        """Do all of the below; return how many of what, by name."""
        return {
            "audit_settled": await self.settle_audit(),
            "deliveries": await self.prune_deliveries(before=now - deliveries_kept),
            "cached": await self.prune_cache(now=now),
            "reservations": await self.sweep_reservations(now=now),
            "words_merged": await self.merge_words(),
        }

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

    async def merge_words(self) -> int:
        """Keep searches by words quick on SQLite; return how many steps it took, the rest later."""
        if self._database.dialect is not Dialect.SQLITE:
            return 0
        steps = 0
        while steps < MOST_MERGES and await self._database.write(merge_some):
            steps += 1
        return steps

    async def settle_audit(self) -> int:
        """Append to the audit log what commands have put out; return how many entries."""
        settled = taken = await self._database.write(drain)
        while taken == AT_ONCE:
            taken = await self._database.write(drain)
            settled += taken
        return settled
