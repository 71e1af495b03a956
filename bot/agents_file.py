"""What ``treadle.toml`` says, read and checked once at start: a line for each table of ``tables``.

It becomes the engine's own values here, so that nothing else knows the file's layout. It must not
read the environment; that is ``settings``.
"""

import difflib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails
from typing_extensions import override

from agent_engine.ports import EngineDefaults, Price
from agent_engine.redaction import Redaction
from agent_engine.safeguards import Budget
from agent_engine.types import AgentId, AgentProfile, Limits, WorkspaceId
from bot.tables.agents import AgentTable, LimitsTable, problems_of_places
from bot.tables.budgets import BudgetsTable
from bot.tables.kept import FilesTable, MemoryTable, RetentionTable
from bot.tables.mcp_servers import McpServerTable, same_names
from bot.tables.models import ModelTable, PriceTable, problems_of_names
from bot.tables.slack import SlackTable
from bot.tables.table import (
    Names,
    Place,
    Table,
    dotted,
    ended,
    header,
    is_place_of,
    kinds_in,
    tables_in,
)
from bot.tables.tools import ToolsTable

DEFAULT_AGENT = AgentId("default")
DEFAULT_NAME = "Treadle"
_STANDARD = Limits()


class AgentsFile(Table):
    """The whole file, a line for each table; an empty one is complete."""

    agent: AgentTable = AgentTable()
    """The default agent, for every channel that no other agent names."""
    agents: Mapping[str, AgentTable] = Field(default_factory=dict)
    models: Mapping[str, ModelTable] = Field(default_factory=dict)
    """Language models by name; the first is the installation's where none is named elsewhere."""
    slack: SlackTable = SlackTable()
    limits: LimitsTable = LimitsTable()
    prices: Mapping[str, PriceTable] = Field(default_factory=dict)
    tools: ToolsTable = ToolsTable()
    memory: MemoryTable = MemoryTable()
    retention: RetentionTable = RetentionTable()
    budgets: BudgetsTable = BudgetsTable()
    files: FilesTable = FilesTable()
    mcp_servers: tuple[McpServerTable, ...] = ()

    @override
    def problems(self, where: str, names: Names) -> Iterator[str]:
        if DEFAULT_AGENT in self.agents:
            yield "agents.default: write the default agent as [agent] instead"
        yield from problems_of_places(self.agent, self.agents)
        yield from problems_of_names(self.models, self.prices)
        yield from same_names(self.mcp_servers)

    @property
    def names(self) -> Names:
        """What tables of the file may name of others."""
        return Names(
            agents=frozenset({DEFAULT_AGENT, *self.agents}),
            mcp_servers=frozenset(server.name for server in self.mcp_servers),
            priced=frozenset(self._price_tables()),
        )

    def profiles(self, workspace_id: WorkspaceId) -> Sequence[AgentProfile]:
        """Return the agents of the file, the default one first."""
        tables = {str(DEFAULT_AGENT): self.agent, **self.agents}
        return [self._profile(key, table, workspace_id) for key, table in tables.items()]

    def agent_of(self, channel: str) -> AgentId | None:
        """Return the agent that the file puts into this channel id or ``#name``, if any."""
        for key, table in self.agents.items():
            if channel in table.channels:
                return AgentId(key)
        return None

    @property
    def names_channels(self) -> bool:
        """Whether any agent is put into a channel by the channel's name."""
        tables = self.agents.values()
        return any(channel.startswith("#") for table in tables for channel in table.channels)

    @property
    def direct_agent(self) -> AgentId:
        """The agent of direct messages."""
        return AgentId(self.slack.direct_agent or DEFAULT_AGENT)

    def day_budgets(self) -> Sequence[Budget]:
        """Return the budgets of a day that cap anything."""
        return self.budgets.budgets()

    def engine_defaults(self) -> EngineDefaults:
        """Return the limits and prices that hold where a profile says nothing."""
        prices = {
            model: Price(prompt_usd=table.prompt_usd, completion_usd=table.completion_usd)
            for model, table in self._price_tables().items()
        }
        return EngineDefaults(limits=self.limits.over(_STANDARD), prices=prices)

    def _price_tables(self) -> Mapping[str, PriceTable]:
        """Return prices by what a model is called here."""
        tables = dict(self.prices)
        for name, model in self.models.items():
            price = model.price or self.prices.get(name) or self.prices.get(model.model or name)
            if price is not None:
                tables[name] = price
        return tables

    def _profile(self, key: str, table: AgentTable, workspace_id: WorkspaceId) -> AgentProfile:
        name = DEFAULT_NAME if key == DEFAULT_AGENT else key
        return AgentProfile(
            id=AgentId(key),
            workspace_id=workspace_id,
            name=table.name or name,
            instructions=table.instructions,
            model=", ".join(table.models) or table.model,
            planner=table.planner,
            tools=table.tools,
            delegates=tuple(AgentId(agent) for agent in table.delegates),
            limits=table.limits.over(self.limits.over(_STANDARD)),
            follow_ups=table.follow_ups,
            max_concurrent=table.max_concurrent,
            icon_emoji=table.icon_emoji,
            allow_guests=table.allow_guests,
            allow_bots=table.allow_bots,
        )


