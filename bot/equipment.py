"""Engine parts from settings: which model, tools and sandbox this installation has.

Part of the composition root: with ``app`` the only file of the bot that knows the engine's inside.
What is not always needed (a vendor's client, sandbox drivers) is imported when first used.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from importlib import import_module

from agent_engine.budgets import DayBudgets
from agent_engine.clock import SystemClock
from agent_engine.equipment import Equipment
from agent_engine.labels import OFFLINE_LABEL, SMALL_MODEL_LABEL
from agent_engine.models.detect import list_chat_models
from agent_engine.models.fallback import FallbackModel
from agent_engine.models.offline import OfflineModel
from agent_engine.models.probe import learn_native_tools
from agent_engine.models.unnamed import UnnamedModel
from agent_engine.planners.choose import answer_writer_factory, planner_factory
from agent_engine.planners.judge import Judge
from agent_engine.ports import Clock, ModelClient, Tool
from agent_engine.redaction import RedactingModel, Redaction
from agent_engine.safeguards import ApprovalStore, AuditLog, BudgetStore, ToolCache
from agent_engine.tools.abilities import Closes
from agent_engine.tools.api_call.access import Access
from agent_engine.tools.api_call.tool import api_call
from agent_engine.tools.approval import NobodyAsked
from agent_engine.tools.audit import NO_AUDIT, Auditor
from agent_engine.tools.breaking import Breaking
from agent_engine.tools.cache import Caching
from agent_engine.tools.calculate import calculate
from agent_engine.tools.call import Guards, Stage, ToolCaller
from agent_engine.tools.code_execution import code_execution
from agent_engine.tools.file_operations import file_operations
from agent_engine.tools.http.client import HttpClient
from agent_engine.tools.http.urls import read_domains, read_url
from agent_engine.tools.mcp.source import McpTools
from agent_engine.tools.quota import MIB, Quota
from agent_engine.tools.sandbox.choose import SandboxChooser, drivers_with
from agent_engine.tools.sandbox.driver import Language
from agent_engine.tools.sandbox.setup import ContainerSettings, Setup
from agent_engine.tools.secrets import Secrets
from agent_engine.tools.task_folders import TaskFolders
from agent_engine.tools.web_search.choose import choose_provider
from agent_engine.tools.web_search.provider import Provider
from agent_engine.tools.web_search.tool import web_search
from agent_engine.types import AgentProfile, PlannerKind
from bot.agents_file import model_names
from bot.mcp_servers import mcp_servers
from bot.model_source import ModelPlace, ModelSource, find_model
from bot.settings import Settings
from bot.tool_rules import KnownTools, tool_policy

logger = logging.getLogger(__name__)

LOCAL_TIMEOUT_S = 600.0
"""A model on this machine's own processor may write a dozen tokens a second."""
MCP_START_S = 5.0
"""How long work that comes right after the start waits for MCP servers to be connected."""
TASK_FOLDERS = "tasks"
"""Below ``TREADLE_HOME``."""


FIND_AGAIN_S = (1.0, 2.0, 5.0, 10.0, 30.0)
"""How long to wait before a server that is down is asked again; the last one repeats."""


def make_tools(settings: Settings) -> Sequence[Tool]:
    """Make all tools of this installation; the sandbox is probed when code is first run."""
    code = settings.file.tools.code_execution
    folder = settings.file.tools.task_folder
    # What people attach is bounded by itself, and must not keep the agent from writing.
    attached = settings.file.files.task_mb * 1_000_000
    quota = Quota(size=folder.mib * MIB + attached, files=folder.files)
    return (
        calculate(),
        code_execution(
            make_sandbox_chooser(settings),
            languages=[Language(language) for language in code.languages],
            quota=quota,
            packages=make_sandbox_setup(settings).packages(),
        ),
        file_operations(quota),
        *_network_tools(settings),
    )


def make_secrets(settings: Settings) -> Secrets:
    """Gather everything that is never to be shown to a model, in Slack or in a log."""
    return Secrets(settings.secret_values)


def api_access(settings: Settings) -> Access:
    """Say which APIs agents may call, with which secrets."""
    values = {name: value.get_secret_value() for name, value in settings.named_secrets.items()}
    return settings.file.tools.api_call.access(values)


