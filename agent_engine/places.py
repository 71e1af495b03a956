"""Values of the places where tasks are shown: channels, people, posts.

They name Slack's places by the project's words (workspace, channel, thread), never by its dicts.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from agent_engine.types import (
    AgentId,
    ChannelId,
    RunId,
    TaskId,
    Thread,
    UserId,
    WorkspaceId,
)

RATED_WEEKS = 8
"""So far back ratings are shown week by week."""


class ChannelKind(StrEnum):
    """What kind of conversation a channel is."""

    PUBLIC = "public"
    PRIVATE = "private"
    DIRECT = "direct"
    GROUP = "group"


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A channel and the agent that lives in it."""

    workspace_id: WorkspaceId
    channel_id: ChannelId
    agent_id: AgentId
    kind: ChannelKind = ChannelKind.PRIVATE
    name: str = ""
    """For people; a renamed channel is the same channel."""
    is_member: bool = True
    is_archived: bool = False
    introduced: bool = False
    """Whether the bot has introduced itself there."""
    last_seen_ts: str | None = None
    """The newest message read; None before the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """What is known of someone, for authority and names."""

    workspace_id: WorkspaceId
    user_id: UserId
    name: str = ""
    is_bot: bool = False
    is_guest: bool = False
    is_external: bool = False
    is_admin: bool = False
    """An admin or owner of the workspace."""
    fetched_at: datetime


class PostKind(StrEnum):
    """What one of our Slack messages is."""

    PLAN = "plan"
    ANSWER = "answer"
    QUESTION = "question"
    NOTICE = "notice"
    LESSON = "lesson"
    """What was learned from low ratings; itself not rated."""
    MEMORY = "memory"
    """A fact that a run proposed to remember; itself not rated."""


class PostState(StrEnum):
    """How far a post has come."""

    INTENDED = "intended"
    POSTED = "posted"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPost:
    """An intent to post: stored before Slack is called."""

    key: str
    """Unique for ever; travels in the Slack message's metadata."""
    thread: Thread
    kind: PostKind
    run_id: RunId | None = None
    task_id: TaskId | None = None
    step: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One of our Slack messages, intended or posted."""

    key: str
    thread: Thread
    kind: PostKind
    state: PostState
    run_id: RunId | None = None
    task_id: TaskId | None = None
    step: int | None = None
    ts: str | None = None
    body_hash: str | None = None
    """Of what Slack shows, so that an equal render is not sent again."""
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DirtyThread:
    """A thread that Slack does not show as it is."""

    thread: Thread
    seq: int
    """Pass it to ``shown`` once everything up to here is shown."""
    session_status: str | None
    """The session status that Slack shows: ``processing``, ``active`` …; None when never set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedWeek:
    """How people rated what an agent did, in seven days; weeks without ratings have none."""

    agent_id: AgentId
    weeks_ago: int
    """0 for the last seven days, at most ``RATED_WEEKS`` - 1."""
    ratings: int
    good: int
    """Those of 4 and 5."""
    low: int
    """Those below 3."""
    mean: float
    """From 1 to 5."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What happened in a period; zeros where nothing did."""

    tasks: int = 0
    tokens: int = 0
    usd: float = 0.0
    good_ratings: int = 0
    """Ratings of 4 and 5 that count now."""
    low_ratings: int = 0
    """Ratings below 3 that count now."""


class RemovalOf(StrEnum):
    """What is to be removed."""

    TASKS = "tasks"
    MESSAGE = "message"
    AUDIT_TEXTS = "audit_texts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What is still to be removed; kept until that is done."""

    id: int
    what: RemovalOf
    channel_id: ChannelId
    ref: str
    """The ``ts`` of a post, or whose tasks or texts."""
    noted_at: datetime
    """Tasks from after that stay."""
