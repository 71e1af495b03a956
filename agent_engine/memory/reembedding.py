"""Gives memories the vectors that they lack: new ones, ones of another model, ones that failed.

Runs in the background of one process at a time. It keeps nothing that the rows do not say, so it
may be killed anywhere and begins again with what is still missing. It must not take a memory's
place or words away: whatever cannot have a vector stays as it is and is found by its words.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

from agent_engine.backoff import Backoff, delay_s
from agent_engine.errors import (
    ModelError,
    ModelRefusedError,
    ModelReplyError,
    RetryableError,
)
from agent_engine.memories import Embedding, MemoryStore, StoredMemory
from agent_engine.memory.embeddings import Embedder

logger = logging.getLogger(__name__)

BATCH = 64
IDLE_S = 60.0
"""Between two looks while nobody tells of new memories."""
STANDBY_S = 10.0
"""Between two tries to become the one process that does this."""
LEAST_PAUSE_S = 0.1
"""Between two batches; longer ones are followed by as long a pause, so half the time is others'."""
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
        is_ours: Callable[[], Awaitable[bool]],
        wait: Callable[[float], Awaitable[object]],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._embedder = embedder
        self._is_ours = is_ours
        self._wait = wait
        self._sleep = sleep
        self._monotonic_s = monotonic_s
        self._refused: set[int] = set()
        self._probes = 0
        self._told_at_s = 0.0

    async def run(self) -> None:
        """Make what is missing, for ever; cancel it to stop."""
        failures = 0
        while True:
            try:
                pause_s = IDLE_S if await self._made_all() else STANDBY_S
            except (ModelError, RetryableError) as error:
                failures += 1
                await self._back_off(error, failures)
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
        return await self._store.unembedded(model, limit=BATCH, after=after)

    async def _make(self, memories: Sequence[StoredMemory]) -> int:
        """Give these memories their vectors; return how many have one now."""
        wanted = [memory for memory in memories if memory.id not in self._refused]
        if not wanted:
            return 0
        try:
            found = await self._embedder.passages([memory.text for memory in wanted])
            vectors = {m.id: vector for m, vector in zip(wanted, found, strict=True)}
        except (ModelRefusedError, ModelReplyError) as error:
            if not _is_about_a_text(error):
                raise
            vectors = await self._one_by_one(wanted)
        return await self._store.embed(vectors) if vectors else 0

    async def _one_by_one(self, memories: Sequence[StoredMemory]) -> dict[int, Embedding]:
        """Find out whose text is refused, so that the others get their vectors."""
        vectors: dict[int, Embedding] = {}
        refused: set[int] = set()
        for memory in memories:
            try:
                [vectors[memory.id]] = await self._embedder.passages([memory.text])
            except (ModelRefusedError, ModelReplyError):
                refused.add(memory.id)
        if not vectors:
            # Is it the texts, or everything? A text that was never asked for tells.
            self._probes += 1
            await self._embedder.passages([f"{_PROBE} {self._probes}"])
        self._refused |= refused
        logger.warning("memories_refused", extra={"memories": sorted(refused)})
        return vectors

    async def _back_off(self, error: ModelError | RetryableError, failures: int) -> None:
        asked_s = error.retry_after_s if isinstance(error, RetryableError) else None
        wait_s = delay_s(min(failures, _MOST_DOUBLINGS), _BACKOFF, asked_s=asked_s)
        facts = {"model": self._embedder.model, "error": error.message, "failures": failures}
        logger.warning("memories_not_embedded", extra=facts)
        await self._sleep(_BACKOFF.longest_asked_s if wait_s is None else wait_s)

    async def _tell(self, model: str) -> None:
        """Log how far it is, now and then."""
        if self._monotonic_s() - self._told_at_s >= TOLD_EVERY_S:
            self._told_at_s = self._monotonic_s()
            await self._log(model)

    async def _log(self, model: str) -> None:
        done, of = await self._store.embedded(model)
        logger.info("memories_embedded", extra={"model": model, "done": done, "of": of})


def _is_about_a_text(error: ModelRefusedError | ModelReplyError) -> bool:
    return isinstance(error, ModelReplyError) or error.status in _ABOUT_THE_TEXT
