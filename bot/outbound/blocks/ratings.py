"""How people rated an agent over the last weeks, as one line with bars of letters. Pure."""

from collections.abc import Sequence

from agent_engine.places import RATED_WEEKS, RatedWeek
from agent_engine.types import HIGHEST_RATING, LOWEST_RATING
from bot.outbound.text import count

BARS = "▁▂▃▄▅▆▇█"
"""From the lowest mean to the highest."""
GAP = "\u200a"
"""A hair space: without it bars of one height run together."""
NO_BAR = "·"
"""A week without ratings."""


def ratings_line(weeks: Sequence[RatedWeek]) -> str:
    """Return one agent's weeks as safe mrkdwn, the oldest bar first; empty without ratings."""
    rated = sum(week.ratings for week in weeks)
    if not rated:
        return ""
    by_week = {week.weeks_ago: week for week in weeks}
    bars = GAP.join(_bar(by_week.get(ago)) for ago in reversed(range(RATED_WEEKS)))
    good, low = sum(week.good for week in weeks), sum(week.low for week in weeks)
    told = f"{count(rated, 'rating')} in {RATED_WEEKS} weeks: {thumbs(good, low)}"
    return f"{bars}  {_means(by_week)} · {told}"


def thumbs(good: int, low: int) -> str:
    """Return how many rated well and low; who found it middling is in neither."""
    return f"{good} 👍, {low} 👎"


def _bar(week: RatedWeek | None) -> str:
    if week is None:
        return NO_BAR
    share = (week.mean - LOWEST_RATING) / (HIGHEST_RATING - LOWEST_RATING)
    return BARS[round(share * (len(BARS) - 1))]


def _means(by_week: dict[int, RatedWeek]) -> str:
    now = by_week.get(0)
    before = [week for ago, week in by_week.items() if ago]
    of = f"of {HIGHEST_RATING}"
    if now is None:
        return f"*{_mean(before)}* {of}, none this week"
    said = f"*{now.mean:.1f}* {of} this week"
    return f"{said}, {_mean(before)} before" if before else said


def _mean(weeks: Sequence[RatedWeek]) -> str:
    total = sum(week.mean * week.ratings for week in weeks)
    return f"{total / sum(week.ratings for week in weeks):.1f}"
