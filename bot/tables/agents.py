"""``[agent]``, ``[agents.<name>]``, ``[limits]``: who works where, and what caps a run."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Annotated

from pydantic import Field
from typing_extensions import override

from agent_engine.types import FollowUps, Limits, PlannerKind
from bot.tables.mcp_servers import servers_of
from bot.tables.table import Amount, Count, Names, Table, dotted, like

_KEY = re.compile(r"[a-z][a-z0-9_-]{0,40}")
Channel = Annotated[
    str, like(r"[CG][A-Z0-9]{2,}|#[^\s#]{1,80}", 'give a channel id ("C…") or a name ("#…")')
]
Emoji = Annotated[str, like(r":[^:\s]+:", 'give the name of an emoji, such as ":gear:"')]


class LimitsTable(Table):
    """Caps of one run; 0 means no cap; what is left out comes from the table above it."""

    iterations: Count | None = None
    seconds: Amount | None = None
    tokens: Count | None = None
    usd: Amount | None = None
    replans: Count | None = None

    def over(self, limits: Limits) -> Limits:
        """Return these limits, with ``limits`` where nothing is said here."""
        said = self.model_dump(exclude_none=True)
        return Limits(**{**asdict(limits), **said})


class AgentTable(Table):
    """One agent, as the file describes it."""

    name: Annotated[str, Field(min_length=1, max_length=80)] | None = None
    instructions: str = ""
    model: str | None = None
    """One name, or several separated by commas: the next is asked while one is unavailable."""
    models: tuple[str, ...] = ()
    """The same as a list; only one of the two may be given."""
    planner: PlannerKind = PlannerKind.LLM
    tools: tuple[str, ...] | None = None
    delegates: tuple[str, ...] = ()
    limits: LimitsTable = LimitsTable()
    follow_ups: FollowUps = FollowUps.ALWAYS
    max_concurrent: Annotated[int, Field(ge=1)] = 50
    icon_emoji: Emoji | None = None
    allow_guests: bool = False
    allow_bots: bool = False
    channels: tuple[Channel, ...] = ()
    """Channel ids (``C…``) or names (``#data``) in which this agent lives."""

    @override
    def problems(self, where: str, names: Names) -> Iterator[str]:
        yield from names.unknown_agents(f"{where}.delegates", self.delegates)
        for server in sorted(servers_of(self.tools or ()) - names.mcp_servers):
            yield (
                f"{where}.tools names the MCP server {server!r}, which is not configured: "
                "add it to [[mcp_servers]], or take it out"
            )
        if self.models and self.model is not None:
            yield f"{where} has model and models: keep models, with both in it"
        if any(not name.strip() or "," in name for name in self.models):
            yield f"{where}.models: give each model's name as a string of its own"


def problems_of_places(default: AgentTable, others: Mapping[str, AgentTable]) -> Iterator[str]:
    """Say which keys cannot be used, and which agents cannot live where they are to."""
    for key in others:
        if not _KEY.fullmatch(key):
            where = dotted(("agents", key))
            yield f"{where}: use lower-case letters, digits, - and _ in the agent's key"
    if default.channels:
        yield "agent.channels: leave it out; the default agent is everywhere else"
    owners: dict[str, str] = {}
    for key, table in others.items():
        for channel in table.channels:
            if owners.setdefault(channel, key) != key:
                yield f"channel {channel} is given to {owners[channel]} and {key}: keep it in one"
