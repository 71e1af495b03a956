"""How a local workspace is set up: names, people, channels, timings, refusals. Values only."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from bot.local_slack.default_manifest import DEFAULT_MANIFEST


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonSeed:
    """Someone who is in the workspace from the start."""

    name: str
    display_name: str = ""
    is_restricted: bool = False
    """A guest: sees only the channels he was put in."""
    is_stranger: bool = False
    """Somebody of another organisation, met through Slack Connect."""
    is_bot: bool = False
    """Another app's bot user; it can post like a person."""
    tz: str = "Europe/Amsterdam"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSeed:
    """A channel that exists from the start."""

    name: str
    is_private: bool = False
    members: tuple[str, ...] | None = None
    """Names of people; None means everybody who is not a guest, a stranger or a bot."""
    has_bot: bool = True
    topic: str = ""


DEFAULT_PEOPLE = (
    PersonSeed(name="ada", display_name="Ada"),
    PersonSeed(name="grace", display_name="Grace", tz="America/New_York"),
    PersonSeed(name="linus", display_name="Linus", tz="Europe/Helsinki"),
)
GUEST = PersonSeed(name="gus", display_name="Gus (guest)", is_restricted=True)
DEFAULT_CHANNELS = (
    ChannelSeed(name="general", topic="Company-wide talk"),
    ChannelSeed(name="data", topic="Numbers and what they mean"),
    ChannelSeed(name="ops", topic="Keeping things running"),
    ChannelSeed(name="secret", is_private=True, members=("ada", "grace"), has_bot=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalWorkspaceConfig:
    """Everything that can be chosen about a local workspace before it starts."""

    host: str = "127.0.0.1"
    port: int = 0
    """0 takes any free port."""
    name: str = "Treadle Demo"
    domain: str = "treadle-demo"
    people: tuple[PersonSeed, ...] = DEFAULT_PEOPLE
    with_guest: bool = False
    """Adds gus, a guest who is in #general only."""
    channels: tuple[ChannelSeed, ...] = DEFAULT_CHANNELS
    bot_name: str = "treadle"
    manifest: dict[str, Any] = field(default_factory=lambda: DEFAULT_MANIFEST)
    """The app manifest: scopes, subscribed events, commands and agent_view are enforced from it."""
    is_installed: bool = True
    """False: the app comes by OAuth only; until then no token works and nothing is delivered."""
    http_delivery_url: str | None = None
    """Where events, commands and interactions are POSTed; None means Socket Mode."""
    bot_token: str | None = None
    app_token: str | None = None
    signing_secret: str | None = None
    client_id: str = "1000000000001.2000000000002"
    client_secret: str = "local-client-secret"  # noqa: S105 - a fixed value of a local simulation
    ack_timeout_s: float = 3.0
    retry_delays_s: tuple[float, ...] = (0.0, 60.0, 300.0)
    """Waits before the first, second and third retry of an event that was not acknowledged."""
    trigger_lifetime_s: float = 3.0
    response_url_lifetime_s: float = 1800.0
    response_url_uses: int = 5
    stream_lifetime_s: float = 300.0
    status_lifetime_s: float = 120.0
    max_sockets: int = 10
    enforce_rate_limits: bool = True
    unsupported_methods: frozenset[str] = frozenset()
    """Methods, or patterns such as `agents.sessions.*`, that answer `unknown_method`."""
    refuse_block_types: frozenset[str] = frozenset()
    """Block types that answer `invalid_blocks`, for servers that do not know them yet."""
    seed: int | None = None
    """Makes ids and injected faults repeatable; None draws fresh ones."""
    shutdown_timeout_s: float = 1.0

    @property
    def seeded_people(self) -> tuple[PersonSeed, ...]:
        """All people of the start, with the guest if he was asked for."""
        return (*self.people, GUEST) if self.with_guest else self.people


def read_config(path: Path) -> LocalWorkspaceConfig:
    """Read a configuration from a JSON file with the fields of `LocalWorkspaceConfig`."""
    return TypeAdapter(LocalWorkspaceConfig).validate_json(path.read_text(encoding="utf-8"))


def read_manifest(path: Path) -> dict[str, Any]:
    """Read an app manifest from a JSON file, or from YAML where PyYAML is installed."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        loaded = json.loads(text)
    else:
        import yaml  # noqa: PLC0415 - a development dependency, needed for YAML files only

        loaded = yaml.safe_load(text)
    if not isinstance(loaded, dict):
        raise TypeError(f"{path} does not hold a manifest")
    return loaded
