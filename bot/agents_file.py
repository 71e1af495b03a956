"""What ``treadle.toml`` says: agents, where they live, models, limits, prices, commands, admins.

Read and checked once at start. It becomes the engine's own values here, so that nothing else knows
the file's layout. It must not read the environment; that is ``settings``.
"""

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from agent_engine.ports import EngineDefaults, Price
from agent_engine.safeguards import Budget
from agent_engine.types import (
    AgentId,
    AgentProfile,
    FollowUps,
    Limits,
    PlannerKind,
    WorkspaceId,
)
from bot.mcp_table import McpServerTable, mcp_contradictions
from bot.network_tables import (
    ApiCallTable,
    ApiSecretTable,
    WebSearchTable,
    network_contradictions,
)
from bot.rule_tables import BudgetsTable, ToolRuleTable, rule_problems, unpriced_budgets
from bot.tool_tables import (
    CodeExecutionTable,
    ContainerTable,
    RetentionTable,
    TaskFolderTable,
)

DEFAULT_AGENT = AgentId("default")
DEFAULT_NAME = "Treadle"
_AGENT_KEY = re.compile(r"[a-z][a-z0-9_-]{0,40}")
VARIABLE_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,79}")
_CHANNEL = re.compile(r"(?:[CG][A-Z0-9]{2,}|#[^\s#]{1,80})")
_STANDARD = Limits()

Count = Annotated[int, Field(ge=0)]
Amount = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LimitsTable(_Table):
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


class AgentTable(_Table):
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
    icon_emoji: Annotated[str, Field(pattern=r"^:[^:\s]+:$")] | None = None
    allow_guests: bool = False
    allow_bots: bool = False
    channels: tuple[str, ...] = ()
    """Channel ids (``C…``) or names (``#data``) in which this agent lives."""

    @field_validator("channels")
    @classmethod
    def _are_channels(cls, channels: tuple[str, ...]) -> tuple[str, ...]:
        for channel in channels:
            if not _CHANNEL.fullmatch(channel):
                raise ValueError(f'{channel!r} is neither a channel id ("C…") nor a name ("#…")')
        return channels


class SlackTable(_Table):
    """How the bot presents itself in Slack."""

    short_commands: bool = True
    """Whether ``/solve``, ``/tasks`` and ``/agent`` exist besides ``/treadle``."""
    command_prefix: Annotated[str, Field(pattern=r"^[a-z0-9_-]{0,16}$")] = ""
    """Put before the short commands where another app has them too: ``x-`` makes ``/x-solve``."""
    admins: tuple[Annotated[str, Field(pattern=r"^[UW][A-Z0-9]+$")], ...] = ()
    """User ids of those who may stop any task and change agents, besides workspace admins."""
    direct_agent: str | None = None
    """The agent of direct messages; the default agent where nothing is said."""
    remind_after_hours: Annotated[float, Field(ge=0.0, le=8_760.0, allow_inf_nan=False)] = 4.0
    """After which people are reminded, once, of what they were asked; 0: never."""
    extend: Literal["requester", "admins"] = "requester"
    """Who may raise the limit at which a task ended; budgets of a day: admins alone."""

    @property
    def remind_after(self) -> timedelta | None:
        """After which people are reminded; None for never."""
        return timedelta(hours=self.remind_after_hours) if self.remind_after_hours else None


class ToolsTable(_Table):
    """Settings of the tools."""

    rules: tuple[ToolRuleTable, ...] = ()
    """The first that fits a call decides."""
    code_execution: CodeExecutionTable = CodeExecutionTable()
    task_folder: TaskFolderTable = TaskFolderTable()
    api_call: ApiCallTable = ApiCallTable()
    web_search: WebSearchTable = WebSearchTable()


class FilesTable(_Table):
    """How much of what people attach is taken in."""

    max_mb: Annotated[int, Field(ge=0, le=1_000)] = 50
    """The largest file; 0 takes none."""
    task_mb: Annotated[int, Field(ge=0, le=10_000)] = 200
    """All files of one task together."""


class PriceTable(_Table):
    """US dollars per million tokens."""

    prompt_usd: Amount
    completion_usd: Amount


class ModelTable(_Table):
    """One language model, under the name by which agents and ``TREADLE_MODEL`` speak of it."""

    model: str | None = None
    """Its name on its server; the same as the table's where nothing is said."""
    base_url: str | None = None
    """Its server; the installation's own where nothing is said."""
    api_key_env: str | None = None
    """The environment variable that holds the key of that server: never the key itself."""
    timeout_s: Annotated[float, Field(gt=0.0, le=3_600.0)] | None = None
    """How long one call may take."""
    price: PriceTable | None = None
    small: bool | None = None
    """Whether it needs the planner for small models; told by its size where nothing is said."""
    vision: bool | None = None
    """Whether it can see images; tried, and a refusal remembered, where nothing is said."""


