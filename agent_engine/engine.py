"""The engine's face: the verbs that the outside may use, and nothing of what is behind them."""

import logging
from collections.abc import Sequence

from agent_engine.commands import (
    Command,
    LessonChanged,
    Outcome,
    Rated,
    Repeated,
    TaskLine,
)
from agent_engine.memory_commands import MemoriesChanged
from agent_engine.ports import AgentDirectory, Bell, CommandStore, RunStore, Topic
from agent_engine.types import (
    AgentId,
    AgentProfile,
    ChannelId,
    RunId,
    RunSnapshot,
    Thread,
    WorkspaceId,
)

_MAY_LEAVE_UNEMBEDDED = (MemoriesChanged, LessonChanged, Rated)
"""Outcomes after which a memory may lack its vector: ratings bring lessons back."""

logger = logging.getLogger(__name__)


class Engine:
    """Starts, steers, rates and stops tasks; says how they stand."""

    def __init__(
        self, *, commands: CommandStore, agents: AgentDirectory, runs: RunStore, bell: Bell
    ) -> None:
        self._commands = commands
        self._agents = agents
        self._runs = runs
        self._bell = bell

    async def carry_out(self, command: Command, *, keys: Sequence[str] = ()) -> Outcome:
        """Carry out one command; safe to repeat with the same keys. Raises StorageError."""
        outcome = await self._commands.carry_out(command, keys=keys)
        facts = {"command": type(command).__name__, "outcome": type(outcome).__name__}
        logger.info("command_carried_out", extra=facts)
        if not isinstance(outcome, Repeated):
            self._ring(outcome)
        return outcome

    def _ring(self, outcome: Outcome) -> None:
        for topic in (Topic.WAKEUPS, Topic.SIGNALS, Topic.THREADS):
            self._bell.ring(topic)
        if isinstance(outcome, _MAY_LEAVE_UNEMBEDDED):
            self._bell.ring(Topic.MEMORIES)

    async def run(self, run_id: RunId) -> RunSnapshot:
        """Return how the run stands. Raises KeyError when there is no such run."""
        return await self._runs.load(run_id)

    async def latest_run(self, thread: Thread) -> RunId | None:
        """Return the newest run of the thread's task; None when the thread has no task."""
        return await self._commands.latest_run(thread)

    async def tasks(
        self, workspace_id: WorkspaceId, *, channel_id: ChannelId | None = None, limit: int = 20
    ) -> Sequence[TaskLine]:
        """List runs that are under way, then recent ones, newest first."""
        return await self._commands.tasks(workspace_id, channel_id=channel_id, limit=limit)

    async def agent(self, workspace_id: WorkspaceId, agent_id: AgentId) -> AgentProfile | None:
        """Return the agent; None when there is none."""
        return await self._agents.agent(workspace_id, agent_id)

    async def agents(self, workspace_id: WorkspaceId) -> Sequence[AgentProfile]:
        """Return all agents of the workspace."""
        return await self._agents.agents(workspace_id)

    async def save_agent(self, profile: AgentProfile) -> None:
        """Create the agent or replace what is stored of it."""
        await self._agents.save_agent(profile)
