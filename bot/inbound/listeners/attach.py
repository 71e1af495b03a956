"""Attaches all registrations to a Bolt app: the one list of what comes in."""

from slack_bolt.async_app import AsyncApp

from bot.inbound.entrance import Entrance
from bot.inbound.listeners.actions import attach_actions
from bot.inbound.listeners.commands import attach_commands
from bot.inbound.listeners.events import attach_events
from bot.inbound.listeners.views import attach_views


def attach(app: AsyncApp, entrance: Entrance) -> None:
    """Attach every listener."""
    attach_events(app, entrance.intake, entrance.underway)
    attach_commands(app, entrance.slash, entrance.underway)
    attach_actions(app, entrance.forms, entrance.underway)
    attach_views(app, entrance.forms, entrance.underway)
