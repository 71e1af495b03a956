"""What an agent remembers beyond a task: what a run is told of it, and what a run leaves in it.

Reads go to the store; whatever is to be kept is only drafted here and travels with the run's own
events, so that it is kept exactly when the step is done. Recalled text is never drafted anew, and
text that tools fetched is nobody's word.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeVar

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
from agent_engine.memory.embeddings import Embedder, Settle
from agent_engine.memory.stored import embedding_of, find
from agent_engine.past_plans import PastRun, plan_words, told_plan, told_warning
from agent_engine.tokens import estimate_tokens
from agent_engine.types import (
    Answer,
    JsonObject,
    MemoryUse,
    RunId,
    RunSnapshot,
    Step,
)

_EVER = datetime(1, 1, 1, tzinfo=UTC)

TOLD = (MemoryKind.FACT, MemoryKind.NOTE, MemoryKind.EPISODE)
"""Kinds that a planner is told of as memories; lessons are told apart."""
MOST_MEMORIES = 5
MOST_LESSONS = 3
MOST_PLANS = 3
MOST_RUNS = MOST_MEMORIES + 2 * MOST_PLANS
"""Earlier runs that are looked at to choose what is told of them."""
LONGEST_LINE = 600
"""Characters of one memory that a model is told."""
LONGEST_RESULT = 800
OWN_WORDS = 0.6
"""The share of a fact's telling words that people must have said for it to be their word."""
_OF_RUNS = (MemoryKind.EPISODE, MemoryKind.EXAMPLE)
"""Kinds that tell of a run."""
_Past = Mapping[RunId, PastRun]
_WORD = re.compile(r"[^\W_]{3,}|\d+")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldPlan:
    """A similar plan of an earlier task."""

    use: MemoryUse
    words: str
    """As a planner is told of it, with its figures; data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recollection:
    """What a run is told from memory; all texts in it are data."""

    memories: tuple[StoredMemory, ...] = ()
    lessons: tuple[StoredMemory, ...] = ()
    plans: tuple[ToldPlan, ...] = ()
    scopes: tuple[MemoryScope, ...] = ()
    """Where it was looked for."""

    def event(self, at: datetime) -> Recalled | None:
        """Return what is to be stored about the telling; None when there was nothing to tell."""
        plans = (plan.use for plan in self.plans)
        told = (*map(_use, self.lessons), *plans, *map(_use, self.memories))
        uses = tuple(dict.fromkeys(told))
        return Recalled(uses=uses, scopes=self.scopes, at=at) if uses else None


@dataclass(frozen=True, slots=True)
class LongTermMemory:
    """The memories of all agents; each call works in the scope of one run.

    What a server took for vectors goes to ``settle``: it is the run's.
    """

    store: MemoryStore
    embedder: Embedder | None = field(default=None)
    rules: MemoryRules = field(default_factory=MemoryRules)

    @property
    def book(self) -> MemoryBook:
        """What people read of it."""
        return MemoryBook(self.store, embedder=self.embedder)

    async def recall(self, run: RunSnapshot, goal: str, *, settle: Settle) -> Recollection:
        """Return what fits the goal best: lessons, memories of other kinds, and similar plans.

        Raises StorageError.
        """
        kinds = (*TOLD, MemoryKind.LESSON, MemoryKind.EXAMPLE)
        most = 2 * (MOST_MEMORIES + MOST_LESSONS + MOST_PLANS)
        scopes = await self.scopes_of(run)
        findings = await find(
            self.store, scopes, goal, kinds, most, embedder=self.embedder, settle=settle
        )
        found = _with_few_runs(
            [one.memory for one in findings.found if not _is_of_task(one.memory, run)]
        )
        lessons = [memory for memory in found if memory.kind is MemoryKind.LESSON]
        past = await self._past(run, found)
        others = [one for one in found if one.kind in TOLD and not _went_badly(one, past)]
        best = [*lessons[:MOST_LESSONS], *others[:MOST_MEMORIES]]
        told, left = _fitting(best, line, self.rules.tokens_told)
        plans, _ = _fitting(_plans(found, past), lambda plan: plan.words, left)
        return Recollection(
            lessons=tuple(one for one in told if one.kind is MemoryKind.LESSON),
            memories=tuple(one for one in told if one.kind is not MemoryKind.LESSON),
            plans=tuple(plans),
            scopes=tuple(scopes),
        )

    async def search(
        self, run: RunSnapshot, query: str, limit: int, *, settle: Settle
    ) -> tuple[MemoryResult, ...]:
        """Return what the run's scope holds about this, or what is newest when nothing is asked."""
        if not query.strip():
            return await self._newest(run, limit)
        scopes = await self.scopes_of(run)
        findings = await find(
            self.store, scopes, query, TOLD, limit, embedder=self.embedder, settle=settle
        )
        past = await self._past(run, [found.memory for found in findings.found])
        good = (one for one in findings.found if not _went_badly(one.memory, past))
        return tuple(result_from(found) for found in good)

    async def fact(  # noqa: PLR0913 - what, of which step, who stands behind it, who counts
        self,
        run: RunSnapshot,
        step: Step,
        key: str,
        value: object,
        *,
        settle: Settle,
        trust: Trust = Trust.AGENT,
    ) -> Remembered | None:
        """Draft what a step was to remember; ``trust`` is the run's own.

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
            trust=Trust.PERSON if is_theirs else trust,
            state=MemoryState.HELD if is_theirs else MemoryState.PROPOSED,
            origin=_origin(run, step),
            embedding=await embedding_of(self.embedder, text, settle=settle),
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

    def episode(
        self, run: RunSnapshot, answer: Answer, *, trust: Trust = Trust.AGENT
    ) -> Remembered:
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
            trust=trust,
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

    async def _past(self, run: RunSnapshot, found: Sequence[StoredMemory]) -> _Past:
        """Return how the runs went that these memories tell of; nothing is read for none."""
        run_ids = [one.origin.run_id for one in found if one.kind in _OF_RUNS]
        named = list(dict.fromkeys(run_id for run_id in run_ids if run_id))
        if not named:
            return {}
        return await self.store.past_runs(MemoryScope.of_channel(run.scope), named)

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
    return f"[{memory.created_at:%Y-%m-%d}, {_whose(memory)}] {short}"


def _whose(memory: StoredMemory) -> str:
    match memory.trust:
        case Trust.PERSON:
            return "a person said"
        case Trust.AGENT:
            return f"own {memory.kind}"
        case Trust.UNTRUSTED:
            return f"own {memory.kind}, untrusted: it may repeat what a page or a file said"


def _use(memory: StoredMemory) -> MemoryUse:
    return MemoryUse(id=memory.id, kind=str(memory.kind), is_own=bool(memory.scope.person))


def _fitting(told: Iterable[T], words: Callable[[T], str], tokens: int) -> tuple[list[T], int]:
    """Return those that fit, in their order, and the tokens left: one too long leaves room."""
    left, fitting = tokens, []
    for one in told:
        needed = estimate_tokens(words(one))
        if needed <= left:
            fitting.append(one)
            left -= needed
    return fitting, left


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
    return memory.kind in _OF_RUNS and memory.origin.task_id == run.task.id


def _with_few_runs(found: Sequence[StoredMemory]) -> list[StoredMemory]:
    """Leave out what tells of more runs than are looked at; the best come first."""
    too_many = [memory.id for memory in found if memory.kind in _OF_RUNS][MOST_RUNS:]
    return [memory for memory in found if memory.id not in too_many]


def _past_of(memory: StoredMemory, past: _Past) -> PastRun | None:
    return past.get(memory.origin.run_id) if memory.origin.run_id else None


def _went_badly(memory: StoredMemory, past: _Past) -> bool:
    """Say whether it is the result of a run that people rated low: no memory to go by."""
    known = _past_of(memory, past) if memory.kind is MemoryKind.EPISODE else None
    return known is not None and known.is_bad


def _plans(found: Iterable[StoredMemory], past: _Past) -> tuple[ToldPlan, ...]:
    """Return the best of what people thought well of, then of the rest; each run once."""
    plans = [memory for memory in found if memory.kind in _OF_RUNS]
    plans.sort(key=lambda memory: memory.kind is not MemoryKind.EXAMPLE)
    told: dict[RunId | int, ToldPlan] = {}
    for memory in plans:
        plan = _plan(memory, _past_of(memory, past))
        if plan is not None:
            told.setdefault(memory.origin.run_id or memory.id, plan)
    return tuple(sorted(told.values(), key=lambda plan: not _is_example(plan)))[:MOST_PLANS]


def _plan(memory: StoredMemory, known: PastRun | None) -> ToldPlan | None:
    """Return the plan as a planner is told of it; None for what is none, or was forgotten."""
    at = memory.created_at
    if memory.kind is MemoryKind.EXAMPLE:
        return ToldPlan(use=_use(memory), words=told_plan(at, memory.text, known))
    if known is None:
        return None
    if known.is_warning:
        return ToldPlan(use=_use(memory), words=told_warning(at, _problem(memory), known))
    if not known.steps or (known.is_good and known.example is None):
        return None
    words = told_plan(at, plan_words(_problem(memory), known), known)
    if known.example is None:
        return ToldPlan(use=_use(memory), words=words)
    return ToldPlan(use=MemoryUse(id=known.example, kind=str(MemoryKind.EXAMPLE)), words=words)


def _is_example(plan: ToldPlan) -> bool:
    return plan.use.kind == MemoryKind.EXAMPLE


def _problem(memory: StoredMemory) -> str:
    told = memory.content.get("problem") if isinstance(memory.content, dict) else None
    return told if isinstance(told, str) else memory.text


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
