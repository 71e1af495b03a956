"""Gives memories the vectors that they lack: new ones, ones of another model, ones that failed.

Runs in the background of one process at a time. It keeps nothing that the rows do not say, so it
may be killed anywhere and begins again with what is still missing. What it takes is recorded for
the memories' workspace, whose budget of the day holds it. It must not take a memory's place or
words away: whatever cannot have a vector stays as it is and is found by its words.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from itertools import takewhile

from agent_engine.backoff import Backoff, delay_s
from agent_engine.errors import (
    LimitExceededError,
    ModelError,
    ModelRefusedError,
    ModelReplyError,
    RetryableError,
)
from agent_engine.memories import Embedding, MemoryStore, StoredMemory
from agent_engine.memory.embeddings import Embedder, Settle
from agent_engine.memory.stored import accounted
from agent_engine.tokens import estimate_tokens
from agent_engine.types import WorkspaceId, now_utc

logger = logging.getLogger(__name__)

BATCH = 64
IDLE_S = 60.0
"""Between two looks while nobody tells of new memories."""
STANDBY_S = 10.0
"""Between two tries to become the one process that does this."""
LEAST_PAUSE_S = 0.1
"""Between two batches; longer ones are followed by as long a pause, so half the time is others'."""
HELD_S = 300.0
"""Between two looks whether a budget that was used up allows more: it is a new day, or extended."""
TOLD_EVERY_S = 30.0

_BACKOFF = Backoff(first_s=5.0, longest_s=600.0, longest_asked_s=3_600.0)
_MOST_DOUBLINGS = 10
_PROBE = "ready"
_ABOUT_THE_TEXT = frozenset({400, 413, 422})
"""Statuses by which servers refuse what they were sent; others speak of key, model or address."""


