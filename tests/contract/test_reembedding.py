"""The job that gives memories the vectors they lack, on both databases."""

import asyncio
import logging
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from agent_engine.budgets import DayBudgets
from agent_engine.errors import (
    ModelRefusedError,
    ModelReplyError,
    ModelUnavailableError,
    StorageError,
)
from agent_engine.memories import MemoryKind, MemoryScope, MemoryState, NewMemory, Query
from agent_engine.memory import reembedding
from agent_engine.memory.reembedding import BATCH, HELD_S, IDLE_S, STANDBY_S, Reembedding
from agent_engine.safeguards import Budget, BudgetOf
from agent_engine.types import AgentId, WorkspaceId, now_utc
from storage import tables
from storage.budgets import SqlBudgetStore
from storage.memory import changing
from storage.memory.indexes import indexes_of
from storage.memory.store import SqlMemoryStore
from tests.contract.house import CHANNEL, WORKSPACE
from tests.fakes.embedders import LetterEmbedder

HERE = MemoryScope(workspace_id=WORKSPACE, channel_id=CHANNEL, agent_id=AgentId("A1"))
NEW, OLD = LetterEmbedder("new", 9), LetterEmbedder("old", 5)


class Job:
    """The job on a store, and what it waited for; it ends when it has nothing more to do."""

    def __init__(self, store, embedder):
        self.store = store
        self.embedder = embedder
        self.waits = []
        self.slept = []
        self.ours = True
        self.now = 0.0
        self.after_wait = lambda: None
        self.budgets = None

    async def run(self):
        job = Reembedding(
            self.store,
            self.embedder,
            check=self._check,
            is_ours=self._is_ours,
            wait=self._wait,
            sleep=self._sleep,
            monotonic_s=lambda: self.now,
        )
        async with asyncio.timeout(20):
            with pytest.raises(asyncio.CancelledError):
                await job.run()
        return self

    async def _check(self, workspace_id, tokens):
        if self.budgets is not None:
            await self.budgets.check(workspace_id, tokens=tokens, usd=tokens / 1_000)

    async def _is_ours(self):
        return self.ours

    async def _wait(self, seconds):
        self.waits.append(seconds)
        if not self.after_wait():
            raise asyncio.CancelledError

    async def _sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def store(house):
    return SqlMemoryStore(house.database, indexes_of(house.database))


async def keep(store, *texts, embedder=None, **more):
    kept = []
    for text in texts:
        embedding = (await embedder.passages([text]))[0] if embedder else None
        new = NewMemory(kind=MemoryKind.NOTE, text=text, embedding=embedding, **more)
        kept.append((await store.keep(HERE, new)).id)
    return kept


async def nearest(store, text, embedder=NEW):
    query = Query(text="?", embedding=await embedder.query(text), limit=1)
    return [one.memory.text for one in (await store.search([HERE], query)).found]


async def test_memories_without_a_vector_and_of_another_model_get_theirs(store) -> None:
    await keep(store, "aaa", "bbb")
    await keep(store, "ccc", embedder=OLD)
    await keep(store, "ddd", embedder=NEW)
    assert await nearest(store, "c") == ["ddd"]
    job = await Job(store, LetterEmbedder("new", 9)).run()
    assert await store.embedded(NEW.model) == (4, 4)
    assert [await nearest(store, text) for text in "abcd"] == [["aaa"], ["bbb"], ["ccc"], ["ddd"]]
    assert await nearest(store, "c", OLD) == []
    assert job.embedder.asked == [("ready",), ("aaa", "bbb", "ccc")]
    assert job.waits == [IDLE_S]


