"""The /agent modal: a channel's agent shown, edited, and read back. Pure; saves nothing."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from agent_engine.types import (
    AgentProfile,
    ChannelId,
    FollowUps,
    JsonObject,
    Limits,
    PlannerKind,
)
from bot.outbound.blocks import ids
from bot.outbound.blocks.forms import (
    MAX_INPUT,
    Choice,
    modal,
    multi_field,
    number_field,
    read_choice,
    read_choices,
    read_text,
    select_field,
    text_field,
)
from bot.outbound.blocks.parts import context, quiet
from bot.outbound.content import Block
from bot.outbound.text import escape

NO_TOOLS = "-none-"
MAX_NAME = 80

_PLANNERS = (
    Choice(PlannerKind.LLM, "Plans up front"),
    Choice(PlannerKind.HIERARCHICAL, "Splits big goals into smaller ones"),
    Choice(PlannerKind.STEPWISE, "Decides one step at a time"),
    Choice(PlannerKind.SMALL, "By rules, with a very small model's help"),
    Choice(PlannerKind.OFFLINE, "Offline: no language model"),
)
_FOLLOW_UPS = (
    Choice(FollowUps.ALWAYS, "Every reply in a task's thread"),
    Choice(FollowUps.MENTION_ONLY, "Only replies that mention the bot"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FormErrors:
    """Why the form cannot be saved: a sentence by field, for ``response_action: errors``."""

    errors: Mapping[str, str]


def agent_modal(
    profile: AgentProfile, *, channel_id: ChannelId, tools: Sequence[str]
) -> dict[str, Any]:
    """Render the form. ``tools`` are the names of all tools that are available."""
    names = dict.fromkeys([*tools, *(profile.tools or ())])
    chosen = (NO_TOOLS,) if profile.tools == () else profile.tools or ()
    choices = [*(Choice(name, name) for name in names), Choice(NO_TOOLS, "No tools at all")]
    blocks = [
        context(_where(channel_id)),
        text_field("name", "Name", value=profile.name),
        _instructions(profile),
        text_field(
            "model",
            "Model",
            value=profile.model or "",
            hint="Empty for the installation's default. Several, separated by commas, stand in for "
            "each other in this order.",
        ),
        select_field("planner", "How it plans", _PLANNERS, chosen=profile.planner),
        select_field("follow_ups", "What it listens to", _FOLLOW_UPS, chosen=profile.follow_ups),
        multi_field("tools", "Tools", choices, chosen=chosen, hint="None chosen: all of them."),
        *_limit_fields(profile.limits),
    ]
    form = ids.AgentForm(agent_id=profile.id, channel_id=channel_id)
    return modal(form, title="Agent", blocks=blocks)


def how_it_plans(profile: AgentProfile) -> str:
    """Return what the form calls the agent's planner, as part of a sentence."""
    label = next((c.label for c in _PLANNERS if c.value == profile.planner), str(profile.planner))
    return label[:1].lower() + label[1:]


def read_agent_form(values: JsonObject, profile: AgentProfile) -> AgentProfile | FormErrors:
    """Return the profile with what was filled in, or what is wrong with it.

    ``values`` is the view's ``state.values``. What the form does not show stays as it is.
    """
    errors: dict[str, str] = {}
    name = " ".join(read_text(values, "name").split())
    if not 1 <= len(name) <= MAX_NAME:
        errors["name"] = f"Give the agent a name of at most {MAX_NAME} characters."
    limits = _read_limits(values, profile.limits, errors)
    if errors:
        return FormErrors(errors=errors)
    instructions = profile.instructions
    if "instructions" in values:
        instructions = read_text(values, "instructions")
    return replace(
        profile,
        name=name,
        instructions=instructions,
        model=read_text(values, "model") or None,
        planner=PlannerKind(_known(values, "planner", _PLANNERS) or profile.planner),
        follow_ups=FollowUps(_known(values, "follow_ups", _FOLLOW_UPS) or profile.follow_ups),
        tools=_read_tools(values),
        limits=limits,
    )


# ------------------------------------------------------------------------------------------------


def _where(channel_id: ChannelId) -> str:
    """Say, in safe mrkdwn, which agent this is and how far a change goes."""
    if channel_id.startswith("D"):
        return "The agent of your direct messages. What you change holds there only."
    return f"The agent of <#{escape(channel_id)}>. What you change holds in this channel only."


def _instructions(profile: AgentProfile) -> Block:
    if len(profile.instructions) > MAX_INPUT:
        return quiet("Its instructions are too long to be edited here; see treadle.toml.")
    return text_field(
        "instructions",
        "Instructions",
        value=profile.instructions,
        hint="Its role, tone and house rules, in your words.",
        lines=True,
    )


def _limit_fields(limits: Limits) -> tuple[Block, ...]:
    hint = "0 for no limit."
    return (
        number_field("iterations", "Most steps per task", value=limits.iterations, hint=hint),
        number_field("minutes", "Most minutes of work", value=limits.seconds / 60, hint=hint),
        number_field("tokens", "Most tokens", value=limits.tokens, hint=hint),
        number_field("usd", "Most US dollars", value=limits.usd, hint=hint),
    )


def _read_limits(values: JsonObject, limits: Limits, errors: dict[str, str]) -> Limits:
    numbers = {
        name: _number(values, name, errors) for name in ("iterations", "minutes", "tokens", "usd")
    }
    for name in ("iterations", "tokens"):
        if numbers[name] != int(numbers[name]):
            errors[name] = "Give a whole number."
    minutes = numbers["minutes"]
    unchanged = f"{limits.seconds / 60:.12g}" == f"{minutes:.12g}"
    return replace(
        limits,
        iterations=int(numbers["iterations"]),
        seconds=limits.seconds if unchanged else minutes * 60,
        tokens=int(numbers["tokens"]),
        usd=numbers["usd"],
    )


def _number(values: JsonObject, name: str, errors: dict[str, str]) -> float:
    text = read_text(values, name)
    try:
        number = float(text or "0")
    except ValueError:
        number = -1.0
    if not math.isfinite(number) or not 0 <= number <= 1e12:  # noqa: PLR2004  # beyond any use
        errors[name] = "Give a number that is not negative; 0 for no limit."
        return 0.0
    return number


def _read_tools(values: JsonObject) -> tuple[str, ...] | None:
    chosen = read_choices(values, "tools")
    return tuple(name for name in chosen if name != NO_TOOLS) if chosen else None


def _known(values: JsonObject, name: str, choices: Sequence[Choice]) -> str | None:
    chosen = read_choice(values, name)
    return chosen if any(choice.value == chosen for choice in choices) else None
