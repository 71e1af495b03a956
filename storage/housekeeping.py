"""Deleting what has served its time."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, delete, or_, select

from agent_engine.types import Scope, TaskId, TaskStatus
from storage.database import Database
from storage.mapping import scope_from
from storage.tables import deliveries, runs, tasks

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

    async def prune_deliveries(self, *, before: datetime) -> int:
        """Forget deliveries older than this; return how many."""
        return await self._database.write(lambda c: c.execute(_PRUNE, {"before": before}).rowcount)

    async def tasks_at_work(self) -> Sequence[tuple[Scope, TaskId]]:
        """Return the tasks that are not over or have a run that is not; in whose scope each ran."""
        return await self._database.read(
            lambda c: [(scope_from(row), TaskId(row.task_id)) for row in c.execute(_AT_WORK)]
        )
