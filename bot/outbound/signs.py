"""The first sign in a thread and the last: what Slack shows of the agent's session.

A session, with Slack's own Stop button, where its limit allows; else a status line, which has a
limit of its own and goes with our next message. Remembers which thread shows what and how; which
status a thread should show is ``desired``.
"""

from collections.abc import Sequence

from agent_engine.ports import Clock
from agent_engine.types import Thread
from bot.errors import SlackRefusedError, SlackUnavailableError
from bot.outbound.desired import Desired
from bot.outbound.pacing import Urgency
from bot.outbound.slack_client import SESSION_STATUS, STATUS_LINE, SlackClient
from bot.outbound.slack_values import Pace, SessionStatus
from bot.outbound.turns import Ask, Limit, NotNowError, Turns

LINE_LASTS_S = 90.0
"""After this a status line is shown again; Slack takes it away after two minutes."""
REFRESH_S = 10.0
"""Between two looks for lines that fade."""
SIGN_PATIENCE_S = 2.0
"""A first sign that has to wait longer for a session is shown as a line."""

LAST_PATIENCE_S = 30.0
"""While threads that are done wait longer for a session change, first signs are lines."""

_SESSIONS = Limit(SESSION_STATUS)
_FIRST, _NEXT, _LAST = Urgency.ANSWER, Urgency.NOTICE, Urgency.BACKGROUND


class Signs:
    """Shows in threads whether the agent is at work."""

    def __init__(self, *, slack: SlackClient, turns: Turns, clock: Clock) -> None:
        self._slack = slack
        self._turns = turns
        self._clock = clock
        self._shown: dict[Thread, SessionStatus] = {}
        """What was shown since the rows were last told."""
        self._lines: dict[Thread, float] = {}
        """When the status lines that are shown were shown."""
        self._looked_at_s = -REFRESH_S

    def shown(self, thread: Thread, stored: str | None) -> str | None:
        """Return the status that the thread shows; ``stored`` is what the rows know."""
        return self._shown.get(thread, stored)

    def is_stored(self, thread: Thread) -> None:
        """Forget the status: the rows know it."""
        self._shown.pop(thread, None)

    def forget(self, thread: Thread) -> None:
        """Forget the thread: nothing can be shown there any more."""
        self._shown.pop(thread, None)
        self._lines.pop(thread, None)

    def is_fading(self, thread: Thread) -> bool:
        """Say whether Slack will soon take the thread's status line away."""
        at_s = self._lines.get(thread)
        return at_s is not None and self._clock.monotonic_s() - at_s > LINE_LASTS_S

    def fading(self) -> list[Thread]:
        """Return all threads of which that is so, each only now and then."""
        now_s = self._clock.monotonic_s()
        if now_s - self._looked_at_s < REFRESH_S:
            return []
        self._looked_at_s = now_s
        return [thread for thread in self._lines if self.is_fading(thread)]

    async def begin(self, thread: Thread, wanted: Desired, shown: str | None) -> list[NotNowError]:
        """Show that the work has begun, or still goes on.

        Returns:
            What that has to wait for; empty when it is shown, or when this Slack shows no status.
        """
        is_new = wanted.session is SessionStatus.PROCESSING
        if not is_new and (wanted.session is not None or not self.is_fading(thread)):
            return []
        is_first = is_new and shown != SessionStatus.SUSPENDED
        ways = [_SESSIONS, _line_in(thread)]
        if self._turns.longest_s(_SESSIONS, _LAST) > LAST_PATIENCE_S:
            ways.reverse()
        return await self._work(thread, wanted, _FIRST if is_first else _NEXT, ways)

    async def end(
        self, thread: Thread, wanted: Desired, shown: str | None, *, post_in_s: float | None
    ) -> list[NotNowError]:
        """Show that the work rests or is done, once all is posted; until then that it is not.

        Args:
            thread: where.
            wanted: what it should show.
            shown: the status it has shown so far.
            post_in_s: how long a message has to wait; None when none does.
        """
        if wanted.session is SessionStatus.PROCESSING:
            return []
        if post_in_s is None:
            return [] if wanted.session is None else await self._rest(thread, wanted)
        has_sign = shown == SessionStatus.PROCESSING and not self.is_fading(thread)
        if has_sign or post_in_s <= SIGN_PATIENCE_S:
            return []
        # There is nothing to stop any more, and a line goes by itself when the message comes.
        return await self._work(thread, wanted, _FIRST, [_line_in(thread), _SESSIONS])

    # --------------------------------------------------------------------------------------------

    async def _work(
        self, thread: Thread, wanted: Desired, urgency: Urgency, ways: Sequence[Limit]
    ) -> list[NotNowError]:
        """Show that the agent is at work, in the first way that takes no long wait."""
        waits: list[NotNowError] = []
        for limit in ways:
            ask = Ask(limit=limit, urgency=urgency, asked_at_s=wanted.asked_at_s)
            try:
                is_done = await self._call(thread, ask, SessionStatus.PROCESSING, wanted.title)
            except NotNowError as wait:
                waits.append(wait)
                if wait.after_s <= SIGN_PATIENCE_S:
                    return waits
                continue
            if is_done:
                for other in ways:
                    self._turns.leave(thread, other)
                return []
        if not waits:
            self._note(thread, SessionStatus.PROCESSING)
        return waits

    async def _rest(self, thread: Thread, wanted: Desired) -> list[NotNowError]:
        """Show that the agent waits for people or is done. A line has gone with the answer."""
        status = wanted.session or SessionStatus.ACTIVE
        ways: Sequence[Limit] = (_SESSIONS, _line_in(thread))
        if thread in self._lines and status is SessionStatus.ACTIVE:
            ways = () if wanted.is_answered else (_line_in(thread),)
        for limit in ways:
            try:
                if await self._call(thread, Ask(limit=limit, urgency=_LAST), status, ""):
                    return []
            except NotNowError as wait:
                return [wait]
        self._note(thread, status)
        return []

    def _note(self, thread: Thread, status: SessionStatus) -> None:
        """Note what the thread shows, as a session or as well as this Slack can."""
        self._shown[thread] = status
        self._lines.pop(thread, None)

    async def _call(self, thread: Thread, ask: Ask, status: SessionStatus, title: str) -> bool:
        """Show it in one way, when it is our turn; False when this Slack does not offer it."""
        if self._slack.refuses(ask.limit.method):
            return False
        pace = Pace(urgency=ask.urgency, patience_s=0.0)
        is_line = ask.limit != _SESSIONS
        try:
            with self._turns.turn(thread, ask):
                if is_line:
                    is_offered = await self._slack.set_status_line(thread, status, pace=pace)
                else:
                    is_offered = await self._slack.set_session_status(
                        thread, status, title=title, pace=pace
                    )
        except SlackUnavailableError as unavailable:
            raise NotNowError(
                after_s=unavailable.retry_after_s, why=unavailable.method
            ) from unavailable
        except SlackRefusedError:
            self._note(thread, status)
            raise
        if is_offered:
            self._note(thread, status)
            if is_line and status is SessionStatus.PROCESSING:
                self._lines[thread] = self._clock.monotonic_s()
        return is_offered


def _line_in(thread: Thread) -> Limit:
    return Limit(STATUS_LINE, thread.channel_id)
