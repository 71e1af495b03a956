"""Forms for feedback: one choice per step, and "what went wrong?". Pure; rates nothing."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from agent_engine.types import ActionType, ChannelId, JsonObject, RunSnapshot, Step, StepStatus
from bot.outbound.blocks import ids, wording
from bot.outbound.blocks.forms import (
    Choice,
    modal,
    read_choice,
    read_text,
    select_field,
    text_field,
)
from bot.outbound.blocks.parts import actions, button, quiet, section
from bot.outbound.content import Content
from bot.outbound.text import one_line

MAX_STEPS = 40

_STEP = "step_"
_WORDS = "words"
_TAKEN_BACK = "0"
_CHOICES = (
    Choice("5", "👍 Good"),
    Choice("3", "So-so"),
    Choice("1", "👎 Bad"),
    Choice(_TAKEN_BACK, "Take my rating back"),
)


class StepRating(NamedTuple):
    """What a person thinks of one step."""

    step: int
    rating: int | None
    """None takes back what they thought before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRatings:
    """What was filled in."""

    ratings: tuple[StepRating, ...]
    text: str


def step_rating_modal(
    run: RunSnapshot, *, channel_id: ChannelId, message_ts: str
) -> dict[str, Any]:
    """Render the form for the run's finished steps; the newest ones where there are many."""
    form = ids.StepRatingForm(run_id=run.run_id, channel_id=channel_id, message_ts=message_ts)
    steps = rated_steps(run)
    blocks = [select_field(f"{_STEP}{s.number}", _label(s), _CHOICES, chosen=None) for s in steps]
    if not blocks:
        blocks = [quiet("This task has no finished steps.")]
    words = text_field(_WORDS, "What should be different?", lines=True)
    return modal(form, title="Rate the steps", blocks=[*blocks, words], submit="Send")


def read_step_ratings(values: JsonObject) -> StepRatings:
    """Return what was chosen; steps without a choice are left out."""
    ratings = [
        StepRating(int(name.removeprefix(_STEP)), int(choice) or None)
        for name in values
        if name.startswith(_STEP)
        and name.removeprefix(_STEP).isdecimal()
        and (choice := read_choice(values, name)) in {c.value for c in _CHOICES}
    ]
    return StepRatings(
        ratings=tuple(sorted(ratings, key=lambda one: one.step)), text=read_text(values, _WORDS)
    )


def rated_steps(run: RunSnapshot) -> tuple[Step, ...]:
    """Return the steps that can be rated; the answer has thumbs of its own."""
    over = {StepStatus.DONE, StepStatus.FAILED}
    steps = (step for step in run.steps if step.action.action_type != ActionType.ANSWER)
    return tuple(step for step in steps if step.status in over)[-MAX_STEPS:]


def why_prompt(why: ids.TellWhy) -> Content:
    """Render the line shown to someone who gave a low rating by reaction."""
    text = "Thank you. What went wrong? It helps to do better next time."
    return Content(text=text, blocks=(section(text), actions([button("Say what went wrong", why)])))


def why_modal(why: ids.TellWhy) -> dict[str, Any]:
    """Render the one-field form."""
    form = ids.WhyForm(
        channel_id=why.channel_id, message_ts=why.message_ts, choice=why.choice, rating=why.rating
    )
    field = text_field(_WORDS, "What went wrong?", lines=True)
    return modal(form, title="What went wrong?", blocks=[field], submit="Send")


def read_why(values: JsonObject) -> str:
    """Return what was written; empty for nothing."""
    return read_text(values, _WORDS)


def _label(step: Step) -> str:
    outcome = wording.step_outcome(step)
    title = wording.step_title(step.action)
    return one_line(f"{title}: {outcome}" if outcome else title, 200)
