"""What the workspace reads from an app manifest: scopes, events, commands. Reads, never checks."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class SlashCommand:
    """A slash command as the manifest declares it."""

    command: str
    description: str = ""
    usage_hint: str = ""
    should_escape: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The parts of an app manifest that the workspace enforces."""

    app_name: str
    bot_scopes: tuple[str, ...]
    bot_events: frozenset[str]
    commands: tuple[SlashCommand, ...]
    is_agent: bool
    """Declared with agent_view, which is what allows agent sessions."""

    def command(self, name: str) -> SlashCommand | None:
        """Find a declared slash command by its name with the slash."""
        return next((c for c in self.commands if c.command == name), None)


def parse_manifest(raw: dict[str, Any]) -> Manifest:
    """Pick the enforced parts out of a manifest; whatever is absent counts as not granted."""
    features = raw.get("features", {})
    events = raw.get("settings", {}).get("event_subscriptions", {})
    return Manifest(
        app_name=raw.get("display_information", {}).get("name", "App"),
        bot_scopes=tuple(raw.get("oauth_config", {}).get("scopes", {}).get("bot", [])),
        bot_events=frozenset(events.get("bot_events", [])),
        commands=tuple(_command(c) for c in features.get("slash_commands", [])),
        is_agent="agent_view" in features,
    )


def _command(raw: dict[str, Any]) -> SlashCommand:
    return SlashCommand(
        command=raw["command"],
        description=raw.get("description", ""),
        usage_hint=raw.get("usage_hint", ""),
        should_escape=bool(raw.get("should_escape")),
    )
