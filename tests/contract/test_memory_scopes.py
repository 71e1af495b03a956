"""Every way to memories, tried from every scope but their own: each finds and changes nothing.

The ways are taken from the port itself, so that a new one without a probe fails here.
"""

import inspect
from dataclasses import replace

import numpy as np
import pytest

from agent_engine.events import Recalled
from agent_engine.memories import (
    Embedding,
    MemoryKind,
    MemoryScope,
    MemoryState,
    MemoryStore,
    NewMemory,
    Origin,
    OriginOf,
    PersonalUse,
    Query,
)
from agent_engine.memory.book import MemoryBook
from agent_engine.memory.embeddings import uncounted
from agent_engine.memory.hybrid import HybridMemory
from agent_engine.memory.long_term import LongTermMemory
from agent_engine.memory.stored import Shelves
from agent_engine.memory_commands import (
    ConfirmMemory,
    CorrectMemory,
    ForgetMemory,
    ForgetScope,
    RememberFact,
    UsePersonal,
)
from agent_engine.types import AgentId, ChannelId, MemoryUse, UserId, WorkspaceId
from storage.memory.indexes import indexes_of
from storage.memory.store import SqlMemoryStore
from tests.contract.house import ALICE, BOB, CHANNEL, WORKSPACE
from tests.contract.test_long_term_memory import begun, commit
from tests.contract.test_memories import ever

AGENT, OTHER_WORKSPACE = AgentId("A1"), WorkspaceId("T2")


def channel(name, *, workspace=WORKSPACE, agent=AGENT):
    return MemoryScope(workspace_id=workspace, channel_id=ChannelId(name), agent_id=agent)


SCOPES = {
    "public channel": channel("C7"),
    "private channel": channel("G7"),
    "direct messages": channel("D7"),
    "another agent": channel("C7", agent=AgentId("A2")),
    "another workspace": channel("C7", workspace=OTHER_WORKSPACE),
    "ada's own": MemoryScope.of_person(WORKSPACE, ALICE),
    "bo's own": MemoryScope.of_person(WORKSPACE, BOB),
    "ada's own elsewhere": MemoryScope.of_person(OTHER_WORKSPACE, ALICE),
}
KEY, MODEL = "word", "m@3"
VECTOR = Embedding(MODEL, (np.array([1, 0, 0], np.float32)).tobytes())
ALL = tuple(MemoryKind)
HERON = NewMemory(
    kind=MemoryKind.FACT,
    text="the safe word is heron",
    key=KEY,
    embedding=VECTOR,
    origin=Origin(person=UserId("U9"), message="M9"),
)


@pytest.fixture
def store(house):
    return SqlMemoryStore(house.database, indexes_of(house.database))


# -- one probe for each method of the port: what it gets out of a memory of another scope --------


async def _keep(store, scope, at):
    kept = await store.keep(scope, HERON)
    await store.forget(scope, [kept.id])
    return kept.id == at


async def _newest(store, scope, _at):
    return await store.newest(scope, KEY)


async def _get(store, scope, at):
    return await store.get(scope, at)


async def _search(store, scope, _at):
    words = await store.search([scope], Query(text="heron word safe"))
    vectors = await store.search([scope], Query(text="", embedding=VECTOR))
    fused = await store.search([scope], Query(text="heron", embedding=VECTOR))
    return [*words.found, *vectors.found, *fused.found]


async def _recent(store, scope, _at):
    return await store.recent(scope, kinds=ALL, since=ever(), limit=9)


async def _listed(store, scope, _at):
    return await store.listed(scope, kinds=ALL, offset=0, limit=9)


async def _tally(store, scope, _at):
    return await store.tally(scope)


async def _personal_use(store, scope, _at):
    return await store.personal_use(scope, ALICE) is not PersonalUse.OFF


async def _history(store, scope, at):
    return await store.history(scope, at)


async def _correct(store, scope, at):
    return await store.correct(scope, at, replace(HERON, text="the safe word is mine"))


async def _pin(store, scope, at):
    return await store.pin(scope, at, pinned=True)


async def _forget(store, scope, at):
    return (await store.forget(scope, [at])).memories


async def _forget_from(store, scope, _at):
    other = OTHER_WORKSPACE if scope.workspace_id == WORKSPACE else WORKSPACE
    return (await store.forget_from(other, OriginOf.PERSON, "U9")).memories


PROBES = {
    "keep": _keep,
    "newest": _newest,
    "get": _get,
    "search": _search,
    "recent": _recent,
    "listed": _listed,
    "tally": _tally,
    "personal_use": _personal_use,
    "history": _history,
    "correct": _correct,
    "pin": _pin,
    "forget": _forget,
}
"""By the method's name; each is given a scope that is not the memory's."""
OF_A_WORKSPACE = {"forget_from": _forget_from}
"""By design across scopes, within one workspace."""
OF_NO_SCOPE = {"unembedded", "embed", "embedded", "account"}
"""The job that makes vectors and what they cost: nothing of it reaches people or a planner."""


OF_RUNS = {"past_runs"}
"""Tried with runs of another channel in ``test_examples.py``."""


def methods(port):
    return {name for name, _ in inspect.getmembers(port, inspect.isfunction) if name[0] != "_"}


def test_every_way_to_memories_has_its_probe():
    assert methods(MemoryStore) == {*PROBES, *OF_A_WORKSPACE, *OF_NO_SCOPE, *OF_RUNS}


