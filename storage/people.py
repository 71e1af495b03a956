"""What is known of people."""

from dataclasses import asdict

from sqlalchemy import bindparam, select

from agent_engine.places import Person
from agent_engine.types import UserId, WorkspaceId
from storage.compiled import fetch_one
from storage.database import Database
from storage.mapping import AnyRow
from storage.tables import people
from storage.upsert import insert_or_replace

_ONE = select(people).where(
    people.c.workspace_id == bindparam("workspace_id"), people.c.user_id == bindparam("user_id")
)


class SqlPersonStore:
    """A ``PersonStore`` on the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def person(self, workspace_id: WorkspaceId, user_id: UserId) -> Person | None:
        """Return the person; None when never looked up."""
        where = {"workspace_id": workspace_id, "user_id": user_id}
        row = await self._database.read(lambda c: fetch_one(c, _ONE, where))
        return None if row is None else _person_from(row)

    async def save_person(self, person: Person) -> None:
        """Create or replace."""
        values = asdict(person)
        await self._database.write(lambda c: insert_or_replace(c, people, values))


def _person_from(row: AnyRow) -> Person:
    return Person(
        workspace_id=WorkspaceId(row.workspace_id),
        user_id=UserId(row.user_id),
        name=row.name,
        is_bot=row.is_bot,
        is_guest=row.is_guest,
        is_external=row.is_external,
        is_admin=row.is_admin,
        fetched_at=row.fetched_at,
    )
