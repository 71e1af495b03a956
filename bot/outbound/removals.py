"""Removes from Slack what we said about tasks that are deleted, and empties the audit log of them.

Removing something twice does nothing the second time, so a crash needs no more than trying again.
"""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Protocol

from agent_engine.errors import StorageError
from agent_engine.places import Removal, RemovalOf
from agent_engine.ports import Bell, Topic
from agent_engine.types import ChannelId, JsonObject, UserId, WorkspaceId
from bot.errors import SlackError, SlackRefusedError
from bot.outbound.posting import FILE_TS
from bot.outbound.refusals import NO_ACCESS
from bot.outbound.slack_client import FILE_IS_GONE
from bot.ports import AuditTexts, Leases, PersonsTasks, RemovalStore

LEASE = "removals"
LOOK_EVERY_S = 10.0
AT_ONCE = 100
_SOMEBODY_ELSES = frozenset({"cant_delete_message"})
"""They shared our file again: theirs to delete."""

logger = logging.getLogger(__name__)


class RemovalTalk(Protocol):
    """What is needed of Slack. Every method raises SlackUnavailableError and SlackRefusedError."""

    async def delete_message(self, channel_id: ChannelId, ts: str) -> None:
        """Delete our message; one that is gone is fine."""
        ...

    async def file_info(self, file_id: str) -> JsonObject:
        """Return Slack's file object, with the messages that share it."""
        ...

    async def delete_file(self, file_id: str) -> None:
        """Delete a file of ours; one that is gone is fine."""
        ...


class Removals:
    """The job that removes them; one process at a time does it."""

    def __init__(  # noqa: PLR0913  # the composition root hands over each part
        self,
        *,
        removals: RemovalStore,
        tasks: PersonsTasks,
        audit: AuditTexts,
        slack: RemovalTalk,
        leases: Leases,
        bell: Bell,
        workspace_id: WorkspaceId,
    ) -> None:
        self._removals = removals
        self._tasks = tasks
        self._audit = audit
        self._slack = slack
        self._leases = leases
        self._bell = bell
        self._workspace_id = workspace_id

    async def run(self) -> None:
        """Remove for ever; cancel it to stop."""
        while True:
            try:
                removed = await self.look()
            except (SlackError, StorageError):
                logger.warning("not_removed", exc_info=True)
                await asyncio.sleep(LOOK_EVERY_S)
            else:
                if not removed:
                    await self._bell.wait(Topic.MEMORIES, timeout_s=LOOK_EVERY_S)

    async def look(self) -> int:
        """Remove some of what is to be removed; return how much that was.

        Raises:
            SlackError: Slack does not take our calls now; what is left is kept.
            StorageError: the database does not.
        """
        pending = await self._removals.pending(self._workspace_id, limit=AT_ONCE)
        if not pending or not await self._leases.hold(LEASE):
            return 0
        for removal in pending:
            await self._remove(removal)
            await self._removals.done([removal.id])
        logger.info("removed", extra={"removals": len(pending)})
        return len(pending)

    async def _remove(self, removal: Removal) -> None:
        channel_id, ref = removal.channel_id, removal.ref
        match removal.what:
            case RemovalOf.TASKS:
                await self._erase_tasks(UserId(ref), before=removal.noted_at)
            case RemovalOf.AUDIT_TEXTS:
                await self._audit.forget_texts(self._workspace_id, actor=UserId(ref))
            case RemovalOf.MESSAGE if ref.startswith(FILE_TS):
                await self._remove_file(channel_id, ref.removeprefix(FILE_TS))
            case RemovalOf.MESSAGE:
                with _left_to_people(channel_id, ref):
                    await self._slack.delete_message(channel_id, ref)

    async def _erase_tasks(self, person: UserId, *, before: datetime) -> None:
        is_all = False
        while not is_all:  # others write in between
            is_all = await self._tasks.erase_more(self._workspace_id, person, before=before)

    async def _remove_file(self, channel_id: ChannelId, file_id: str) -> None:
        """Delete the file after its messages: without it, nobody could find them any more.

        It goes where they cannot, too.
        """
        shared_by: list[str] = []
        with _left_to_people(channel_id, file_id, fine=FILE_IS_GONE):
            shared_by = _shared_by(await self._slack.file_info(file_id), channel_id)
        for ts in shared_by:
            with _left_to_people(channel_id, ts, fine=_SOMEBODY_ELSES):
                await self._slack.delete_message(channel_id, ts)
        with _left_to_people(channel_id, file_id):
            await self._slack.delete_file(file_id)


@contextmanager
def _left_to_people(
    channel_id: ChannelId, ref: str, *, fine: frozenset[str] = frozenset()
) -> Iterator[None]:
    """Go on where Slack does not let us: nobody but people can delete it then, say by log line.

    What our token is to blame for is kept until somebody mends that.
    """
    try:
        yield
    except SlackRefusedError as refused:
        if refused.error in NO_ACCESS:
            raise
        if refused.error not in fine:
            where = {"channel": channel_id, "ts": ref, "error": refused.error}
            logger.warning("message_left", extra=where)


def _shared_by(info: JsonObject, channel_id: ChannelId) -> list[str]:
    """Return which of the channel's messages share the file."""
    shares = info.get("shares")
    kinds = shares.values() if isinstance(shares, Mapping) else ()
    found = [kind.get(channel_id) for kind in kinds if isinstance(kind, Mapping)]
    messages = [message for these in found if isinstance(these, list) for message in these]
    return [str(message["ts"]) for message in messages if message.get("ts")]
