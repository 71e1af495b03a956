"""The tools of this installation, and the one path by which agents call them.

Part of the composition root: it may know the engine's inside. It knows nothing of language models.
Nothing is started or probed before it is used: no sandbox, no MCP server, no connection.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from agent_engine.clock import SystemClock
from agent_engine.ports import Clock, Tool
from agent_engine.redaction import Redaction
from agent_engine.safeguards import ApprovalStore, AuditLog, PinStore, ToolCache
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
from bot.mcp_servers import mcp_servers
from bot.settings import Settings
from bot.task_files import MAX_FILES
from bot.tool_rules import KnownTools, tool_policy

TASK_FOLDERS = "tasks"
"""Below ``TREADLE_HOME``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """What is kept around calls, where there is a database; by default nothing is."""

    approvals: ApprovalStore = field(default_factory=NobodyAsked)
    audit: AuditLog | None = None
    cache: ToolCache | None = None
    pins: PinStore | None = None


@asynccontextmanager
async def open_toolbox(
    settings: Settings, records: Records | None = None
) -> AsyncIterator["Toolbox"]:
    """Make all tools; what they hold open is closed in the end."""
    async with AsyncExitStack() as closing:
        toolbox = Toolbox(settings, records or Records())
        for tool in toolbox.tools:
            if isinstance(tool, Closes):
                closing.push_async_callback(tool.aclose)
        yield toolbox


class Toolbox:
    """All tools together: those that are always there, and those of MCP servers."""

    def __init__(self, settings: Settings, records: Records) -> None:
        self.redaction = Redaction(settings.secret_values)
        redact = self.redaction.redact
        self.tools = make_tools(settings)
        servers = mcp_servers(settings, task_quota(settings))
        self.mcp = McpTools(servers, SystemClock(), pins=records.pins)
        self.root = settings.home.absolute() / TASK_FOLDERS
        self.folders = TaskFolders(self.root)
        self._guards = Guards(
            policy=tool_policy(settings.file),
            approvals=records.approvals,
            audit=NO_AUDIT if records.audit is None else Auditor(records.audit, redact),
        )
        # Between a permitted call and its tool: a result that is stored, then a breaker.
        stages: list[Stage] = [Breaking(SystemClock())]
        if records.cache is not None:
            stages.insert(0, Caching(records.cache, redact))
        self.caller = ToolCaller(
            self.tools,
            SystemClock(),
            sources=[self.mcp],
            stages=stages,
            redact=redact,
            guards=self._guards,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all tools that agents can have; ``mcp_<server>_*`` for a server's."""
        return (*(tool.name for tool in self.tools), *self.mcp.patterns)

    @property
    def facts(self) -> KnownTools:
        """What people who change and approve calls must know of tools."""
        return KnownTools(self.caller, self._guards.policy)

    def caller_of(self, tools: Sequence[Tool], clock: Clock) -> ToolCaller:
        """Make the path by which an agent outside the bot calls its tools, under the same rules."""
        return ToolCaller(tools, clock, redact=self.redaction.redact, guards=self._guards)


def make_tools(settings: Settings) -> Sequence[Tool]:
    """Make the tools that are always there, and those for which something is configured."""
    languages = settings.file.tools.code_execution.languages
    quota = task_quota(settings)
    return (
        calculate(),
        code_execution(
            sandbox_chooser(settings),
            languages=[Language(language) for language in languages],
            quota=quota,
            packages=_sandbox_setup(settings).packages(),
        ),
        file_operations(quota),
        *_calling_apis(settings, quota),
        *_searching(settings),
    )


def task_quota(settings: Settings) -> Quota:
    """Say how much a task folder may hold, whichever tool writes to it."""
    file = settings.file
    # What people attach is bounded by itself, and must not keep the agent from writing.
    size = file.tools.task_folder.mib * MIB + file.files.task_mb * 1_000_000
    return Quota(size=size, files=file.tools.task_folder.files + MAX_FILES)


def sandbox_chooser(settings: Settings) -> SandboxChooser:
    """Make what finds the sandbox of this machine."""
    only = settings.file.tools.code_execution.sandbox
    return SandboxChooser(only=only, drivers=drivers_with(_sandbox_setup(settings)))


def api_access(settings: Settings) -> Access:
    """Say which APIs agents may call, with which secrets."""
    values = {name: value.get_secret_value() for name, value in settings.variables.items()}
    return settings.file.tools.api_call.access(values)


def search_provider(settings: Settings) -> Provider | None:
    """Return who searches the web for agents; None when nobody is configured."""
    only = settings.file.tools.web_search.provider
    return choose_provider(settings.search_providers, only=only)


# ------------------------------------------------------------------------------------------------


def _sandbox_setup(settings: Settings) -> Setup:
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


def _calling_apis(settings: Settings, quota: Quota) -> Sequence[Tool]:
    access, private = api_access(settings), settings.file.tools.api_call.private
    if access.is_empty:
        return ()
    client = HttpClient(private.policy, private_domains=private.domains)
    return (api_call(client, access, Secrets(settings.secret_values), quota),)


def _searching(settings: Settings) -> Sequence[Tool]:
    provider = search_provider(settings)
    if provider is None:
        return ()
    # Its address is the operator's own word, so it may be on a private network.
    home = read_url(provider.base_url).host
    return (web_search(HttpClient(private_domains=read_domains([home])), provider),)