def test_every_method_but_those_of_the_job_is_told_whose_memories_are_meant():
    for name in methods(MemoryStore) - OF_NO_SCOPE - {*OF_A_WORKSPACE}:
        scope, *_ = list(inspect.signature(getattr(MemoryStore, name)).parameters.values())[1:]
        assert scope.name in ("scope", "scopes"), name
        assert scope.default is inspect.Parameter.empty, name


@pytest.mark.parametrize("whose", SCOPES)
async def test_no_way_leads_from_one_scope_to_another(store, whose):
    mine = SCOPES[whose]
    kept = await store.keep(mine, HERON)
    before = await store.get(mine, kept.id)
    for other in (scope for name, scope in SCOPES.items() if name != whose):
        for name, probe in PROBES.items():
            assert not await probe(store, other, kept.id), (name, other)
    assert await store.get(mine, kept.id) == before
    assert await _search(store, mine, kept.id)  # the probe does find what is there


@pytest.mark.parametrize("whose", SCOPES)
async def test_what_comes_from_somebody_is_not_forgotten_in_another_workspace(store, whose):
    mine = SCOPES[whose]
    kept = await store.keep(mine, HERON)
    assert not await _forget_from(store, mine, kept.id)
    assert await store.get(mine, kept.id) is not None


@pytest.mark.parametrize("whose", SCOPES)
async def test_what_people_read_and_what_a_library_uses_stays_in_its_scope(store, whose):
    kept = await store.keep(SCOPES[whose], HERON)
    book = MemoryBook(store)
    for other in (scope for name, scope in SCOPES.items() if name != whose):
        assert not await book.page(other, kinds=ALL, offset=0, limit=100_000)  # export reads this
        assert not await book.tally(other)
        assert not (await book.search(other, "heron", limit=9)).found
        assert not await book.history(other, kept.id)
        assert await HybridMemory(Shelves(store, other)).retrieve(KEY) is None
        assert not await HybridMemory(Shelves(store, other)).search("heron")


@pytest.mark.parametrize("whose", SCOPES)
async def test_no_command_reaches_into_another_scope(house, store, whose):
    mine = SCOPES[whose]
    kept = await store.keep(mine, HERON)
    proposed = replace(HERON, key="other", text="perhaps egret", state=MemoryState.PROPOSED)
    waiting = await store.keep(mine, proposed)
    before = [await store.get(mine, at) for at in (kept.id, waiting.id)]
    for other in (scope for name, scope in SCOPES.items() if name != whose):
        told = RememberFact(scope=other, text="a line of another", by=BOB)
        for command in (
            ConfirmMemory(scope=other, memory_id=waiting.id, by=BOB),
            CorrectMemory(scope=other, memory_id=kept.id, text="mine", by=BOB),
            ForgetMemory(scope=other, memory_id=kept.id, by=BOB),
            told,
            ForgetScope(scope=other, by=BOB),
        ):
            await house.commands.carry_out(command, keys=[])
    assert [await store.get(mine, at) for at in (kept.id, waiting.id)] == before


async def test_a_use_is_counted_only_where_it_was_looked_for(house, store):
    run = await begun(house)
    theirs = await store.keep(SCOPES["bo's own"], HERON)
    ours = await store.keep(MemoryScope.of_channel(run.scope), HERON)
    uses = tuple(MemoryUse(id=at, kind="fact") for at in (theirs.id, ours.id))
    await commit(house, run, Recalled(uses=uses, scopes=(MemoryScope.of_channel(run.scope),)))
    assert (await store.get(SCOPES["bo's own"], theirs.id)).access_count == 0
    assert (await store.get(MemoryScope.of_channel(run.scope), ours.id)).access_count == 1


# -- a person's own memories -----------------------------------------------------------------------


async def use(house, run, person, wanted):
    scope = MemoryScope.of_channel(run.scope)
    await house.commands.carry_out(UsePersonal(scope=scope, use=wanted, by=person), keys=[])


async def recalled(memory, run):
    told = await memory.recall(run, "what is the safe word?", settle=uncounted)
    found = await memory.search(run, "safe word", 9, settle=uncounted)
    newest = await memory.search(run, "", 9, settle=uncounted)
    assert bool(told.memories) == bool(found) == bool(newest)
    return [one.text for one in told.memories]


async def test_own_memories_are_told_only_to_their_owners_tasks_and_only_where_let_in(house, store):
    memory = LongTermMemory(store)
    run, away = await begun(house), await begun(house, "2.0", channel=ChannelId("C2"))
    owner = run.requester
    await store.keep(MemoryScope.of_person(WORKSPACE, owner), HERON)
    assert await recalled(memory, run) == []
    await use(house, run, owner, PersonalUse.TOLD)
    assert await recalled(memory, run) == [HERON.text]
    assert await recalled(memory, replace(run, requester=UserId("U404"))) == []
    assert await recalled(memory, replace(run, requester=None)) == []
    assert await recalled(memory, away) == []
    await use(house, run, owner, PersonalUse.OFF)
    assert await recalled(memory, run) == []
    assert await store.tally(MemoryScope.of_person(WORKSPACE, owner)) == {MemoryKind.FACT: 1}


async def test_the_word_of_one_person_lets_no_others_memories_in(house, store):
    memory = LongTermMemory(store)
    run = await begun(house)
    await store.keep(MemoryScope.of_person(WORKSPACE, run.requester), HERON)
    await use(house, run, UserId("U404"), PersonalUse.TOLD)
    assert await recalled(memory, run) == []
    assert run.scope.channel_id == CHANNEL
