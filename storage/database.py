"""The database: opens it, and runs each unit of work in one hop on the database's own threads.

A unit of work is a plain function of a connection, run in one transaction that is rolled back
unless the function returns. Nothing here knows a table; no SQLAlchemy exception gets past here.
"""

import asyncio
import logging
import random
import sqlite3
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from enum import StrEnum
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection
from sqlalchemy.pool import NullPool

from agent_engine.errors import EngineError, StorageError
from storage.schema import bring_up_to_date

logger = logging.getLogger(__name__)

T = TypeVar("T")
UnitOfWork = Callable[[Connection], T]

MOST_TRIES = 12
FIRST_PAUSE_S = 0.002
LONGEST_PAUSE_S = 0.1
BUSY_TIMEOUT_S = 10.0
SQLITE_READERS = 3
HELP_AFTER_S = 0.01
"""After this another thread reads what waits behind a slow read."""
MOST_TOGETHER = 16
"""Units of work that share a transaction on SQLite at most."""
POSTGRES_THREADS = 8
CONNECT_TIMEOUT_S = 10
_OWNER_ONLY = 0o600
_RETRIED_STATES = frozenset({"40001", "40P01", "55P03"})
"""PostgreSQL's serialization failure, deadlock and lock not available: all rolled back."""


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
    parsed = _parsed(url)
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
            self._writers = _Workers(engine, "db-write", threads=1, together=MOST_TOGETHER)
            readers = engine.execution_options(treadle_reads=True)
            self._readers = _Workers(
                readers,
                "db-read",
                threads=SQLITE_READERS,
                together=MOST_TOGETHER,
                help_after_s=HELP_AFTER_S,
            )
        else:
            self._writers = _Workers(engine, "db", threads=POSTGRES_THREADS)
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


