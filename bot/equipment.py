"""Engine parts from settings: which model, tools and sandbox this installation has.

Part of the composition root: with ``app`` the only file of the bot that knows the engine's inside.
What is not always needed (a vendor's client, sandbox drivers) is imported when first used.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from importlib import import_module

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
from agent_engine.ports import ModelClient, Tool
from agent_engine.tools.calculate import calculate
from agent_engine.tools.call import ToolCaller
from agent_engine.tools.code_execution import code_execution
from agent_engine.tools.file_operations import file_operations
from agent_engine.tools.mcp.source import McpTools
from agent_engine.tools.quota import MIB, Quota
from agent_engine.tools.sandbox.choose import SandboxChooser, drivers_with
from agent_engine.tools.sandbox.driver import Language
from agent_engine.tools.sandbox.setup import ContainerSettings, Setup
from agent_engine.tools.task_folders import TaskFolders
from agent_engine.types import AgentProfile, PlannerKind
from bot.agents_file import model_names
from bot.mcp_servers import mcp_servers
from bot.model_source import ModelPlace, ModelSource, find_model
from bot.settings import Settings

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
    quota = Quota(size=folder.mib * MIB, files=folder.files)
    return (
        calculate(),
        code_execution(
            make_sandbox_chooser(settings),
            languages=[Language(language) for language in code.languages],
            quota=quota,
            packages=make_sandbox_setup(settings).packages(),
        ),
        file_operations(quota),
    )


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


class Outfitter:
    """Equips agents; holds one client per model."""

    def __init__(self, settings: Settings, source: ModelSource, closing: AsyncExitStack) -> None:
        self._settings = settings
        self._source = source
        self._closing = closing
        self._offline = OfflineModel()
        self._models: dict[ModelPlace, ModelClient] = {}
        self._prices = settings.file.engine_defaults().prices
        self.tools = make_tools(settings)
        self.mcp = make_mcp_tools(settings)
        self._caller = ToolCaller(self.tools, SystemClock(), sources=[self.mcp])
        self.root = settings.home.absolute() / TASK_FOLDERS
        self._folders = TaskFolders(self.root)

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

    def equip(self, profile: AgentProfile) -> Equipment:
        """Return what this agent works with."""
        kind = self._planner_kind(profile)
        return Equipment(
            model=self._preferred(profile),
            planner=planner_factory(kind),
            planner_name=kind.value,
            writer=answer_writer_factory(kind),
            judge=None if kind in _WITHOUT_JUDGE else Judge,
            tools=self._caller,
            folders=self._folders,
            prices=self._prices,
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
            called=place.name,
        )
        self._closing.push_async_callback(client.aclose)
        return client


_WITHOUT_JUDGE = frozenset({PlannerKind.OFFLINE, PlannerKind.SMALL})
_LABELS = {PlannerKind.OFFLINE: OFFLINE_LABEL, PlannerKind.SMALL: SMALL_MODEL_LABEL}
