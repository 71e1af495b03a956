"""The App Home tab: running tasks, agents and their channels, ratings, usage. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agent_engine.commands import TaskLine
from agent_engine.places import RatedWeek
from agent_engine.types import AgentProfile, ChannelId
from bot.outbound.blocks import ids
from bot.outbound.blocks.parts import button, header, quiet, section
from bot.outbound.blocks.ratings import ratings_line, thumbs
from bot.outbound.blocks.tasks_list import task_blocks
from bot.outbound.content import Block
from bot.outbound.text import count, escape, money, one_line

MAX_AGENTS = 20
MAX_CHANNELS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentLine:
    """An agent and where it lives."""

    profile: AgentProfile
    channels: tuple[ChannelId, ...]
    may_edit: bool = False
    weeks: tuple[RatedWeek, ...] = ()
    """How people rated it of late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What happened in a period; zeros where nothing did."""

    period: str
    """E.g. ``last 7 days``."""
    tasks: int = 0
    tokens: int = 0
    usd: float = 0.0
    good_ratings: int = 0
    low_ratings: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeFacts:
    """All that the Home tab shows."""

    workspace_url: str
    now: datetime
    tasks: tuple[TaskLine, ...] = ()
    agents: tuple[AgentLine, ...] = ()
    figures: tuple[Figures, ...] = ()
    remarks: tuple[str, ...] = ()
    """Degraded modes in use, one sentence each: no embeddings, offline model, plain blocks …"""


def home_view(facts: HomeFacts) -> dict[str, Any]:
    """Render the Home tab."""
    tasks = task_blocks(facts.tasks, workspace_url=facts.workspace_url, now=facts.now)
    blocks: list[Block] = [header("Tasks"), *tasks, header("Agents"), *_agents(facts)]
    if facts.figures:
        blocks += [header("Figures"), *(section(_figures(f)) for f in facts.figures[:5])]
    blocks += [quiet(remark) for remark in facts.remarks[:10]]
    return {"type": "home", "blocks": [*blocks, quiet(f"As of {facts.now:%Y-%m-%d %H:%M} UTC")]}


def _agents(facts: HomeFacts) -> list[Block]:
    if not facts.agents:
        return [section("No agents yet: invite me to a channel and mention me there.")]
    blocks = [_agent(line) for line in facts.agents[:MAX_AGENTS]]
    more = len(facts.agents) - MAX_AGENTS
    return [*blocks, quiet(f"and {count(more, 'more agent')}")] if more > 0 else blocks


def _agent(line: AgentLine) -> Block:
    places = " ".join(f"<#{escape(channel)}>" for channel in line.channels[:MAX_CHANNELS])
    if (more := len(line.channels) - MAX_CHANNELS) > 0:
        places += f" and {count(more, 'more channel')}"
    tools = line.profile.tools
    has = "all tools" if tools is None else count(len(tools), "tool")
    name = escape(one_line(line.profile.name, 80)) or "agent"
    lines = [f"*{name}* · {has}", places or "in no channel yet", ratings_line(line.weeks)]
    block = dict(section("\n".join(text for text in lines if text)))
    if line.may_edit and line.channels:
        edit = ids.EditAgent(agent_id=line.profile.id, channel_id=line.channels[0])
        block["accessory"] = button("Edit", edit)
    return block


def _figures(figures: Figures) -> str:
    parts = [
        count(figures.tasks, "task"),
        count(figures.tokens, "token"),
        money(figures.usd),
        thumbs(figures.good_ratings, figures.low_ratings),
    ]
    return f"*{escape(one_line(figures.period, 60))}*\n" + " · ".join(parts)
