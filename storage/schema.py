"""Whether a database's tables fit this code, and bringing them up to date.

Alembic is imported only when there is something to do: it is large, and start-up is not.
"""

import logging
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agent_engine.errors import StorageError

logger = logging.getLogger(__name__)

REVISIONS: Final = ("0001", "0002")
"""Every revision under ``migrations/versions``, oldest first."""
_MIGRATION_LOCK = 7_310_455_108_391
"""PostgreSQL's advisory lock number for migrations: any, but always the same."""


def bring_up_to_date(engine: sa.Engine) -> None:
    """Apply missing migrations, one process at a time.

    Raises:
        StorageError: the tables were made by a newer version of the program.
    """
    with engine.connect() as connection:
        if current_revision(connection) == REVISIONS[-1]:
            return
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            lock = sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK))
            connection.execute(lock)
        found = current_revision(connection)
        if found == REVISIONS[-1]:
            return
        if found is not None and found not in REVISIONS:
            raise StorageError(
                f"The database was made by a newer version of Treadle (schema {found}, this one "
                f"knows {REVISIONS[-1]}); start that version, or restore a backup."
            )
        _upgrade(connection)
    logger.info("schema_upgraded", extra={"from": found, "to": REVISIONS[-1]})


def current_revision(connection: Connection) -> str | None:
    """Return the revision of the tables; None for an empty database."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return revision


def _upgrade(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415  # large, and seldom needed
    from alembic.config import Config  # noqa: PLC0415  # as above

    config = Config()
    config.set_main_option("script_location", "storage:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
