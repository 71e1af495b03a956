"""What travels to and from Slack besides messages' content. Values only."""

from dataclasses import dataclass
from enum import StrEnum

from agent_engine.types import JsonObject, UserId, WorkspaceId
from bot.outbound.pacing import Urgency


class SessionStatus(StrEnum):
    """What a thread shows about the agent's session."""

    PROCESSING = "processing"
    SUSPENDED = "suspended"
    ACTIVE = "active"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who we are in this workspace."""

    workspace_id: WorkspaceId
    workspace_name: str
    workspace_url: str
    user_id: UserId
    bot_id: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some messages, as Slack has them, and where the next ones are."""

    messages: tuple[JsonObject, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file to hand over."""

    name: str
    content: bytes
    title: str = ""
    comment: str = ""
    """Shown with the file; safe mrkdwn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How much a call matters and how long it may wait for its turn."""

    urgency: Urgency = Urgency.REPLY
    patience_s: float = 20.0


AT_ONCE = Pace()
"""Somebody is looking at the screen."""
