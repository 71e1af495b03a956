"""Threads that do units of work: one transaction each, tried again where others were in the way.

Knows threads, transactions and what went wrong with them; no dialect's settings and no table.
"""

import asyncio
import logging
import random
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agent_engine.errors import EngineError, StorageError

logger = logging.getLogger(__name__)

T = TypeVar("T")
UnitOfWork = Callable[[Connection], T]

MOST_TRIES = 12
FIRST_PAUSE_S = 0.002
LONGEST_PAUSE_S = 0.1
_RETRIED_STATES = frozenset({"40001", "40P01", "55P03"})
"""PostgreSQL's serialization failure, deadlock and lock not available: all rolled back."""


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


class Workers:
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
                    raise StorageError(sentence_of(again.cause)) from again.cause
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
            raise StorageError(sentence_of(error)) from error
        except sa.exc.SQLAlchemyError as error:
            raise StorageError(sentence_of(error)) from error
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


# -- errors --------------------------------------------------------------------------------------


def _is_passing(error: sa.exc.DBAPIError) -> bool:
    """Whether the same transaction may well succeed when it is tried again."""
    if isinstance(error.orig, sqlite3.Error):
        return is_busy(error.orig)
    state = getattr(error.orig, "sqlstate", None)
    return error.connection_invalidated or state in _RETRIED_STATES


def is_busy(error: sqlite3.Error) -> bool:
    """Whether SQLite says that somebody else holds the lock."""
    name: str = getattr(error, "sqlite_errorname", "")
    return name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def sentence_of(error: sa.exc.SQLAlchemyError) -> str:
    """Return what went wrong in one line, without the statement and its parameters."""
    origin = getattr(error, "orig", None) or error
    if isinstance(origin, sqlite3.OperationalError) and "readonly" in str(origin):
        return "The database cannot be written: its file or folder is read-only."
    first_line = str(origin).strip().split("\n", 1)[0]
    return f"The database could not be used: {first_line.rstrip('.')}."
