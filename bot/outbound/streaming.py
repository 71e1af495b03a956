"""Answers shown while they are written, in conversations of one person with the bot.

A stream is a post like any other: intent first, its ``ts`` noted at once, and what it says in the
end comes from the run's row. Whatever goes wrong on the way, the answer is then shown whole in the
same message. Decides nothing about what to say; ``posting`` edits and posts.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from weakref import WeakValueDictionary

from agent_engine.places import NewPost, Post, PostKind, PostState
from agent_engine.ports import Bell, Topic
from agent_engine.types import ActionType, EndReason, RunId, RunSnapshot
from bot.errors import SlackRefusedError, SlackUnavailableError
from bot.outbound.blocks import ids
from bot.outbound.blocks.plan import has_real_steps
from bot.outbound.content import Content
from bot.outbound.desired import Wanted, answer_key, persona_of, plan_key
from bot.outbound.growing_answers import Fate, Growing, GrowingAnswers
from bot.outbound.growing_text import showable
from bot.outbound.slack_client import SlackClient
from bot.outbound.slack_values import SessionStatus
from bot.ports import PostStore, ThreadStore

logger = logging.getLogger(__name__)

PAUSE_S = 0.8
"""Between two pieces of one answer."""

STREAMING = "streaming"
"""Stands for the digest of a post whose message was begun as a stream and not yet ended."""
DROPPED = "dropped"
"""Stands for the digest of a stream that is to be taken away."""
_CUT_SHORT = "cut-short"
"""Stands for the digest of a stream that was stopped by a person and stays as it is."""
_UNFINISHED = frozenset({STREAMING, DROPPED})

Find = Callable[[Post], Awaitable[str | None]]
"""Looks in Slack for the message of an intent."""


@dataclass(slots=True, kw_only=True, eq=False)
class _Stream:
    """One answer on its way to Slack."""

    growing: Growing
    ts: str | None = None
    """None until Slack has the message."""
    sent: str = ""
    """What Slack shows of it."""
    is_closed: bool = False
    """Nothing more is sent before the end."""
    is_sure: bool = True
    """Whether ``sent`` is known to be what Slack shows."""


class AnswerStreams:
    """Brings growing answers to Slack, and to their end."""

    def __init__(
        self,
        *,
        heard: GrowingAnswers,
        posts: PostStore,
        threads: ThreadStore,
        slack: SlackClient,
        bell: Bell,
    ) -> None:
        self._heard = heard
        self._posts = posts
        self._threads = threads
        self._slack = slack
        self._bell = bell
        self._streams: dict[RunId, _Stream] = {}
        self._locks: WeakValueDictionary[RunId, asyncio.Lock] = WeakValueDictionary()

    def watch(self, *, holds: bool) -> None:
        """Take note of whether this process is the one that posts."""
        self._heard.is_watched = holds and self._slack.streams.are_offered

    async def run(self) -> None:
        """Show what grows, for ever; cancel it to stop."""
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    group.create_task(self._follow(await self._heard.next_new()))
        finally:
            self._heard.is_watched = False

    # -- what the rows want ----------------------------------------------------------------------

    async def finish(self, wanted: Wanted, post: Post | None) -> Post | None:
        """End the stream of this answer, if there is one; return the post as it is then.

        Where the message does not say what it should, its digest differs from the wanted one.

        Raises:
            SlackUnavailableError: Slack does not answer; nothing is lost.
        """
        run_id = wanted.post.run_id
        if run_id is None or wanted.post.key != answer_key(run_id, 0):
            return post
        self._heard.ended(run_id)
        is_begun = post is not None and post.body_hash in _UNFINISHED
        if not is_begun and run_id not in self._streams:
            return post
        async with self._lock(run_id):
            stream = self._streams.pop(run_id, None)
            if stream is not None:
                stream.is_closed = True
            return await self._finished(wanted, await self._stored(run_id), stream)

    async def tidy(
        self, runs: Sequence[RunSnapshot], known: Mapping[str, Post], find: Find
    ) -> dict[str, Post]:
        """End the streams that will not become an answer; return the posts as they are then."""
        left = dict(known)
        for run in runs:
            post = left.get(answer_key(run.run_id, 0))
            if post is None or not self._is_abandoned(run, post):
                continue
            async with self._lock(run.run_id):
                # What has ended growing since the rows were read may stand in them by now.
                newest = await self._read_again(run)
                now = await self._tidied(newest, await self._stored(run.run_id), find)
            if now is None:
                del left[post.key]
            else:
                left[post.key] = now
        return left

    # -- following one that grows ----------------------------------------------------------------

    async def _follow(self, growing: Growing) -> None:
        """Show one answer while it grows; trouble ends the showing, never the answer."""
        run_id = growing.run.run_id
        stream = self._streams[run_id] = _Stream(growing=growing)
        try:
            while growing.fate is Fate.GROWS and not stream.is_closed:
                await growing.news.wait()
                growing.news.clear()
                async with self._lock(run_id):
                    await self._grow(stream)
                await asyncio.sleep(PAUSE_S)
            while growing.fate is Fate.GROWS:
                await growing.news.wait()
                growing.news.clear()
            if growing.fate is Fate.DROPPED:
                await self._drop(stream)
        except Exception:
            stream.is_closed = True
            logger.exception("stream_not_followed", extra={"run_id": run_id})
        if stream.ts is None:
            self._forget(stream)

    async def _grow(self, stream: _Stream) -> None:
        """Send what is new, if there is anything and Slack takes it now."""
        if stream.is_closed or stream.growing.fate is not Fate.GROWS:
            return
        text = showable(self._slack.streams.sendable(stream.growing.text))
        if text == stream.sent or not text.startswith(stream.sent):
            return
        try:
            if stream.ts is None:
                await self._start(stream, text)
            else:
                channel_id = stream.growing.thread.channel_id
                new = text.removeprefix(stream.sent)
                await self._slack.streams.append(channel_id, stream.ts, new)
                stream.sent = text
        except SlackUnavailableError as unavailable:
            stream.is_sure = not unavailable.maybe_done
            stream.is_closed = unavailable.maybe_done or stream.ts is None
        except SlackRefusedError as refused:
            stream.is_closed = True
            facts = {"run_id": stream.growing.run.run_id, "error": refused.error}
            logger.info("stream_refused", extra=facts)

    async def _start(self, stream: _Stream, text: str) -> None:
        run, thread = stream.growing.run, stream.growing.thread
        known = {post.key: post for post in await self._posts.posts_of([run.run_id])}
        key = answer_key(run.run_id, 0)
        if before := known.get(key):
            # One that was dropped is taken away first; one of an earlier life is only finished.
            stream.is_closed = before.body_hash != DROPPED
            return
        plan = known.get(plan_key(run.run_id))
        if has_real_steps(run.plan) and (plan is None or plan.state is PostState.INTENDED):
            return  # what is done is shown above what came of it
        new = NewPost(
            key=key, thread=thread, kind=PostKind.ANSWER, run_id=run.run_id, task_id=run.task.id
        )
        await self._posts.intend([new])
        try:
            stream.ts = await self._slack.streams.start(thread, text, persona=persona_of(run.agent))
        except SlackUnavailableError as unavailable:
            if not unavailable.maybe_done:
                await self._posts.withdrawn(key)
            raise
        except SlackRefusedError:
            await self._posts.withdrawn(key)
            raise
        stream.sent = text
        await self._posts.posted(key, ts=stream.ts, body_hash=STREAMING)
        logger.info("stream_started", extra={"key": key})

    async def _drop(self, stream: _Stream) -> None:
        """Note that the message is to go; the reconciler takes it away."""
        run_id = stream.growing.run.run_id
        async with self._lock(run_id):
            self._forget(stream)
            stored = await self._stored(run_id)
            if stream.ts is None or stored is None or stored.body_hash != STREAMING:
                return
            await self._posts.posted(stored.key, ts=stream.ts, body_hash=DROPPED)
        await self._threads.touch(stream.growing.thread)
        self._bell.ring(Topic.THREADS)

    # -- ending one ------------------------------------------------------------------------------

    async def _finished(
        self, wanted: Wanted, post: Post | None, stream: _Stream | None
    ) -> Post | None:
        if post is None or post.state is PostState.ABANDONED:
            return post
        if post.state is PostState.INTENDED and stream is not None and stream.ts is not None:
            post = replace(post, state=PostState.POSTED, ts=stream.ts, body_hash=STREAMING)
        if post.ts is None or post.body_hash not in _UNFINISHED:
            return post
        if post.body_hash == DROPPED:
            await self._take_away(post, status=SessionStatus.ACTIVE)
            return None
        if stream is not None and await self._ends_as_wanted(wanted, stream, post.ts):
            await self._posts.posted(post.key, ts=post.ts, body_hash=wanted.body_hash)
            logger.info("post_sent", extra={"key": post.key, "kind": post.kind.value})
            return replace(post, body_hash=wanted.body_hash)
        await self._close(post, status=SessionStatus.ACTIVE)
        return replace(post, body_hash="")

    async def _ends_as_wanted(self, wanted: Wanted, stream: _Stream, ts: str) -> bool:
        """End the stream with the rest of the answer; False when another way must be found."""
        text = _markdown_of(wanted.content)
        is_known = stream.ts == ts and stream.is_sure
        if text is None or not is_known or not text.startswith(stream.sent):
            return False
        try:
            await self._slack.streams.stop(
                wanted.post.thread.channel_id,
                ts,
                text=text.removeprefix(stream.sent),
                blocks=wanted.content.blocks[1:],
                key=wanted.post.key,
            )
        except SlackRefusedError as refused:
            facts = {"key": wanted.post.key, "error": refused.error}
            logger.info("stream_not_ended", extra=facts)
            return False
        return True

    async def _close(self, post: Post, *, status: SessionStatus) -> None:
        """Have Slack end the stream as it is; one that has ended is fine.

        Without its key: by that a message is known that says all it should.
        """
        if post.ts is None:
            return
        try:
            await self._slack.streams.stop(post.thread.channel_id, post.ts, status=status)
        except SlackRefusedError as refused:
            logger.info("stream_was_ended", extra={"key": post.key, "error": refused.error})

    async def _take_away(self, post: Post, *, status: SessionStatus) -> None:
        """Remove the message and the post, so that the answer can be posted as if for the first."""
        if post.ts is not None:
            await self._close(post, status=status)
            await self._slack.delete_message(post.thread.channel_id, post.ts)
        await self._posts.withdrawn(post.key)
        logger.info("stream_taken_away", extra={"key": post.key})

    def _is_abandoned(self, run: RunSnapshot, post: Post) -> bool:
        """Say whether the post was begun as a stream and no answer will come of it."""
        if post.body_hash == DROPPED:
            return True
        is_begun = post.state is PostState.INTENDED or post.body_hash == STREAMING
        if not is_begun or self._heard.grows(run.run_id):
            return False
        return not answer_comes_next(run)

    async def _tidied(self, run: RunSnapshot, post: Post | None, find: Find) -> Post | None:
        if post is None or not self._is_abandoned(run, post):
            return post
        stream = self._streams.get(run.run_id)
        if stream is not None and stream.ts is not None:
            self._forget(stream)
        if post.state is PostState.INTENDED:
            ts = stream.ts if stream is not None else await find(post)
            post = replace(post, ts=ts)
        if run.end is not None and run.end.reason is EndReason.STOPPED and post.ts is not None:
            await self._close(post, status=SessionStatus.ACTIVE)
            await self._posts.posted(post.key, ts=post.ts, body_hash=_CUT_SHORT)
            return replace(post, state=PostState.POSTED, body_hash=_CUT_SHORT)
        goes_on = run.end is None
        status = SessionStatus.PROCESSING if goes_on else SessionStatus.ACTIVE
        await self._take_away(post, status=status)
        return None

    # --------------------------------------------------------------------------------------------

    async def _read_again(self, run: RunSnapshot) -> RunSnapshot:
        runs = await self._threads.runs(run.thread) if run.thread is not None else ()
        return next((newest for newest in runs if newest.run_id == run.run_id), run)

    async def _stored(self, run_id: RunId) -> Post | None:
        key = answer_key(run_id, 0)
        return next((p for p in await self._posts.posts_of([run_id]) if p.key == key), None)

    def _forget(self, stream: _Stream) -> None:
        if self._streams.get(stream.growing.run.run_id) is stream:
            del self._streams[stream.growing.run.run_id]

    def _lock(self, run_id: RunId) -> asyncio.Lock:
        """Return what only one of those may hold who write this run's answer."""
        return self._locks.setdefault(run_id, asyncio.Lock())


def answer_comes_next(run: RunSnapshot) -> bool:
    """Say whether the next that people will see of the run is its answer, as far as rows tell."""
    if run.end is not None:
        return run.answer is not None
    if run.unread or run.waits:
        return False
    return all(s.status.is_final or s.action.action_type == ActionType.ANSWER for s in run.steps)


def is_half(message: Mapping[str, object]) -> bool:
    """Say whether a message of ours in Slack is a stream that was never brought to its end."""
    return "streaming_state" in message and ids.read_metadata(message.get("metadata")) is None


def _markdown_of(content: Content) -> str | None:
    """Return the Markdown that is the whole of the message but for what stands below it."""
    first = content.blocks[0] if content.blocks else {}
    return str(first["text"]) if first.get("type") == "markdown" else None
