"""One message brought to Slack exactly once, and edited only when it changes.

Intent first, then the call, then the note that Slack has it. What a crash left between the last two
is looked up in the thread by the key in the message's metadata. Decides nothing about what to say.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Protocol

from agent_engine.places import Post, PostKind, PostState
from agent_engine.ports import Clock
from agent_engine.types import JsonObject, RunSnapshot, Thread
from bot.errors import SlackRefusedError, SlackUnavailableError
from bot.outbound.blocks import ids
from bot.outbound.desired import Wanted, WantedFile
from bot.outbound.pacing import Sleep
from bot.outbound.slack_client import EDIT, POST, SlackClient
from bot.outbound.slack_values import Pace, Upload
from bot.outbound.streaming import STREAMING, AnswerStreams, is_half
from bot.outbound.turns import Ask, Limit, NotNowError, Turns
from bot.outbound.unsent_files import not_there
from bot.ports import PostStore

logger = logging.getLogger(__name__)

MIN_EDIT_S = 1.3
"""Between two edits of one message; the newest render wins."""
LOOKUP_PAUSES_S = (0.0, 2.0, 5.0)
"""Before each look for a message that a crash may have left in Slack."""
LOOKUP_PAGES = 10
LOOKUP_SKEW = timedelta(minutes=5)
"""How far Slack's clock and the database's may be apart."""
MAX_FILE_BYTES = 50_000_000

_GONE = frozenset({"message_not_found"})
_NOT_EDITABLE = frozenset({"cant_update_message", "edit_window_closed", "streaming_state_conflict"})
FILE_TS = "file:"
"""Stands before the file's id where a post's ``ts`` is not known: Slack posts files itself."""


class TaskFiles(Protocol):
    """Reads what the agent made."""

    async def read(self, run: RunSnapshot, path: str) -> bytes | None:
        """Return the content of a file of the task folder; None when it is gone or too big."""
        ...


class Poster:
    """Brings single messages and files to Slack."""

    def __init__(  # noqa: PLR0913  # made by the reconciler, from its own parts
        self,
        *,
        posts: PostStore,
        slack: SlackClient,
        clock: Clock,
        turns: Turns,
        files: TaskFiles | None = None,
        bot_id: str | None = None,
        sleep: Sleep = asyncio.sleep,
        streams: AnswerStreams,
    ) -> None:
        self._posts = posts
        self._slack = slack
        self._clock = clock
        self._turns = turns
        self._files = files
        self._bot_id = bot_id
        self._sleep = sleep
        self._unsent: set[str] = set()
        self._resent: set[str] = set()
        """Of the unsent, those that nobody could look up: they may be in Slack already."""
        self._searched: dict[str, str | None] = {}
        self._edited_at_s: dict[str, float] = {}
        self._gone: set[str] = set()
        self._streams = streams
        self._halves: set[str] = set()
        """Of the messages that were found, those that are streams without an end."""

    async def show(self, wanted: Wanted, post: Post | None) -> None:
        """Make Slack show the message.

        Raises:
            NotNowError: it is too early for another edit, or others go first; then it is in line.
            SlackUnavailableError, SlackRefusedError: as of the client.
        """
        post = await self._streams.finish(wanted, post)
        post = post or await self._intended(wanted)
        match post.state:
            case PostState.ABANDONED:
                return
            case PostState.INTENDED:
                await self._post(wanted, post)
            case PostState.POSTED:
                await self._edit(wanted, post)

    async def hand_over(self, wanted: WantedFile, post: Post | None) -> None:
        """Put the file into the thread, once."""
        if post is None:
            [post] = await self._posts.intend([wanted.post])
            self._unsent.add(post.key)
        if post.state is not PostState.INTENDED:
            return
        if post.key not in self._unsent and await self._was_handed_over(wanted, post):
            return
        content = await self._content_of(wanted)
        if content is None:
            await self.show(not_there(wanted, most_mb=MAX_FILE_BYTES / 1_000_000), None)
            await self._posts.abandoned(post.key, reason="file_gone")
            return
        upload = Upload(name=wanted.name, content=content)
        thread = post.thread
        self._unsent.discard(post.key)
        file_id = await self._slack.upload_file(
            thread.channel_id, upload, thread_ts=thread.thread_ts
        )
        await self._posts.posted(post.key, ts=f"{FILE_TS}{file_id}", body_hash="")

    async def give_up(self, key: str, *, reason: str) -> None:
        """Note that the message will not be posted."""
        self._unsent.discard(key)
        self._resent.discard(key)
        await self._posts.abandoned(key, reason=reason)

    def as_known(self, posts: Sequence[Post]) -> dict[str, Post]:
        """Return the posts by key; those that people have deleted count as abandoned."""
        return {
            post.key: replace(post, state=PostState.ABANDONED) if post.key in self._gone else post
            for post in posts
        }

    def own_message_seen(self, ts: str, metadata: object) -> None:
        """Learn from an event about a message of ours; helps where one is being searched."""
        key = ids.read_metadata(metadata)
        if key is not None and key in self._searched:
            self._searched[key] = ts

    # -- posting ---------------------------------------------------------------------------------

    async def _intended(self, wanted: Wanted) -> Post:
        [post] = await self._posts.intend([wanted.post])
        self._unsent.add(post.key)
        return post

    async def _post(self, wanted: Wanted, post: Post) -> None:
        if post.key not in self._unsent and not await self._is_to_be_sent(wanted, post):
            return
        if wanted.only_if_left:
            await self.give_up(post.key, reason="settled_before_it_was_shown")
            return
        if not wanted.only_if_free:
            await self._send(wanted, post)
            return
        ask = _ask(wanted, Limit(POST, post.thread.channel_id))
        if not self._turns.is_free(post.thread, ask, calls=2):
            await self.give_up(post.key, reason="not_free")
            return
        try:
            await self._send(wanted, post)
        except (NotNowError, SlackUnavailableError) as error:
            await self.give_up(post.key, reason=f"not_free: {error}")

    async def _is_to_be_sent(self, wanted: Wanted, post: Post) -> bool:
        """Look for what a crash may have left; say whether it is still to be posted."""
        try:
            ts = await self._found_ts(post)
        except SlackRefusedError as refused:
            if wanted.resent is None:
                await self.give_up(post.key, reason=f"cannot_look_up: {refused.error}")
                return False
            self._resent.add(post.key)
            ts = None
        if ts is None:
            self._unsent.add(post.key)
            return True
        await self._settle_found(wanted, post, ts=ts)
        return False

    async def _send(self, wanted: Wanted, post: Post) -> None:
        """Call Slack; on trouble leave the intent so that the next attempt knows what to do."""
        thread, content = post.thread, wanted.content
        if post.key in self._resent and wanted.resent is not None:
            content = wanted.resent
        try:
            with self._turns.turn(thread, _ask(wanted, Limit(POST, thread.channel_id))):
                self._unsent.discard(post.key)
                ts = await self._slack.post_message(
                    thread.channel_id,
                    content,
                    thread_ts=thread.thread_ts,
                    key=post.key,
                    pace=Pace(urgency=wanted.urgency, patience_s=0.0),
                )
        except NotNowError:
            self._unsent.add(post.key)
            raise
        except SlackUnavailableError as unavailable:
            if not unavailable.maybe_done:
                self._unsent.add(post.key)
            raise
        except SlackRefusedError:
            self._unsent.add(post.key)
            raise
        self._resent.discard(post.key)
        self._note_time(wanted, post)
        await self._posts.posted(post.key, ts=ts, body_hash=wanted.body_hash)
        facts = {"key": post.key, "kind": post.kind.value}
        logger.info("post_sent", extra=facts)

    # -- editing ---------------------------------------------------------------------------------

    async def _edit(self, wanted: Wanted, post: Post) -> None:
        if post.ts is None or post.body_hash == wanted.body_hash:
            return
        self._keep_distance(wanted, post)
        try:
            with self._turns.turn(post.thread, _ask(wanted, Limit(EDIT))):
                await self._slack.update_message(
                    post.thread.channel_id,
                    post.ts,
                    wanted.content,
                    key=post.key,
                    pace=Pace(urgency=wanted.urgency, patience_s=0.0),
                )
        except SlackRefusedError as refused:
            if refused.error in _GONE:
                self._gone.add(post.key)
            elif refused.error not in _NOT_EDITABLE:
                raise
            logger.info("edit_refused", extra={"key": post.key, "error": refused.error})
        except SlackUnavailableError as unavailable:
            if wanted.patient:
                raise
            raise NotNowError(after_s=unavailable.retry_after_s, why="edit") from unavailable
        self._note_time(wanted, post)
        await self._posts.posted(post.key, ts=post.ts, body_hash=wanted.body_hash)

    def _note_time(self, wanted: Wanted, post: Post) -> None:
        if wanted.is_last:
            self._edited_at_s.pop(post.key, None)
        else:
            self._edited_at_s[post.key] = self._clock.monotonic_s()

    def _keep_distance(self, wanted: Wanted, post: Post) -> None:
        last_s = self._edited_at_s.get(post.key)
        if last_s is None or wanted.is_last:
            return
        left_s = last_s + MIN_EDIT_S - self._clock.monotonic_s()
        if left_s > 0:
            raise NotNowError(after_s=left_s, why="distance")

    # -- after a crash ---------------------------------------------------------------------------

    async def _settle_found(self, wanted: Wanted, post: Post, *, ts: str) -> None:
        """Note a message that a crash left; a plan may be an older render, so it is edited."""
        logger.info("post_found", extra={"key": post.key})
        if post.key in self._halves:
            self._halves.discard(post.key)
            await self._posts.posted(post.key, ts=ts, body_hash=STREAMING)
            half = replace(post, state=PostState.POSTED, ts=ts, body_hash=STREAMING)
            await self.show(wanted, half)
            return
        as_wanted = post.kind is not PostKind.PLAN and not wanted.only_if_left
        shown = wanted.body_hash if as_wanted else ""
        await self._posts.posted(post.key, ts=ts, body_hash=shown)
        if not as_wanted:
            found = Post(
                key=post.key,
                thread=post.thread,
                kind=post.kind,
                state=PostState.POSTED,
                ts=ts,
                body_hash=shown,
                created_at=post.created_at,
            )
            await self._edit(wanted, found)

    async def find(self, post: Post) -> str | None:
        """Look for what a crash may have left of an intent; None where nothing is found.

        Raises:
            SlackUnavailableError, SlackRefusedError: as of the client.
        """
        ts = await self._found_ts(post)
        self._halves.discard(post.key)
        return ts

    async def _found_ts(self, post: Post) -> str | None:
        """Look for the message in its thread, several times: Slack may show it late."""
        self._searched[post.key] = None
        try:
            for pause_s in LOOKUP_PAUSES_S:
                await self._sleep(pause_s)
                if seen := self._searched[post.key]:
                    return seen
                async for message in self._own_messages(post):
                    if ids.read_metadata(message.get("metadata")) == post.key:
                        return str(message["ts"])
                    if await self._is_half_of(post, message):
                        self._halves.add(post.key)
                        return str(message["ts"])
        finally:
            self._searched.pop(post.key, None)
        logger.info("post_not_found", extra={"key": post.key})
        return None

    async def _is_half_of(self, post: Post, message: JsonObject) -> bool:
        """Say whether the message is the answer, begun as a stream whose ``ts`` was not noted."""
        if post.kind is not PostKind.ANSWER or not is_half(message):
            return False
        place = post.thread
        known = await self._posts.find(place.workspace_id, place.channel_id, str(message["ts"]))
        return known is None

    async def _own_messages(self, post: Post) -> AsyncIterator[JsonObject]:
        oldest = f"{(post.created_at - LOOKUP_SKEW).timestamp():.6f}"
        cursor: str | None = None
        for _ in range(LOOKUP_PAGES):
            page = await self._slack.replies(
                post.thread.channel_id, post.thread.thread_ts, oldest=oldest, cursor=cursor
            )
            for message in page.messages:
                if self._is_ours(message):
                    yield message
            cursor = page.next_cursor
            if cursor is None:
                return

    def _is_ours(self, message: Mapping[str, object]) -> bool:
        bot_id = message.get("bot_id")
        return bot_id == self._bot_id if self._bot_id else bot_id is not None

    async def _was_handed_over(self, wanted: WantedFile, post: Post) -> bool:
        """Look for a file of that name; if that cannot be found out, rather not twice."""
        try:
            async for message in self._own_messages(post):
                for file in message.get("files") or ():
                    if await self._is_left(file, wanted, post):
                        ts = f"{FILE_TS}{file.get('id')}"
                        await self._posts.posted(post.key, ts=ts, body_hash="")
                        return True
        except SlackRefusedError as refused:
            await self.give_up(post.key, reason=f"cannot_look_up: {refused.error}")
            return True
        return False

    async def _is_left(self, file: object, wanted: WantedFile, post: Post) -> bool:
        """Say whether it is the file, and not another one of ours that has the same name."""
        if not isinstance(file, Mapping) or file.get("name") != wanted.name:
            return False
        place, ts = post.thread, f"{FILE_TS}{file.get('id')}"
        known = await self._posts.find(place.workspace_id, place.channel_id, ts)
        return known is None

    async def _content_of(self, wanted: WantedFile) -> bytes | None:
        if wanted.path is None:
            return wanted.text.encode()
        if self._files is None:
            return None
        content = await self._files.read(wanted.run, wanted.path)
        return content if content is not None and len(content) <= MAX_FILE_BYTES else None


def _ask(wanted: Wanted, limit: Limit) -> Ask:
    """Order what is final by when it was asked for; what will change again by who waits longest."""
    asked_at_s = wanted.asked_at_s if wanted.patient else None
    return Ask(limit=limit, urgency=wanted.urgency, asked_at_s=asked_at_s)


def thread_facts(thread: Thread) -> dict[str, str]:
    """Return what a log line says about a thread."""
    return {"channel_id": thread.channel_id, "thread_ts": thread.thread_ts}
