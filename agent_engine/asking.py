"""Asks a person what a run in this process waits for, beside the work on it.

One question at a time, each once. While somebody thinks, timers run out, sub-tasks are worked on
and the run can be stopped; a question that is settled meanwhile is taken back.
"""

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from types import TracebackType
from typing import Self

from agent_engine.in_memory import InMemoryRunStore
from agent_engine.types import Resolution, RunSnapshot, UserId, Wait

Answerer = Callable[[Wait], Awaitable[str | Resolution | None] | str | Resolution | None]
"""Answers a question of the agent's; None leaves it open. What takes its time is awaited."""


class Asking:
    """Asks about the open questions of one run, until the block ends."""

    def __init__(self, answer: Answerer | None, store: InMemoryRunStore, *, by: UserId) -> None:
        """Prepare to ask.

        Args:
            answer: who answers; None: nobody does.
            store: where answers are put.
            by: whose answers these are, where the answerer does not say.
        """
        self._answer = answer
        self._store = store
        self._by = by
        self._group = asyncio.TaskGroup()
        self._asked: set[str] = set()
        self._wait_id = ""
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begin."""
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Take back what is still being asked; what went wrong is raised as it is."""
        self._take_back()
        try:
            await self._group.__aexit__(kind, error, traceback)
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from errors

    def see_to(self, run: RunSnapshot) -> bool:
        """See to it that somebody is asked what is open; False when nobody is, or answers."""
        waiting = [wait for wait in run.waits if _is_for_people(wait)]
        if self._task is not None and self._wait_id in {wait.id for wait in waiting}:
            return True
        self._take_back()
        wait = next((wait for wait in waiting if wait.id not in self._asked), None)
        if self._answer is None or wait is None:
            return False
        self._asked.add(wait.id)
        self._wait_id = wait.id
        self._task = self._group.create_task(self._ask(self._answer, run, wait))
        return True

    async def _ask(self, answer: Answerer, run: RunSnapshot, wait: Wait) -> None:
        said = answer(wait)
        reply = await said if isawaitable(said) else said
        self._task = None
        if isinstance(reply, str):
            reply = Resolution(value=reply, by=self._by)
        if reply is None or not self._store.decide(run.run_id, wait.id, reply):
            self._store.wake()

    def _take_back(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None


def _is_for_people(wait: Wait) -> bool:
    return wait.resolution is None and (bool(wait.question) or wait.call is not None)
