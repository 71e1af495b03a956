"""Looking after the database from the command line: upgrade and back-up."""

from pathlib import Path

from bot.settings import Settings
from storage.database import open_database


async def upgrade(settings: Settings) -> str:
    """Bring the tables up to date and say so. Raises StorageError."""
    async with open_database(settings.database_url) as database:
        return f"The {database.dialect} database is up to date."


async def backup(settings: Settings, path: Path) -> str:
    """Write a copy of the database and say where. Raises StorageError."""
    async with open_database(settings.database_url) as database:
        await database.backup(path)
    return f"Copied to {path}."
