"""Memories: kept once, found in their scope alone, bounded, corrected with history, forgotten."""

from datetime import timedelta

import numpy as np
import pytest

from agent_engine.memories import (
    Embedding,
    MemoryKind,
    MemoryScope,
    MemoryState,
    NewMemory,
    Origin,
    OriginOf,
    Query,
    SearchMode,
    Trust,
)
from agent_engine.types import AgentId, ChannelId, TaskId, UserId, WorkspaceId, now_utc
from storage.database import Dialect
from storage.housekeeping import SqlHousekeeping
from storage.memory import changing, keeping
from storage.memory.indexes import indexes_of
from storage.memory.store import SqlMemoryStore
from tests.contract.house import CHANNEL, WORKSPACE

HERE = MemoryScope(workspace_id=WORKSPACE, channel_id=CHANNEL, agent_id=AgentId("A1"))
ELSEWHERE = (
    MemoryScope(workspace_id=WORKSPACE, channel_id=ChannelId("C2"), agent_id=AgentId("A1")),
    MemoryScope(workspace_id=WORKSPACE, channel_id=CHANNEL, agent_id=AgentId("A2")),
    MemoryScope(workspace_id=WorkspaceId("T2"), channel_id=CHANNEL, agent_id=AgentId("A1")),
    MemoryScope.of_person(WORKSPACE, UserId("U1")),
    MemoryScope.of_person(WORKSPACE, UserId("U2")),
)
VALUES = ["text", "", 17, 1.5, True, None, [], {"a": [1, {"b": "\x00 \ud800 ü"}]}]


@pytest.fixture
def store(house):
    return SqlMemoryStore(house.database, indexes_of(house.database))


def fact(text, **more):
    return NewMemory(kind=MemoryKind.FACT, text=text, **more)


def vector(*numbers, model="m@3"):
    array = np.array(numbers, np.float32)
    return Embedding(model, (array / np.linalg.norm(array)).tobytes())


async def settle(house, scope, memory_id, state):
    """Confirm, retire or bring back, as commands do within their transaction."""
    indexes = indexes_of(house.database)
    return await house.database.write(
        lambda c: changing.settle(c, indexes, scope, memory_id, state)
    )


async def weigh(house, scope, memory_id, factor):
    """Change the weight, as ratings do within their transaction."""
    await house.database.write(lambda c: changing.weigh(c, scope, [memory_id], factor))


async def texts(store, query, scopes=(HERE,), **more):
    findings = await store.search(scopes, Query(text=query, **more))
    return [found.memory.text for found in findings.found]


@pytest.mark.parametrize("value", VALUES)
async def test_any_json_value_survives_and_its_access_is_counted(store, value) -> None:
    await store.keep(HERE, fact("a value", key="k", content=value))
    assert (await store.newest(HERE, "k")).content == value
    assert (await store.newest(HERE, "k")).access_count == 1
    assert (await store.newest(HERE, "other")) is None


async def test_the_newest_value_of_a_key_takes_the_place_of_the_older_one(store) -> None:
    await store.keep(HERE, fact("the limit is four", key="limit", content=4))
    await store.keep(HERE, fact("the limit is five", key="limit", content=5))
    assert (await store.newest(HERE, "limit")).content == 5
    assert await texts(store, "limit") == ["the limit is five"]


async def test_a_memory_is_found_by_its_words_whatever_their_ending(store) -> None:
    await store.keep(HERE, fact("Deployments are frozen on Fridays"))
    await store.keep(HERE, fact("The printer is on the second floor"))
    assert await texts(store, "Can we deploy this friday?") == ["Deployments are frozen on Fridays"]
    assert await texts(store, "unrelated") == []
    assert await texts(store, "") == []
    assert await texts(store, '"quoted" OR (x) NEAR/2 y* -z s1qfloor') == []


async def test_words_of_the_heading_find_a_memory_too(store) -> None:
    await store.keep(HERE, fact("Every second Tuesday", heading="When does the kiln run?"))
    assert await texts(store, "kiln") == ["Every second Tuesday"]


async def test_scripts_without_spaces_are_searched_as_well(store) -> None:
    await store.keep(HERE, fact("会議は火曜日の午後に開かれます"))
    assert await texts(store, "火曜日") == ["会議は火曜日の午後に開かれます"]