class _Job(NamedTuple):
    """A unit of work that was asked for, and where its result goes."""

    work: UnitOfWork[Any]
    future: "asyncio.Future[Any]"

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop of whoever asked."""
        return self.future.get_loop()


class _Settled(NamedTuple):
    """What came of a job."""

    job: _Job
    result: Any = None
    error: BaseException | None = None


class _Workers:
    """Database threads, each with a connection of its own that it keeps.

    Crossing from the loop to a thread and back costs as much as a small query, so work crosses in
    bundles: what is asked for in one turn of the loop wakes a thread once, and what a thread has
    done goes back at once. ``together`` units share a transaction at most; all of them were asked
    for before it began, nobody is answered before it is over, and when anything in it fails,
    nothing of it is kept and each unit is run again in a transaction of its own.
    """

    def __init__(
        self,
        engine: sa.Engine,
        name: str,
        *,
        threads: int,
        together: int = 1,
        help_after_s: float = 0.0,
    ) -> None:
        """Prepare the threads; a second one helps at once, or after so many seconds."""
        self._engine = engine
        self._most_awake = threads
        self._together = together
        self._help_after_s = help_after_s
        self._own = threading.local()
        self._open: set[Connection] = set()
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._waiting: deque[_Job] = deque()
        self._awake = 0
        self._is_called = False
        self._is_watched = False
        self._is_closed = False

    def submit(self, work: UnitOfWork[T]) -> "asyncio.Future[T]":
        """Ask for the work and return the running loop's future of its result."""
        loop = asyncio.get_running_loop()
        job = _Job(work, loop.create_future())
        with self._lock:
            if self._is_closed:
                raise StorageError("The database is closed.")
            self._waiting.append(job)
            if not self._is_called:
                self._is_called = True
                loop.call_soon(self._call, loop)
        return job.future

    def close(self) -> None:
        """Finish what was asked for, then close the connections."""
        with self._lock:
            self._is_closed = True
            self._wake_one()
        self._threads.shutdown(wait=True)
        with self._lock:
            connections, self._open = self._open, set()
        for connection in connections:
            connection.close()

    # -- on the loop -----------------------------------------------------------------------------

    def _call(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have threads do what was asked for in this turn of the loop."""
        with self._lock:
            self._is_called = False
            if self._awake == 0 or not self._help_after_s:
                for _ in range(1 if self._help_after_s else len(self._waiting)):
                    self._wake_one()
            elif not self._is_watched:
                self._watch(loop)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """See to it that nothing waits for long behind slow work, if there are more threads."""
        self._is_watched = bool(self._waiting) and self._awake < self._most_awake
        if self._is_watched:
            loop.call_later(self._help_after_s, self._help, loop, self._waiting[0])

    def _help(self, loop: asyncio.AbstractEventLoop, first: _Job) -> None:
        with self._lock:
            if self._waiting and self._waiting[0] is first:
                self._wake_one()
            self._watch(loop)

    def _wake_one(self) -> None:
        if self._waiting and self._awake < self._most_awake:
            self._awake += 1
            self._threads.submit(self._drain)

    # -- on the threads --------------------------------------------------------------------------

    def _drain(self) -> None:
        while waiting := self._next_jobs():
            jobs = [job for job in waiting if not job.future.cancelled()]
            settled = self._together_settled(jobs) if len(jobs) > 1 else None
            if settled is None:
                settled = [self._settled(job) for job in jobs]
            _hand_back(settled)

    def _next_jobs(self) -> list[_Job]:
        with self._lock:
            count = min(len(self._waiting), self._together)
            if count == 0:
                self._awake -= 1
            return [self._waiting.popleft() for _ in range(count)]

    def _settled(self, job: _Job) -> _Settled:
        try:
            return _Settled(job, result=self._run(job.work))
        except BaseException as error:  # noqa: BLE001  # told to whoever asked, as executors do
            return _Settled(job, error=error)

    def _together_settled(self, jobs: Sequence[_Job]) -> list[_Settled] | None:
        """Run all in one transaction; None when that failed and surely nothing was committed."""
        is_done = False

        def work_all(connection: Connection) -> list[Any]:
            nonlocal is_done
            results = [job.work(connection) for job in jobs]
            is_done = True
            return results

        try:
            results = self._once(work_all)
        except _TryAgainError:
            return None
        except Exception as error:  # noqa: BLE001  # each is run alone then, and tells its own
            if not is_done:
                logger.debug("transaction_parted", extra={"units": len(jobs)})
                return None
            # The commit failed, and what became of it is not known.
            return [_Settled(job, error=error) for job in jobs]
        return [_Settled(job, result=each) for job, each in zip(jobs, results, strict=True)]

    def _run(self, work: UnitOfWork[T]) -> T:
        pause_s = FIRST_PAUSE_S
        for tries_left in reversed(range(MOST_TRIES)):
            try:
                return self._once(work)
            except _TryAgainError as again:
                if not tries_left:
                    raise StorageError(_sentence(again.cause)) from again.cause
                logger.debug("transaction_retried", extra={"tries_left": tries_left})
            time.sleep(pause_s * (0.5 + random.random()))  # noqa: S311  # jitter, no secret
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
        raise AssertionError("unreachable: the last try returns or raises")

    def _once(self, work: UnitOfWork[T]) -> T:
        """Run one transaction. Raises _TryAgainError only when it surely was not committed."""
        committing = False
        try:
            connection = self._connection()
            transaction = connection.begin()
            try:
                result = work(connection)
                committing = True
                transaction.commit()
            except BaseException:
                self._undo(connection, transaction)
                raise
        except sa.exc.DBAPIError as error:
            if error.connection_invalidated:
                self._forget()
            lost_while_committing = committing and error.connection_invalidated
            if _is_passing(error) and not lost_while_committing:
                raise _TryAgainError(error) from error
            raise StorageError(_sentence(error)) from error
        except sa.exc.SQLAlchemyError as error:
            raise StorageError(_sentence(error)) from error
        return result

    def _connection(self) -> Connection:
        connection: Connection | None = getattr(self._own, "connection", None)
        if connection is None or connection.closed:
            connection = self._engine.connect()
            self._own.connection = connection
            with self._lock:
                self._open.add(connection)
        return connection

    def _undo(self, connection: Connection, transaction: sa.Transaction) -> None:
        try:
            transaction.rollback()
        except sa.exc.SQLAlchemyError:
            logger.warning("rollback_failed", exc_info=True)
            connection.invalidate()
            self._forget()

    def _forget(self) -> None:
        connection: Connection | None = getattr(self._own, "connection", None)
        self._own.connection = None
        if connection is not None:
            with self._lock:
                self._open.discard(connection)
            connection.close()


def _hand_back(settled: Sequence[_Settled]) -> None:
    """Give the results to the loops that asked for them."""
    for loop, group in groupby(settled, lambda each: each.job.loop):
        try:
            loop.call_soon_threadsafe(_settle, list(group))
        except RuntimeError:  # the loop has ended, and with it whoever asked
            logger.debug("result_unclaimed")


def _settle(settled: Sequence[_Settled]) -> None:
    for job, result, error in settled:
        if job.future.done():
            continue
        if error is None:
            job.future.set_result(result)
        else:
            job.future.set_exception(error)


class _TryAgainError(EngineError):
    """Others got in the way and nothing was committed."""

    def __init__(self, cause: sa.exc.DBAPIError) -> None:
        super().__init__(str(cause))
        self.cause = cause


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


def _parsed(url: str) -> URL:
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
    for pragma in ("synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()
    _use_wal(connection)


def _use_wal(connection: sqlite3.Connection) -> None:
    # SQLite does not wait for others here, whatever its busy timeout.
    until = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
        except sqlite3.OperationalError as error:
            if not _is_busy(error) or time.monotonic() > until:
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
        raise StorageError(_sentence(error)) from error


def _make_file(path: Path) -> None:
    """Make the file, for its owner's eyes only: people's words will stand in it."""
    if not path.parent.is_dir():
        raise StorageError(f"The folder {path.parent} of the database does not exist.")
    try:
        path.touch(mode=_OWNER_ONLY)
    except OSError as error:
        raise StorageError(f"The database {path} cannot be written: {error.strerror}.") from error


# -- errors --------------------------------------------------------------------------------------


def _is_passing(error: sa.exc.DBAPIError) -> bool:
    """Whether the same transaction may well succeed when it is tried again."""
    if isinstance(error.orig, sqlite3.Error):
        return _is_busy(error.orig)
    state = getattr(error.orig, "sqlstate", None)
    return error.connection_invalidated or state in _RETRIED_STATES


def _is_busy(error: sqlite3.Error) -> bool:
    name: str = getattr(error, "sqlite_errorname", "")
    return name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def _sentence(error: sa.exc.SQLAlchemyError) -> str:
    """Return what went wrong in one line, without the statement and its parameters."""
    origin = getattr(error, "orig", None) or error
    if isinstance(origin, sqlite3.OperationalError) and "readonly" in str(origin):
        return "The database cannot be written: its file or folder is read-only."
    first_line = str(origin).strip().split("\n", 1)[0]
    return f"The database could not be used: {first_line.rstrip('.')}."


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
