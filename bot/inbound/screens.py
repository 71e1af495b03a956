"""What the incoming side has to show, as a Protocol; pure functions of ``outbound`` satisfy it.

Everything that is more than one plain sentence is rendered there, so that blocks are made in one
place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from agent_engine.commands import TaskLine
from agent_engine.types import AgentProfile, JsonObject, RunSnapshot, TaskId
from bot.outbound.blocks import ids
from bot.outbound.content import Content


@dataclass(frozen=True, slots=True, kw_only=True)
class FormErrors:
    """What is wrong with a submitted form: block id to a sentence, shown beside the field."""

    errors: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRating:
    """A person's rating of one step, out of the form."""

    step: int
    rating: int


class Screens(Protocol):
    """Pure: values in, content or views out, submissions back into values."""

    def help(self, *, topic: str, commands: Mapping[str, str]) -> Content:
        """Explain the bot, or one verb; ``commands`` maps verbs to the slash commands' names."""
        ...

    def tasks(self, lines: Sequence[TaskLine], *, links: Mapping[TaskId, str]) -> Content:
        """List tasks with links to their threads and stop buttons for those under way."""
        ...

    def status(self, run: RunSnapshot) -> Content:
        """Say how one task stands."""
        ...

    def agent(self, profile: AgentProfile, form: ids.AgentForm) -> Content:
        """Describe the channel's agent, with a button that opens its form."""
        ...

    def agent_form(self, profile: AgentProfile, form: ids.AgentForm) -> JsonObject:
        """Return the modal that edits an agent."""
        ...

    def read_agent(self, profile: AgentProfile, values: JsonObject) -> AgentProfile | FormErrors:
        """Return the agent as the submitted form wants it."""
        ...

    def steps_form(self, run: RunSnapshot, form: ids.StepRatingForm) -> JsonObject:
        """Return the modal with one choice per finished step."""
        ...

    def read_steps(self, values: JsonObject) -> Sequence[StepRating]:
        """Return the ratings given; steps without a choice are left out."""
        ...

    def why_form(self, form: ids.WhyForm) -> JsonObject:
        """Return the one-field modal *What went wrong?*."""
        ...

    def read_why(self, values: JsonObject) -> str:
        """Return what the person wrote."""
        ...

    def low_rating(self, action: ids.TellWhy) -> Content:
        """Return the line shown after a low rating, with the button that opens the form."""
        ...
