"""Files that people attach in Slack: checked, read by the bot's token, put into the task's folder.

Runs where tasks are worked on, so workers need the bot's token too; they post nothing with it. A
file is taken only if Slack says that it is shared in the very channel of the task. What cannot be
taken is told of with a reason; nothing is raised. What Slack says of a file is read in
``file_objects``.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import BinaryIO, Final, Protocol

from agent_engine.types import Attachment, ChannelId, JsonObject, RunSnapshot
from bot.errors import SlackError, SlackRefusedError
from bot.inbound import file_objects
from bot.outbound.downloads import DownloadError, NoFile, Source
from bot.outbound.pacing import Sleep
from bot.outbound.web_calls import NOT_OFFERED
from bot.task_files import MAX_FILES, Kept, Received, TaskFolders

logger = logging.getLogger(__name__)

SHARED_PAUSES_S: Final = (0.0, 1.0, 3.0)
"""Slack may not say yet where a new file is shared."""
MEGABYTE: Final = 1_000_000

NO_SCOPE = (
    "this app may not read files: its scope files:read is missing, which an admin can add by "
    "installing the app again"
)
NOT_NOW = "Slack did not hand it over; write again in a while to try once more"
NOT_HERE = "it is not shared in this channel"
NO_TOKEN = "this worker has no Slack token: set SLACK_BOT_TOKEN for workers, too"  # noqa: S105 - none
TOO_MANY = f"there are more than {MAX_FILES} files in this task"
NO_ROOM = "the task's files are larger than allowed in total"


class SlackFiles(Protocol):
    """What is needed of Slack."""

    async def file_info(self, file_id: str) -> JsonObject:
        """Return Slack's file object. Raises SlackError."""
        ...

    async def download(self, source: Source, file: BinaryIO) -> int:
        """Write a file's content, to its last byte. Raises DownloadError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCaps:
    """How much is taken in, in bytes."""

    file: int
    task: int


class SlackAttachments:
    """Fetches what people attached; satisfies the engine's port.

    Args:
        slack: None where there is no token.
        folders: where tasks keep their files.
        caps: how large files may be.
    """

    def __init__(
        self,
        slack: SlackFiles | None,
        folders: TaskFolders,
        caps: FileCaps,
        *,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._slack = slack
        self._folders = folders
        self._caps = caps
        self._sleep = sleep

    async def fetch(self, run: RunSnapshot) -> Mapping[str, Attachment]:
        """Return every attachment of the run's messages as it is found now."""
        wanted = {file.id: file for message in run.messages for file in message.files}
        if not wanted:
            return {}
        try:
            received = await asyncio.to_thread(self._received, run)
        except (OSError, ValueError):
            logger.exception("attachments_unreadable", extra=_facts(run))
            return {i: replace(file, problem=NOT_NOW) for i, file in wanted.items()}
        found: dict[str, Attachment] = {}
        for number, file in enumerate(wanted.values()):
            kept = received.kept.get(file.id)
            if kept is None and number >= MAX_FILES:
                found[file.id] = replace(file, problem=TOO_MANY)
            elif kept is None:
                found[file.id] = await self._fetched(file, run, received)
            else:
                found[file.id] = _as_kept(file, kept)
        return found

    async def smaller(self, run: RunSnapshot, file_id: str, *, max_bytes: int) -> bytes | None:
        """Return the largest of Slack's own smaller versions of a picture that fits."""
        try:
            received = await asyncio.to_thread(self._received, run)
            kept = await asyncio.to_thread(received.smaller, file_id)
            return kept or await self._thumbnail(run, file_id, received, max_bytes=max_bytes)
        except (_RefusedError, OSError, ValueError) as error:
            facts = {**_facts(run), "why": type(error).__name__}
            logger.info("thumbnail_not_taken", extra=facts)
            return None

    # --------------------------------------------------------------------------------------------

    def _received(self, run: RunSnapshot) -> Received:
        folder = self._folders.folder(run.scope, run.task.id)
        return Received.open(folder, self._folders.aside(run.scope, run.task.id))

    async def _fetched(self, file: Attachment, run: RunSnapshot, received: Received) -> Attachment:
        """Fetch one file, or say why not; for good where it makes no sense to try again."""
        try:
            done = await self._taken(file, run, received)
        except _RefusedError as refused:
            logger.info("attachment_refused", extra={**_facts(run), "why": type(refused).__name__})
            if isinstance(refused, _ForGoodError):
                await asyncio.to_thread(received.refuse, file.id, str(refused))
            return replace(file, problem=str(refused))
        except OSError as error:
            facts = {**_facts(run), "error": type(error).__name__}
            logger.warning("attachment_not_written", extra=facts)
            return replace(file, problem="it could not be written to the task's folder")
        logger.info("attachment_taken", extra={**_facts(run), "bytes": done.size})
        return _as_kept(file, done)

    async def _taken(self, file: Attachment, run: RunSnapshot, received: Received) -> Kept:
        if self._slack is None:
            raise _RefusedError(NO_TOKEN)
        raw = await self._described(self._slack, file.id, run.scope.channel_id)
        left = self._caps.task - received.size
        source = file_objects.original(raw, max_bytes=min(self._caps.file, left))
        if source.size > self._caps.file:
            raise _ForGoodError(_too_large(self._caps.file))
        if source.size > left:
            raise _ForGoodError(NO_ROOM)
        with received.staging() as (staged, sink):
            try:
                await self._slack.download(source, sink)
            except DownloadError as error:
                raise self._why(error) from error
            return await asyncio.to_thread(received.take, file.id, staged, name=file.name)

    async def _thumbnail(
        self, run: RunSnapshot, file_id: str, received: Received, *, max_bytes: int
    ) -> bytes | None:
        if self._slack is None:
            raise _RefusedError(NO_TOKEN)
        raw = await self._described(self._slack, file_id, run.scope.channel_id)
        for source in file_objects.thumbnails(raw, max_bytes=max_bytes):
            with received.staging() as (staged, sink):
                try:
                    await self._slack.download(source, sink)
                except DownloadError as error:
                    if error.why is NoFile.TOO_LARGE:
                        continue
                    raise self._why(error) from error
                return await asyncio.to_thread(received.take_smaller, file_id, staged)
        return None

    async def _described(
        self, slack: SlackFiles, file_id: str, channel_id: ChannelId
    ) -> JsonObject:
        """Return what Slack says of the file, when it is one that may be read for this channel."""
        raw: JsonObject = {}
        for pause_s in SHARED_PAUSES_S:
            if pause_s:
                await self._sleep(pause_s)
            raw = await _info(slack, file_id)
            if problem := file_objects.why_unreadable(raw):
                raise _ForGoodError(problem)
            if places := file_objects.places(raw):
                if channel_id not in places:
                    raise _ForGoodError(NOT_HERE)
                return raw
        raise _RefusedError(NOT_HERE)

    def _why(self, error: DownloadError) -> "_RefusedError":
        match error.why:
            case NoFile.TOO_LARGE:
                return _ForGoodError(_too_large(self._caps.file))
            case NoFile.LOGIN_PAGE:
                return _RefusedError(NO_SCOPE)
            case NoFile.GONE:
                return _ForGoodError(file_objects.DELETED)
            case NoFile.ELSEWHERE:
                return _ForGoodError(file_objects.EXTERNAL)
            case NoFile.UNAVAILABLE:
                return _RefusedError(NOT_NOW)


class _RefusedError(Exception):
    """The file is not taken now; the message is the end of a sentence for people."""


class _ForGoodError(_RefusedError):
    """It never will be."""


async def _info(slack: SlackFiles, file_id: str) -> JsonObject:
    try:
        return await slack.file_info(file_id)
    except SlackRefusedError as refused:
        if refused.error in NOT_OFFERED:
            raise _RefusedError(NO_SCOPE) from refused
        raise _ForGoodError(_REFUSALS.get(refused.error, file_objects.HIDDEN)) from refused
    except SlackError as error:
        raise _RefusedError(NOT_NOW) from error


_REFUSALS = {"file_deleted": file_objects.DELETED}


def _as_kept(file: Attachment, kept: Kept) -> Attachment:
    if kept.problem:
        return replace(file, problem=kept.problem)
    return replace(file, name=kept.path, size=kept.size)


def _too_large(cap: int) -> str:
    return f"it is larger than {cap / MEGABYTE:g} MB" if cap else "this bot takes no files"


def _facts(run: RunSnapshot) -> dict[str, str]:
    return {"run_id": run.run_id, "task_id": run.task.id}
