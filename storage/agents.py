"""The rows of agents."""

from collections.abc import Sequence

from sqlalchemy import bindparam, select

from agent_engine.types import AgentId, AgentProfile, WorkspaceId
from storage.compiled import fetch_one
from storage.database import Database
from storage.mapping import agent_from, agent_values
from storage.tables import agents
from storage.upsert import insert_or_replace

_ONE = select(agents).where(
    agents.c.workspace_id == bindparam("workspace_id"), agents.c.agent_id == bindparam("agent_id")
)
_ALL = (
    select(agents)
    .where(agents.c.workspace_id == bindparam("workspace_id"))
    .order_by(agents.c.name, agents.c.agent_id)
)


class SqlAgentDirectory:
    """An ``AgentDirectory`` on the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def agent(self, workspace_id: WorkspaceId, agent_id: AgentId) -> AgentProfile | None:
        """Return the agent; None when there is none."""
        where = {"workspace_id": workspace_id, "agent_id": agent_id}
        row = await self._database.read(lambda c: fetch_one(c, _ONE, where))
        return None if row is None else agent_from(row)

    async def agents(self, workspace_id: WorkspaceId) -> Sequence[AgentProfile]:
        """Return all agents of the workspace, by name."""
        where = {"workspace_id": workspace_id}
        rows = await self._database.read(lambda c: c.execute(_ALL, where).all())
        return [agent_from(row) for row in rows]

    async def save_agent(self, profile: AgentProfile) -> None:
        """Create the agent or replace what is stored of it."""
        values = agent_values(profile)
        await self._database.write(lambda c: insert_or_replace(c, agents, values))