async def test_nothing_of_another_scope_is_ever_found_or_changed(store, house) -> None:
    kept = await store.keep(
        HERE, fact("the safe word is heron", key="word", embedding=vector(1, 0, 0))
    )
    for scope in ELSEWHERE:
        assert await texts(store, "heron", [scope]) == []
        assert await texts(store, "heron", [scope], embedding=vector(1, 0, 0)) == []
        assert await store.newest(scope, "word") is None
        assert await store.get(scope, kept.id) is None
        assert not await store.recent(scope, kinds=tuple(MemoryKind), since=ever(), limit=9)
        assert not await store.history(scope, kept.id)
        assert await store.correct(scope, kept.id, fact("the safe word is mine")) is None
        assert not await settle(house, scope, kept.id, MemoryState.RETIRED)
        assert not await store.pin(scope, kept.id, pinned=True)
        await weigh(house, scope, kept.id, 2.0)
        assert (await store.forget(scope, [kept.id])).memories == 0
        await store.keep(scope, fact("another word is crane"))
    memory = await store.get(HERE, kept.id)
    assert (memory.text, memory.state) == ("the safe word is heron", MemoryState.HELD)
    assert (memory.access_count, memory.weight, memory.pinned) == (0, 1.0, False)
    assert await texts(store, "word") == ["the safe word is heron"]


def test_a_scope_that_names_nobody_is_refused() -> None:
    for wrong in (
        {"workspace_id": WORKSPACE},
        {"workspace_id": WORKSPACE, "channel_id": CHANNEL},
        {"workspace_id": WORKSPACE, "agent_id": AgentId("A1")},
        {"workspace_id": WorkspaceId(""), "person": UserId("U1")},
        {
            "workspace_id": WORKSPACE,
            "channel_id": CHANNEL,
            "agent_id": AgentId("A1"),
            "person": UserId("U1"),
        },
    ):
        with pytest.raises(ValueError, match="belong to"):
            MemoryScope(**wrong)


async def test_a_search_of_several_scopes_ranks_them_as_one(store) -> None:
    mine = MemoryScope.of_person(WORKSPACE, UserId("U1"))
    await store.keep(HERE, fact("invoices go out on the first working day"))
    await store.keep(mine, fact("invoices: send me a copy of the invoices"))
    found = await store.search([HERE, mine], Query(text="invoices"))
    assert {one.memory.scope for one in found.found} == {HERE, mine}
    assert [one.score for one in found.found] == sorted(
        (one.score for one in found.found), reverse=True
    )


async def test_words_and_vectors_are_fused_into_one_ranking(store) -> None:
    await store.keep(HERE, fact("alpha beta", embedding=vector(1, 0, 0)))
    await store.keep(HERE, fact("gamma", embedding=vector(0.8, 0.4, 0)))
    await store.keep(HERE, fact("delta", embedding=vector(0, 0, 1)))
    assert await texts(store, "gamma", embedding=vector(1, 0, 0)) == [
        "gamma",
        "alpha beta",
        "delta",
    ]
    found = await store.search([HERE], Query(text="none of it", embedding=vector(0, 0, 1), limit=1))
    assert [one.memory.text for one in found.found] == ["delta"]
    assert found.mode is SearchMode.FUSED
    assert (await store.search([HERE], Query(text="x"))).mode is SearchMode.KEYWORD


async def test_vectors_of_other_models_are_never_compared(store) -> None:
    await store.keep(HERE, fact("old model", embedding=vector(1, 0, 0)))
    await store.keep(HERE, fact("new model", embedding=vector(0, 1, model="n@2")))
    assert await texts(store, "?", embedding=vector(0, 1, model="n@2")) == ["new model"]
    assert await store.embedded("n@2") == (1, 2)
    [left] = await store.unembedded("n@2", limit=9)
    assert await store.embed({left.id: vector(1, 0, model="n@2"), 99_999: vector(1, 0)}) == 1
    assert await store.unembedded("n@2", limit=9) == []
    assert await texts(store, "?", embedding=vector(1, 0, model="n@2")) == [
        "old model",
        "new model",
    ]
    assert await texts(store, "?", embedding=vector(1, 0, 0)) == []