def search_provider(settings: Settings) -> Provider | None:
    """Return who searches the web for agents; None when nobody is configured."""
    only = settings.file.tools.web_search.provider
    return choose_provider(settings.search_providers, only=only)


def _network_tools(settings: Settings) -> Sequence[Tool]:
    """Make the tools that use the network, where there is something that they may use."""
    tools: list[Tool] = []
    access = api_access(settings)
    if not access.is_empty:
        private = settings.file.tools.api_call.private
        client = HttpClient(private.policy, private_domains=private.domains)
        tools.append(api_call(client, access, make_secrets(settings)))
    if provider := search_provider(settings):
        # Its address is the operator's own word, so it may be on a private network.
        home = read_url(provider.base_url).host
        tools.append(web_search(HttpClient(private_domains=read_domains([home])), provider))
    return tools


def make_sandbox_chooser(settings: Settings) -> SandboxChooser:
    """Make what finds the sandbox of this machine."""
    only = settings.file.tools.code_execution.sandbox
    return SandboxChooser(only=only, drivers=drivers_with(make_sandbox_setup(settings)))


def make_sandbox_setup(settings: Settings) -> Setup:
    """Make what this installation offers to programs."""
    code = settings.file.tools.code_execution
    return Setup(
        python_environment=code.python_environment,
        node_modules=code.node_modules,
        cgroup=code.cgroup,
        container=ContainerSettings(
            engine=code.container.engine,
            image=code.container.image,
            runtime=code.container.runtime,
        ),
    )


def make_mcp_tools(settings: Settings) -> McpTools:
    """Make what connects the configured MCP servers; nothing is started yet."""
    return McpTools(mcp_servers(settings), SystemClock())


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """What is kept around calls, where there is a database; by default nothing is."""

    approvals: ApprovalStore = field(default_factory=NobodyAsked)
    audit: AuditLog | None = None
    budgets: BudgetStore | None = None
    cache: ToolCache | None = None


