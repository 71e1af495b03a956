"""What was said while nobody listened: read after every gap and taken in like live events.

The keys of the messages make it harmless to read something twice, so it is read generously: from a
little before the newest message known, and threads that had a reply since. It never answers to what
was there before the gap; it only makes sure that it was stored.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from agent_engine.engine import Engine
from agent_engine.errors import StorageError
from agent_engine.places import Channel
from agent_engine.types import ChannelId, JsonObject, WorkspaceId
from bot.errors import SlackError, SlackRefusedError
from bot.inbound.channels import ChannelDirectory, kind_of
from bot.inbound.intake import Intake
from bot.inbound.moments import earlier, is_later, order
from bot.inbound.read_slack import read_history
from bot.inbound.seen import SeenTracker
from bot.inbound.slack_events import MessagePosted
from bot.inbound.talk import SlackTalk
from bot.inbound.whoami import Whoami
from bot.outbound.slack_values import Page
from bot.ports import ChannelStore

OVERLAP_S = 300
"""Read from so long before the newest message known: deliveries may have come out of order."""
FIRST_LOOK_S = 300
"""What was said so long before the first start of all is taken for new."""
LOOK_BACK_S = 86_400
"""Threads whose root is up to so much older are looked at for new replies."""
LONGEST_GAP_S = 7 * 86_400
"""Nobody waits any more for what was asked before that."""
MAX_PAGES = 20
"""Of one channel or thread."""
MAX_THREADS = 50
BETWEEN_CHANNELS_S = 0.2
"""Leaves Slack's limits to the people who are waiting."""

FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 60.0

