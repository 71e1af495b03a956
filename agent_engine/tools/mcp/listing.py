"""What a server lists, and what of it agents are offered.

Every tool is pinned by a hash of what the server first said of it. A server that says something
else later is not trusted with it any more: the change is logged and a person is always asked.
"""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from agent_engine.tools.declare import canonical_json
from agent_engine.tools.mcp.schemas import UnusableSchemaError, usable_schema
from agent_engine.tools.mcp.servers import McpServer
from agent_engine.tools.mcp.words import clean_text, tool_names
from agent_engine.types import Asks, JsonObject

logger = logging.getLogger(__name__)

MAX_TOOLS: Final = 100
"""Of one server; what it lists beyond is not looked at."""
MAX_DESCRIPTION_CHARS: Final = 1_000
_MAX_RAW_NAME_CHARS: Final = 200
_PIN_CHARS: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedTool:
    """A tool as its server describes it: nothing here was checked."""

    name: str
    description: str = ""
    schema: object = None
    only_reads: bool = False
    """The server's ``readOnlyHint``."""
    repeatable: bool = False
    """The server's ``idempotentHint``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedTool:
    """A tool as agents see it."""

    name: str
    raw_name: str
    """What the server calls it."""
    description: str
    schema: JsonObject
    ask: Asks
    idempotent: bool
    pin: str
    """A hash of what the server said of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What came of one look at a server's list."""

    offered: Mapping[str, OfferedTool] = field(default_factory=dict)
    """By the name that agents use."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Why a tool is not offered, by the name that it would have."""


class Pins:
    """What was first said of each tool of one server, while this process lives."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}

    def has_changed(self, tool: ListedTool) -> bool:
        """Say whether the server now says something else of it than at first."""
        return self._first.setdefault(tool.name, pin_of(tool)) != pin_of(tool)

    def first(self, name: str) -> str:
        """Return the first pin of this tool; empty when it was never seen."""
        return self._first.get(name, "")


def pin_of(tool: ListedTool) -> str:
    """Return a hash of all that the server says of the tool."""
    said = {
        "description": tool.description,
        "schema": tool.schema,
        "hints": [tool.only_reads, tool.repeatable],
    }
    text = canonical_json(said).encode(errors="surrogatepass")
    return hashlib.sha256(text).hexdigest()[:_PIN_CHARS]


def look_at(server: McpServer, listed: Sequence[ListedTool], pins: Pins) -> Listing:
    """Decide which of the listed tools are offered, and log why others are not."""
    if len(listed) > MAX_TOOLS:
        facts = {"server": server.name, "listed": len(listed), "used": MAX_TOOLS}
        logger.warning("mcp_list_too_long", extra=facts)
    known = {tool.name: tool for tool in listed[:MAX_TOOLS]}
    offered: dict[str, OfferedTool] = {}
    refused: dict[str, str] = {}
    for raw_name, name in tool_names(server.name, list(known)).items():
        tool = known[raw_name]
        if reason := _withheld(server, tool):
            refused[name] = reason
            continue
        try:
            offered[name] = _offered(server, tool, name=name, pins=pins)
        except UnusableSchemaError as error:
            refused[name] = f"its schema cannot be used: {error.message}"
            facts = {"server": server.name, "tool": name, "reason": error.message}
            logger.warning("mcp_tool_refused", extra=facts)
    return Listing(offered=offered, refused=refused)


def _withheld(server: McpServer, tool: ListedTool) -> str:
    if tool.name in server.denied:
        return "the configuration denies it"
    if server.allowed is not None and tool.name not in server.allowed:
        return "the configuration does not allow it"
    if len(tool.name) > _MAX_RAW_NAME_CHARS:
        return "its name is too long"
    return ""


def _offered(server: McpServer, tool: ListedTool, *, name: str, pins: Pins) -> OfferedTool:
    schema = usable_schema(tool.schema)
    changed = pins.has_changed(tool)
    if changed:
        facts = {"server": server.name, "tool": name, "now": pin_of(tool)}
        logger.warning("mcp_tool_changed", extra={**facts, "first": pins.first(tool.name)})
    harmless = server.trust_annotations and tool.only_reads and not changed
    said = clean_text(tool.description, MAX_DESCRIPTION_CHARS) or "says nothing about itself"
    return OfferedTool(
        name=name,
        raw_name=tool.name,
        description=f"Tool of the MCP server {server.name}: {said}",
        schema=schema,
        ask=Asks.ALWAYS if changed else server.ask or (Asks.NEVER if harmless else Asks.ALWAYS),
        idempotent=harmless or (server.trust_annotations and tool.repeatable and not changed),
        pin=pin_of(tool),
    )
