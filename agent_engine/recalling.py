"""What one worker asks of an agent's long-term memory for one run, and what the run leaves there.

It notes with the session; nothing is stored but with the run's own events.
"""

from agent_engine.hearsay import Tools, trust_of
from agent_engine.memories import StoredMemory
from agent_engine.memory.long_term import LongTermMemory, Recollection
from agent_engine.ports import Clock
from agent_engine.session import RunSession
from agent_engine.types import Answer


class Recalling:
    """The memory of one run's agent; without one, nothing is recalled and nothing is kept."""

    def __init__(
        self, session: RunSession, memory: LongTermMemory | None, *, tools: Tools, clock: Clock
    ) -> None:
        self._session = session
        self._memory = memory
        self._tools = tools
        self._clock = clock
        self._last = ("", Recollection())
        self._told: list[StoredMemory] = []

    async def about(self, goal: str) -> Recollection:
        """Return what fits the goal; that the run is told of it is stored with what comes next.

        Raises StorageError.
        """
        if self._memory is None or not goal:
            return Recollection()
        if self._last[0] != goal:
            session = self._session
            found = await self._memory.recall(session.run, goal, settle=session.settle)
            self._last = (goal, found)
            self._told += (*found.lessons, *found.memories)
            if told := found.event(self._clock.now()):
                self._session.note(told)
        return self._last[1]

    def note_episode(self, answer: Answer) -> None:
        """Keep what came of the run, once it ends so."""
        if self._memory is not None and self._memory.rules.episodes:
            run = self._session.run
            trust = trust_of(run, self._tools, self._told)
            self._session.note(self._memory.episode(run, answer, trust=trust))
