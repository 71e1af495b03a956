"""The migrations make the tables that the code reads and writes."""

import importlib
import pkgutil

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.engine import Connection

from storage.database import Database
from storage.migrations import versions
from storage.schema import REVISIONS
from storage.tables import metadata


def is_ours(name: str | None, kind: str, _parents: object) -> bool:
    """What memories are searched by differs from database to database: migrations alone know it."""
    return kind != "table" or not str(name).startswith(("memory_words", "memory_vectors"))


async def test_the_migrated_tables_are_those_of_the_code(database: Database) -> None:
    def differences(connection: Connection) -> list[object]:
        options = {"compare_type": True, "compare_server_default": True, "include_name": is_ours}
        context = MigrationContext.configure(connection, opts=options)
        return compare_metadata(context, metadata)

    assert await database.read(differences) == []


async def test_checks_and_keys_are_in_place_as_well(database: Database) -> None:
    def constraints(connection: Connection) -> dict[str, set[str | None]]:
        inspector = sa.inspect(connection)
        return {
            name: {check["name"] for check in inspector.get_check_constraints(name)}
            | {key["name"] for key in inspector.get_foreign_keys(name)}
            | set(inspector.get_pk_constraint(name)["constrained_columns"])
            for name in metadata.tables
        }

    expected = {
        name: {
            str(constraint.name)
            for constraint in table.constraints
            if isinstance(constraint, sa.CheckConstraint | sa.ForeignKeyConstraint)
        }
        | {column.name for column in table.primary_key}
        for name, table in metadata.tables.items()
    }
    assert await database.read(constraints) == expected


def test_every_revision_is_known_by_name_and_in_order() -> None:
    modules = sorted(module.name for module in pkgutil.iter_modules(versions.__path__))
    found = [importlib.import_module(f"{versions.__name__}.{name}") for name in modules]
    assert tuple(module.revision for module in found) == REVISIONS
    assert [module.down_revision for module in found] == [None, *REVISIONS[:-1]]
