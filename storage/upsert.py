"""INSERT … ON CONFLICT, which SQLite and PostgreSQL both have and SQLAlchemy spells twice."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from storage.compiled import execute, execute_many

_Insert = sqlite.Insert | postgresql.Insert


def insert_or_ignore(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert the rows; those that break a unique constraint change nothing."""
    execute_many(connection, _ignoring(table, connection.dialect.name), rows)


def insert_or_replace(connection: Connection, table: Table, values: dict[str, Any]) -> None:
    """Insert the row, or replace all columns of the one with its primary key."""
    keys = tuple(column.name for column in table.primary_key)
    insert_or_update(connection, table, values, on=keys)


def insert_or_update(
    connection: Connection, table: Table, values: dict[str, Any], *, on: tuple[str, ...]
) -> None:
    """Insert the row, or give the one with the same unique columns these values."""
    statement = _updating(table, connection.dialect.name, on, tuple(values))
    execute(connection, statement, values)


@cache
def _ignoring(table: Table, dialect: str) -> _Insert:
    return _insert(table, dialect).on_conflict_do_nothing()


@cache
def _updating(table: Table, dialect: str, on: tuple[str, ...], names: tuple[str, ...]) -> _Insert:
    statement = _insert(table, dialect)
    others = {name: statement.excluded[name] for name in names if name not in on}
    return statement.on_conflict_do_update(index_elements=on, set_=others)


def _insert(table: Table, dialect: str) -> _Insert:
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