async def test_what_another_process_writes_is_seen_at_the_next_search(house, store) -> None:
    other = SqlMemoryStore(house.database, indexes_of(house.database))
    asked = {"embedding": vector(1, 0, 0)}
    kept = await store.keep(HERE, fact("first", embedding=vector(1, 0, 0)))
    assert await texts(other, "?", **asked) == ["first"]
    await store.keep(HERE, fact("second", embedding=vector(0.5, 0.5, 0)))
    assert await texts(other, "?", **asked) == ["first", "second"]
    await store.correct(HERE, kept.id, fact("third", embedding=vector(0, 1, 0)))
    assert await texts(other, "?", **asked) == ["second", "third"]
    await store.forget(HERE, [kept.id])
    assert await texts(other, "?", **asked) == ["second"]


async def test_the_index_of_words_is_merged_and_finds_the_same(house, store) -> None:
    if house.database.dialect is Dialect.POSTGRES:
        assert await SqlHousekeeping(house.database).merge_words() == 0
        return
    for n in range(6):
        await store.keep(HERE, fact(f"the heron number {n}"))
    before = await texts(store, "heron number 4")
    assert await house.database.read(pieces) > 1
    assert await SqlHousekeeping(house.database).merge_words(most_steps=0) == 0
    assert await house.database.read(pieces) > 1
    assert await SqlHousekeeping(house.database).merge_words() > 0
    assert await house.database.read(pieces) == 1
    assert await SqlHousekeeping(house.database).merge_words() == 0
    assert await texts(store, "heron number 4") == before != []


def pieces(connection):
    counted = "SELECT count(DISTINCT segid) FROM memory_words_idx"
    return connection.exec_driver_sql(counted).scalar_one()


async def test_what_a_write_that_failed_had_entered_is_not_found(house, store) -> None:
    await store.keep(HERE, fact("first", embedding=vector(1, 0, 0)))
    indexes = store._indexes

    def fails(connection):
        keeping.keep(
            connection, indexes, HERE, fact("lost", embedding=vector(1, 0, 0)), now=now_utc()
        )
        raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError):
        await house.database.write(fails)
    assert await texts(store, "lost", embedding=vector(1, 0, 0)) == ["first"]


async def test_the_same_words_are_kept_once_and_remember_where_they_came_from(store) -> None:
    first = await store.keep(
        HERE, fact("The key is under the mat.", origin=Origin(task_id=TaskId("t1")))
    )
    again = await store.keep(
        HERE,
        fact("the key is under the MAT", trust=Trust.PERSON, origin=Origin(task_id=TaskId("t2"))),
    )
    assert (again.id, again.merged) == (first.id, True)
    assert (await store.get(HERE, first.id)).trust is Trust.PERSON
    assert (await store.forget_from(WORKSPACE, OriginOf.TASK, "t2")).memories == 1
    assert await texts(store, "key") == []


async def test_nearly_the_same_is_merged_unless_names_numbers_or_a_no_differ(store) -> None:
    near, base = vector(1, 0.01, 0), vector(1, 0, 0)
    first = await store.keep(HERE, fact("the build takes nine minutes", embedding=base))
    assert (await store.keep(HERE, fact("nine minutes is what it takes", embedding=near))).merged
    for other in ("the build takes 9 minutes", "the build never takes nine minutes", "Ada builds"):
        assert not (await store.keep(HERE, fact(other, embedding=near))).merged
    far = vector(1, 1, 0)
    assert not (await store.keep(HERE, fact("the build took long", embedding=far))).merged
    assert (await store.get(HERE, first.id)).text == "the build takes nine minutes"


async def test_what_has_expired_is_not_found_and_goes_first(store, monkeypatch) -> None:
    monkeypatch.setitem(keeping.PLACES, MemoryKind.FACT, 3)
    past = now_utc() - timedelta(seconds=1)
    await store.keep(HERE, fact("stale rule", key="stale", expires_at=past))
    assert await store.newest(HERE, "stale") is None
    assert await texts(store, "rule") == []
    await store.keep(HERE, fact("used rule", key="used"))
    await store.keep(HERE, fact("unused rule"))
    await store.newest(HERE, "used")
    assert (await store.keep(HERE, fact("next rule"))).evicted == 1
    assert set(await texts(store, "rule")) == {"used rule", "unused rule", "next rule"}


