"""What is still to be removed: noted as somebody asks for it, gone once that is done."""

from collections.abc import Sequence

from sqlalchemy import bindparam, delete, insert, literal, select
from sqlalchemy.engine import Connection

from agent_engine.places import Removal, RemovalOf
from agent_engine.types import ChannelId, TaskId, UserId, WorkspaceId, now_utc
from storage.compiled import execute, execute_many, fetch_all
from storage.database import Database
from storage.mapping import AnyRow
from storage.tables import posts, removals

_INSERT = insert(removals)
_PENDING = (
    select(removals)
    .where(removals.c.workspace_id == bindparam("workspace"))
    .order_by(removals.c.what == str(RemovalOf.MESSAGE), removals.c.id)
    .limit(bindparam("most"))
)
_DONE = delete(removals).where(removals.c.id == bindparam("removal"))
_MESSAGE = literal(str(RemovalOf.MESSAGE)).label("what")
_NAMES = ("workspace_id", "what", "channel_id", "ref", "noted_at")
_SHOWN = select(
    posts.c.workspace_id,
    _MESSAGE,
    posts.c.channel_id,
    posts.c.ts,
    bindparam("now", type_=removals.c.noted_at.type),
).where(posts.c.ts.is_not(None))


def note_messages(connection: Connection, task_ids: Sequence[TaskId]) -> None:
    """Have all that we posted about these tasks removed from Slack; so many fit a statement."""
    of_tasks = _SHOWN.where(posts.c.task_id.in_(task_ids))
    connection.execute(_INSERT.from_select(_NAMES, of_tasks), {"now": now_utc()})


def note_texts(connection: Connection, workspace_id: WorkspaceId, person: UserId) -> None:
    """Have the audit log's texts emptied of what the person did or asked for."""
    _note(connection, workspace_id, RemovalOf.AUDIT_TEXTS, person)


def note_tasks(connection: Connection, workspace_id: WorkspaceId, person: UserId) -> None:
    """Have the other tasks deleted that the person asked for until now."""
    _note(connection, workspace_id, RemovalOf.TASKS, person)


def _note(
    connection: Connection, workspace_id: WorkspaceId, what: RemovalOf, person: UserId
) -> None:
    told = {"workspace_id": workspace_id, "what": str(what), "channel_id": "", "ref": person}
    execute(connection, _INSERT, {**told, "noted_at": now_utc()})


class SqlRemovalStore:
    """A ``RemovalStore`` on the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def pending(self, workspace_id: WorkspaceId, *, limit: int) -> Sequence[Removal]:
        """Return what is to be removed: first what needs no Slack, then oldest first."""
        where = {"workspace": workspace_id, "most": limit}
        return await self._database.read(
            lambda c: [_removal(row) for row in fetch_all(c, _PENDING, where)]
        )

    async def done(self, removal_ids: Sequence[int]) -> None:
        """Note that these are removed, or cannot be. Safe to repeat."""
        gone = [{"removal": removal_id} for removal_id in removal_ids]
        await self._database.write(lambda c: execute_many(c, _DONE, gone))


def _removal(row: AnyRow) -> Removal:
    return Removal(
        id=row.id,
        what=RemovalOf(row.what),
        channel_id=ChannelId(row.channel_id),
        ref=row.ref,
        noted_at=row.noted_at,
    )
