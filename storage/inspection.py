"""How a database is, found out without changing anything: no file, no table, no folder is made.

For ``treadle doctor``. Opening a database for work is ``database.open_database``.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection
from sqlalchemy.pool import NullPool

from agent_engine.errors import StorageError
from agent_engine.memories import StoredMemory
from agent_engine.safeguards import Budget, BudgetExceeded, ToolPin
from agent_engine.types import WorkspaceId
from storage.budgets import exceeded_by_no_run
from storage.database import CONNECT_TIMEOUT_S, Dialect, address_of
from storage.mcp_pins import all_pins
from storage.memory.embedded import embedded, unembedded
from storage.schema import REVISIONS, current_revision
from storage.workers import sentence_of

_WAL = "-wal"
_T = TypeVar("_T")


class Condition(StrEnum):
    """What ``treadle run`` would find."""

    MISSING = "missing"
    """Nothing is there yet; it will be made."""
    OLDER = "older"
    """Its tables will be brought up to date."""
    CURRENT = "current"
    NEWER = "newer"
    """Made by a newer version: it cannot be used by this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What was found."""

    dialect: Dialect
    condition: Condition
    place: str
    """The file of SQLite, or the host and name of PostgreSQL; holds no secret."""


async def inspect_database(url: str, *, home: Path) -> Inspection:
    """Look at the database of this address. Raises StorageError when it cannot be used.

    ``home`` is a folder that will be made, so that a file in it may be missing with it.
    """
    address = address_of(url)
    dialect = Dialect(address.get_backend_name())
    try:
        if dialect is Dialect.SQLITE:
            return await asyncio.to_thread(_inspect_sqlite, address, home)
        return await asyncio.to_thread(_inspect_postgres, address)
    except sa.exc.SQLAlchemyError as error:
        said = str(getattr(error, "orig", None) or error).strip().split("\n", 1)[0]
        raise StorageError(f"The database could not be used: {said.rstrip('.')}.") from error


async def read_pins(url: str) -> Mapping[str, Sequence[ToolPin]]:
    """Return the pins of all MCP servers, by server; of a database that is up to date.

    Raises StorageError.
    """
    return await _read_once(url, all_pins)


async def count_embedded(url: str, *, model: str) -> tuple[int, int]:
    """Return how many memories have a vector of this model, and how many there are.

    Of a database that is up to date. Raises StorageError.
    """
    return await _read_once(url, partial(embedded, model=model))


async def next_to_embed(url: str, *, model: str) -> StoredMemory | None:
    """Return the first memory that lacks a vector of this model; as ``count_embedded``."""
    found = await _read_once(url, partial(unembedded, model=model, limit=1, after=0))
    return found[0] if found else None


async def exceeded_today(
    url: str, workspace_id: WorkspaceId, budgets: Sequence[Budget], *, tokens: int, usd: float
) -> BudgetExceeded | None:
    """Say by what the workspace's budget of the day would be passed; as ``count_embedded``."""
    asked = {"tokens": tokens, "usd": usd}
    return await _read_once(url, lambda c: exceeded_by_no_run(c, workspace_id, budgets, asked))


def why_not_writable(folder: Path) -> str:
    """Say why nothing can be written to a folder that may still have to be made; empty if it can.

    >>> why_not_writable(Path("/proc/nothing"))
    '/proc cannot be written'
    """
    existing = next((p for p in (folder, *folder.parents) if p.exists()), folder)
    if not existing.is_dir():
        return f"{existing} is not a folder"
    return "" if os.access(existing, os.W_OK | os.X_OK) else f"{existing} cannot be written"


# ------------------------------------------------------------------------------------------------


def _inspect_sqlite(address: URL, home: Path) -> Inspection:
    path = Path(str(address.database))
    if not path.parent.is_dir() and path.parent.absolute() != home.absolute():
        raise StorageError(f"The folder {path.parent} of the database does not exist.")
    if path.exists():
        if not os.access(path, os.W_OK):
            raise StorageError(f"The database {path} cannot be written.")
        condition = _condition(_read_only(path))
    else:
        condition = Condition.MISSING
    if why := why_not_writable(path.parent):
        raise StorageError(f"The database {path} cannot be written: {why}.")
    return Inspection(dialect=Dialect.SQLITE, condition=condition, place=str(path))


def _read_only(path: Path) -> sa.Engine:
    """Open the file so that SQLite makes none beside it: where no log is, nobody has it open."""
    alone = "" if path.with_name(path.name + _WAL).exists() else "&immutable=1"
    file = f"file:{quote(str(path))}?mode=ro{alone}"
    return sa.create_engine(
        "sqlite://", creator=lambda: sqlite3.connect(file, uri=True), poolclass=NullPool
    )


def _inspect_postgres(address: URL) -> Inspection:
    place = f"{address.host or 'this machine'}/{address.database or ''}"
    condition = _condition(_unwritten(address))
    return Inspection(dialect=Dialect.POSTGRES, condition=condition, place=place)


def _unwritten(address: URL) -> sa.Engine:
    """Open PostgreSQL so that nothing can be written."""
    options = {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "options": "-c timezone=UTC -c default_transaction_read_only=on",
    }
    return sa.create_engine(address, poolclass=NullPool, connect_args=options)


async def _read_once(url: str, read: Callable[[Connection], _T]) -> _T:
    """Return what a function reads of the database of this address. Raises StorageError."""
    address = address_of(url)
    is_file = address.get_backend_name() == Dialect.SQLITE
    engine = _read_only(Path(str(address.database))) if is_file else _unwritten(address)

    def reading() -> _T:
        try:
            with engine.connect() as connection:
                return read(connection)
        finally:
            engine.dispose()

    try:
        return await asyncio.to_thread(reading)
    except sa.exc.SQLAlchemyError as error:
        raise StorageError(sentence_of(error)) from error


def _condition(engine: sa.Engine) -> Condition:
    try:
        with engine.connect() as connection:
            revision = current_revision(connection)
    finally:
        engine.dispose()
    if revision is None:
        return Condition.MISSING
    if revision not in REVISIONS:
        return Condition.NEWER
    return Condition.CURRENT if revision == REVISIONS[-1] else Condition.OLDER
