"""The Home tab: gathers what one person may see and publishes it when they look.

Tasks of private channels and of direct messages are shown to those who asked for them only.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent_engine.commands import TaskLine
from agent_engine.engine import Engine
from agent_engine.places import Channel, ChannelKind, RatedWeek
from agent_engine.ports import Clock
from agent_engine.types import AgentId, ChannelId, UserId
from bot.errors import SlackError
from bot.inbound.slack_events import HomeOpened
from bot.inbound.talk import SlackTalk
from bot.inbound.whoami import Whoami
from bot.outbound.blocks.home import AgentLine, Figures, HomeFacts, home_view
from bot.ports import ChannelStore, FigureStore

logger = logging.getLogger(__name__)

MOST_TASKS = 100
SHOWN_TASKS = 20
PERIOD_DAYS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeDesk:
    """Answers those who open the Home tab."""

    engine: Engine
    channels: ChannelStore
    figures: FigureStore
    talk: SlackTalk
    whoami: Whoami
    clock: Clock
    remarks: Callable[[], Sequence[str]]
    """Says the degraded modes in use."""

    async def opened(self, event: HomeOpened) -> None:
        """Publish the tab for whoever opened it; Slack's refusal is logged, not raised."""
        if event.tab != "home":
            return
        view = home_view(await self._facts(event.user_id))
        try:
            await self.talk.publish_home(event.user_id, view)
        except SlackError as error:
            logger.warning("home_not_published", extra={"error": str(error)})

    async def _facts(self, user_id: UserId) -> HomeFacts:
        workspace_id = self.whoami.us.workspace_id
        channels = {c.channel_id: c for c in await self.channels.channels(workspace_id)}
        tasks = await self.engine.tasks(workspace_id, limit=MOST_TASKS)
        figures = await self.figures.figures(workspace_id, days=PERIOD_DAYS)
        return HomeFacts(
            workspace_url=self.whoami.identity.workspace_url,
            now=self.clock.now(),
            tasks=tuple(t for t in tasks if _may_see(t, user_id, channels))[:SHOWN_TASKS],
            agents=await self._agents(list(channels.values())),
            figures=(
                Figures(
                    period=f"last {PERIOD_DAYS} days",
                    tasks=figures.tasks,
                    tokens=figures.tokens,
                    usd=figures.usd,
                    good_ratings=figures.good_ratings,
                    low_ratings=figures.low_ratings,
                ),
            ),
            remarks=tuple(self.remarks()),
        )

    async def _agents(self, channels: Sequence[Channel]) -> tuple[AgentLine, ...]:
        homes: dict[AgentId, list[ChannelId]] = defaultdict(list)
        for channel in sorted(channels, key=lambda c: (c.name.lower(), c.channel_id)):
            if channel.kind is ChannelKind.PUBLIC and channel.is_member:
                homes[channel.agent_id].append(channel.channel_id)
        workspace_id = self.whoami.us.workspace_id
        weeks: dict[AgentId, list[RatedWeek]] = defaultdict(list)
        for week in await self.figures.ratings(workspace_id):
            weeks[week.agent_id].append(week)
        lines = [
            AgentLine(profile=p, channels=tuple(homes[p.id]), weeks=tuple(weeks[p.id]))
            for p in await self.engine.agents(workspace_id)
        ]
        return tuple(sorted(lines, key=_how_rated, reverse=True))


def _how_rated(line: AgentLine) -> int:
    """Return how often it was rated: where not all agents fit, those stay that people use."""
    return sum(week.ratings for week in line.weeks)


def _may_see(task: TaskLine, user_id: UserId, channels: dict[ChannelId, Channel]) -> bool:
    if task.requester == user_id:
        return True
    channel = channels.get(task.thread.channel_id) if task.thread else None
    return channel is not None and channel.kind is ChannelKind.PUBLIC
