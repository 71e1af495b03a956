"""What an agent remembers beyond a task: what a run is told of it, and what a run leaves in it.

Reads go to the store; whatever is to be kept is only drafted here and travels with the run's own
events, so that it is kept exactly when the step is done. Recalled text is never drafted anew, and
text that tools fetched is nobody's word.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from agent_engine.events import Recalled, Remembered
from agent_engine.memories import (
    Found,
    MemoryKind,
    MemoryScope,
    MemoryState,
    MemoryStore,
    NewMemory,
    Origin,
    StoredMemory,
    Trust,
)
from agent_engine.memory.base import MemoryResult, result_from, words_for
from agent_engine.memory.book import MemoryBook
from agent_engine.memory.embeddings import Embedder
from agent_engine.memory.stored import embedding_of, find
from agent_engine.types import (
    Answer,
    JsonObject,
    MemoryUse,
    RunSnapshot,
    Step,
)

_EVER = datetime(1, 1, 1, tzinfo=UTC)

TOLD = (MemoryKind.FACT, MemoryKind.NOTE, MemoryKind.EPISODE)
"""Kinds that a planner is told of as memories; lessons are told apart."""
MOST_MEMORIES = 5
MOST_LESSONS = 3
LONGEST_LINE = 600
"""Characters of one memory that a model is told."""
LONGEST_RESULT = 800
OWN_WORDS = 0.6
"""The share of a fact's telling words that people must have said for it to be their word."""
_WORD = re.compile(r"[^\W_]{3,}|\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recollection:
    """What a run is told from memory; all texts in it are data."""

    memories: tuple[StoredMemory, ...] = ()
    lessons: tuple[StoredMemory, ...] = ()

    def event(self, at: datetime) -> Recalled | None:
        """Return what is to be stored about the telling; None when there was nothing to tell."""
        told = (*self.lessons, *self.memories)
        uses = tuple(MemoryUse(id=memory.id, kind=str(memory.kind)) for memory in told)
        return Recalled(uses=uses, at=at) if uses else None


@dataclass(frozen=True, slots=True)
class LongTermMemory:
    """The memories of all agents; each call works in the scope of one run."""

    store: MemoryStore
    embedder: Embedder | None = field(default=None)

    @property
    def book(self) -> MemoryBook:
        """What people read of it."""
        return MemoryBook(self.store, embedder=self.embedder)

    async def recall(self, run: RunSnapshot, goal: str) -> Recollection:
        """Return what fits the goal best: lessons, and memories of other kinds.

        Raises StorageError.
        """
        kinds = (*TOLD, MemoryKind.LESSON)
        most = 2 * (MOST_MEMORIES + MOST_LESSONS)
        findings = await find(self.store, scopes_of(run), goal, kinds, most, embedder=self.embedder)
        found = [one.memory for one in findings.found if not _is_of_task(one.memory, run)]
        lessons = [memory for memory in found if memory.kind is MemoryKind.LESSON]
        others = [memory for memory in found if memory.kind is not MemoryKind.LESSON]
        return Recollection(
            lessons=tuple(lessons[:MOST_LESSONS]), memories=tuple(others[:MOST_MEMORIES])
        )

    async def search(self, run: RunSnapshot, query: str, limit: int) -> tuple[MemoryResult, ...]:
        """Return what the run's scope holds about this, or what is newest when nothing is asked."""
        if not query.strip():
            return await self._newest(run, limit)
        findings = await find(
            self.store, scopes_of(run), query, TOLD, limit, embedder=self.embedder
        )
        return tuple(result_from(found) for found in findings.found)

    async def fact(  # what, of which step, and who stands behind it
        self,
        run: RunSnapshot,
        step: Step,
        key: str,
        value: object,
        *,
        trust: Trust = Trust.AGENT,
    ) -> Remembered:
        """Draft what a step was to remember; ``trust`` is the run's own.

        It is held at once only where people in the thread said it in their own words; anything
        else is proposed, and found by nobody before a person confirms it.
        """
        text = value if isinstance(value, str) else words_for(key, value)
        is_theirs = said_by_people(run, text)
        memory = NewMemory(
            kind=MemoryKind.FACT,
            key=key,
            content=value,
            text=text,
            heading=key.replace("_", " "),
            trust=Trust.PERSON if is_theirs else trust,
            state=MemoryState.HELD if is_theirs else MemoryState.PROPOSED,
            origin=_origin(run, step),
            embedding=await embedding_of(self.embedder, text),
        )
        return Remembered(scope=MemoryScope.of_channel(run.scope), memory=memory)

    def episode(
        self, run: RunSnapshot, answer: Answer, *, trust: Trust = Trust.AGENT
    ) -> Remembered:
        """Draft what happened: the run's problem and what came of it.

        Without a vector: the answer does not wait for one, the job that makes them follows.
        """
        memory = NewMemory(
            kind=MemoryKind.EPISODE,
            key=f"task_result_{run.task.id}",
            content={"problem": run.subject, "result": answer.text[:LONGEST_RESULT]},
            text=f"{run.subject}\n{answer.text[:LONGEST_RESULT]}",
            trust=trust,
            origin=_origin(run),
            details=_figures(run),
        )
        return Remembered(scope=MemoryScope.of_channel(run.scope), memory=memory)

    async def _newest(self, run: RunSnapshot, limit: int) -> tuple[MemoryResult, ...]:
        found: list[StoredMemory] = []
        for scope in scopes_of(run):
            facts = (MemoryKind.FACT, MemoryKind.NOTE)
            found += await self.store.recent(scope, kinds=facts, since=_EVER, limit=limit)
        newest = sorted(found, key=lambda memory: memory.created_at, reverse=True)
        return tuple(result_from(Found(memory=memory, score=1.0)) for memory in newest[:limit])


def line(memory: StoredMemory) -> str:
    """Return a memory as a model is told of it: when it was made, by whom, and its words."""
    told = " ".join(memory.text.split())
    short = told if len(told) <= LONGEST_LINE else f"{told[: LONGEST_LINE - 1]}…"
    return f"[{memory.created_at:%Y-%m-%d}, {_whose(memory)}] {short}"


def _whose(memory: StoredMemory) -> str:
    match memory.trust:
        case Trust.PERSON:
            return "a person said"
        case Trust.AGENT:
            return f"own {memory.kind}"
        case Trust.UNTRUSTED:
            return f"own {memory.kind}, untrusted: it may repeat what a page or a file said"


def scopes_of(run: RunSnapshot) -> list[MemoryScope]:
    """Return whose memories a run may read."""
    return [MemoryScope.of_channel(run.scope)]


def said_by_people(run: RunSnapshot, text: str) -> bool:
    """Say whether those who may steer the task said most of these words."""
    said = [run.task.description, *(m.text for m in run.messages if m.steers)]
    theirs = _words(said)
    told = _words([text])
    return bool(told) and len(told & theirs) >= OWN_WORDS * len(told)


def _words(texts: Iterable[str]) -> set[str]:
    return {word for text in texts for word in _WORD.findall(text.casefold())}


def _is_of_task(memory: StoredMemory, run: RunSnapshot) -> bool:
    """What this very task left is in its thread and need not be told again."""
    return memory.kind is MemoryKind.EPISODE and memory.origin.task_id == run.task.id


def _origin(run: RunSnapshot, step: Step | None = None) -> Origin:
    newest: Sequence[str] = [message.id for message in run.messages if message.steers]
    return Origin(
        task_id=run.task.id,
        run_id=run.run_id,
        step=step.number if step is not None else None,
        person=run.requester,
        message=newest[-1] if newest else None,
    )


def _figures(run: RunSnapshot) -> JsonObject:
    return {"steps": len(run.steps), "seconds": round(run.usage.seconds, 1)}
