"""Runs statements compiled once: what a run writes and reads all the time goes this way.

SQLAlchemy's own execution costs many times what the driver's does. Here a statement becomes the
driver's SQL once per database, with the same types and the same errors; it stays a Core expression
where it is defined. Only for statements that live as long as the program: each is kept.
"""

from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Select, UpdateBase
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.types import NullType, TypeEngine

from storage.mapping import AnyRow

Statement = Select[*tuple[Any, ...]] | UpdateBase
Values = Mapping[str, Any]
_Convert = Callable[[Any], Any]
_MOST_STATEMENTS = 2_000


def execute(connection: Connection, statement: Statement, values: Values) -> None:
    """Execute the statement, which returns nothing."""
    compiled = _compiled_for(connection, statement, values)
    _execute(connection, compiled, values).close()


def execute_many(connection: Connection, statement: Statement, rows: Sequence[Values]) -> None:
    """Execute the statement once per set of values; all have the same names."""
    if len(rows) == 1:
        execute(connection, statement, rows[0])
    elif rows:
        compiled = _compiled_for(connection, statement, rows[0])
        many = [compiled.arguments(values) for values in rows]
        cursor = _driver(connection).cursor()
        try:
            cursor.executemany(compiled.sql, many)
        except connection.dialect.loaded_dbapi.Error as error:
            raise _translated(connection, compiled.sql, error, cursor) from error
        cursor.close()


def fetch_all(connection: Connection, statement: Statement, values: Values) -> list[AnyRow]:
    """Execute the statement and return its rows."""
    compiled = _compiled_for(connection, statement, values)
    cursor = _execute(connection, compiled, values)
    try:
        found = cursor.fetchall()
    except connection.dialect.loaded_dbapi.Error as error:
        raise _translated(connection, compiled.sql, error, cursor) from error
    description = cursor.description
    cursor.close()
    return compiled.rows(found, description)


def fetch_one(connection: Connection, statement: Statement, values: Values) -> AnyRow | None:
    """Execute the statement and return its first row; None when there is none."""
    found = fetch_all(connection, statement, values)
    return found[0] if found else None


def fetch_values(connection: Connection, statement: Statement, values: Values) -> list[Any]:
    """Execute the statement and return the first column of every row."""
    return [row[0] for row in fetch_all(connection, statement, values)]


def fetch_pieces(
    connection: Connection, statement: Statement, values: Values, *, rows: int
) -> Iterator[list[Any]]:
    """Execute the statement and yield its rows as the driver makes them, so many at a time.

    For large values: the memory of one piece serves for the next.
    """
    compiled = _compiled_for(connection, statement, values)
    cursor = _execute(connection, compiled, values)
    try:
        while piece := cursor.fetchmany(rows):
            yield piece
    except connection.dialect.loaded_dbapi.Error as error:
        raise _translated(connection, compiled.sql, error, cursor) from error
    cursor.close()


def fetch_raw(connection: Connection, sql: str, values: Sequence[Any]) -> list[Any]:
    """Execute the driver's own SQL and return its rows as the driver made them.

    For many small rows of plain numbers and texts, where making ours costs more than reading them.
    """
    cursor = _driver(connection).cursor()
    try:
        cursor.execute(sql, values)
        found: list[Any] = cursor.fetchall()
    except connection.dialect.loaded_dbapi.Error as error:
        raise _translated(connection, sql, error, cursor) from error
    cursor.close()
    return found


