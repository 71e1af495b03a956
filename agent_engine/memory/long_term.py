"""What an agent remembers beyond a task: what a run is told of it, and what a run leaves in it.

Reads go to the store; whatever is to be kept is only drafted here and travels with the run's own
events, so that it is kept exactly when the step is done. Recalled text is never drafted anew, and
text that tools fetched is nobody's word.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from agent_engine.events import Recalled, Remembered
from agent_engine.memories import (
    Found,
    MemoryKind,
    MemoryRules,
    MemoryScope,
    MemoryState,
    MemoryStore,
    NewMemory,
    Origin,
    PersonalUse,
    StoredMemory,
    Trust,
)
from agent_engine.memory.base import MemoryResult, result_from, words_for
from agent_engine.memory.book import MemoryBook
from agent_engine.memory.embeddings import Embedder
from agent_engine.memory.stored import embedding_of, find
from agent_engine.tokens import estimate_tokens
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
    scopes: tuple[MemoryScope, ...] = ()
    """Where it was looked for."""

    def event(self, at: datetime) -> Recalled | None:
        """Return what is to be stored about the telling; None when there was nothing to tell."""
        told = (*self.lessons, *self.memories)
        uses = tuple(_use(memory) for memory in told)
        return Recalled(uses=uses, scopes=self.scopes, at=at) if uses else None


@dataclass(frozen=True, slots=True)
class LongTermMemory:
    """The memories of all agents; each call works in the scope of one run."""

    store: MemoryStore
    embedder: Embedder | None = field(default=None)
    rules: MemoryRules = field(default_factory=MemoryRules)

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
        scopes = await self.scopes_of(run)
        findings = await find(self.store, scopes, goal, kinds, most, embedder=self.embedder)
        found = [one.memory for one in findings.found if not _is_of_task(one.memory, run)]
        lessons = [memory for memory in found if memory.kind is MemoryKind.LESSON]
        others = [memory for memory in found if memory.kind is not MemoryKind.LESSON]
        told = _fitting([*lessons[:MOST_LESSONS], *others[:MOST_MEMORIES]], self.rules.tokens_told)
        return Recollection(
            lessons=tuple(one for one in told if one.kind is MemoryKind.LESSON),
            memories=tuple(one for one in told if one.kind is not MemoryKind.LESSON),
            scopes=tuple(scopes),
        )

    async def search(self, run: RunSnapshot, query: str, limit: int) -> tuple[MemoryResult, ...]:
        """Return what the run's scope holds about this, or what is newest when nothing is asked."""
        if not query.strip():
            return await self._newest(run, limit)
        scopes = await self.scopes_of(run)
        findings = await find(self.store, scopes, query, TOLD, limit, embedder=self.embedder)
        return tuple(result_from(found) for found in findings.found)

    async def fact(
        self, run: RunSnapshot, step: Step, key: str, value: object
    ) -> Remembered | None:
        """Draft what a step was to remember.

        It is held at once only where people in the thread said it in their own words; anything
        else is proposed, and found by nobody before a person confirms it. None where the operator
        wants nothing proposed.
        """
        text = value if isinstance(value, str) else words_for(key, value)
        is_theirs = said_by_people(run, text)
        if not is_theirs and not self.rules.proposes_facts:
            return None
        memory = NewMemory(
            kind=MemoryKind.FACT,
            key=key,
            content=value,
            text=text,
            heading=key.replace("_", " "),
            trust=Trust.PERSON if is_theirs else Trust.AGENT,
            state=MemoryState.HELD if is_theirs else MemoryState.PROPOSED,
            origin=_origin(run, step),
            embedding=await embedding_of(self.embedder, text),
        )
        scope = await self._scope_of_facts(run) if is_theirs else MemoryScope.of_channel(run.scope)
        return Remembered(scope=scope, memory=memory)

    async def scopes_of(self, run: RunSnapshot) -> list[MemoryScope]:
        """Return whose memories a run may read: the channel's, and those that its requester let in.

        Raises StorageError.
        """
        here = MemoryScope.of_channel(run.scope)
        use, own = await self._personal(run)
        return [here] if own is None or use is PersonalUse.OFF else [here, own]

    def episode(self, run: RunSnapshot, answer: Answer) -> Remembered:
        """Draft what happened: the run's problem and what came of it.

        Without a vector: the answer does not wait for one, the job that makes them follows. What
        its requester's own memories had a part in becomes one of them, derived from those.
        """
        own = tuple(use.id for use in run.memories_used if use.is_own)
        scope = MemoryScope.of_channel(run.scope)
        if own and run.requester is not None:
            scope = MemoryScope.of_person(run.scope.workspace_id, run.requester)
        memory = NewMemory(
            kind=MemoryKind.EPISODE,
            key=f"task_result_{run.task.id}",
            content={"problem": run.subject, "result": answer.text[:LONGEST_RESULT]},
            text=f"{run.subject}\n{answer.text[:LONGEST_RESULT]}",
            origin=replace(_origin(run), memories=own),
            details=_figures(run),
        )
        return Remembered(scope=scope, memory=memory)

    async def _scope_of_facts(self, run: RunSnapshot) -> MemoryScope:
        """Return whose what people said becomes; what is to be confirmed is the channel's."""
        use, own = await self._personal(run)
        if own is not None and use is PersonalUse.KEPT:
            return own
        return MemoryScope.of_channel(run.scope)

    async def _personal(self, run: RunSnapshot) -> tuple[PersonalUse, MemoryScope | None]:
        if run.requester is None:
            return PersonalUse.OFF, None
        own = MemoryScope.of_person(run.scope.workspace_id, run.requester)
        here = MemoryScope.of_channel(run.scope)
        return await self.store.personal_use(here, run.requester), own

    async def _newest(self, run: RunSnapshot, limit: int) -> tuple[MemoryResult, ...]:
        found: list[StoredMemory] = []
        for scope in await self.scopes_of(run):
            facts = (MemoryKind.FACT, MemoryKind.NOTE)
            found += await self.store.recent(scope, kinds=facts, since=_EVER, limit=limit)
        newest = sorted(found, key=lambda memory: memory.created_at, reverse=True)
        return tuple(result_from(Found(memory=memory, score=1.0)) for memory in newest[:limit])


def line(memory: StoredMemory) -> str:
    """Return a memory as a model is told of it: when it was made, by whom, and its words."""
    told = " ".join(memory.text.split())
    short = told if len(told) <= LONGEST_LINE else f"{told[: LONGEST_LINE - 1]}…"
    by = "a person said" if memory.trust is Trust.PERSON else f"own {memory.kind}"
    return f"[{memory.created_at:%Y-%m-%d}, {by}] {short}"


def _use(memory: StoredMemory) -> MemoryUse:
    return MemoryUse(id=memory.id, kind=str(memory.kind), is_own=bool(memory.scope.person))


def _fitting(told: Iterable[StoredMemory], tokens: int) -> list[StoredMemory]:
    """Return those that fit, in their order: one that is too long leaves room for shorter ones."""
    left, fitting = tokens, []
    for memory in told:
        needed = estimate_tokens(line(memory))
        if needed <= left:
            fitting.append(memory)
            left -= needed
    return fitting


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
