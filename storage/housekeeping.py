"""Deleting what has served its time."""

from datetime import datetime

from sqlalchemy import bindparam, delete

from storage.database import Database
from storage.tables import deliveries

_PRUNE = delete(deliveries).where(deliveries.c.received_at < bindparam("before"))


class SqlHousekeeping:
    """A ``Housekeeping`` on the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def prune_deliveries(self, *, before: datetime) -> int:
        """Forget deliveries older than this; return how many."""
        return await self._database.write(lambda c: c.execute(_PRUNE, {"before": before}).rowcount)