class _Compiled:
    """One statement in one driver's words."""

    def __init__(self, statement: Statement, dialect: Dialect, names: tuple[str, ...]) -> None:
        self._statement = statement
        compiled: Any = statement.compile(dialect=dialect, column_keys=list(names) or None)
        if compiled.post_compile_params:
            raise ValueError("a statement with a list of values is not the same each time")
        self.sql = str(compiled)
        self._dialect = dialect
        self._is_positional: bool = compiled.positional
        ordered = compiled.positiontup if compiled.positional else tuple(compiled.binds)
        self._binds = [_Bind.of(name, compiled, dialect) for name in ordered]
        self._readers: list[tuple[int, _Convert]] | None = None
        self._make: Callable[[Any], Any] = tuple

    def arguments(self, values: Values) -> Sequence[Any] | Mapping[str, Any]:
        """Return what the driver is given for these values."""
        if self._is_positional:
            return [bind.value(values) for bind in self._binds]
        return {bind.name: bind.value(values) for bind in self._binds}

    def rows(self, found: list[Any], description: Sequence[Any]) -> list[Any]:
        """Return what the driver found as rows with the columns' names and types."""
        if self._readers is None:
            self._learn_columns(description)
        readers = self._readers
        if not readers:
            return list(map(self._make, found))
        return [self._row(list(raw), readers) for raw in found]

    def _row(self, raw: list[Any], readers: list[tuple[int, _Convert]]) -> Any:  # noqa: ANN401  # a row
        for position, read in readers:
            raw[position] = read(raw[position])
        return self._make(raw)

    def _learn_columns(self, description: Sequence[Any]) -> None:
        columns = list(self._statement.exported_columns)
        names = [str(column.key) for column in columns]
        named: Any = namedtuple("Found", names, rename=True)  # type: ignore[misc]  # noqa: PYI024  # known only now
        self._make = named._make
        kinds = [entry[1] for entry in description]
        readers = [
            _converter(column.type, self._dialect).result_processor(self._dialect, kind)
            for column, kind in zip(columns, kinds, strict=True)
        ]
        self._readers = [(n, read) for n, read in enumerate(readers) if read is not None]


class _Bind:
    """One parameter of a statement: given with each execution, or part of the statement."""

    __slots__ = ("_fixed", "_is_given", "_write", "name")

    def __init__(self, name: str, *, is_given: bool, fixed: object, write: _Convert | None) -> None:
        self.name = name
        self._is_given = is_given
        self._fixed = fixed
        self._write = write

    @classmethod
    def of(cls, name: str, compiled: Any, dialect: Dialect) -> "_Bind":  # noqa: ANN401  # its type is not exported
        parameter = compiled.binds[name]
        is_typed = not isinstance(parameter.type, NullType)
        write = _converter(parameter.type, dialect).bind_processor(dialect) if is_typed else _bare
        if parameter.required:
            return cls(name, is_given=True, fixed=None, write=write)
        fixed = parameter.effective_value
        return cls(name, is_given=False, fixed=write(fixed) if write else fixed, write=None)

    def value(self, values: Values) -> Any:  # noqa: ANN401  # what the driver takes
        if not self._is_given:
            return self._fixed
        given = values[self.name]
        return given if self._write is None else self._write(given)


def _bare(given: object) -> object:
    """Let a value go to the driver as it is, but for a time: drivers write those as they like."""
    if isinstance(given, datetime):
        raise TypeError("a time needs a parameter with a type")
    return given


@lru_cache(maxsize=_MOST_STATEMENTS)
def _compiled(statement: Statement, dialect: Dialect, names: tuple[str, ...]) -> _Compiled:
    return _Compiled(statement, dialect, names)


def _compiled_for(connection: Connection, statement: Statement, values: Values) -> _Compiled:
    # Which columns an INSERT has depends on the values; elsewhere the statement says it all.
    names = tuple(values) if isinstance(statement, sa.Insert) else ()
    return _compiled(statement, connection.dialect, names)


def _execute(connection: Connection, compiled: _Compiled, values: Values) -> Any:  # noqa: ANN401  # the driver's cursor
    cursor = _driver(connection).cursor()
    arguments = compiled.arguments(values)
    try:
        cursor.execute(compiled.sql, arguments)
    except connection.dialect.loaded_dbapi.Error as error:
        raise _translated(connection, compiled.sql, error, cursor) from error
    return cursor


def _driver(connection: Connection) -> Any:  # noqa: ANN401  # either driver's
    return connection.connection.driver_connection


def _converter(column_type: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any]:
    return column_type.dialect_impl(dialect)


def _translated(
    connection: Connection,
    sql: str,
    error: Any,  # noqa: ANN401  # the driver's
    cursor: Any,  # noqa: ANN401  # the driver's
) -> BaseException:
    """Return the error as SQLAlchemy raises it; a lost connection is given up."""
    dialect = connection.dialect
    is_lost = dialect.is_disconnect(error, connection.connection, cursor)
    cursor.close()
    if is_lost:
        connection.invalidate(error)
    translated: BaseException = sa.exc.DBAPIError.instance(
        sql,
        None,
        error,
        dialect.loaded_dbapi.Error,
        hide_parameters=True,
        connection_invalidated=is_lost,
        dialect=dialect,
    )
    return translated
