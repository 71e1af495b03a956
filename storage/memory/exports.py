"""What people asked for as a file: noted with their command, gone once they have it."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, insert, select, update
from sqlalchemy.engine import Connection

from agent_engine.memories import Export, MemoryScope
from agent_engine.types import AgentId, ChannelId, UserId, WorkspaceId, new_id
from storage.database import Database
from storage.mapping import AnyRow
from storage.tables import memory_exports

_E = memory_exports.c


def ask_for(connection: Connection, scope: MemoryScope, by: UserId, *, now: datetime) -> None:
    """Note that somebody wants the scope's memories."""
    row = {
        "id": new_id(),
        "workspace_id": scope.workspace_id,
        "channel_id": scope.channel_id,
        "agent_id": scope.agent_id,
        "person": scope.person,
        "asked_by": by,
        "asked_at": now,
        "is_begun": False,
    }
    connection.execute(insert(memory_exports), row)


class SqlExportStore:
    """An ``ExportStore`` on the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def asked_for(self, workspace_id: WorkspaceId) -> Sequence[Export]:
        """Return what is to be handed over, oldest first."""
        of_workspace = select(memory_exports).where(_E.workspace_id == workspace_id)
        statement = of_workspace.order_by(_E.asked_at, _E.id)
        return await self._database.read(lambda c: [_export(row) for row in c.execute(statement)])

    async def begun(self, export_id: str) -> None:
        """Note that it may have been handed over from now on."""
        statement = update(memory_exports).where(_E.id == export_id).values(is_begun=True)
        await self._database.write(lambda c: c.execute(statement))

    async def settled(self, export_id: str) -> None:
        """Note that the person has it, or cannot get it. Safe to repeat."""
        statement = delete(memory_exports).where(_E.id == export_id)
        await self._database.write(lambda c: c.execute(statement))


def _export(row: AnyRow) -> Export:
    scope = MemoryScope(
        workspace_id=WorkspaceId(row.workspace_id),
        channel_id=ChannelId(row.channel_id),
        agent_id=AgentId(row.agent_id),
        person=UserId(row.person),
    )
    return Export(id=row.id, scope=scope, by=UserId(row.asked_by), is_begun=row.is_begun)
