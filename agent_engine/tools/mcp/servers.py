"""What an operator says of a server: how it is reached, how long it may take, what of it is used.

Plain values. It must not read the environment or import the protocol's library.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agent_engine.tools.quota import Quota
from agent_engine.tools.secrets import Secrets
from agent_engine.types import Asks


@dataclass(frozen=True, slots=True, kw_only=True)
class StdioServer:
    """A program that is started and spoken to over its standard input and output."""

    command: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    """All of its environment: nothing is inherited."""
    secrets: Secrets = field(default_factory=Secrets)
    """Values that must not be seen in what it returns, writes or says of itself."""
    cwd: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpServer:
    """A server that is reached by streamable HTTP."""

    url: str = field(repr=False)
    """May be a private address, for an operator wrote it; may hold a secret."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: Secrets = field(default_factory=Secrets)


@dataclass(frozen=True, slots=True, kw_only=True)
class McpServer:
    """One configured server."""

    name: str
    """``[a-z][a-z0-9]*``; part of its tools' names."""
    reached: StdioServer | HttpServer
    timeout_s: float = 60.0
    """Of one call."""
    start_timeout_s: float = 30.0
    """Until it is connected and its tools are listed."""
    allowed: tuple[str, ...] | None = None
    """The tools that are used, by the server's own names; None for all."""
    denied: tuple[str, ...] = ()
    for_every_agent: bool = False
    """Whether agents without a list of tools have it too; else only those that name it."""
    ask: Asks | None = None
    """None: always, but for tools that a trusted server says only read."""
    trust_annotations: bool = False
    """Whether what the server says of its tools' harmlessness is believed."""
    quota: Quota = field(default_factory=Quota)
    """What a task folder may hold once the files of its results are in it."""

    def blot(self, text: str) -> str:
        """Return the text without the secrets that the server was given, in whatever form."""
        return self.reached.secrets.redact(text)

    def blot_bytes(self, data: bytes) -> bytes:
        """Return the bytes without the secrets that the server was given, where they are plain."""
        return self.reached.secrets.redact_bytes(data)
