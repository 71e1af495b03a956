"""How long what is stored is kept. Values."""

from dataclasses import dataclass
from datetime import timedelta

DELIVERIES = timedelta(days=14)
"""Longer than Slack retries and than anyone presses an old button twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long what is stored is kept; None for ever."""

    deliveries: timedelta = DELIVERIES
    tasks: timedelta | None = None
    """After the last run of the task and of all that it delegated has ended."""
    episodes: timedelta | None = None
    """What came of tasks, and plans that are examples: after they were used last."""
    memory_history: timedelta | None = None
    """What memories said before, what is not applied any more, what nobody confirmed."""
    audit_texts: timedelta | None = None
    usage: timedelta | None = None
    ratings: timedelta | None = None
    """Of runs that are gone."""