async def test_a_full_shelf_loses_what_was_used_least_but_nothing_that_is_pinned(
    store, monkeypatch
) -> None:
    monkeypatch.setitem(keeping.PLACES, MemoryKind.FACT, 2)
    await store.keep(HERE, fact("pinned rule", pinned=True, embedding=vector(1, 0, 0)))
    await store.keep(HERE, fact("used rule", key="used", embedding=vector(0, 1, 0)))
    await store.newest(HERE, "used")
    assert (await store.keep(HERE, fact("new rule", embedding=vector(0, 0, 1)))).evicted == 1
    found = await texts(store, "rule", embedding=vector(0, 0, 1))
    assert set(found) == {"pinned rule", "used rule"}


async def test_forgetting_reaches_what_was_derived_from_what_was_evicted(
    store, monkeypatch
) -> None:
    monkeypatch.setitem(keeping.PLACES, MemoryKind.FACT, 2)
    raw = await store.keep(HERE, fact("raw rule", origin=Origin(person=UserId("U9"))))
    of_it = Origin(memories=(raw.id,))
    await store.keep(HERE, fact("rule made of it", key="made", origin=of_it))
    await store.newest(HERE, "made")
    assert (await store.keep(HERE, fact("new rule"))).evicted == 1
    assert set(await texts(store, "rule")) == {"rule made of it", "new rule"}
    assert (await store.forget_from(WORKSPACE, OriginOf.PERSON, "U9")).memories == 1
    assert await texts(store, "rule") == ["new rule"]


async def test_forgetting_reaches_what_was_derived_from_a_note_that_was_replaced(store) -> None:
    def note(text, **more):
        return NewMemory(kind=MemoryKind.NOTE, text=text, key="page", **more)

    old = await store.keep(HERE, note("the page of May", origin=Origin(person=UserId("U9"))))
    await store.keep(HERE, fact("read on a page", origin=Origin(memories=(old.id,))))
    new = await store.keep(HERE, note("the page of June"))
    assert (await store.forget_from(WORKSPACE, OriginOf.PERSON, "U9")).memories == 1
    assert await store.get(HERE, new.id) is not None


async def test_a_correction_takes_the_place_and_keeps_the_history(store) -> None:
    old = await store.keep(HERE, fact("standup is at nine", embedding=vector(1, 0, 0)))
    new = await store.correct(HERE, old.id, fact("standup is at ten", embedding=vector(1, 0, 0)))
    assert await texts(store, "standup", embedding=vector(1, 0, 0)) == ["standup is at ten"]
    assert [m.text for m in await store.history(HERE, new.id)] == [
        "standup is at ten",
        "standup is at nine",
    ]
    assert await store.correct(HERE, old.id, fact("standup is at two")) is None
    assert (await store.forget(HERE, [new.id])).memories == 2
    assert await store.get(HERE, old.id) is None


async def test_forgetting_takes_along_what_was_derived_and_says_how_much(store) -> None:
    first = await store.keep(HERE, fact("raw"))
    second = await store.keep(HERE, fact("made of raw", origin=Origin(memories=(first.id,))))
    await store.keep(HERE, fact("made of that", origin=Origin(memories=(second.id,))))
    await store.keep(HERE, fact("raw alone"))
    assert (await store.forget(HERE, [first.id])).memories == 3
    assert (await store.forget(HERE, [first.id])).memories == 0
    assert await texts(store, "raw made") == ["raw alone"]


async def test_a_person_is_forgotten_in_every_scope_of_the_workspace_and_nowhere_else(
    store,
) -> None:
    by_ada = Origin(person=UserId("U1"))
    for scope in (HERE, *ELSEWHERE):
        await store.keep(scope, fact("Ada likes tea", origin=by_ada))
        await store.keep(scope, fact("Bo likes coffee", origin=Origin(person=UserId("U2"))))
    assert (await store.forget_from(WORKSPACE, OriginOf.PERSON, "U1")).memories == 5
    for scope in (HERE, *ELSEWHERE):
        left = {"Bo likes coffee"} | (
            {"Ada likes tea"} if scope.workspace_id != WORKSPACE else set()
        )
        assert set(await texts(store, "likes", [scope])) == left


