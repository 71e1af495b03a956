"""What all parts of the local workspace share: one value that is handed around, no behaviour."""

from dataclasses import dataclass, field

from bot.local_slack.background import Background
from bot.local_slack.changes import Hub
from bot.local_slack.config import LocalWorkspaceConfig
from bot.local_slack.deliveries import Deliveries
from bot.local_slack.faults import Faults
from bot.local_slack.manifest import Manifest
from bot.local_slack.mint import Mint
from bot.local_slack.modals import Modals
from bot.local_slack.rate_limits import RateLimits
from bot.local_slack.records import ResponseUrl
from bot.local_slack.sessions import Sessions
from bot.local_slack.shared_files import SharedFiles
from bot.local_slack.socket_mode import SocketMode
from bot.local_slack.state import Workspace
from bot.local_slack.traffic import Traffic


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """The tokens and secrets of the one app that is installed."""

    bot_token: str
    app_token: str
    signing_secret: str
    client_id: str
    client_secret: str


@dataclass(slots=True, kw_only=True)
class Installation:
    """Codes and tokens handed out by the OAuth pages."""

    codes: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Code to the installing person and the asked scopes."""
    scopes_by_token: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """What every valid bot token may do."""
    refresh_tokens: set[str] = field(default_factory=set)


@dataclass(slots=True, kw_only=True)
class Core:
    """The parts of one running workspace."""

    config: LocalWorkspaceConfig
    manifest: Manifest
    secrets: Secrets
    mint: Mint
    hub: Hub
    state: Workspace
    files: SharedFiles
    modals: Modals
    sessions: Sessions
    faults: Faults
    traffic: Traffic
    limits: RateLimits
    background: Background
    sockets: SocketMode
    deliveries: Deliveries
    installation: Installation
    response_urls: dict[str, ResponseUrl] = field(default_factory=dict)
    base_url: str = ""
    """`http://127.0.0.1:port`, known once the server listens."""
