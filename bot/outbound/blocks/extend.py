"""Going on with a run that ended at a limit, with more of it: the new limit, its button. Pure."""

from dataclasses import replace
from datetime import UTC, datetime

from agent_engine.safeguards import DAY_SUFFIX, BudgetOf
from agent_engine.types import EndReason, Limits, RunSnapshot
from bot.outbound.blocks import ids
from bot.outbound.blocks.parts import button
from bot.outbound.text import duration, money

NEAR = 0.8
"""From this part of a cap on it is shown beside what was used."""
_WHOSE = {
    BudgetOf.PERSON: "the day's budget of the person",
    BudgetOf.CHANNEL: "the channel's budget of today",
    BudgetOf.WORKSPACE: "the workspace's budget of today",
}


def extended(run: RunSnapshot) -> Limits | None:
    """Return the run's limits with the one it ended at doubled; None when it ended otherwise."""
    caps = run.limits
    if run.end is None or run.end.reason is not EndReason.LIMIT:
        return None
    match run.end.limit:
        case "iterations":
            return replace(caps, iterations=caps.iterations * 2)
        case "seconds":
            return replace(caps, seconds=caps.seconds * 2)
        case "tokens":
            return replace(caps, tokens=caps.tokens * 2)
        case "usd":
            return replace(caps, usd=caps.usd * 2)
        case _:
            return None


def new_cap(run: RunSnapshot) -> str:
    """Say what the raised limit is: ``20 steps``; empty when none can be raised."""
    limits = extended(run)
    if limits is None or run.end is None:
        return ""
    match run.end.limit:
        case "iterations":
            return f"{limits.iterations:,} steps"
        case "seconds":
            return duration(limits.seconds)
        case "tokens":
            return f"{limits.tokens:,} tokens"
        case _:
            return money(limits.usd)


def day_budget(run: RunSnapshot) -> BudgetOf | None:
    """Return whose budget of the day the run ended at; None when it ended otherwise."""
    name = run.end.limit if run.end is not None else ""
    whose = name.removesuffix(DAY_SUFFIX)
    is_day = name.endswith(DAY_SUFFIX)
    return next((of for of in BudgetOf if is_day and of == whose), None)


def is_over(run: RunSnapshot, *, now: datetime) -> bool:
    """Say whether the day in which the run ended is over, so that its budgets are new again."""
    return run.end is not None and run.end.at.astimezone(UTC).date() < now.astimezone(UTC).date()


def budget_words(of: BudgetOf) -> str:
    """Name a budget of the day."""
    return _WHOSE[of]


def extend_buttons(run: RunSnapshot) -> list[dict[str, object]]:
    """Return the button that raises what the run ended at; none for other ends."""
    extend = ids.ExtendRun(run_id=run.run_id)
    if cap := new_cap(run):
        return [button(f"Extend to {cap}", extend, style="primary")]
    if day_budget(run) is not None:
        return [button("Extend today's budget", extend, style="primary")]
    return []


def near_caps(run: RunSnapshot) -> str:
    """Say which caps on tokens and money are nearly reached; empty while none is."""
    used, caps = run.usage, run.limits
    parts = []
    if caps.tokens and used.tokens >= NEAR * caps.tokens:
        parts.append(f"{used.tokens / caps.tokens:.0%} of its tokens")
    if caps.usd and used.usd >= NEAR * caps.usd:
        parts.append(f"{used.usd / caps.usd:.0%} of its {money(caps.usd)}")
    return f"Near its limit: {' and '.join(parts)} used." if parts else ""
