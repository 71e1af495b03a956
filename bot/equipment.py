"""Engine parts from settings: which model, tools and sandbox this installation has.

Part of the composition root: with ``app`` the only file of the bot that knows the engine's inside.
What is not always needed (a vendor's client, sandbox drivers) is imported when first used.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from importlib import import_module
from urllib.parse import urlsplit

from agent_engine.clock import SystemClock
from agent_engine.equipment import Equipment
from agent_engine.labels import OFFLINE_LABEL
from agent_engine.models.detect import find_local_model
from agent_engine.models.offline import OfflineModel
from agent_engine.models.probe import learn_native_tools
from agent_engine.planners.choose import answer_writer_factory, planner_factory
from agent_engine.planners.judge import Judge
from agent_engine.ports import ModelClient, Tool
from agent_engine.tools.calculate import calculate
from agent_engine.tools.call import ToolCaller
from agent_engine.tools.code_execution import code_execution
from agent_engine.tools.file_operations import file_operations
from agent_engine.tools.mcp.source import McpTools
from agent_engine.tools.sandbox.choose import SandboxChooser
from agent_engine.tools.sandbox.driver import Language
from agent_engine.tools.task_folders import TaskFolders
from agent_engine.types import AgentProfile, PlannerKind
from bot.mcp_servers import mcp_servers
from bot.settings import Settings

logger = logging.getLogger(__name__)

OPENAI_URL = "https://api.openai.com/v1"
DEFAULT_MODEL = "gpt-5-mini"
"""Used when a key is configured and no model is named."""
LOCAL_TIMEOUT_S = 600.0
"""A model on this machine's own processor may write a dozen tokens a second."""
MCP_START_S = 5.0
"""How long work that comes right after the start waits for MCP servers to be connected."""
TASK_FOLDERS = "tasks"
"""Below ``TREADLE_HOME``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSource:
    """Where this installation's language model is."""

    base_url: str | None
    """None: nothing was configured and none was found; the offline model is used."""
    api_key: str | None = None
    model: str
    found: str = ""
    """Which local server was found by itself; empty when the model was configured."""

    @property
    def is_offline(self) -> bool:
        """Whether there is no language model."""
        return self.base_url is None

    @property
    def is_local(self) -> bool:
        """Whether the model is served on this machine."""
        return urlsplit(self.base_url or "").hostname in ("localhost", "127.0.0.1", "::1")

    @property
    def description(self) -> str:
        """One line for people."""
        if self.is_offline:
            return "no language model: the offline model is used"
        where = f"found on this machine ({self.found})" if self.found else "configured"
        return f"{self.model} at {self.base_url}, {where}"


async def find_model(settings: Settings) -> ModelSource:
    """Say which model to use: the configured one, else one on this machine, else none."""
    key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else None
    if key or settings.openai_base_url:
        return ModelSource(
            base_url=settings.openai_base_url or OPENAI_URL,
            api_key=key,
            model=settings.model or DEFAULT_MODEL,
        )
    found = await find_local_model()
    if found is None:
        return ModelSource(base_url=None, model="offline")
    return ModelSource(
        base_url=found.base_url, model=settings.model or found.model, found=found.server
    )


def make_tools(settings: Settings) -> Sequence[Tool]:
    """Make all tools of this installation; the sandbox is probed when code is first run."""
    code = settings.file.tools.code_execution
    return (
        calculate(),
        code_execution(
            make_sandbox_chooser(settings),
            languages=[Language(language) for language in code.languages],
        ),
        file_operations(),
    )


def make_sandbox_chooser(settings: Settings) -> SandboxChooser:
    """Make what finds the sandbox of this machine."""
    return SandboxChooser(only=settings.file.tools.code_execution.sandbox)


def make_mcp_tools(settings: Settings) -> McpTools:
    """Make what connects the configured MCP servers; nothing is started yet."""
    return McpTools(mcp_servers(settings), SystemClock())


class Outfitter:
    """Equips agents; holds one client per model."""

    def __init__(self, settings: Settings, source: ModelSource, closing: AsyncExitStack) -> None:
        self._source = source
        self._closing = closing
        self._models: dict[str, ModelClient] = {}
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
        kind = PlannerKind.OFFLINE if self._source.is_offline else profile.planner
        return Equipment(
            model=self._model(profile.model or self._source.model),
            planner=planner_factory(kind),
            planner_name=kind.value,
            writer=answer_writer_factory(kind),
            judge=None if self._source.is_offline else Judge,
            tools=self._caller,
            folders=self._folders,
            prices=self._prices,
            label=OFFLINE_LABEL if self._source.is_offline else "",
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

        Beside the start and off the loop, before somebody waits for it.
        """
        if not self._source.is_offline:
            await asyncio.to_thread(import_module, "agent_engine.models.openai_compatible")
            await learn_native_tools(self._model(self._source.model))

    def _model(self, name: str) -> ModelClient:
        if name not in self._models:
            self._models[name] = OfflineModel() if self._source.is_offline else self._client(name)
        return self._models[name]

    def _client(self, name: str) -> ModelClient:
        # The vendor's client costs a second and 25 MB, which an offline start need not pay.
        from agent_engine.models.openai_compatible import (  # noqa: PLC0415 - see above
            OpenAICompatibleModel,
        )
        from agent_engine.models.retry import RetryingModel  # noqa: PLC0415 - goes with it

        client = OpenAICompatibleModel(
            name,
            base_url=self._source.base_url,
            api_key=self._source.api_key,
            shortest_timeout_s=LOCAL_TIMEOUT_S if self._source.is_local else 0.0,
        )
        self._closing.push_async_callback(client.aclose)
        return RetryingModel(client)
