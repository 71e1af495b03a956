"""The database: opens it, and runs each unit of work in one hop on the database's own threads.

A unit of work is a plain function of a connection, run in one transaction that is rolled back
unless the function returns. Nothing here knows a table; no SQLAlchemy exception gets past here.
"""

import asyncio
import logging
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from enum import StrEnum
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection
from sqlalchemy.pool import NullPool

from agent_engine.errors import StorageError
from storage.schema import bring_up_to_date
from storage.workers import FIRST_PAUSE_S, T, UnitOfWork, Workers, is_busy, sentence_of

logger = logging.getLogger(__name__)

BUSY_TIMEOUT_S = 10.0
SQLITE_READERS = 3
HELP_AFTER_S = 0.01
"""After this another thread reads what waits behind a slow read."""
MOST_TOGETHER = 16
"""Units of work that share a transaction on SQLite at most."""
POSTGRES_THREADS = 8
CONNECT_TIMEOUT_S = 10
_OWNER_ONLY = 0o600


class Dialect(StrEnum):
    """The databases that are supported."""

    SQLITE = "sqlite"
    POSTGRES = "postgresql"


@asynccontextmanager
async def open_database(url: str) -> AsyncIterator["Database"]:
    """Open the database, bring its tables up to date, and close it at the end.

    ``sqlite:///path/to/file`` or ``postgresql://…``. Raises StorageError with one sentence for
    people: a wrong address, no such folder, not writable, or made by a newer version.
    """
    parsed = address_of(url)
    dialect = Dialect(parsed.get_backend_name())
    engine = _sqlite_engine(parsed) if dialect is Dialect.SQLITE else _postgres_engine(parsed)
    database = Database(engine, dialect)
    try:
        await asyncio.to_thread(_first_connection, engine, dialect)
        yield database
    finally:
        await database.close()


class Database:
    """Runs units of work. Made by ``open_database``."""

    def __init__(self, engine: sa.Engine, dialect: Dialect) -> None:
        self.engine = engine
        self.dialect = dialect
        if dialect is Dialect.SQLITE:
            self._writers = Workers(engine, "db-write", threads=1, together=MOST_TOGETHER)
            readers = engine.execution_options(treadle_reads=True)
            self._readers = Workers(
                readers,
                "db-read",
                threads=SQLITE_READERS,
                together=MOST_TOGETHER,
                help_after_s=HELP_AFTER_S,
            )
        else:
            self._writers = Workers(engine, "db", threads=POSTGRES_THREADS)
            self._readers = self._writers

    async def read(self, work: UnitOfWork[T]) -> T:
        """Run the function on a consistent view of the data; it must not write."""
        return await self._readers.submit(work)

    async def write(self, work: UnitOfWork[T]) -> T:
        """Run the function in one transaction; it may be run again when others got in its way.

        Once asked for, the write happens: a cancelled caller waits for it before it goes on being
        cancelled. Raises StorageError when the database could not be used.
        """
        future = self._writers.submit(work)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await _outlast(future)
            raise

    async def close(self) -> None:
        """Finish what was asked for and close every connection. Safe to repeat."""
        for workers in {self._writers, self._readers}:
            await asyncio.to_thread(workers.close)
        self.engine.dispose()

    async def backup(self, path: Path) -> None:
        """Write a consistent copy of a SQLite database to a new file while work goes on.

        Raises StorageError on PostgreSQL, which brings ``pg_dump`` for this, and when the file
        exists or cannot be written.
        """
        if self.dialect is not Dialect.SQLITE:
            raise StorageError("A PostgreSQL database is backed up with pg_dump.")
        await asyncio.to_thread(_copy_sqlite, str(self.engine.url.database), path)


def psycopg_address(database: Database) -> str:
    """Return the address of a PostgreSQL database for a connection outside the pool."""
    url = database.engine.url.set(drivername="postgresql")
    return url.render_as_string(hide_password=False)


