"""Engine parts from settings: which model, tools and sandbox this installation has.

Part of the composition root: with ``app`` the only file of the bot that knows the engine's inside.
What is not always needed (a vendor's client, sandbox drivers) is imported when first used.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from agent_engine.clock import SystemClock
from agent_engine.equipment import Equipment
from agent_engine.models.detect import find_local_server
from agent_engine.models.offline import OfflineModel
from agent_engine.planners.choose import answer_writer_factory, planner_factory
from agent_engine.planners.judge import Judge
from agent_engine.ports import ModelClient, Price
from agent_engine.tools.calculate import calculate_tool
from agent_engine.tools.call import ToolCaller
from agent_engine.tools.code_execution import CodeExecution
from agent_engine.tools.file_operations import file_operations_tool
from agent_engine.tools.sandbox.choose import SandboxChoice
from agent_engine.tools.task_folders import TaskFolders
from agent_engine.types import AgentProfile, PlannerKind
from bot.settings import Settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSource:
    """Where this installation's language model is."""

    base_url: str | None
    """None: nothing was configured and none was found; the offline model is used."""
    api_key: str | None
    model: str
    found: str = ""
    """Which local server was found by itself; empty when the model was configured."""

    @property
    def is_offline(self) -> bool:
        """Whether there is no language model."""
        return self.base_url is None


OFFLINE = ModelSource(base_url=None, api_key=None, model="offline")
OPENAI_URL = "https://api.openai.com/v1"
DEFAULT_MODEL = "gpt-5-mini"
"""Used when a key is configured and no model is named."""


async def find_model(settings: Settings) -> ModelSource:
    """Say which model to use: the configured one, else one on this machine, else none."""
    key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else None
    if key or settings.openai_base_url:
        return ModelSource(
            base_url=settings.openai_base_url or OPENAI_URL,
            api_key=key,
            model=settings.model or DEFAULT_MODEL,
        )
    found = await find_local_server(wanted=settings.model)
    if found is None:
        return OFFLINE
    return ModelSource(
        base_url=found.base_url, api_key=None, model=found.model, found=found.server
    )