Sleep = Callable[[float], Awaitable[None]]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaughtUp:
    """What a catch-up came to."""

    channels: int
    messages: int
    behind: tuple[ChannelId, ...]
    """Channels that could not be read; what was seen in them stays as it was before the gap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CatchUp:
    """Reads what was missed."""

    engine: Engine
    channels: ChannelStore
    directory: ChannelDirectory
    talk: SlackTalk
    whoami: Whoami
    intake: Intake
    seen: SeenTracker
    now: Callable[[], datetime]
    sleep: Sleep = asyncio.sleep

    async def run(self) -> None:
        """Read every channel we are in; tried again until the list of channels can be had."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                await self.once()
            except (SlackError, StorageError) as error:
                facts = {"error": repr(error)[:200], "again_in_s": pause_s}
                logger.warning("not_caught_up", extra=facts)
                await self.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            else:
                return

    async def once(self) -> CaughtUp:
        """Read every channel once. Trouble with one channel does not keep the others."""
        self.seen.hold()
        channels = await self._member_channels(self.whoami.us.workspace_id)
        messages, behind = 0, []
        for channel in channels:
            try:
                messages += await self.channel(channel)
            except (SlackError, StorageError) as error:
                behind.append(channel.channel_id)
                facts = {"channel": channel.channel_id, "error": repr(error)[:200]}
                logger.warning("channel_not_caught_up", extra=facts)
            await self.sleep(BETWEEN_CHANNELS_S)
        self.seen.release(behind=behind)
        done = CaughtUp(channels=len(channels), messages=messages, behind=tuple(behind))
        logger.info("caught_up", extra={"channels": done.channels, "taken": messages})
        return done

    async def channel(self, channel: Channel) -> int:
        """Take in what was said in one channel since it was last seen; return how much that was."""
        if channel.last_seen_ts is None:
            return 0
        horizon = f"{self.now().timestamp() - LONGEST_GAP_S:.6f}"
        since = max(earlier(channel.last_seen_ts, OVERLAP_S), horizon, key=order)
        raw = await self._history(channel, oldest=earlier(since, LOOK_BACK_S))
        found = {m.ts: m for m in self._parsed(raw, channel) if is_later(m.ts, since)}
        for thread_ts in await self._live_threads(channel, raw, since=since):
            replies = await self._replies(channel, thread_ts, oldest=since)
            found |= {m.ts: m for m in self._parsed(replies, channel) if is_later(m.ts, since)}
        for ts in sorted(found, key=order):
            await self._take(found[ts], is_new=is_later(ts, channel.last_seen_ts))
        return len(found)

    # --------------------------------------------------------------------------------------------

    async def _take(self, message: MessagePosted, *, is_new: bool) -> None:
        intake = self.intake if is_new else self.intake.for_replay()
        try:
            await intake.take(message)
        except (SlackError, StorageError):
            raise
        except Exception:
            # Our bug with one message must not keep the others from being taken in.
            facts = {"channel": message.channel_id, "ts": message.ts}
            logger.exception("message_not_caught_up", extra=facts)

    async def _member_channels(self, workspace_id: WorkspaceId) -> Sequence[Channel]:
        """Return the channels we are in: those known, and those joined while nobody listened."""
        known = {c.channel_id: c for c in await self.channels.channels(workspace_id)}
        stamps = [channel.last_seen_ts for channel in known.values() if channel.last_seen_ts]
        # Where nothing was ever seen, a bot may have died on the first thing that was said to it.
        first = f"{self.now().timestamp() - FIRST_LOOK_S:.6f}"
        newest = max(stamps, key=order, default=first)
        found = []
        async for raw in self._listed():
            channel_id = ChannelId(str(raw.get("id") or ""))
            kind, channel = kind_of(raw, channel_id), known.get(channel_id)
            if channel is None or channel.kind is not kind:
                channel = await self.directory.meet(workspace_id, channel_id, kind)
            found.append(replace(channel, last_seen_ts=channel.last_seen_ts or newest))
        return found

    async def _listed(self) -> AsyncIterator[JsonObject]:
        cursor = ""
        for _ in range(MAX_PAGES):
            channels, cursor = await self.talk.member_channels(cursor=cursor or None)
            for raw in channels:
                if raw.get("id"):
                    yield raw
            if not cursor:
                return

    async def _live_threads(
        self, channel: Channel, raw: Sequence[JsonObject], *, since: str
    ) -> Sequence[str]:
        """Return the threads that may have news: those Slack says so of, and our tasks' own."""
        replied = [
            str(m["ts"])
            for m in raw
            if m.get("ts") and is_later(str(m.get("latest_reply") or ""), since)
        ]
        lines = await self.engine.tasks(
            channel.workspace_id, channel_id=channel.channel_id, limit=MAX_THREADS
        )
        ours = [line.thread.thread_ts for line in lines if line.thread and line.ended_at is None]
        return list(dict.fromkeys([*replied, *ours]))[:MAX_THREADS]

    async def _history(self, channel: Channel, *, oldest: str) -> list[JsonObject]:
        async def read(cursor: str | None) -> Page:
            return await self.talk.history(channel.channel_id, oldest=oldest, cursor=cursor)

        return await _all_pages(read, channel)

    async def _replies(self, channel: Channel, thread_ts: str, *, oldest: str) -> list[JsonObject]:
        async def read(cursor: str | None) -> Page:
            return await self.talk.replies(
                channel.channel_id, thread_ts, oldest=oldest, cursor=cursor
            )

        try:
            return await _all_pages(read, channel)
        except SlackRefusedError as refused:
            # A deleted root, or an app that may not read threads: live events are all there is.
            facts = {"channel": channel.channel_id, "error": refused.error}
            logger.info("thread_not_read", extra=facts)
            return []

    def _parsed(self, raw: Sequence[JsonObject], channel: Channel) -> Iterator[MessagePosted]:
        for message in raw:
            read = read_history(
                message,
                workspace_id=channel.workspace_id,
                channel_id=channel.channel_id,
                kind=channel.kind,
            )
            if isinstance(read, MessagePosted):
                yield read


async def _all_pages(
    read: Callable[[str | None], Awaitable[Page]], channel: Channel
) -> list[JsonObject]:
    found: list[JsonObject] = []
    cursor: str | None = None
    for _ in range(MAX_PAGES):
        page = await read(cursor)
        found += page.messages
        cursor = page.next_cursor
        if cursor is None:
            return found
    logger.warning("history_cut", extra={"channel": channel.channel_id})
    return found