class Reembedding:
    """The job.

    Args:
        store: whose memories.
        embedder: what makes the vectors; those of another model are replaced.
        check: raises LimitExceededError where a workspace may not use so many tokens now.
        is_ours: says whether this process is the one that does it; asked before every batch.
        wait: sleeps so many seconds, or until somebody tells that there are new memories.
        sleep: sleeps whatever happens.
        monotonic_s: where durations come from.
    """

    def __init__(  # noqa: PLR0913  # the composition root hands over each part
        self,
        store: MemoryStore,
        embedder: Embedder,
        *,
        check: Callable[[WorkspaceId, int], Awaitable[None]],
        is_ours: Callable[[], Awaitable[bool]],
        wait: Callable[[float], Awaitable[object]],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._embedder = embedder
        self._check = check
        self._is_ours = is_ours
        self._wait = wait
        self._sleep = sleep
        self._monotonic_s = monotonic_s
        self._refused: set[int] = set()
        self._probes = 0
        self._told_at_s = 0.0
        self._held_on: date | None = None

    async def run(self) -> None:
        """Make what is missing, for ever; cancel it to stop."""
        failures = 0
        while True:
            try:
                pause_s = IDLE_S if await self._made_all() else STANDBY_S
            except (ModelError, RetryableError) as error:
                failures += 1
                await self._back_off(error, failures)
            except LimitExceededError as error:
                failures = 0
                await self._hold(error)
            else:
                failures = 0
                await self._wait(pause_s)

    async def _made_all(self) -> bool:
        """Make what is missing, batch by batch; False when another process is at it."""
        if not await self._is_ours():
            return False
        [probe] = await self._embedder.passages([_PROBE])
        self._told_at_s = self._monotonic_s()
        made, after = 0, 0
        while memories := await self._next(probe.model, after):
            if not await self._is_ours():
                return False
            began_s = self._monotonic_s()
            made += await self._make(memories)
            after = memories[-1].id
            await self._tell(probe.model)
            await self._sleep(max(LEAST_PAUSE_S, self._monotonic_s() - began_s))
        if made:
            await self._log(probe.model)
        return True

    async def _next(self, model: str, after: int) -> Sequence[StoredMemory]:
        """Return the next of one workspace, as many as its budget allows.

        Raises LimitExceededError when it does not allow one.
        """
        found = await self._store.unembedded(model, limit=BATCH, after=after)
        memories = list(takewhile(lambda m: _workspace(m) == _workspace(found[0]), found))
        while tokens := sum(estimate_tokens(memory.text) for memory in self._wanted(memories)):
            try:
                await self._check(_workspace(memories[0]), tokens)
            except LimitExceededError:
                if len(memories) == 1:
                    raise
                memories = memories[: len(memories) // 2]
            else:
                break
        return memories

    def _wanted(self, memories: Sequence[StoredMemory]) -> Sequence[StoredMemory]:
        return [memory for memory in memories if memory.id not in self._refused]

    async def _make(self, memories: Sequence[StoredMemory]) -> int:
        """Give these memories their vectors; return how many have one now."""
        wanted = self._wanted(memories)
        if not wanted:
            return 0
        async with accounted(self._store, _workspace(wanted[0])) as settle:
            vectors = await self._vectors(wanted, settle)
        return await self._store.embed(vectors) if vectors else 0

    async def _vectors(
        self, memories: Sequence[StoredMemory], settle: Settle
    ) -> dict[int, Embedding]:
        """Have them made at once, or one by one where a text among them is refused."""
        texts = [memory.text for memory in memories]
        try:
            found = await self._embedder.passages(texts, settle=settle)
        except (ModelRefusedError, ModelReplyError) as error:
            if not _is_about_a_text(error):
                raise
            return await self._one_by_one(memories, settle)
        return {memory.id: vector for memory, vector in zip(memories, found, strict=True)}

    async def _one_by_one(
        self, memories: Sequence[StoredMemory], settle: Settle
    ) -> dict[int, Embedding]:
        """Find out whose text is refused, so that the others get their vectors."""
        vectors: dict[int, Embedding] = {}
        refused: set[int] = set()
        for memory in memories:
            try:
                [vectors[memory.id]] = await self._embedder.passages([memory.text], settle=settle)
            except (ModelRefusedError, ModelReplyError):
                refused.add(memory.id)
        if not vectors:
            # Is it the texts, or everything? A text that was never asked for tells.
            self._probes += 1
            await self._embedder.passages([f"{_PROBE} {self._probes}"], settle=settle)
        self._refused |= refused
        logger.warning("memories_refused", extra={"memories": sorted(refused)})
        return vectors

    async def _back_off(self, error: ModelError | RetryableError, failures: int) -> None:
        asked_s = error.retry_after_s if isinstance(error, RetryableError) else None
        wait_s = delay_s(min(failures, _MOST_DOUBLINGS), _BACKOFF, asked_s=asked_s)
        facts = {"model": self._embedder.model, "error": error.message, "failures": failures}
        logger.warning("memories_not_embedded", extra=facts)
        await self._sleep(_BACKOFF.longest_asked_s if wait_s is None else wait_s)

    async def _hold(self, error: LimitExceededError) -> None:
        """Rest until the budget may have room again; said once a day, as the budget is of a day."""
        today = now_utc().date()
        if self._held_on != today:
            self._held_on = today
            facts = {"model": self._embedder.model, "why": error.message, "looks_every_s": HELD_S}
            logger.warning("memories_wait_for_budget", extra=facts)
        await self._sleep(HELD_S)

    async def _tell(self, model: str) -> None:
        """Log how far it is, now and then."""
        if self._monotonic_s() - self._told_at_s >= TOLD_EVERY_S:
            self._told_at_s = self._monotonic_s()
            await self._log(model)

    async def _log(self, model: str) -> None:
        done, of = await self._store.embedded(model)
        logger.info("memories_embedded", extra={"model": model, "done": done, "of": of})


def _workspace(memory: StoredMemory) -> WorkspaceId:
    return memory.scope.workspace_id


def _is_about_a_text(error: ModelRefusedError | ModelReplyError) -> bool:
    return isinstance(error, ModelReplyError) or error.status in _ABOUT_THE_TEXT
