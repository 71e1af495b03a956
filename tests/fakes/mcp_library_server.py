"""An MCP server made with the protocol's official library: ``stdio``, or ``http PORT``."""

import os
import sys

from mcp.server.mcpserver import Context, MCPServer
from pydantic import BaseModel

server = MCPServer("library", log_level="ERROR")


class Place(BaseModel):
    """A place."""

    city: str
    country: str = "nowhere"


@server.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
def travel(places: list[Place]) -> str:
    """Say where the journey goes."""
    return " to ".join(place.city for place in places)


@server.tool()
async def grow(context: Context) -> str:
    """Have one tool more."""
    server.add_tool(travel, name="wander")
    await context.session.send_tool_list_changed()
    return "grown"


@server.tool()
def die() -> str:
    """End the process."""
    os._exit(3)


if __name__ == "__main__":
    if sys.argv[1] == "http":
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[2]))
    else:
        server.run("stdio")
