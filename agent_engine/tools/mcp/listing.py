"""What a server lists, and what of it agents are offered.

Every tool is pinned by a hash of what the server first said of it. Where it says something else
later the tool is withheld, over restarts too, until an operator accepts that. It logs nothing.
"""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from agent_engine.errors import ToolError
from agent_engine.safeguards import PinStore, ToolPin
from agent_engine.tools.declare import canonical_json
from agent_engine.tools.mcp.schemas import UnusableSchemaError, size_of, usable_schema
from agent_engine.tools.mcp.servers import McpServer
from agent_engine.tools.mcp.words import clean_text, tool_names
from agent_engine.types import Asks, JsonObject

MAX_TOOLS: Final = 100
"""Of one server; what it lists beyond is not looked at."""
MAX_DESCRIPTION_CHARS: Final = 1_000
MAX_LISTED_CHARS: Final = 300_000
"""Of the schemas of one server's tools: checking them takes time, and models read them."""
DENIED: Final = "the configuration denies it"
NOT_ALLOWED: Final = "the configuration does not allow it"
_MAX_RAW_NAME_CHARS: Final = 200
_CHANGED: Final = (
    "the server describes it otherwise than before; an operator has to look at that and accept it "
    "with: treadle mcp accept {server}"
)


class UnusableToolError(ToolError):
    """The tool is not offered."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What came of one look at a server's list, by the names that agents use."""

    offered: Mapping[str, OfferedTool] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    """Why a tool is not offered."""
    said: Mapping[str, ToolPin] = field(default_factory=dict)
    """What the server now says of the tools that could be offered."""
    changed: tuple[str, ...] = ()
    """Those withheld until an operator accepts what the server now says."""
    names: frozenset[str] = frozenset()
    """All that the server listed, by its own names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Usable:
    """A listed tool that can be called."""

    tool: ListedTool
    description: str
    schema: JsonObject

    @property
    def pin(self) -> ToolPin:
        definition = {
            "description": self.description,
            "parameters": self.schema,
            "only_reads": self.tool.only_reads,
            "repeatable": self.tool.repeatable,
        }
        return ToolPin(tool=self.tool.name, digest=digest_of(self.tool), definition=definition)


def digest_of(tool: ListedTool) -> str:
    """Return a hash of all that the server says of the tool."""
    said = {
        "name": tool.name,
        "description": tool.description,
        "schema": tool.schema,
        "hints": [tool.only_reads, tool.repeatable],
    }
    text = canonical_json(said).encode(errors="surrogatepass")
    return hashlib.sha256(text).hexdigest()


async def look_at(server: McpServer, listed: Sequence[ListedTool], pins: PinStore) -> Listing:
    """Decide which of the listed tools are offered, and why others are not. Raises StorageError."""
    usable, refused = await asyncio.to_thread(_sorted, server, listed[:MAX_TOOLS])
    said = {name: tool.pin for name, tool in usable.items()}
    holding = await pins.pin(server.name, list(said.values()))
    changed: list[str] = []
    for name, pin in said.items():
        if pin.tool not in holding:
            refused[name] = "the server has shown more different tools than are kept"
        elif holding[pin.tool] != pin.digest:
            refused[name] = _CHANGED.format(server=server.name)
            changed.append(name)
    offered = {
        name: _offered(server, tool, name=name)
        for name, tool in usable.items()
        if name not in refused
    }
    return Listing(
        offered=offered,
        refused=refused,
        said=said,
        changed=tuple(changed),
        names=frozenset(tool.name for tool in listed),
    )


# ------------------------------------------------------------------------------------------------


def _sorted(
    server: McpServer, listed: Sequence[ListedTool]
) -> tuple[dict[str, _Usable], dict[str, str]]:
    """Return the tools that can be used, and why others cannot, by the names that agents use."""
    known = {tool.name: tool for tool in listed}
    usable: dict[str, _Usable] = {}
    refused: dict[str, str] = {}
    left = MAX_LISTED_CHARS
    for raw_name, name in tool_names(server.name, list(known)).items():
        tool = known[raw_name]
        try:
            left -= _cost(server, tool)
            usable[name] = _usable(server, tool, left=left)
        except UnusableSchemaError as error:
            refused[name] = f"its schema cannot be used: {error.message}"
        except UnusableToolError as error:
            refused[name] = error.message
    return usable, refused


def _cost(server: McpServer, tool: ListedTool) -> int:
    """Return how much of the list a tool takes. Raises what says why it is not."""
    if reason := _withheld(server, tool):
        raise UnusableToolError(reason)
    return size_of(tool.schema)


def _usable(server: McpServer, tool: ListedTool, *, left: int) -> _Usable:
    """Return the tool with its words made safe. Raises what says why it cannot be offered."""
    if left < 0:
        raise UnusableToolError(f"its server's schemas pass {MAX_LISTED_CHARS} characters")
    schema = usable_schema(tool.schema, server.blot)
    said = clean_text(server.blot(tool.description), MAX_DESCRIPTION_CHARS)
    return _Usable(tool=tool, description=said, schema=schema)


def _withheld(server: McpServer, tool: ListedTool) -> str:
    if tool.name in server.denied:
        return DENIED
    if server.allowed is not None and tool.name not in server.allowed:
        return NOT_ALLOWED
    if len(tool.name) > _MAX_RAW_NAME_CHARS or not tool.name.isprintable():
        return "its name is too long or not printable"
    return ""


def _offered(server: McpServer, usable: _Usable, *, name: str) -> OfferedTool:
    tool = usable.tool
    harmless = server.trust_annotations and tool.only_reads
    said = usable.description or "says nothing about itself"
    return OfferedTool(
        name=name,
        raw_name=tool.name,
        description=f"Tool of the MCP server {server.name}: {said}",
        schema=usable.schema,
        ask=server.ask or (Asks.NEVER if harmless else Asks.ALWAYS),
        idempotent=harmless or (server.trust_annotations and tool.repeatable),
    )
