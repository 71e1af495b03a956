"""The app manifest in the variants an installation needs: Socket Mode or a public URL, other names.

The one truth is ``manifest.yml``; nothing is invented here.
"""

from collections.abc import Collection, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bot.errors import BotError
from bot.inbound.http import EVENTS_PATH
from bot.inbound.slash import UMBRELLA

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
