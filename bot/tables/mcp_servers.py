"""``[[mcp_servers]]``: programs and addresses whose tools agents can have.

It names variables of the environment and never holds their values; ``settings`` reads those.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from typing_extensions import override

from bot.tables.table import Names, Table, Variable, is_web_address, like

INHERITED: Final = ("PATH", "HOME")
"""All that a server's program gets of the environment besides what it is configured to get."""
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_TOOL = re.compile(r"mcp_([a-z0-9]+)_.+")

ServerName = Annotated[
    str, like(r"[a-z][a-z0-9]{0,23}", "use up to 24 lower-case letters and digits, a letter first")
]
Seconds = Annotated[float, Field(gt=0.0, le=3600.0, allow_inf_nan=False)]


class McpServerTable(Table):
    """One server of the Model Context Protocol: a program, or an address."""

    name: ServerName
    """Lower-case letters and digits; its tools are called ``mcp_<name>_<tool>``."""
    command: Annotated[str, Field(min_length=1)] | None = None
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = Field(default_factory=dict)
    """What the program calls a variable, and what our environment does; a list for the same."""
    cwd: Path | None = None
    url: str | None = None
    headers: Mapping[str, str] = Field(default_factory=dict)
    """``${NAME}`` in a value stands for a variable of the environment."""
    timeout_s: Seconds = 60.0
    start_timeout_s: Seconds = 30.0
    allowed_tools: tuple[str, ...] | None = None
    """By the server's own names; all of them when left out."""
    denied_tools: tuple[str, ...] = ()
    for_every_agent: bool = False
    """Whether agents whose ``tools`` are left out have it as well."""
    ask: Literal["always", "first_time", "never"] | None = None
    trust_annotations: bool = False

    @field_validator("env", mode="before")
    @classmethod
    def _same_names(cls, env: object) -> object:
        if isinstance(env, list) and all(isinstance(name, str) for name in env):
            return {name: name for name in env}
        return env

    @field_validator("url")
    @classmethod
    def _is_web_address(cls, url: str | None) -> str | None:
        if url is not None and (not is_web_address(url) or urlsplit(url).username):
            raise ValueError('give an address that starts with "https://" or "http://"')
        return url

    @override
    def problems(self, where: str, names: Names) -> Iterator[str]:
        if self.command and self.url:
            yield f"{where}: give either a command or a url, not both"
        elif (self.url and (self.args or self.env or self.cwd)) or (self.command and self.headers):
            yield f"{where}: args, env and cwd go with a command, headers with a url"

    @override
    def lacks(self, where: str) -> Iterator[str]:
        if not self.command and not self.url:
            yield f"{where}: give either a command or a url"

    @override
    def variables(self, where: str) -> Iterator[Variable]:
        for name in sorted(self.given):
            missing = f"{name} is not set, but the MCP server {self.name} is configured to get it"
            yield Variable(name=name, missing=missing, is_secret=False)
        for name in INHERITED if self.command else ():
            yield Variable(name=name, is_secret=False)

    @property
    def given(self) -> frozenset[str]:
        """The variables of the environment that it is configured to get."""
        in_headers = [name for value in self.headers.values() for name in _VARIABLE.findall(value)]
        return frozenset([*self.env.values(), *in_headers])

    def filled_headers(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return the headers with the values of the environment."""
        return {
            name: _VARIABLE.sub(lambda found: environment[found[1]], value)
            for name, value in self.headers.items()
        }


def servers_of(tools: Sequence[str]) -> frozenset[str]:
    """Return the servers whose tools are named here."""
    return frozenset(found[1] for tool in tools if (found := _TOOL.fullmatch(tool)))


def same_names(servers: Sequence[McpServerTable]) -> Iterator[str]:
    """Say which names several servers have."""
    names = [server.name for server in servers]
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            yield f"mcp_servers: two servers have this name, {name}: give one another"
