"""What ``[[mcp_servers]]`` of ``treadle.toml`` says.

It names variables of the environment and never holds their values; ``settings`` reads those.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_NAME = r"^[a-z][a-z0-9]{0,23}$"
_TOOL = re.compile(r"mcp_([a-z0-9]+)_.+")

Seconds = Annotated[float, Field(gt=0.0, le=3600.0, allow_inf_nan=False)]


class McpServerTable(BaseModel):
    """One server of the Model Context Protocol: a program, or an address."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=_NAME)]
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
        return {name: name for name in env} if isinstance(env, list) else env

    @field_validator("url")
    @classmethod
    def _is_web_address(cls, url: str | None) -> str | None:
        parts = urlsplit(url or "https://none")
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise ValueError('give an address that starts with "https://" or "http://"')
        return url

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        if (self.command is None) == (self.url is None):
            raise ValueError("give either a command or a url")
        wrong = (self.args or self.env or self.cwd) if self.url else self.headers
        if wrong:
            raise ValueError("args, env and cwd go with a command, headers with a url")
        return self

    @property
    def variables(self) -> frozenset[str]:
        """The variables of the environment that it needs."""
        in_headers = [name for value in self.headers.values() for name in _VARIABLE.findall(value)]
        return frozenset([*self.env.values(), *in_headers])

    def filled_headers(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return the headers with the values of the environment."""
        return {
            name: _VARIABLE.sub(lambda found: environment[found[1]], value)
            for name, value in self.headers.items()
        }


def mcp_contradictions(
    servers: Sequence[McpServerTable], tools: Mapping[str, Iterable[str]]
) -> list[str]:
    """Return what is wrong between servers, and between them and the agents' lists of tools."""
    names = [server.name for server in servers]
    problems = [
        f"[[mcp_servers]] {name}: two servers have this name; give one another."
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    ]
    for where, wanted in tools.items():
        found: Any = (_TOOL.fullmatch(tool) for tool in wanted)
        missing = {match[1] for match in found if match and match[1] not in names}
        problems += [
            f"{where}.tools names the MCP server {name!r}, which is not configured: "
            "add it to [[mcp_servers]], or take it out."
            for name in sorted(missing)
        ]
    return problems
