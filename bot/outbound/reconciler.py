"""Makes Slack look like the rows: the loop over threads that Slack does not show as they are.

One reconciler per workspace posts; others stand by. What a thread should show is ``desired``, how
one message gets there is ``posting``. It changes no run: all it writes is what Slack shows.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from agent_engine.errors import RetryableError
from agent_engine.places import DirtyThread, Post, PostKind
from agent_engine.ports import Bell, Clock, Topic
from agent_engine.types import RunId, RunSnapshot, Thread, WorkspaceId
from bot.errors import SlackRefusedError, SlackUnavailableError
from bot.outbound.desired import Desired, Wanted, WantedFile, desired
from bot.outbound.growing_answers import GrowingAnswers
from bot.outbound.pacing import Sleep, Urgency
from bot.outbound.posting import Poster, TaskFiles, thread_facts
from bot.outbound.refusals import LOST_CHANNEL, LOST_THREAD, NO_ACCESS, SHRINK_ON
from bot.outbound.signs import Signs
from bot.outbound.slack_client import POST, SlackClient
from bot.outbound.streaming import AnswerStreams
from bot.outbound.turns import Limit, NotNowError, Turns
from bot.outbound.unsent_files import refused
from bot.ports import Leases, PostStore, ThreadStore

logger = logging.getLogger(__name__)

POLL_S = 1.0
"""How long a change may go unnoticed when no bell rings."""
THREADS_AT_ONCE = 200
TROUBLE_PAUSE_S = 2.0
"""After an unexpected error in a thread; doubled each time."""
MAX_PAUSE_S = 300.0
NO_ACCESS_PAUSE_S = 30.0
SPREAD_S = 0.1
"""Between threads that come back after the same trouble, in the order in which they met it."""
MIN_SCALE = 0.1

_TROUBLE = "trouble"
_IN_LINE = "in line"


@dataclass(frozen=True, slots=True, kw_only=True)
class LostPlace:
    """A thread in which nothing can be said any more."""

    thread: Thread
    error: str
    """Slack's word for it."""
    whole_channel: bool
    """Whether the same holds for all threads of the channel."""


OnLost = Callable[[LostPlace], Awaitable[None]]


class _Later(NamedTuple):
    at_s: float
    seq: int
    why: str


