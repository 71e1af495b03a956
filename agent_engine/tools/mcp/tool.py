"""A server's tool as agents call it."""

from dataclasses import dataclass
from typing import Final

from agent_engine.ports import ToolContext, ToolTraits
from agent_engine.tools.mcp.listing import OfferedTool
from agent_engine.tools.mcp.results import result_of
from agent_engine.tools.mcp.supervisor import WAIT_S, Supervisor
from agent_engine.tools.shorten import cut_text
from agent_engine.types import JsonObject

_MARGIN_S: Final = 10.0
"""For files to be written, and a call's own end to come before the path's."""
_MAX_ERROR_CHARS: Final = 1_500


@dataclass(frozen=True, slots=True, kw_only=True)
class McpTool:
    """One tool of one server."""

    offered: OfferedTool
    supervisor: Supervisor

    @property
    def name(self) -> str:
        """``mcp_<server>_<tool>``."""
        return self.offered.name

    @property
    def description(self) -> str:
        """What the server says of it, made safe to show."""
        return self.offered.description

    @property
    def parameters_schema(self) -> JsonObject:
        """The server's schema, in the form that is used."""
        return self.offered.schema

    @property
    def traits(self) -> ToolTraits:
        """What the call path must know."""
        return ToolTraits(
            timeout_s=self.supervisor.server.timeout_s + WAIT_S + _MARGIN_S,
            idempotent=self.offered.idempotent,
            untrusted=True,
            asks=self.offered.ask,
        )

    async def execute(self, arguments: JsonObject, context: ToolContext) -> JsonObject:
        """Call the server. Raises ToolError when that does not work."""
        returned = await self.supervisor.call(self.offered.raw_name, arguments)
        return await result_of(returned, self.name, context, server=self.supervisor.server)

    def describe(self, _arguments: JsonObject, result: JsonObject) -> str:
        """Say in one line what came of it."""
        if not result.get("success"):
            return cut_text(str(result.get("error", "")), _MAX_ERROR_CHARS)
        server = self.supervisor.server.name
        if files := result.get("files"):
            return f"{server} answered with {len(files)} file{'' if len(files) == 1 else 's'}"
        return f"{server} answered"
