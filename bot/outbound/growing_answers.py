"""What the workers of this process say while they write answers, for whoever shows it. In memory.

Nothing in it is a fact and nothing has to survive: a run's answer is what its row says.
"""

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum

from agent_engine.ports import OnText
from agent_engine.types import RunId, RunSnapshot, Thread

MAX_UNSEEN = 200
"""Answers that began and that nobody follows yet; further ones are only shown when they are whole.
"""
_DIRECT = "D"
"""How the ids of conversations with one person begin."""


class Fate(StrEnum):
    """What becomes of a text that was heard."""

    GROWS = "grows"
    DROPPED = "dropped"
    """It will not be the answer."""
    OVER = "over"
    """Nothing more comes; whether it is the answer is in the run's row."""


@dataclass(slots=True, kw_only=True, eq=False)
class Growing:
    """An answer that is being written."""

    run: RunSnapshot
    """As it was when the writing began."""
    thread: Thread
    text: str = ""
    """The model's Markdown so far; empty when it begins anew."""
    fate: Fate = Fate.GROWS
    news: asyncio.Event = field(default_factory=asyncio.Event)


class GrowingAnswers:
    """Listens to the runs that people watch in a conversation of their own with the bot."""

    def __init__(self) -> None:
        self.is_watched = False
        """Whether anybody shows what is heard; while nobody does, models are asked as ever."""
        self._growing: dict[RunId, Growing] = {}
        self._new: asyncio.Queue[Growing] = asyncio.Queue(MAX_UNSEEN)

    def hear(self, run: RunSnapshot) -> OnText | None:
        """Return what to tell the run's answer as it grows; None where nobody looks."""
        thread = run.thread
        if not self.is_watched or thread is None or not is_direct(thread):
            return None
        return lambda text: self._take_in(run, thread, text)

    def dropped(self, run_id: RunId) -> None:
        """Take note that what was heard of the run, if anything, will not be its answer."""
        self._settle(run_id, Fate.DROPPED)

    def ended(self, run_id: RunId) -> None:
        """Take note that nothing more will be heard; what became of the run is in its row."""
        self._settle(run_id, Fate.OVER)

    async def next_new(self) -> Growing:
        """Wait for an answer that begins to grow."""
        return await self._new.get()

    def grows(self, run_id: RunId) -> bool:
        """Say whether an answer of this run is being written here and now."""
        return run_id in self._growing

    def _take_in(self, run: RunSnapshot, thread: Thread, text: str) -> None:
        growing = self._growing.get(run.run_id)
        if growing is None:
            if not text or self._new.full():
                return
            growing = self._growing[run.run_id] = Growing(run=run, thread=thread)
            self._new.put_nowait(growing)
        growing.text = text
        growing.news.set()

    def _settle(self, run_id: RunId, fate: Fate) -> None:
        growing = self._growing.pop(run_id, None)
        if growing is not None:
            growing.fate = fate
            growing.news.set()


def is_direct(thread: Thread) -> bool:
    """Say whether the thread is in a conversation of one person with the bot."""
    return thread.channel_id.startswith(_DIRECT)
