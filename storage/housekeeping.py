"""Deleting what has served its time, and bringing onto record what a crash held back."""

from datetime import datetime, timedelta

from sqlalchemy import bindparam, delete

from storage.audit_rows import AT_ONCE, drain
from storage.budgets import sweep_reservations
from storage.database import Database
from storage.tables import deliveries
from storage.tool_cache import prune_cache

_PRUNE = delete(deliveries).where(deliveries.c.received_at < bindparam("before"))


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
        }

    async def prune_deliveries(self, *, before: datetime) -> int:
        """Forget deliveries older than this; return how many."""
        return await self._database.write(lambda c: c.execute(_PRUNE, {"before": before}).rowcount)

    async def prune_cache(self, *, now: datetime) -> int:
        """Delete results of tools that are not fresh any more; return how many."""
        return await self._database.write(lambda c: prune_cache(c, now))

    async def sweep_reservations(self, *, now: datetime) -> int:
        """Delete what calls that nobody will settle had set aside; return how many."""
        return await self._database.write(lambda c: sweep_reservations(c, now))

    async def settle_audit(self) -> int:
        """Append to the audit log what commands have put out; return how many entries."""
        settled = taken = await self._database.write(drain)
        while taken == AT_ONCE:
            taken = await self._database.write(drain)
            settled += taken
        return settled
