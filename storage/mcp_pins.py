"""What MCP servers said of their tools: pinned at first sight, changed by an operator only."""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import bindparam, delete, select
from sqlalchemy.engine import Connection

from agent_engine.safeguards import ToolPin
from storage.compiled import execute_many, fetch_all
from storage.database import Database
from storage.mapping import AnyRow, Values
from storage.tables import mcp_pins
from storage.upsert import insert_or_ignore, insert_or_replace

MOST_PINS = 1_000
"""Of one server, so that one which names ever new tools does not fill the database."""

_OF_SERVER = mcp_pins.c.server == bindparam("server")
_DIGESTS = select(mcp_pins.c.tool, mcp_pins.c.digest).where(_OF_SERVER)
_PINS = select(mcp_pins).where(_OF_SERVER).order_by(mcp_pins.c.tool)
_ALL = select(mcp_pins).order_by(mcp_pins.c.server, mcp_pins.c.tool)
_FORGET = delete(mcp_pins).where(_OF_SERVER, mcp_pins.c.tool == bindparam("tool_name"))


class SqlPinStore:
    """A ``PinStore`` on the database."""

    def __init__(self, database: Database, *, most: int = MOST_PINS) -> None:
        self._database = database
        self._most = most

    async def pin(self, server: str, said: Sequence[ToolPin]) -> Mapping[str, str]:
        """Pin the tools that were never seen; return the digests that hold, by tool."""
        known = await self._database.read(lambda c: _digests(c, server))
        if all(pin.tool in known for pin in said):
            return known
        return await self._database.write(lambda c: self._pin(c, server, said))

    async def pins(self, server: str) -> Sequence[ToolPin]:
        """Return all pins of a server, in the order of the tools' names."""
        rows = await self._database.read(lambda c: fetch_all(c, _PINS, {"server": server}))
        return [_pin_from(row) for row in rows]

    async def accept(
        self, server: str, pins: Sequence[ToolPin], *, gone: Collection[str] = ()
    ) -> None:
        """Let these hold from now on, and forget the tools that are gone."""
        await self._database.write(lambda c: _accept(c, server, pins, gone))

    def _pin(
        self, connection: Connection, server: str, said: Sequence[ToolPin]
    ) -> Mapping[str, str]:
        known = _digests(connection, server)
        room = max(self._most - len(known), 0)
        unseen = [_values(server, pin) for pin in said if pin.tool not in known][:room]
        insert_or_ignore(connection, mcp_pins, unseen)
        return _digests(connection, server)


def all_pins(connection: Connection) -> Mapping[str, Sequence[ToolPin]]:
    """Return the pins of all servers, by server."""
    found: dict[str, list[ToolPin]] = {}
    for row in fetch_all(connection, _ALL, {}):
        found.setdefault(row.server, []).append(_pin_from(row))
    return found


def _accept(
    connection: Connection, server: str, pins: Sequence[ToolPin], gone: Collection[str]
) -> None:
    for pin in pins:
        insert_or_replace(connection, mcp_pins, _values(server, pin))
    forgotten: list[Values] = [{"server": server, "tool_name": tool} for tool in gone]
    execute_many(connection, _FORGET, forgotten)


def _digests(connection: Connection, server: str) -> Mapping[str, str]:
    rows = fetch_all(connection, _DIGESTS, {"server": server})
    return {row.tool: row.digest for row in rows}


def _values(server: str, pin: ToolPin) -> Values:
    return {
        "server": server,
        "tool": pin.tool,
        "digest": pin.digest,
        "definition": dict(pin.definition),
        "first_seen_at": pin.first_seen_at,
        "accepted_at": pin.accepted_at,
    }


def _pin_from(row: AnyRow) -> ToolPin:
    return ToolPin(
        tool=row.tool,
        digest=row.digest,
        definition=row.definition,
        first_seen_at=row.first_seen_at,
        accepted_at=row.accepted_at,
    )
