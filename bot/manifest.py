"""The app manifest in the variants an installation needs: Socket Mode or a public URL, other names.

The one truth is ``manifest.yml``; nothing is invented here.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bot.errors import BotError
from bot.inbound.http import EVENTS_PATH
from bot.inbound.slash import UMBRELLA
from bot.outbound.web_calls import SCOPE_FIX

logger = logging.getLogger(__name__)

SCOPE_COSTS: Mapping[str, str] = {
    "app_mentions:read": "mentions do not reach the bot",
    "assistant:write": "threads do not show that the bot is at work",
    "channels:history": "replies in public channels are not read",
    "channels:read": "the bot does not hear of public channels that it joins or that change",
    "chat:write": "nothing can be said, so nobody gets an answer",
    "chat:write.customize": "agents do not speak under names and icons of their own",
    "commands": "slash commands do not exist",
    "files:read": "files that people post are not seen",
    "files:write": "files that agents make cannot be uploaded",
    "groups:history": "replies in private channels are not read",
    "groups:read": "the bot does not hear of private channels that it joins or that change",
    "im:history": "direct messages are not read",
    "im:read": "direct messages that came while the bot was away are not found",
    "im:write": "the bot cannot begin a direct message",
    "mpim:history": "replies in group messages are not read",
    "mpim:read": "group messages that came while the bot was away are not found",
    "reactions:read": "reactions do not rate or stop anything",
    "reactions:write": "the bot cannot react to messages",
    "users:read": "guests and people of other organisations cannot be told from members",
}
"""What does not work without each scope of the manifest."""
MANIFEST_PATH = Path(__file__).parent.parent / "manifest.yml"


class ManifestError(BotError):
    """The app manifest cannot be made."""


def load_manifest(path: Path = MANIFEST_PATH) -> dict[str, Any]:
    """Read the manifest. Raises ManifestError with one sentence."""
    import yaml  # noqa: PLC0415  # only `treadle manifest` needs it

    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ManifestError(f"{path} is missing: run this from a checkout of Treadle.") from error
    except (OSError, yaml.YAMLError) as error:
        raise ManifestError(f"{path} cannot be read: {error}") from error
    if not isinstance(loaded, dict):
        raise ManifestError(f"{path} does not hold a manifest.")
    return loaded


def for_public_url(manifest: Mapping[str, Any], url: str) -> dict[str, Any]:
    """Return the manifest for HTTP: every request URL set, Socket Mode off.

    Raises ManifestError when Slack could not reach the address.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise ManifestError("Slack delivers to https addresses only: give https://your.host.")
    request_url = url.rstrip("/")
    if not request_url.endswith(EVENTS_PATH):
        request_url += EVENTS_PATH
    made = deepcopy(dict(manifest))
    made["settings"]["socket_mode_enabled"] = False
    made["settings"]["event_subscriptions"]["request_url"] = request_url
    made["settings"]["interactivity"]["request_url"] = request_url
    for command in made["features"]["slash_commands"]:
        command["url"] = request_url
    return made


def with_commands(manifest: Mapping[str, Any], *, prefix: str, has_short: bool) -> dict[str, Any]:
    """Return the manifest with the short commands renamed or left out; ``/treadle`` stays."""
    made = deepcopy(dict(manifest))
    commands = made["features"]["slash_commands"]
    made["features"]["slash_commands"] = [
        _renamed(command, prefix) for command in commands if has_short or _is_umbrella(command)
    ]
    return made


def missing_scopes(granted: Collection[str]) -> Sequence[str]:
    """Return the bot scopes that the manifest wants and a token lacks; none when none are told."""
    wanted = load_manifest()["oauth_config"]["scopes"]["bot"]
    return sorted(set(wanted) - set(granted)) if granted else ()


def scope_losses(granted: Collection[str]) -> Sequence[str]:
    """Say for each missing scope what does not work without it."""
    return [f"without {scope}: {SCOPE_COSTS[scope]}" for scope in missing_scopes(granted)]


def scope_remarks(granted: Collection[str]) -> Sequence[str]:
    """Say the same in sentences for people; nothing where the manifest is not at hand."""
    try:
        return [f"This app works {loss}." for loss in scope_losses(granted)]
    except ManifestError:
        return ()


def log_missing_scopes(granted: Collection[str]) -> None:
    """Say at the start which scopes are missing, what each costs and what to do."""
    try:
        missing, losses = missing_scopes(granted), scope_losses(granted)
    except ManifestError as error:
        logger.warning("manifest_not_read", extra={"error": error.message})
        return
    if missing:
        facts = {"scopes": list(missing), "losses": list(losses), "fix": SCOPE_FIX}
        logger.warning("scopes_missing", extra=facts)


def as_yaml(manifest: Mapping[str, Any]) -> str:
    """Return the manifest as text to paste into Slack's app settings."""
    import yaml  # noqa: PLC0415  # only `treadle manifest` needs it

    text: str = yaml.safe_dump(dict(manifest), sort_keys=False, allow_unicode=True, width=100)
    return text


def command_list(manifest: Mapping[str, Any]) -> Sequence[str]:
    """Return the names of the slash commands, with the slash."""
    return [str(command["command"]) for command in manifest["features"]["slash_commands"]]


def _is_umbrella(command: Mapping[str, Any]) -> bool:
    return str(command["command"]) == f"/{UMBRELLA}"


def _renamed(command: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    if _is_umbrella(command):
        return dict(command)
    return {**command, "command": f"/{prefix}{str(command['command']).removeprefix('/')}"}