def model_names(said: str | None) -> tuple[str, ...]:
    """Return the names in a list with commas, in order and each once.

    >>> model_names("big, small,big")
    ('big', 'small')
    """
    names = (name.strip() for name in (said or "").split(","))
    return tuple(dict.fromkeys(name for name in names if name))


def read_agents_file(path: Path, *, must_exist: bool) -> tuple[AgentsFile, Sequence[str]]:
    """Read the file; return what could be read and every problem, each with its fix."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        problem = f"{path} does not exist: create it, or unset TREADLE_CONFIG."
        return AgentsFile(), [problem] if must_exist else []
    except (OSError, UnicodeDecodeError) as error:
        return AgentsFile(), [f"{path} cannot be read ({error}): make it a readable UTF-8 file."]
    except tomllib.TOMLDecodeError as error:
        return AgentsFile(), [f"{path} is not valid TOML ({error}): correct that line."]
    return parse_agents_file(raw, name=path.name)


def parse_agents_file(raw: Mapping[str, Any], *, name: str) -> tuple[AgentsFile, Sequence[str]]:
    """Check a parsed file; return what of it can be read, and every problem, each with its fix."""
    file, wrong, gone = _readable(raw)
    problems, names = [_sentence(detail) for detail in wrong], file.names
    for place, table in tables_in(file):
        written = _as_written(place, gone)
        problems += table.problems(dotted(written), names)
        if all(entry[: len(written)] != written for entry in gone):
            problems += table.lacks(dotted(written))
    return file, [f"{name}: {ended(problem)}" for problem in problems]


# ------------------------------------------------------------------------------------------------


class _Read(NamedTuple):
    """What can be read of a file."""

    file: AgentsFile
    wrong: Sequence[ErrorDetails]
    gone: frozenset[Place]
    """The entries that were left out for what is wrong."""


def _readable(raw: Mapping[str, Any]) -> _Read:
    try:
        return _Read(AgentsFile.model_validate(raw), (), frozenset())
    except ValidationError as error:
        wrong = error.errors(include_url=False)
    gone = frozenset(_entry(raw, detail["loc"]) for detail in wrong)
    rest = deepcopy(dict(raw))
    for place in sorted(gone, reverse=True):
        _take_out(rest, place)
    # What is wrong now is so because of what was taken out.
    file, _, more = _readable(rest)
    return _Read(file, wrong, gone | {_as_written(place, gone) for place in more})


def _entry(raw: Any, place: Place) -> Place:  # noqa: ANN401 - anything that TOML can say
    """Return the place of the smallest entry around this place that can be left out."""
    held = raw
    for depth, part in enumerate(place):
        is_in_table = isinstance(held, Mapping) and part in held
        is_in_list = isinstance(held, list) and isinstance(part, int)
        if not (is_in_table or is_in_list):
            return place[:depth]
        held = held[part]
    return place


def _as_written(place: Place, gone: frozenset[Place]) -> Place:
    """Return a place in what is left as it was before entries of lists were taken out."""
    written: Place = ()
    for part in place:
        at = part
        for *above, index in sorted(gone):
            if isinstance(at, int) and isinstance(index, int) and tuple(above) == written:
                at += index <= at
        written = (*written, at)
    return written


def _take_out(raw: Any, place: Place) -> None:  # noqa: ANN401 - as above
    *above, last = place
    for part in above:
        raw = raw[part]
    del raw[last]


def _sentence(detail: ErrorDetails) -> str:
    where = dotted(detail["loc"])
    if detail["type"] == "extra_forbidden":
        return f"{where} is not a setting: {_suggestion(detail['loc'])}"
    if detail["type"] == "missing":
        return f"{where} is required: add it"
    message, given = detail["msg"].removeprefix("Value error, "), detail["input"]
    # A whole table says little in a line; a value may be a secret that stands in a wrong place.
    is_shown = isinstance(given, str | int | float)
    shown = f" (it is {Redaction().redact(repr(given)):.60})" if is_shown else ""
    return f"{where}: {message[:1].lower()}{message[1:]}{shown}"


def _suggestion(place: Place) -> str:
    *above, wrong = place
    kinds = list(kinds_in(AgentsFile))
    here = next(kind for pattern, kind in kinds if is_place_of(tuple(above), pattern))
    if close := difflib.get_close_matches(str(wrong), here.model_fields, n=1, cutoff=0.75):
        return f"did you mean {close[0]}?"
    others = [pattern for pattern, kind in kinds if pattern and wrong in kind.model_fields]
    return f"it belongs in {header(others[0])}" if others else "remove it"
