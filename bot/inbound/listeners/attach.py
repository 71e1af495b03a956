"""Attaches all registrations to a Bolt app: the one list of what comes in."""

from dataclasses import dataclass, field

from slack_bolt.async_app import AsyncApp

from bot.inbound.forms import FormDesk
from bot.inbound.intake import Intake
from bot.inbound.lanes import Underway
from bot.inbound.listeners.actions import attach_actions
from bot.inbound.listeners.commands import attach_commands
from bot.inbound.listeners.events import attach_events
from bot.inbound.listeners.views import attach_views
from bot.inbound.slash import SlashDesk


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrance:
    """Everything that takes something in."""

    intake: Intake
    slash: SlashDesk
    forms: FormDesk
    underway: Underway = field(default_factory=Underway)
    """What has begun and not ended, so that a stop can wait for it."""


def attach(app: AsyncApp, entrance: Entrance) -> None:
    """Attach every listener."""
    attach_events(app, entrance.intake, entrance.underway)
    attach_commands(app, entrance.slash, entrance.underway)
    attach_actions(app, entrance.forms, entrance.underway)
    attach_views(app, entrance.forms, entrance.underway)