class AgentsFile(_Table):
    """The whole file; an empty one is complete."""

    agent: AgentTable = AgentTable()
    """The default agent, for every channel that no other agent names."""
    agents: Mapping[str, AgentTable] = Field(default_factory=dict)
    models: Mapping[str, ModelTable] = Field(default_factory=dict)
    """Language models by name; the first is the installation's where none is named elsewhere."""
    slack: SlackTable = SlackTable()
    limits: LimitsTable = LimitsTable()
    prices: Mapping[str, PriceTable] = Field(default_factory=dict)
    tools: ToolsTable = ToolsTable()
    retention: RetentionTable = RetentionTable()
    budgets: BudgetsTable = BudgetsTable()
    files: FilesTable = FilesTable()
    mcp_servers: tuple[McpServerTable, ...] = ()

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
    """Check a parsed file; return it and every problem, each with its fix."""
    try:
        file = AgentsFile.model_validate(raw)
    except ValidationError as error:
        details = error.errors(include_url=False)
        return AgentsFile(), [_problem(detail, name=name) for detail in details]
    return file, [f"{name}: {problem}" for problem in _contradictions(file)]


# ------------------------------------------------------------------------------------------------


def _contradictions(file: AgentsFile) -> list[str]:
    known = {str(DEFAULT_AGENT), *file.agents}
    return [
        *_bad_keys(file),
        *_channels_claimed_twice(file),
        *_unknown_agents(file, known),
        *network_contradictions(file.tools.api_call),
        *rule_problems(file.tools.rules, servers=[server.name for server in file.mcp_servers]),
        *unpriced_budgets(file.budgets, has_prices=bool(file.engine_defaults().prices)),
        *mcp_contradictions(file.mcp_servers, _tools_by_agent(file)),
        *_bad_models(file),
        *_bad_choices_of_models(file),
    ]


def _bad_keys(file: AgentsFile) -> list[str]:
    problems = [
        f"[agents.{key}]: use lower-case letters, digits, - and _ in the agent's key."
        for key in file.agents
        if not _AGENT_KEY.fullmatch(key)
    ]
    if DEFAULT_AGENT in file.agents:
        problems.append("[agents.default]: write the default agent as [agent] instead.")
    if file.agent.channels:
        problems.append("[agent] channels: leave it out; the default agent is everywhere else.")
    return problems


def _channels_claimed_twice(file: AgentsFile) -> list[str]:
    owners: dict[str, str] = {}
    problems = []
    for key, table in file.agents.items():
        for channel in table.channels:
            if channel in owners:
                problems.append(
                    f"channel {channel} is given to {owners[channel]} and {key}: keep it in one."
                )
            owners[channel] = key
    return problems


def _unknown_agents(file: AgentsFile, known: set[str]) -> list[str]:
    wanted = [("slack.direct_agent", file.slack.direct_agent)] if file.slack.direct_agent else []
    tables = {"agent": file.agent, **{f"agents.{key}": t for key, t in file.agents.items()}}
    for where, table in tables.items():
        wanted += [(f"{where}.delegates", agent) for agent in table.delegates]
    return [
        f"{where} names the agent {agent!r}, which does not exist: use one of "
        f"{', '.join(sorted(known))}."
        for where, agent in wanted
        if agent not in known
    ]


def _tools_by_agent(file: AgentsFile) -> dict[str, tuple[str, ...]]:
    tables = {"agent": file.agent, **{f"agents.{key}": t for key, t in file.agents.items()}}
    return {where: table.tools or () for where, table in tables.items()}


def _bad_models(file: AgentsFile) -> list[str]:
    problems = []
    for name, table in file.models.items():
        where = f'[models."{name}"]'
        if not name.strip() or "," in name:
            problems.append(f"{where}: a model's name may not be empty or hold a comma.")
        if table.base_url is not None and not _is_web_address(table.base_url):
            problems.append(f'{where} base_url: start it with "https://" or "http://".')
        # What stands there may be a key, so it is never repeated.
        if table.api_key_env is not None and not VARIABLE_NAME.fullmatch(table.api_key_env):
            problems.append(
                f"{where} api_key_env: give the name of an environment variable in capital "
                "letters, such as MY_SERVER_KEY, and put the key into that variable."
            )
        if table.price is not None and name in file.prices:
            problems.append(f'{where} has a price here and in [prices."{name}"]: keep one.')
    return problems


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _bad_choices_of_models(file: AgentsFile) -> list[str]:
    tables = {"[agent]": file.agent, **{f"[agents.{key}]": t for key, t in file.agents.items()}}
    problems = []
    for where, table in tables.items():
        if table.models and table.model is not None:
            problems.append(f"{where} has model and models: keep models, with both in it.")
        if any(not name.strip() or "," in name for name in table.models):
            problems.append(f"{where} models: give each model's name as a string of its own.")
    return problems


def _problem(detail: ErrorDetails, *, name: str) -> str:
    where = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        return f"{name}: {where} is not a setting: {_suggestion(detail)}."
    message = detail["msg"].removeprefix("Value error, ")
    return f"{name}: {where}: {message[:1].lower()}{message[1:]} (it is {detail['input']!r:.60})."


def _suggestion(detail: ErrorDetails) -> str:
    *_, wrong = detail["loc"]
    models: tuple[type[BaseModel], ...] = (
        *(AgentsFile, AgentTable, SlackTable, LimitsTable, ModelTable, McpServerTable),
        *(CodeExecutionTable, ContainerTable, TaskFolderTable, ToolsTable, RetentionTable),
        *(ToolRuleTable, BudgetsTable, ApiCallTable, ApiSecretTable, WebSearchTable),
    )
    names = {field for model in models for field in model.model_fields}
    close = difflib.get_close_matches(str(wrong), sorted(names), n=1)
    return f"did you mean {close[0]}?" if close else "remove it"
