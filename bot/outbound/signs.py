"""The first sign in a thread and the last: what Slack shows of the agent's session.

A session, with Slack's own Stop button, where its limit allows; else a status line, which has a
limit of its own and goes with our next message. Remembers which thread shows what and how. Which
status a thread should show is not decided here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from agent_engine.ports import Clock
from agent_engine.types import Thread
from bot.errors import SlackUnavailableError
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

_SESSIONS = Limit(SESSION_STATUS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """That the agent is at work."""

    title: str
    asked_at_s: float
    is_first: bool = True
    """Whether the thread shows nothing yet; such signs go before all other changes of sessions."""
    has_answer: bool = False
    """Whether only the answer has to wait: nothing to stop, and a line goes with the answer."""


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

    async def work(self, thread: Thread, sign: Sign) -> list[NotNowError]:
        """Show that the agent is at work, in the way that takes least time.

        Returns:
            What it has to wait for; empty when it is shown, or when this Slack shows no status.
        """
        ways = [_SESSIONS, _line_in(thread)]
        if sign.has_answer:
            ways.reverse()
        urgency = Urgency.ANSWER if sign.is_first else Urgency.NOTICE
        waits: list[NotNowError] = []
        for limit in ways:
            ask = Ask(limit=limit, urgency=urgency, asked_at_s=sign.asked_at_s)
            try:
                is_shown = await self._call(thread, ask, SessionStatus.PROCESSING, sign.title)
            except NotNowError as wait:
                waits.append(wait)
                if wait.after_s <= SIGN_PATIENCE_S:
                    return waits
                continue
            if is_shown:
                for other in ways:
                    self._turns.leave(thread, other)
                return []
        if not waits:
            self.is_shown(thread, SessionStatus.PROCESSING)
        return waits

    async def rest(
        self, thread: Thread, status: SessionStatus, *, is_answered: bool
    ) -> list[NotNowError]:
        """Show that the agent waits for people or is done. A line has gone with the answer."""
        ways: Sequence[Limit] = (_SESSIONS, _line_in(thread))
        if thread in self._lines and status is SessionStatus.ACTIVE:
            ways = () if is_answered else (_line_in(thread),)
        for limit in ways:
            ask = Ask(limit=limit, urgency=Urgency.BACKGROUND)
            try:
                if await self._call(thread, ask, status, ""):
                    return []
            except NotNowError as wait:
                return [wait]
        self.is_shown(thread, status)
        return []

    def is_shown(self, thread: Thread, status: SessionStatus) -> None:
        """Note what the thread shows, as a session or as well as this Slack can."""
        self._shown[thread] = status
        self._lines.pop(thread, None)

    # --------------------------------------------------------------------------------------------

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
        if is_offered:
            self.is_shown(thread, status)
            if is_line and status is SessionStatus.PROCESSING:
                self._lines[thread] = self._clock.monotonic_s()
        return is_offered


def _line_in(thread: Thread) -> Limit:
    return Limit(STATUS_LINE, thread.channel_id)
