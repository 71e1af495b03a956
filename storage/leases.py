"""Who alone may do something, among all processes on this database.

On SQLite that is this process: it holds the database's lock file (``lock_file.py``). On PostgreSQL
a lease is an advisory lock of a session of its own: when the process or its connection dies, the
server frees it.
"""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import psycopg
from psycopg.conninfo import make_conninfo

from agent_engine.errors import StorageError
from storage.database import CONNECT_TIMEOUT_S, Database, Dialect, psycopg_address

logger = logging.getLogger(__name__)

_KEEPALIVE = {"keepalives_idle": "5", "keepalives_interval": "2", "keepalives_count": "2"}
"""Seconds and tries after which a silent network counts as a lost connection."""


@asynccontextmanager
async def open_leases(database: Database) -> "AsyncIterator[OwnLeases | PostgresLeases]":
    """Make the leases that fit the database; all are given back at the end."""
    if database.dialect is Dialect.SQLITE:
        yield OwnLeases()
        return
    leases = PostgresLeases(psycopg_address(database))
    try:
        yield leases
    finally:
        await leases.close()


class OwnLeases:
    """Leases for the only process on its database."""

    async def hold(self, name: str) -> bool:
        """Take or keep the lease: nobody else is there to have it."""
        del name
        return True

    async def let_go(self, name: str) -> None:
        """Give the lease back."""
        del name


class PostgresLeases:
    """Leases as advisory locks of one dedicated connection. Made by ``open_leases``."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._connection: psycopg.Connection | None = None
        self._held: set[str] = set()
        # One thread: a connection is used by one at a time, and waits for a dead network here.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="leases")

    async def hold(self, name: str) -> bool:
        """Take or keep the lease; False while another process has it.

        Raises StorageError when the database does not answer; whoever held a lease has lost it.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._hold, name)

    async def let_go(self, name: str) -> None:
        """Give the lease back."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._let_go, name)

    async def close(self) -> None:
        """Give everything back."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._disconnect)
        self._thread.shutdown()

    def _hold(self, name: str) -> bool:
        try:
            return self._try_lock(self._connected(), name)
        except psycopg.Error as error:
            self._disconnect()
            raise StorageError("The database cannot be reached to hold a lease.") from error

    def _try_lock(self, connection: psycopg.Connection, name: str) -> bool:
        if name in self._held:
            connection.execute("SELECT 1")  # is the session that holds it still there?
            return True
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", [lock_number(name)]).fetchone()
        is_ours = bool(row and row[0])
        if is_ours:
            self._held.add(name)
        return is_ours

    def _let_go(self, name: str) -> None:
        if name not in self._held or self._connection is None:
            return
        self._held.discard(name)
        try:
            self._connection.execute("SELECT pg_advisory_unlock(%s)", [lock_number(name)])
        except psycopg.Error:
            logger.warning("lease_connection_lost", exc_info=True)
            self._disconnect()

    def _connected(self) -> psycopg.Connection:
        if self._connection is None or self._connection.closed:
            self._held.clear()
            address = make_conninfo(self._address, **_KEEPALIVE)
            self._connection = psycopg.connect(
                address, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S
            )
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        self._held.clear()
        if connection is not None:
            connection.close()


def lock_number(name: str) -> int:
    """Return PostgreSQL's number for the lease: 64 bits, signed, from the name."""
    digest = hashlib.sha256(f"treadle-lease:{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