class Outfitter:
    """Equips agents; holds one client per model."""

    def __init__(
        self,
        settings: Settings,
        source: ModelSource,
        closing: AsyncExitStack,
        *,
        records: Records | None = None,
    ) -> None:
        self._settings = settings
        self._source = source
        self._closing = closing
        self._offline = OfflineModel()
        self._models: dict[ModelPlace, ModelClient] = {}
        self._prices = settings.file.engine_defaults().prices
        self.tools = make_tools(settings)
        for tool in self.tools:
            if isinstance(tool, Closes):
                closing.push_async_callback(tool.aclose)
        self.mcp = make_mcp_tools(settings)
        records = records or Records()
        self.policy = tool_policy(settings.file)
        self.redaction = Redaction(settings.secret_values)
        audit = NO_AUDIT if records.audit is None else Auditor(records.audit, self.redaction.redact)
        self.guards = Guards(policy=self.policy, approvals=records.approvals, audit=audit)
        day = settings.file.day_budgets()
        self._budgets = DayBudgets(day, records.budgets) if day and records.budgets else None
        self._caller = ToolCaller(
            self.tools,
            SystemClock(),
            sources=[self.mcp],
            stages=self._stages(records),
            redact=self.redaction.redact,
            guards=self.guards,
        )
        self.root = settings.home.absolute() / TASK_FOLDERS
        self._folders = TaskFolders(self.root)

    def _stages(self, records: Records) -> Sequence[Stage]:
        """What stands between a permitted call and its tool: a stored result, then a breaker."""
        breaking = Breaking(SystemClock())
        if records.cache is None:
            return [breaking]
        return [Caching(records.cache, self.redaction.redact), breaking]

    @property
    def tool_names(self) -> tuple[str, ...]:
        """The names of all tools that agents can have; ``mcp_<server>_*`` for a server's."""
        return (*(tool.name for tool in self.tools), *self.mcp.patterns)

    @property
    def folders(self) -> TaskFolders:
        """Where tasks keep their files."""
        return self._folders

    @property
    def caller(self) -> ToolCaller:
        """The one path by which tools are called."""
        return self._caller

    def caller_of(self, tools: Sequence[Tool], clock: Clock) -> ToolCaller:
        """Make the path by which an agent outside the bot calls its tools, under the same rules."""
        return ToolCaller(tools, clock, redact=self.redaction.redact, guards=self.guards)

    @property
    def tool_facts(self) -> KnownTools:
        """What people who change and approve calls must know of tools."""
        return KnownTools(self._caller, self.policy)

    def equip(self, profile: AgentProfile) -> Equipment:
        """Return what this agent works with."""
        kind = self._planner_kind(profile)
        return Equipment(
            model=RedactingModel(self._preferred(profile), self.redaction.redact),
            planner=planner_factory(kind),
            planner_name=kind.value,
            writer=answer_writer_factory(kind),
            judge=None if kind in _WITHOUT_JUDGE else Judge,
            tools=self._caller,
            folders=self._folders,
            prices=self._prices,
            budgets=self._budgets,
            label=_LABELS.get(kind, ""),
        )

    async def run(self) -> None:
        """Get to know the model, and keep MCP servers connected, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.learn())
            group.create_task(self.mcp.run())

    async def ready(self) -> None:
        """Wait a little, right after the start, so that first plans know the tools of servers."""
        await self.mcp.settled(MCP_START_S)

    async def learn(self) -> None:
        """Load the model's client and find out whether a model on this machine calls tools.

        Beside the start and off the loop, before somebody waits for it. Where the server does not
        tell yet which model it has, it is asked until it does.
        """
        if self._source.is_offline:
            return
        await asyncio.to_thread(import_module, "agent_engine.models.openai_compatible")
        await self._find_until_known()
        await learn_native_tools(self.model(self._source.places()[0]))

    async def _find_until_known(self) -> None:
        delays = iter(FIND_AGAIN_S)
        if self._is_unknown:
            logger.warning("model_not_found_yet", extra={"model": self._source.description})
        while self._is_unknown:
            await asyncio.sleep(next(delays, FIND_AGAIN_S[-1]))
            self._source = await find_model(self._settings)
            if not self._is_unknown:
                logger.info("model_found", extra={"model": self._source.description})

    @property
    def _is_unknown(self) -> bool:
        return self._source.is_down or not self._source.model

    def _planner_kind(self, profile: AgentProfile) -> PlannerKind:
        """Return the agent's planner, or the one that its model can still be planned with."""
        if self._source.is_offline:
            return PlannerKind.OFFLINE
        places = self._source.places(model_names(profile.model))
        if profile.planner is PlannerKind.LLM and places[0].small:
            return PlannerKind.SMALL
        return profile.planner

    def _preferred(self, profile: AgentProfile) -> ModelClient:
        """Return the agent's model; one of its own when several stand in for each other."""
        if self._source.is_offline:
            return self._offline
        models = [self.model(p) for p in self._source.places(model_names(profile.model))]
        return models[0] if len(models) == 1 else FallbackModel(models)

    def model(self, place: ModelPlace) -> ModelClient:
        """Return the client of this model; the same one every time."""
        if place not in self._models:
            from agent_engine.models.retry import RetryingModel  # noqa: PLC0415 - as the client

            client = self._client(place) if place.model else self._unnamed(place)
            self._models[place] = RetryingModel(client)
        return self._models[place]

    def _unnamed(self, place: ModelPlace) -> ModelClient:
        async def first_listed() -> str:
            listed = await list_chat_models(place.base_url, api_key=place.api_key)
            return listed[0].name

        return UnnamedModel(
            first_listed, lambda name: self._client(replace(place, name=name, model=name))
        )

    def _client(self, place: ModelPlace) -> ModelClient:
        # The vendor's client costs a second and 25 MB, which an offline start need not pay.
        from agent_engine.models.openai_compatible import (  # noqa: PLC0415 - see above
            OpenAICompatibleModel,
        )

        client = OpenAICompatibleModel(
            place.model,
            base_url=place.base_url,
            api_key=place.api_key,
            shortest_timeout_s=LOCAL_TIMEOUT_S if place.is_local else 0.0,
            timeout_s=place.timeout_s,
            sees=place.vision,
            called=place.name,
        )
        self._closing.push_async_callback(client.aclose)
        return client


_WITHOUT_JUDGE = frozenset({PlannerKind.OFFLINE, PlannerKind.SMALL})
_LABELS = {PlannerKind.OFFLINE: OFFLINE_LABEL, PlannerKind.SMALL: SMALL_MODEL_LABEL}
