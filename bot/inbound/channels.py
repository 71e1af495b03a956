"""Which agent lives in a channel: the row, made the first time the channel is met.

A channel that ``treadle.toml`` names gets the agent it says; every other gets the default agent.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from agent_engine.engine import Engine
from agent_engine.errors import UnknownAgentError
from agent_engine.places import Channel, ChannelKind
from agent_engine.types import AgentId, AgentProfile, ChannelId, WorkspaceId
from bot.agents_file import DEFAULT_AGENT, AgentsFile
from bot.errors import SlackRefusedError, SlackUnavailableError
from bot.inbound.lanes import Lanes
from bot.inbound.talk import SlackTalk
from bot.ports import ChannelStore

ASK_S = 1.2

logger = logging.getLogger(__name__)


async def seed_agents(engine: Engine, file: AgentsFile, workspace_id: WorkspaceId) -> None:
    """Store the agents that ``treadle.toml`` describes; what the file says wins at every start.

    What people change with ``/agent`` is not touched: an edited channel has an agent of its own.
    """
    for profile in file.profiles(workspace_id):
        await engine.save_agent(profile)


class ChannelDirectory:
    """Knows channels and their agents."""

    def __init__(
        self, *, store: ChannelStore, engine: Engine, talk: SlackTalk, file: AgentsFile
    ) -> None:
        self._store = store
        self._engine = engine
        self._talk = talk
        self._file = file
        self._lanes = Lanes()
        self._shared = frozenset({DEFAULT_AGENT, *map(AgentId, file.agents)})
        self._checked: set[ChannelId] = set()

    async def meet(
        self, workspace_id: WorkspaceId, channel_id: ChannelId, kind: ChannelKind | None
    ) -> Channel:
        """Return the channel's row; made now if this is the first we hear of it.

        A row from before is brought in line with the file, once per process: the file may give the
        channel another agent now. An agent of the channel's own, made with ``/agent``, stays. So is
        one of another kind: people make public channels private.
        Asks Slack only if the configuration gives agents to channels by name, and raises
        SlackUnavailableError if that cannot be answered now: the wrong agent would stay for good.
        """
        known = await self._store.channel(workspace_id, channel_id)
        if known is not None and kind in {None, known.kind} and not self._may_move(known):
            return known
        async with self._lanes.turn(channel_id):
            known = await self._store.channel(workspace_id, channel_id)
            if known is None:
                wanted = await self._new(workspace_id, channel_id, kind)
            else:
                there = replace(known, kind=kind or known.kind)
                wanted = await self._as_configured(there) if self._may_move(there) else there
            self._checked.add(channel_id)
            return known if wanted == known else await self._store.save_channel(wanted)

    async def peek(self, workspace_id: WorkspaceId, channel_id: ChannelId) -> Channel:
        """Return the channel's row, or the one it would get, without storing anything."""
        known = await self._store.channel(workspace_id, channel_id)
        return known or await self._new(workspace_id, channel_id, None)

    async def agent(self, channel: Channel) -> AgentProfile:
        """Return the agent of the channel; the default one if it is gone.

        Raises UnknownAgentError when not even that is stored.
        """
        for agent_id in (channel.agent_id, DEFAULT_AGENT):
            profile = await self._engine.agent(channel.workspace_id, agent_id)
            if profile is not None:
                return profile
            logger.warning("agent_missing", extra={"agent": agent_id})
        raise UnknownAgentError

    async def give_own_agent(self, channel: Channel, profile: AgentProfile) -> AgentProfile:
        """Store what people made of the channel's agent, as an agent of this channel alone.

        Agents of ``treadle.toml``, the default one too, may live in many channels, so the first
        edit gives the channel its own.
        """
        own_id = own_agent_id(channel.channel_id)
        own = replace(profile, id=own_id) if profile.id in self._shared else profile
        await self._engine.save_agent(own)
        if own.id != channel.agent_id:
            await self._store.save_channel(replace(channel, agent_id=own.id))
        return own

    async def joined(
        self, workspace_id: WorkspaceId, channel_id: ChannelId, kind: ChannelKind | None
    ) -> Channel | None:
        """Note that we are in the channel now; return it if we still have to introduce ourselves.

        It is noted as introduced before anything is posted: silence is better than twice.
        """
        channel = await self.meet(workspace_id, channel_id, kind)
        now = replace(channel, is_member=True, is_archived=False, introduced=True)
        if now != channel:
            await self._store.save_channel(now)
        return None if channel.introduced else now

    async def left(self, workspace_id: WorkspaceId, channel_id: ChannelId) -> None:
        """Note that we are no longer in the channel."""
        await self._change(workspace_id, channel_id, {"is_member": False})

    async def archived(
        self, workspace_id: WorkspaceId, channel_id: ChannelId, *, is_archived: bool
    ) -> None:
        """Note that the channel went into the archive or came back."""
        await self._change(workspace_id, channel_id, {"is_archived": is_archived})

    async def renamed(self, workspace_id: WorkspaceId, channel_id: ChannelId, name: str) -> None:
        """Note the channel's new name; nothing else changes."""
        await self._change(workspace_id, channel_id, {"name": name})

    async def _change(
        self, workspace_id: WorkspaceId, channel_id: ChannelId, changes: Mapping[str, Any]
    ) -> None:
        known = await self._store.channel(workspace_id, channel_id)
        if known is not None:
            await self._store.save_channel(replace(known, **changes))

    def _may_move(self, channel: Channel) -> bool:
        """Whether the file may have come to say something else about the channel's agent."""
        return channel.channel_id not in self._checked and channel.agent_id in self._shared

    async def _as_configured(self, known: Channel) -> Channel:
        """Return the channel with the agent that the file, which may have changed, gives it."""
        name = known.name
        if not name and self._needs_name(known.channel_id):
            name = str((await self._ask(known.channel_id)).get("name") or "")
        wanted = self._agent_for(known.channel_id, name, known.kind)
        return replace(known, name=name, agent_id=wanted)

    def _needs_name(self, channel_id: ChannelId) -> bool:
        is_direct = channel_id.startswith("D")
        return self._file.names_channels and not is_direct and not self._file.agent_of(channel_id)

    def _agent_for(self, channel_id: ChannelId, name: str, kind: ChannelKind | None) -> AgentId:
        if kind is ChannelKind.DIRECT or channel_id.startswith("D"):
            return self._file.direct_agent
        by_name = self._file.agent_of(f"#{name}") if name else None
        return self._file.agent_of(channel_id) or by_name or DEFAULT_AGENT

    async def _new(
        self, workspace_id: WorkspaceId, channel_id: ChannelId, kind: ChannelKind | None
    ) -> Channel:
        raw = await self._ask(channel_id) if self._needs_name(channel_id) else {}
        name = str(raw.get("name") or "")
        return Channel(
            workspace_id=workspace_id,
            channel_id=channel_id,
            agent_id=self._agent_for(channel_id, name, kind),
            kind=kind or kind_of(raw, channel_id),
            name=name,
        )

    async def _ask(self, channel_id: ChannelId) -> Mapping[str, Any]:
        try:
            async with asyncio.timeout(ASK_S):
                return await self._talk.conversations_info(channel_id)
        except TimeoutError as error:
            raise SlackUnavailableError(method="conversations.info") from error
        except SlackRefusedError as refused:
            facts = {"channel": channel_id, "error": refused.error}
            logger.warning("channel_name_unknown", extra=facts)
            return {}


def own_agent_id(channel_id: ChannelId) -> AgentId:
    """Return the id of the agent that a channel gets when people first change its agent."""
    return AgentId(f"channel-{channel_id.lower()}")


def kind_of(raw: Mapping[str, Any], channel_id: ChannelId) -> ChannelKind:
    """Return the kind of a channel from Slack's channel object, or from its id.

    What is not known to be public counts as private: ids do not tell since 2021.
    """
    if raw.get("is_im") or channel_id.startswith("D"):
        return ChannelKind.DIRECT
    if raw.get("is_mpim"):
        return ChannelKind.GROUP
    return ChannelKind.PUBLIC if raw.get("is_private") is False else ChannelKind.PRIVATE