async def test_a_person_who_said_very_much_is_forgotten_as_well(store, monkeypatch) -> None:
    monkeypatch.setattr("storage.memory.deleting.AT_ONCE", 3)
    for number in range(10):
        await store.keep(HERE, fact(f"fact {number}", origin=Origin(person=UserId("U1"))))
    first = (await store.search([HERE], Query(text="fact"))).found[0].memory
    await store.keep(HERE, fact("made of it", origin=Origin(memories=(first.id,))))
    await store.keep(HERE, fact("fact of somebody else"))
    assert (await store.forget_from(WORKSPACE, OriginOf.PERSON, "U1")).memories == 11
    assert await texts(store, "fact made") == ["fact of somebody else"]


async def test_what_is_proposed_or_retired_is_found_only_once_it_is_held(store, house) -> None:
    kept = await store.keep(HERE, fact("lunch is at one", state=MemoryState.PROPOSED))
    assert await texts(store, "lunch") == []
    assert await settle(house, HERE, kept.id, MemoryState.HELD)
    assert await texts(store, "lunch") == ["lunch is at one"]
    assert await settle(house, HERE, kept.id, MemoryState.RETIRED)
    assert await texts(store, "lunch") == []
    assert await settle(house, HERE, kept.id, MemoryState.HELD)
    assert await settle(house, HERE, kept.id, MemoryState.HELD)
    assert await texts(store, "lunch") == ["lunch is at one"]


async def test_recent_ones_come_newest_first_and_only_of_the_kinds_asked_for(store) -> None:
    for text in ("one", "two", "three"):
        await store.keep(HERE, NewMemory(kind=MemoryKind.EPISODE, text=text))
    await store.keep(HERE, fact("a fact"))
    found = await store.recent(HERE, kinds=[MemoryKind.EPISODE], since=ever(), limit=2)
    assert [memory.text for memory in found] == ["three", "two"]
    later = now_utc() + timedelta(hours=1)
    assert await store.recent(HERE, kinds=[MemoryKind.EPISODE], since=later, limit=2) == []


async def test_weights_stay_within_their_bounds(store, house) -> None:
    kept = await store.keep(HERE, fact("often right"))
    for factor, weight in ((2.0, 2.0), (100.0, 10.0), (0.0001, 0.1)):
        await weigh(house, HERE, kept.id, factor)
        assert (await store.get(HERE, kept.id)).weight == pytest.approx(weight)


async def test_a_pinned_memory_goes_before_its_equals(store) -> None:
    await store.keep(HERE, fact("tea is served at four"))
    pinned = await store.keep(HERE, fact("tea is served at five"))
    await store.keep(HERE, fact("tea is served at six"))
    assert await store.pin(HERE, pinned.id, pinned=True)
    assert (await texts(store, "tea served"))[0] == "tea is served at five"


@pytest.mark.parametrize("near", [None, vector(1, 0, 0)])
async def test_age_pins_weight_and_expiry_have_the_same_part_however_it_is_found(
    store, house, monkeypatch, near
) -> None:
    async def keep(text, *, embedding=near, **more):
        memory = NewMemory(kind=MemoryKind.NOTE, text=text, embedding=embedding, **more)
        return (await store.keep(HERE, memory)).id

    await keep("plain tea")
    await keep("pinned tea", pinned=True)
    await weigh(house, HERE, await keep("heavy tea"), 10.0)
    await weigh(house, HERE, await keep("light tea"), 0.1)
    await keep("passing tea", expires_at=now_utc() + timedelta(days=9))
    await keep("past tea", expires_at=now_utc() - timedelta(seconds=1))
    with monkeypatch.context() as patch:
        patch.setattr("storage.memory.store.now_utc", lambda: now_utc() - timedelta(days=180))
        await keep("old tea")
    await keep("unembedded tea", embedding=None)
    await keep("the moon", embedding=vector(0, 1, 0))
    for _ in ("cold", "warm"):
        found = (await store.search([HERE], Query(text="tea", embedding=near))).found
        scores = {one.memory.text: one.score for one in found}
        factors = {"plain": 1.0, "passing": 1.0, "pinned": 1.1, "heavy": 1.1, "light": 0.9}
        whole = {f"{name} tea": factor for name, factor in (factors | {"old": 0.95}).items()}
        alone = {"unembedded tea": 1.0} if near is None else {"unembedded tea": 0.5, "the moon": 0}
        assert scores == pytest.approx(whole | alone, abs=1e-3)


def ever():
    return now_utc() - timedelta(days=365)
