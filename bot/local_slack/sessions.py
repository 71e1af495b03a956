"""Agent sessions, status lines and suggested prompts: what Slack shows beside a thread."""

import time

from bot.local_slack.changes import Hub, PromptsSuggested, SessionChanged
from bot.local_slack.errors import RefusedError
from bot.local_slack.records import Json, Session, SessionStatus


class Sessions:
    """Sessions by channel and thread, prompts by direct message."""

    def __init__(self, *, hub: Hub, status_lifetime_s: float) -> None:
        self._hub = hub
        self._status_lifetime_s = status_lifetime_s
        self._sessions: dict[tuple[str, str], Session] = {}
        self.prompts: dict[str, Json] = {}

    def find(self, channel: str, thread_ts: str) -> Session | None:
        """Give what is shown on a thread, or None where nothing ever was."""
        session = self._sessions.get((channel, thread_ts))
        if session and session.status_text and time.monotonic() > session.status_until_s:
            session.status_text = ""
        return session

    def set_status(
        self, channel: str, thread_ts: str, *, status: SessionStatus, title: str | None = None
    ) -> Session:
        """Create or change a session; a title counts only when it is created."""
        session = self._place(channel, thread_ts)
        if session.status is None and title:
            session.title = title
        session.status = status
        self._hub.publish(SessionChanged(session=session))
        return session

    def rename(self, channel: str, thread_ts: str, title: str) -> Session:
        """Give a session another title."""
        session = self._sessions.get((channel, thread_ts))
        if session is None or session.status is None:
            raise RefusedError("session_not_found")
        session.title = title
        self._hub.publish(SessionChanged(session=session))
        return session

    def title_thread(self, channel: str, thread_ts: str, title: str) -> None:
        """Set the title of a thread in the older assistant way, session or not."""
        session = self._place(channel, thread_ts)
        session.title = title
        self._hub.publish(SessionChanged(session=session))

    def set_status_text(self, channel: str, thread_ts: str, text: str) -> None:
        """Show a status line; it goes with the next message of the app, or after two minutes."""
        session = self._place(channel, thread_ts)
        session.status_text = text
        session.status_until_s = time.monotonic() + self._status_lifetime_s
        self._hub.publish(SessionChanged(session=session))

    def clear_status_text(self, channel: str, thread_ts: str) -> None:
        """Take the status line away, if there is one."""
        session = self._sessions.get((channel, thread_ts))
        if session is not None and session.status_text:
            session.status_text = ""
            self._hub.publish(SessionChanged(session=session))

    def suggest(self, channel: str, prompts: Json) -> None:
        """Pin prompts to the top of a direct message or to a thread in it."""
        self.prompts[channel] = prompts
        self._hub.publish(PromptsSuggested(channel=channel, prompts=prompts))

    def _place(self, channel: str, thread_ts: str) -> Session:
        key = (channel, thread_ts)
        return self._sessions.setdefault(key, Session(channel=channel, thread_ts=thread_ts))
