"""What the incoming side shows, put together from the pure renderings of ``outbound.blocks``.

One place, so that the rest of ``inbound`` sees no blocks. It must not fetch anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent_engine.commands import TaskLine
from agent_engine.places import RatedWeek
from agent_engine.ports import Clock
from agent_engine.safeguards import StandingRule
from agent_engine.types import AgentProfile, ChannelId, JsonObject, RunSnapshot
from bot.inbound.sentences import OFFLINE_PROMPTS, PROMPTS
from bot.inbound.words import MEMORY_HELP, VERB_HELP, Verb, escaped
from bot.outbound.blocks import ids
from bot.outbound.blocks.agent_modal import (
    FormErrors,
    agent_modal,
    how_it_plans,
    read_agent_form,
)
from bot.outbound.blocks.help import help_content, introduction_content
from bot.outbound.blocks.parts import actions, button, context, quiet, section
from bot.outbound.blocks.plan import plan_content
from bot.outbound.blocks.rating_form import (
    StepRating,
    StepRatings,
    read_step_ratings,
    read_why,
    step_rating_modal,
    why_modal,
    why_prompt,
)
from bot.outbound.blocks.ratings import ratings_line
from bot.outbound.blocks.rules_list import rules_content
from bot.outbound.blocks.tasks_list import tasks_content
from bot.outbound.content import Content
from bot.outbound.text import count

__all__ = ["FormErrors", "Screens", "StepRating", "StepRatings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Screens:
    """Values in, content and views out, submissions back into values."""

    command_names: Mapping[Verb, str]
    """What the slash command of each verb is called here."""
    tools: tuple[str, ...]
    """Names of all tools that agents can have."""
    clock: Clock
    is_offline: bool = False
    """No language model is configured."""

    def help(self, topic: Verb | None) -> Content:
        """Explain the bot, or one verb."""
        if topic is None:
            commands = {self.command_names[verb]: does for verb, does in VERB_HELP.items()}
            return help_content(commands, solve=self.command_names[Verb.SOLVE])
        name = self.command_names[topic]
        text = f"`{name}` {escaped(VERB_HELP[topic])}"
        if topic is Verb.MEMORY:
            more = (line.split("|") for line in MEMORY_HELP)
            text = "\n".join([text, *(f"`{name} {escaped(does)}` {what}." for does, what in more)])
        return Content(text=text, blocks=(section(text),))

    @property
    def prompts(self) -> Sequence[Mapping[str, str]]:
        """What to suggest to whoever opens a conversation: things that can be done here."""
        return OFFLINE_PROMPTS if self.is_offline else PROMPTS

    def introduction(self, profile: AgentProfile) -> Content:
        """Introduce the agent of a channel that the bot has joined."""
        return introduction_content(profile.name, offline=self.is_offline)

    def tasks(self, lines: Sequence[TaskLine], *, workspace_url: str) -> Content:
        """List tasks with links to their threads and Stop buttons for those under way."""
        return tasks_content(lines, workspace_url=workspace_url, now=self.clock.now())

    def status(self, run: RunSnapshot) -> Content:
        """Say how one task stands."""
        return plan_content(run)

    def agent(
        self, profile: AgentProfile, channel_id: ChannelId, *, weeks: Sequence[RatedWeek] = ()
    ) -> Content:
        """Describe the channel's agent and how it was rated, with a button that opens its form."""
        tools = "all" if profile.tools is None else ", ".join(profile.tools) or "none"
        model = profile.model or "the installation's"
        text = (
            f"*{escaped(profile.name)}* is the agent of this channel.\n"
            f"How it plans: {how_it_plans(profile)} · Tools: {escaped(tools)} · "
            f"Model: {escaped(model)}"
        )
        edit = button("Edit", ids.EditAgent(agent_id=profile.id, channel_id=channel_id))
        rated = _rated(profile, weeks)
        shown = f"{text}\n{rated}" if rated else text
        return Content(text=text, blocks=(section(shown), actions([edit])))

    def rules(self, rules: Sequence[StandingRule]) -> Content:
        """List the standing rules of a channel, with buttons that revoke them."""
        return rules_content(rules)

    def agent_form(
        self,
        profile: AgentProfile,
        channel_id: ChannelId,
        *,
        rules: int = 0,
        weeks: Sequence[RatedWeek] = (),
    ) -> JsonObject:
        """Return the modal that edits an agent; it says how it was rated, and what is allowed."""
        modal = agent_modal(profile, channel_id=channel_id, tools=self.tools)
        said = f"{count(rules, 'standing rule')} in this channel: {self.command_names[Verb.RULES]}"
        rated = _rated(profile, weeks)
        above = [context(rated)] if rated else []
        return {**modal, "blocks": [*above, *modal["blocks"], quiet(f"{said} lists them.")]}

    def read_agent(self, profile: AgentProfile, values: JsonObject) -> AgentProfile | FormErrors:
        """Return the agent as the submitted form wants it, or what is wrong with the form."""
        return read_agent_form(values, profile)

    def steps_form(self, run: RunSnapshot, form: ids.StepRatingForm) -> JsonObject:
        """Return the modal with one choice per finished step."""
        return step_rating_modal(run, channel_id=form.channel_id, message_ts=form.message_ts)

    def read_steps(self, values: JsonObject) -> StepRatings:
        """Return the ratings given; steps without a choice are left out."""
        return read_step_ratings(values)

    def why_form(self, form: ids.WhyForm) -> JsonObject:
        """Return the one-field modal *What went wrong?*."""
        return why_modal(
            ids.TellWhy(
                channel_id=form.channel_id,
                message_ts=form.message_ts,
                choice=form.choice,
                rating=form.rating,
            )
        )

    def read_why(self, values: JsonObject) -> str:
        """Return what the person wrote."""
        return read_why(values)

    def low_rating(self, action: ids.TellWhy) -> Content:
        """Return the line shown after a low rating, with the button that opens the form."""
        return why_prompt(action)


def _rated(profile: AgentProfile, weeks: Sequence[RatedWeek]) -> str:
    return ratings_line([week for week in weeks if week.agent_id == profile.id])