async def _outlast(future: "asyncio.Future[Any]") -> None:
    """Wait until the future is done, however often this is cancelled."""
    while not future.done():
        try:
            await asyncio.wait({future})
        except asyncio.CancelledError:
            continue  # the caller re-raises the first one
    if error := future.exception():
        logger.warning("cancelled_write_failed", exc_info=error)


# -- opening -------------------------------------------------------------------------------------


def address_of(url: str) -> URL:
    """Return the address with our driver. Raises StorageError for one we cannot use."""
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise StorageError(
            "The database address is not understood; it looks like sqlite:///path/to/file "
            "or postgresql://user@host/name."
        ) from error
    match parsed.get_backend_name():
        case "sqlite" if parsed.database and parsed.database != ":memory:":
            return parsed.set(drivername="sqlite")
        case "sqlite":
            raise StorageError("A SQLite database needs a file: sqlite:///path/to/file.")
        case "postgresql" | "postgres":
            return parsed.set(drivername="postgresql+psycopg")
        case other:
            raise StorageError(
                f"There is no support for {other} databases, only SQLite and PostgreSQL."
            )


def _sqlite_engine(url: URL) -> sa.Engine:
    engine = sa.create_engine(
        url,
        poolclass=NullPool,
        connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False},
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # The driver's own BEGIN comes late and deferred; ours comes at once.
    connection.isolation_level = None
    # What was forgotten is overwritten in the file, too; only some builds do so by themselves.
    for pragma in ("synchronous=NORMAL", "foreign_keys=ON", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}").close()
    _use_wal(connection)


def _use_wal(connection: sqlite3.Connection) -> None:
    # SQLite does not wait for others here, whatever its busy timeout.
    until = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() > until:
                raise
            time.sleep(FIRST_PAUSE_S)
            continue
        if mode != "wal":  # a file system without shared memory: slower, and still right
            logger.warning("sqlite_without_wal", extra={"journal_mode": mode})
        return


def _begin_sqlite(connection: Connection) -> None:
    reads = connection.get_execution_options().get("treadle_reads", False)
    driver: Any = connection.connection.driver_connection
    try:
        driver.execute("BEGIN" if reads else "BEGIN IMMEDIATE")
    except sqlite3.Error as error:
        raise sa.exc.OperationalError("BEGIN", None, error) from error


def _postgres_engine(url: URL) -> sa.Engine:
    return sa.create_engine(
        url,
        poolclass=NullPool,
        isolation_level="REPEATABLE READ",
        connect_args={"connect_timeout": CONNECT_TIMEOUT_S, "options": "-c timezone=UTC"},
    )


def _first_connection(engine: sa.Engine, dialect: Dialect) -> None:
    if dialect is Dialect.SQLITE:
        _make_file(Path(str(engine.url.database)))
    try:
        bring_up_to_date(engine)
    except sa.exc.SQLAlchemyError as error:
        raise StorageError(sentence_of(error)) from error


def _make_file(path: Path) -> None:
    """Make the file, for its owner's eyes only: people's words will stand in it."""
    if not path.parent.is_dir():
        raise StorageError(f"The folder {path.parent} of the database does not exist.")
    try:
        path.touch(mode=_OWNER_ONLY)
    except OSError as error:
        raise StorageError(f"The database {path} cannot be written: {error.strerror}.") from error


def _copy_sqlite(source: str, target: Path) -> None:
    try:
        target.touch(mode=_OWNER_ONLY, exist_ok=False)
        with (
            closing(sqlite3.connect(source, timeout=BUSY_TIMEOUT_S)) as live,
            closing(sqlite3.connect(target)) as copy,
        ):
            live.backup(copy)
    except FileExistsError as error:
        raise StorageError(f"{target} exists; a backup never overwrites a file.") from error
    except (OSError, sqlite3.Error) as error:
        raise StorageError(f"The backup could not be written: {error}.") from error
