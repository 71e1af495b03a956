"""One process per SQLite database: the lock file that ``treadle run`` holds.

The system frees the lock when the process dies, however it dies.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from agent_engine.errors import StorageError
from storage.database import Database, Dialect


@contextmanager
def sole_owner(database: Database) -> Iterator[None]:
    """Be the only one to run on this database; on PostgreSQL many may.

    Raises StorageError with one sentence when another process does.
    """
    if database.dialect is not Dialect.SQLITE:
        yield
        return
    path = f"{database.engine.url.database}.lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StorageError("Treadle is already running on this database.") from error
        yield
    finally:
        os.close(handle)
