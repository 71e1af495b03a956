"""MCP servers from settings: the values that the engine connects by.

Part of the composition root.
"""

from collections.abc import Mapping

from agent_engine.tools.mcp.servers import HttpServer, McpServer, StdioServer
from agent_engine.tools.quota import Quota
from agent_engine.tools.secrets import Secrets
from agent_engine.types import Asks
from bot.settings import Settings
from bot.tables.mcp_servers import INHERITED, McpServerTable


def mcp_servers(settings: Settings, quota: Quota) -> tuple[McpServer, ...]:
    """Return all configured servers; files of their results count in the task folder's quota."""
    environment = {k: v.get_secret_value() for k, v in settings.variables.items()}
    return tuple(_server(table, environment, quota) for table in settings.file.mcp_servers)


def _server(table: McpServerTable, environment: Mapping[str, str], quota: Quota) -> McpServer:
    return McpServer(
        name=table.name,
        reached=_reached(table, environment),
        timeout_s=table.timeout_s,
        start_timeout_s=table.start_timeout_s,
        allowed=table.allowed_tools,
        denied=table.denied_tools,
        for_every_agent=table.for_every_agent,
        ask=Asks(table.ask) if table.ask else None,
        trust_annotations=table.trust_annotations,
        quota=quota,
    )


def _reached(table: McpServerTable, environment: Mapping[str, str]) -> StdioServer | HttpServer:
    secrets = Secrets(environment[name] for name in table.given)
    if table.url is not None:
        headers = table.filled_headers(environment)
        return HttpServer(url=table.url, headers=headers, secrets=secrets)
    inherited = {name: environment[name] for name in INHERITED if name in environment}
    return StdioServer(
        command=table.command or "",
        args=table.args,
        env={**inherited, **{name: environment[ours] for name, ours in table.env.items()}},
        secrets=secrets,
        cwd=table.cwd,
    )