async def test_many_are_made_in_batches_with_pauses_between_and_progress_is_told(
    store, caplog, monkeypatch
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(reembedding, "BATCH", 4)
    monkeypatch.setattr(reembedding, "LEAST_PAUSE_S", 40.0)
    await keep(store, *(f"text {n}" for n in range(10)))
    job = await Job(store, NEW).run()
    told = [(r.done, r.of) for r in caplog.records if r.message == "memories_embedded"]
    assert told == [(8, 10), (10, 10), (10, 10)]
    assert job.slept == [40.0] * 3
    assert BATCH == 64


async def test_what_is_proposed_is_made_once_it_is_held(store, house) -> None:
    [proposed] = await keep(store, "aaa", state=MemoryState.PROPOSED)
    assert await store.embedded((await Job(store, NEW).run()).embedder.model) == (0, 0)
    await house.database.write(
        lambda c: changing.settle(c, indexes_of(house.database), HERE, proposed, MemoryState.HELD)
    )
    await Job(store, NEW).run()
    assert await store.embedded(NEW.model) == (1, 1)


async def test_new_memories_are_made_when_the_bell_rings(store) -> None:
    job = Job(store, LetterEmbedder("new", 9))
    rounds = []

    def kept_meanwhile():
        rounds.append(len(job.embedder.asked))
        return len(rounds) < 2

    job.after_wait = kept_meanwhile
    await keep(store, "aaa")
    await job.run()
    assert rounds == [2, 3]
    assert job.waits == [IDLE_S, IDLE_S]


async def test_a_process_without_the_lease_makes_none(store) -> None:
    await keep(store, "aaa")
    job = Job(store, LetterEmbedder("new", 9))
    job.ours = False
    await job.run()
    assert (job.waits, job.embedder.asked) == ([STANDBY_S], [])
    assert await store.embedded(NEW.model) == (0, 1)


async def test_a_lease_that_is_lost_between_two_batches_ends_the_work(store, monkeypatch) -> None:
    monkeypatch.setattr(reembedding, "BATCH", 1)
    await keep(store, "aaa", "bbb", "ccc")
    job = Job(store, NEW)
    whole_sleep = job._sleep

    async def lose(seconds):
        job.ours = False
        await whole_sleep(seconds)

    job._sleep = lose
    await job.run()
    assert await store.embedded(NEW.model) == (1, 3)
    assert job.waits == [STANDBY_S]


@pytest.mark.parametrize("killed_in", ["passages", "embed"])
async def test_killed_anywhere_it_goes_on_with_what_is_missing(
    store, monkeypatch, killed_in
) -> None:
    monkeypatch.setattr(reembedding, "BATCH", 2)
    await keep(store, *(f"text {n}" for n in range(6)))
    for calls in (2, 3, 4):
        embedder = LetterEmbedder("new", 9)
        killing = Killing(store if killed_in == "embed" else embedder, killed_in, calls)
        job = Job(killing if killed_in == "embed" else store, embedder)
        if killed_in == "passages":
            job.embedder = killing
        await job.run()
    await Job(store, NEW).run()
    assert await store.embedded(NEW.model) == (6, 6)
    assert [await nearest(store, f"text {n}") for n in range(6)].count([]) == 0


class Killing:
    """Passes everything on, but the so-manieth call of one method ends the process."""

    def __init__(self, inner, method, calls):
        self._inner = inner
        self._method = method
        self._left = calls

    def __getattr__(self, name):
        if name == self._method:
            self._left -= 1
            if not self._left:
                raise asyncio.CancelledError
        return getattr(self._inner, name)


@pytest.mark.parametrize(
    "error",
    [
        ModelUnavailableError("down"),
        ModelRefusedError("wrong key", status=401),
        ModelRefusedError("no such model", status=404),
        ModelRefusedError("it makes no embeddings", status=400),
        ModelReplyError("junk"),
    ],
)
async def test_an_endpoint_that_fails_is_asked_less_and_less_and_nothing_is_lost(
    store, error
) -> None:
    await keep(store, "aaa", "bbb")
    job = Job(store, LetterEmbedder("new", 9))
    job.embedder.error = error
    whole_sleep = job._sleep

    async def mend_at_last(seconds):
        await whole_sleep(seconds)
        if len(job.slept) == 30:
            job.embedder.error = None

    job._sleep = mend_at_last
    await job.run()
    assert await store.embedded(NEW.model) == (2, 2)
    assert len(job.embedder.asked) <= 32
    assert max(job.slept[:3]) <= 20.0 < max(job.slept[10:])
    assert max(job.slept) <= 600.0


class Revoked(LetterEmbedder):
    """Its key is taken away once the model is known."""

    async def passages(self, texts, **more):
        found = await super().passages(texts, **more)
        if self.error is None and texts != ["ready"]:
            self.error = ModelRefusedError("wrong key", status=401)
            raise self.error
        return found


async def test_what_is_refused_whatever_the_texts_are_is_not_tried_text_by_text(store) -> None:
    await keep(store, "aaa", "bbb")
    job = Job(store, Revoked("new", 9))

    async def stop(_seconds):
        raise asyncio.CancelledError

    job._sleep = stop
    await job.run()
    assert job.embedder.asked == [("ready",), ("aaa", "bbb")]


async def test_a_server_that_asks_to_wait_is_waited_for(store) -> None:
    await keep(store, "aaa")
    job = Job(store, LetterEmbedder("new", 9))
    job.embedder.error = ModelUnavailableError("busy", retry_after_s=700.0)
    whole_sleep = job._sleep

    async def mend(seconds):
        job.embedder.error = None
        await whole_sleep(seconds)

    job._sleep = mend
    await job.run()
    assert job.slept[0] == 700.0


async def test_a_database_that_fails_is_asked_again(store) -> None:
    await keep(store, "aaa")
    failing = Failing(store)
    job = await Job(failing, NEW).run()
    assert len(job.slept) == 2
    assert await store.embedded(NEW.model) == (1, 1)


class Failing:
    """A store whose first look fails."""

    def __init__(self, inner):
        self._inner = inner
        self._failed = False

    def __getattr__(self, name):
        return getattr(self._inner, name)

    async def unembedded(self, *args, **more):
        if not self._failed:
            self._failed = True
            raise StorageError
        return await self._inner.unembedded(*args, **more)


class Picky(LetterEmbedder):
    """Refuses all that is asked for together with a text it does not like."""

    async def passages(self, texts, **more):
        found = await super().passages(texts, **more)
        if any("poison" in text for text in texts):
            raise ModelRefusedError("bad input", status=400)
        return found


async def test_a_text_that_is_refused_keeps_no_other_from_its_vector(store, monkeypatch) -> None:
    monkeypatch.setattr(reembedding, "BATCH", 3)
    await keep(store, "poison one", "aaa", "bbb", "poison two", "ccc", "ddd", "poison three")
    job = Job(store, Picky("new", 9))
    rounds = []

    def again():
        rounds.append(len(job.embedder.asked))
        return len(rounds) < 3

    job.after_wait = again
    await job.run()
    assert await store.embedded(NEW.model) == (4, 7)
    assert [r - rounds[0] for r in rounds] == [0, 1, 2]
    assert job.waits == [IDLE_S] * 3
    found = await store.search([HERE], Query(text="poison"))
    assert len(found.found) == 3


async def test_a_single_text_that_is_refused_does_not_stop_the_job(store) -> None:
    await keep(store, "poison")
    job = Job(store, Picky("new", 9))
    assert (await job.run()).waits == [IDLE_S]
    assert ("ready 1",) in job.embedder.asked


async def test_what_lacks_a_vector_is_told_oldest_first_whatever_it_has_instead(store) -> None:
    old = await keep(store, "one", "two", embedder=OLD)
    bare = await keep(store, "three")
    await keep(store, "four", embedder=NEW)
    older = await keep(store, "five", embedder=LetterEmbedder("older", 7))
    bare += await keep(store, "six")
    expected = [*old, bare[0], *older, bare[1]]

    async def missing(**where):
        model = (await NEW.passages(["x"]))[0].model
        return [memory.id for memory in await store.unembedded(model, **where)]

    assert await missing(limit=9) == expected
    assert await missing(limit=3) == expected[:3]
    assert await missing(limit=2, after=expected[1]) == expected[2:4]
    assert await missing(limit=9, after=expected[-1]) == []
    assert await store.embedded((await NEW.passages(["x"]))[0].model) == (1, 6)


# -- what it costs -------------------------------------------------------------------------------

ELSEWHERE = MemoryScope(workspace_id=WorkspaceId("T2"), channel_id=CHANNEL, agent_id=AgentId("A1"))


def charging(tokens=2):
    embedder = LetterEmbedder("new", 9)
    embedder.tokens_per_text = tokens
    return embedder


async def recorded(house):
    """Return the workspace and tokens of each request, and check that they are no run's."""
    u = tables.usage.c
    columns = (u.run_id, u.channel_id, u.agent_id, u.requester, u.workspace_id, u.prompt_tokens)
    statement = select(*columns).order_by(u.id)
    rows = await house.database.read(lambda c: c.execute(statement).all())
    assert all(row[:4] == (None,) * 4 for row in rows)
    return [tuple(row[4:]) for row in rows]


def day_budgets(house, **caps):
    budget = Budget(of=BudgetOf.WORKSPACE, **caps)
    return DayBudgets([budget], SqlBudgetStore(house.database))


async def a_day_later(house):
    """Let all that was used have been used yesterday."""
    yesterday = update(tables.usage).values(at=now_utc() - timedelta(days=1))
    await house.database.write(lambda c: c.execute(yesterday))


async def test_what_it_takes_is_recorded_for_the_workspace_of_the_memories(store, house) -> None:
    await keep(store, "aaa", "bbb")
    await store.keep(ELSEWHERE, NewMemory(kind=MemoryKind.NOTE, text="ccc"))
    job = await Job(store, charging()).run()
    assert job.embedder.asked == [("ready",), ("aaa", "bbb"), ("ccc",)]
    assert await recorded(house) == [(WORKSPACE, 4), ("T2", 2)]


async def test_what_a_model_of_this_machine_makes_is_recorded_nowhere(store, house) -> None:
    await keep(store, "aaa")
    await Job(store, LetterEmbedder("new", 9)).run()
    assert await recorded(house) == []


async def test_what_was_taken_for_texts_that_were_refused_is_recorded_too(store, house) -> None:
    await keep(store, "poison", "aaa")
    picky = Picky("new", 9)
    picky.tokens_per_text = 3
    await Job(store, picky).run()
    assert await recorded(house) == [(WORKSPACE, 6), (WORKSPACE, 3), (WORKSPACE, 3)]


@pytest.mark.parametrize("caps", [{"tokens": 18}, {"usd": 0.018}])
async def test_half_of_a_days_budget_holds_it_and_the_next_day_it_goes_on(
    store, house, caplog, monkeypatch, caps
) -> None:
    await keep(store, *(f"text {n}" for n in range(6)))  # each is taken for 2 tokens
    job = Job(store, charging())
    job.budgets = day_budgets(house, **caps)
    whole_sleep, used = job._sleep, []

    async def sleep(seconds):
        await whole_sleep(seconds)
        if seconds == HELD_S and job.slept.count(HELD_S) % 3 == 0:
            used.append(sum(tokens for _, tokens in await recorded(house)) - sum(used))
            await a_day_later(house)
            monkeypatch.setattr(reembedding, "now_utc", lambda: now_utc() + timedelta(days=1))

    job._sleep = sleep
    await job.run()
    assert used == [8]
    assert job.slept.count(HELD_S) == 3
    assert await store.embedded(NEW.model) == (6, 6)
    batches = [len(texts) for texts in job.embedder.asked if texts != ("ready",)]
    assert batches == [3, 1, 2]
    [told] = [r for r in caplog.records if r.message == "memories_wait_for_budget"]
    assert told.why.startswith("half of the workspace's budget for today allows no more: ")


async def test_each_day_that_it_is_held_is_told_once(store, house, caplog, monkeypatch) -> None:
    await keep(store, "text 1", "text 2")
    job = Job(store, charging())
    job.budgets = day_budgets(house, tokens=1)

    async def sleep(seconds):
        job.slept.append(seconds)
        if len(job.slept) == 4:
            monkeypatch.setattr(reembedding, "now_utc", lambda: now_utc() + timedelta(days=1))
        if len(job.slept) == 8:
            raise asyncio.CancelledError

    job._sleep = sleep
    await job.run()
    assert job.slept == [HELD_S] * 8
    assert [r.message for r in caplog.records].count("memories_wait_for_budget") == 2
    assert job.embedder.asked == [("ready",)] * 8
