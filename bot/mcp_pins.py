"""Opens what the installation keeps of its MCP servers, for commands that work beside the bot.

Part of the composition root. The bot itself has its database open anyway.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agent_engine.errors import EngineError
from agent_engine.safeguards import PinStore
from agent_engine.tools.mcp.pins import MemoryPins
from bot.settings import Settings
from storage.database import open_database
from storage.inspection import Condition, inspect_database, read_pins
from storage.mcp_pins import SqlPinStore


@asynccontextmanager
async def open_pins(settings: Settings) -> AsyncIterator[PinStore | None]:
    """Yield the pins of servers; None where no server is configured, and no database is touched.

    Raises StorageError.
    """
    if not settings.file.mcp_servers:
        yield None
        return
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    async with open_database(settings.database_url) as database:
        yield SqlPinStore(database)


async def peek_at_pins(settings: Settings) -> PinStore:
    """Return the pins of servers as they are, without making or changing anything.

    What is seen with them is forgotten; there are none where the database cannot be read.
    """
    try:
        found = await inspect_database(settings.database_url, home=settings.home)
        if found.condition is Condition.CURRENT:
            return MemoryPins(await read_pins(settings.database_url))
    except (EngineError, OSError):
        return MemoryPins()  # what is wrong with the database is said where that is looked at
    return MemoryPins()
