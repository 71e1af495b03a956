"""Hands over what people asked for as a file, in their direct messages, once each.

The file is made when it is sent, so what was forgotten meanwhile is not in it. What a crash may
have handed over is looked for first, by the file's name.
"""

import asyncio
import logging
from typing import Protocol

from agent_engine.errors import StorageError
from agent_engine.memories import Export, MemoryKind
from agent_engine.ports import Bell, Topic
from agent_engine.types import ChannelId, UserId, WorkspaceId
from bot.errors import SlackRefusedError, SlackUnavailableError
from bot.outbound.blocks.memory_export import exported
from bot.outbound.content import Content
from bot.outbound.slack_values import Page, Upload
from bot.ports import ExportStore, Leases, MemoryReader

LEASE = "exports"
LOOK_EVERY_S = 10.0
MOST_EXPORTED = 100_000
"""More than the places that one scope has."""
NOT_EXPORTED = "Slack did not let me send you the file with what is remembered ({error})."

logger = logging.getLogger(__name__)


class ExportTalk(Protocol):
    """What is needed of Slack. Every method raises SlackUnavailableError and SlackRefusedError."""

    async def open_dm(self, user_id: UserId) -> ChannelId:
        """Return the channel of the conversation with one person."""
        ...

    async def history(self, channel_id: ChannelId) -> Page:
        """Read the newest messages of a channel."""
        ...

    async def upload_file(self, channel_id: ChannelId, upload: Upload) -> str:
        """Post a file and return its id."""
        ...

    async def post_ephemeral(
        self, channel_id: ChannelId, user_id: UserId, content: Content
    ) -> None:
        """Show a message to one person."""
        ...


class Exports:
    """The job that hands them over; one process at a time does it."""

    def __init__(  # noqa: PLR0913  # the composition root hands over each part
        self,
        *,
        exports: ExportStore,
        memories: MemoryReader,
        slack: ExportTalk,
        leases: Leases,
        bell: Bell,
        workspace_id: WorkspaceId,
    ) -> None:
        self._exports = exports
        self._memories = memories
        self._slack = slack
        self._leases = leases
        self._bell = bell
        self._workspace_id = workspace_id

    async def run(self) -> None:
        """Hand over for ever; cancel it to stop."""
        while True:
            try:
                await self.look()
            except (SlackUnavailableError, StorageError):
                logger.warning("memories_not_exported", exc_info=True)
                await asyncio.sleep(LOOK_EVERY_S)
            else:
                await self._bell.wait(Topic.MEMORIES, timeout_s=LOOK_EVERY_S)

    async def look(self) -> int:
        """Hand over what was asked for; return how many that were."""
        asked_for = await self._exports.asked_for(self._workspace_id)
        if not asked_for or not await self._leases.hold(LEASE):
            return 0
        for export in asked_for:
            await self._settle(export)
        return len(asked_for)

    async def _settle(self, export: Export) -> None:
        try:
            await self._hand_over(export)
        except SlackRefusedError as refused:
            logger.warning("memories_not_exported", extra={"error": refused.error})
            await self._tell(export, refused)
        await self._exports.settled(export.id)

    async def _hand_over(self, export: Export) -> None:
        place, name = await self._slack.open_dm(export.by), f"memories-{export.id[:8]}.json"
        if export.is_begun and await self._is_there(place, name):
            return
        kinds = tuple(MemoryKind)
        memories = await self._memories.page(
            export.scope, kinds=kinds, offset=0, limit=MOST_EXPORTED
        )
        content = await asyncio.to_thread(exported, memories)
        await self._exports.begun(export.id)
        await self._slack.upload_file(place, Upload(name=name, content=content))
        logger.info("memories_exported", extra={"memories": len(memories)})

    async def _is_there(self, place: ChannelId, name: str) -> bool:
        page = await self._slack.history(place)
        files = [file for message in page.messages for file in message.get("files") or ()]
        return any(file.get("name") == name for file in files)

    async def _tell(self, export: Export, refused: SlackRefusedError) -> None:
        """Say where it was asked for that the file does not come; a person's own has no channel."""
        if not export.scope.channel_id:
            return
        said = Content(text=NOT_EXPORTED.format(error=refused.error))
        try:
            await self._slack.post_ephemeral(export.scope.channel_id, export.by, said)
        except SlackRefusedError as error:
            logger.warning("sentence_not_shown", extra={"error": error.error})