class Reconciler:
    """Shows in Slack what the rows say."""

    def __init__(  # noqa: PLR0913  # the composition root hands over each part
        self,
        *,
        threads: ThreadStore,
        posts: PostStore,
        slack: SlackClient,
        leases: Leases,
        bell: Bell,
        clock: Clock,
        workspace_id: WorkspaceId,
        on_lost: OnLost | None = None,
        files: TaskFiles | None = None,
        bot_id: str | None = None,
        remind_after: timedelta | None = None,
        sleep: Sleep = asyncio.sleep,
        growing: GrowingAnswers | None = None,
    ) -> None:
        self._threads = threads
        self._posts = posts
        self._slack = slack
        self._leases = leases
        self._bell = bell
        self._clock = clock
        self._workspace_id = workspace_id
        self._on_lost = on_lost
        self._remind_after = remind_after
        self._turns = Turns(wait_for=self._wait_s, clock=clock)
        self._signs = Signs(slack=slack, turns=self._turns, clock=clock)
        self._streams = AnswerStreams(
            heard=growing or GrowingAnswers(), posts=posts, threads=threads, slack=slack, bell=bell
        )
        self._poster = Poster(
            posts=posts,
            slack=slack,
            clock=clock,
            turns=self._turns,
            files=files,
            bot_id=bot_id,
            sleep=sleep,
            streams=self._streams,
        )
        self._slots = asyncio.Semaphore(THREADS_AT_ONCE)
        self._busy: set[Thread] = set()
        self._later: dict[Thread, _Later] = {}
        self._troubles: dict[Thread, int] = {}
        self._scales: dict[RunId, float] = {}
        self._holds = False

    async def run(self) -> None:
        """Reconcile for ever; cancel it to stop. Gives the workspace up on the way out."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._streams.run())
                while True:
                    pause_s = await self._round(group)
                    await self._bell.wait(Topic.THREADS, timeout_s=pause_s)
        finally:
            if self._holds:
                await self._leases.let_go(self._lease)

    async def settle(self, dirty: DirtyThread) -> None:
        """Make Slack show one thread as it is.

        Raises:
            NotNowError: something can only be shown later; the rest is shown. Where only time has
                to pass, it says how much; else the thread is in line and will be called.
            SlackUnavailableError: Slack does not answer; nothing is lost.
        """
        thread = dirty.thread
        with self._turns.visit(thread):
            try:
                waits = await self._show(dirty)
            except _LostError as lost:
                await self._lose(dirty, lost)
                return
        if waits:
            raise min(waits, key=lambda wait: (wait.limit is not None, wait.after_s))
        status = self._signs.shown(thread, dirty.session_status)
        self._signs.is_stored(thread)
        await self._threads.shown(thread, seq=dirty.seq, session_status=status)
        self._troubles.pop(thread, None)

    def own_message_seen(self, ts: str, metadata: object) -> None:
        """Tell of a message event of our own; helps to find what a crash left."""
        self._poster.own_message_seen(ts, metadata)

    # -- the loop --------------------------------------------------------------------------------

    @property
    def _lease(self) -> str:
        return f"reconciler:{self._workspace_id}"

    async def _round(self, group: asyncio.TaskGroup) -> float:
        """Start work on every thread that is due; return how long nothing more is."""
        try:
            if not await self._has_lease():
                return POLL_S
            await self._refresh_lines()
            limit = THREADS_AT_ONCE + len(self._busy) + len(self._later)
            at_work = frozenset(self._busy)
            read = await self._threads.dirty(limit=limit)
        except RetryableError:
            logger.warning("threads_not_read", exc_info=True)
            return POLL_S
        self._turns.keep({each.thread for each in read} | self._busy)
        # Work under way stores what it showed, so what was read of its thread meanwhile may be old;
        # its end rings, and then it is read again.
        dirty = [each for each in read if each.thread not in at_work]
        now_s, called = self._clock.monotonic_s(), self._called()
        for each in dirty:
            if self._is_ours(each.thread) and self._is_due(each, now_s, called):
                self._busy.add(each.thread)
                group.create_task(self._work(each))
        return self._pause_s(now_s)

    def _pause_s(self, now_s: float) -> float:
        """Return how long to sleep. What is due by now is at work, and the end of that rings."""
        ahead_s = [later.at_s - now_s for later in self._later.values() if later.at_s > now_s]
        if (next_s := self._turns.next_s()) is not None:
            ahead_s.append(next_s)
        return min(POLL_S, max(0.01, min(ahead_s, default=POLL_S)))

    async def _has_lease(self) -> bool:
        held = await self._leases.hold(self._lease)
        if held and not self._holds:
            logger.info("workspace_taken", extra={"workspace_id": self._workspace_id})
            for post in await self._posts.unsettled(self._workspace_id):
                await self._threads.touch(post.thread)
        self._holds = held
        self._streams.watch(holds=held)
        return held

    def _is_ours(self, thread: Thread) -> bool:
        return thread.workspace_id == self._workspace_id

    def _wait_s(self, limit: Limit, urgency: Urgency, *, ahead: int) -> float:
        return self._slack.wait_s(limit.method, limit.channel_id, urgency, ahead=ahead)

    def _called(self) -> set[Thread]:
        """Return the threads whose turn it is, and those that wait for one but are in no line."""
        in_line = {thread for thread, later in self._later.items() if later.why == _IN_LINE}
        return self._turns.called() | (in_line - self._turns.waiting())

    def _is_due(self, dirty: DirtyThread, now_s: float, called: AbstractSet[Thread]) -> bool:
        """Say whether to work on the thread now: it is free, and due, called or changed."""
        later = self._later.get(dirty.thread)
        if dirty.thread in self._busy:
            return False
        if later is None or later.at_s <= now_s or dirty.thread in called:
            return True
        return later.seq != dirty.seq and later.why != _TROUBLE

    async def _work(self, dirty: DirtyThread) -> None:
        """Settle one thread; whatever goes wrong stays in it and is tried again."""
        thread = dirty.thread
        later: _Later | None = None
        try:
            async with self._slots:
                await self.settle(dirty)
        except NotNowError as error:
            if error.limit is None:
                later = self._at(error.after_s, dirty, why=error.why)
            else:
                later = _Later(math.inf, dirty.seq, _IN_LINE)
        except SlackUnavailableError as error:
            facts = {"method": error.method, "after_s": round(error.retry_after_s, 1)}
            logger.info("thread_postponed", extra=thread_facts(thread) | facts)
            later = self._at(error.retry_after_s, dirty, why=error.method)
        except Exception:
            logger.exception("thread_not_settled", extra=thread_facts(thread))
            later = self._at(self._trouble_pause_s(thread), dirty, why=_TROUBLE)
        finally:
            self._busy.discard(thread)
            self._later.pop(thread, None)
            if later is not None:
                self._later[thread] = later
            self._bell.ring(Topic.THREADS)

    def _at(self, after_s: float, dirty: DirtyThread, *, why: str) -> _Later:
        """Return when to try again, if it is not called before; many are spread a little."""
        now_s = self._clock.monotonic_s()
        before = self._later.get(dirty.thread)
        if before is not None and before.why == why and before.at_s > now_s:
            return before._replace(seq=dirty.seq)
        ahead = sum(later.why == why for later in self._later.values()) if why != "distance" else 0
        return _Later(now_s + after_s + ahead * SPREAD_S, dirty.seq, why)

    def _trouble_pause_s(self, thread: Thread) -> float:
        times = self._troubles[thread] = self._troubles.get(thread, 0) + 1
        return min(MAX_PAUSE_S, TROUBLE_PAUSE_S * float(1 << min(times - 1, 10)))

    async def _refresh_lines(self) -> None:
        """Have status lines shown again before Slack takes them away."""
        for thread in self._signs.fading():
            if thread not in self._busy:
                await self._threads.touch(thread)

    # -- one thread ------------------------------------------------------------------------------

    async def _show(self, dirty: DirtyThread) -> list[NotNowError]:
        """Show all that can be shown now and return what has to wait.

        A first sign goes before the messages; that the work rests or is done comes after them.
        Nothing waits here, so what meets a limit holds nothing else up.
        """
        thread = dirty.thread
        while True:
            runs = await self._runs(thread)
            known = self._poster.as_known(await self._posts.posts_of([r.run_id for r in runs]))
            known = await self._streams.tidy(runs, known, self._poster.find)
            shown = self._signs.shown(thread, dirty.session_status)
            wanted = self._desired(runs, known, shown)
            waits = await self._signed(self._signs.begin(thread, wanted, shown))
            if not self._slack.shows_status:
                wanted = self._desired(runs, known, shown)
            try:
                waits += await self._show_messages(wanted, known)
            except _TooLongError as error:
                self._shrink(error.run_id)
                continue
            end = self._signs.end(thread, wanted, shown, post_in_s=_post_in_s(waits))
            return waits + await self._signed(end)

    async def _runs(self, thread: Thread) -> Sequence[RunSnapshot]:
        found = await self._threads.runs(thread)
        return [run for run in found if run.thread == thread]

    def _desired(
        self, runs: Sequence[RunSnapshot], known: Mapping[str, Post], shown: str | None
    ) -> Desired:
        return desired(
            runs,
            known,
            shown_status=shown,
            early_plan=not self._slack.shows_status,
            takes_files=self._slack.takes_files,
            scales=self._scales,
            remind_before=self._clock.now() - self._remind_after if self._remind_after else None,
        )

    async def _signed(self, showing: Awaitable[list[NotNowError]]) -> list[NotNowError]:
        """Show a status; one that Slack refuses holds nothing else up."""
        try:
            return await showing
        except SlackRefusedError as refused:
            _raise_if_lost(refused)
            logger.warning("status_refused", extra={"error": refused.error})
            return []

    async def _show_messages(self, wanted: Desired, known: Mapping[str, Post]) -> list[NotNowError]:
        """Show all messages that can be shown now; what ends a run waits for its answer."""
        waits: list[NotNowError] = []
        unanswered: set[RunId | None] = set()
        for message in wanted.messages:
            if message.post.kind is PostKind.PLAN and message.post.run_id in unanswered:
                continue
            try:
                await self._poster.show(message, known.get(message.post.key))
            except NotNowError as wait:
                waits.append(wait)
                if message.post.kind is PostKind.ANSWER:
                    unanswered.add(message.post.run_id)
            except SlackRefusedError as refused:
                await self._refused(message, refused)
        for file in (f for f in wanted.files if f.run.run_id not in unanswered):
            try:
                await self._hand_over(file, known.get(file.post.key))
            except NotNowError as wait:
                waits.append(wait)
        return waits

    async def _hand_over(self, file: WantedFile, post: Post | None) -> None:
        try:
            await self._poster.hand_over(file, post)
        except SlackRefusedError as refusal:
            if refusal.error not in LOST_CHANNEL | LOST_THREAD:
                await self._poster.show(refused(file, refusal), None)
            await self._poster.give_up(file.post.key, reason=refusal.error)
            _raise_if_lost(refusal)
            logger.warning("file_refused", extra={"error": refusal.error})

    async def _refused(self, wanted: Wanted, refused: SlackRefusedError) -> None:
        """Do what can be done about a message that Slack does not take."""
        run_id = wanted.post.run_id
        if refused.error in SHRINK_ON and run_id and self._scales.get(run_id, 1.0) > MIN_SCALE:
            raise _TooLongError(run_id) from refused
        if refused.error in NO_ACCESS:
            raise SlackUnavailableError(
                "Slack does not accept our token.",
                method=refused.method,
                retry_after_s=NO_ACCESS_PAUSE_S,
            ) from refused
        await self._poster.give_up(wanted.post.key, reason=refused.error)
        _raise_if_lost(refused)
        facts = {"key": wanted.post.key, "error": refused.error}
        logger.error("post_refused", extra=facts)

    def _shrink(self, run_id: RunId) -> None:
        self._scales[run_id] = self._scales.get(run_id, 1.0) / 2
        logger.info("messages_shrunk", extra={"run_id": run_id})

    async def _lose(self, dirty: DirtyThread, lost: "_LostError") -> None:
        """Take leave of a thread in which nothing can be said; have its tasks stopped."""
        facts = thread_facts(dirty.thread) | {"error": lost.error}
        logger.warning("thread_lost", extra=facts)
        self._signs.forget(dirty.thread)
        if self._on_lost is not None:
            whole = lost.error in LOST_CHANNEL
            place = LostPlace(thread=dirty.thread, error=lost.error, whole_channel=whole)
            await self._on_lost(place)
        await self._threads.shown(dirty.thread, seq=dirty.seq, session_status=dirty.session_status)


class _LostError(Exception):
    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


class _TooLongError(Exception):
    def __init__(self, run_id: RunId) -> None:
        super().__init__(run_id)
        self.run_id = run_id


def _post_in_s(waits: Sequence[NotNowError]) -> float | None:
    """Return how long the thread waits for a message; None where it waits for none."""
    posts = [wait for wait in waits if wait.limit is not None and wait.limit.method == POST]
    return min((wait.after_s for wait in posts), default=None)


def _raise_if_lost(refused: SlackRefusedError) -> None:
    if refused.error in LOST_CHANNEL or refused.error in LOST_THREAD:
        raise _LostError(refused.error) from refused
