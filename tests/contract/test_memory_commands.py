"""People's commands about memories: carried out once, in one scope, on record without the words."""

import pytest
from sqlalchemy import select

from agent_engine.commands import Declined, Repeated
from agent_engine.events import Remembered
from agent_engine.memories import (
    MemoryKind,
    MemoryScope,
    MemoryState,
    NewMemory,
    Origin,
    Query,
    Trust,
)
from agent_engine.memory_commands import (
    ConfirmMemory,
    CorrectMemory,
    ExportMemories,
    ForgetMemory,
    ForgetPerson,
    ForgetScope,
    MemoriesChanged,
    PinMemory,
    RememberFact,
)
from agent_engine.places import NewPost, PostKind
from agent_engine.types import AgentId, ChannelId, WorkspaceId
from storage.memory.exports import SqlExportStore
from storage.memory.indexes import indexes_of
from storage.memory.store import SqlMemoryStore
from storage.tables import audit_entries, audit_texts
from tests.contract.house import ALICE, BOB, CHANNEL, WORKSPACE, answered, thread

HERE = MemoryScope(workspace_id=WORKSPACE, channel_id=CHANNEL, agent_id=AgentId("A1"))
ELSEWHERE = MemoryScope(workspace_id=WORKSPACE, channel_id=ChannelId("C2"), agent_id=AgentId("A1"))
KILN = "the kiln runs on Tuesdays"


@pytest.fixture
def store(house):
    return SqlMemoryStore(house.database, indexes_of(house.database))


async def told(house, text=KILN, *, scope=HERE, by=ALICE, keys=()):
    outcome = await house.commands.carry_out(
        RememberFact(scope=scope, text=text, by=by), keys=list(keys)
    )
    return outcome.memory_id if isinstance(outcome, MemoriesChanged) else outcome


async def do(house, command, *keys):
    return await house.commands.carry_out(command, keys=list(keys))


async def found(store, words="kiln", scope=HERE):
    findings = await store.search([scope], Query(text=words))
    return [one.memory.text for one in findings.found]


async def on_record(house):
    columns = (audit_entries.c.action, audit_entries.c.subject, audit_entries.c.decision)
    rows = await house.database.read(
        lambda c: c.execute(select(*columns).order_by(audit_entries.c.seq)).all()
    )
    return [tuple(row) for row in rows if row.action == "memory"]


async def test_a_told_fact_is_held_as_the_persons_word_and_a_delivery_twice_is_one(house, store):
    first = await told(house, keys=["d1"])
    assert isinstance(await told(house, "the kiln is blue", keys=["d1"]), Repeated)
    memory = await store.get(HERE, first)
    assert (memory.text, memory.trust, memory.origin.person) == (KILN, Trust.PERSON, ALICE)
    assert await found(store) == [KILN]


async def test_a_correction_is_found_instead_and_keeps_its_history_and_its_owner(house, store):
    old = await told(house)
    outcome = await do(
        house, CorrectMemory(scope=HERE, memory_id=old, text="the kiln runs on Fridays", by=BOB)
    )
    assert await found(store) == ["the kiln runs on Fridays"]
    history = await store.history(HERE, outcome.memory_id)
    assert [one.text for one in history] == ["the kiln runs on Fridays", KILN]
    assert history[0].origin.person == ALICE
    again = CorrectMemory(scope=HERE, memory_id=old, text="never", by=BOB)
    assert await do(house, again) == Declined(why="no_memory")


@pytest.mark.parametrize("person", [ALICE, BOB])
async def test_what_somebody_corrected_comes_from_both(house, store, person):
    old = await told(house)
    await do(house, CorrectMemory(scope=HERE, memory_id=old, text="it runs on Fridays", by=BOB))
    gone = ForgetPerson(workspace_id=WORKSPACE, person=person, by=person)
    assert (await do(house, gone)).count == 2
    assert await store.tally(HERE) == {}


async def test_what_comes_from_a_person_goes_in_every_channel_and_nothing_else(house, store):
    await told(house)
    await told(house, "the vault opens at nine", scope=ELSEWHERE)
    await told(house, "the lathe is broken", by=BOB)
    gone = ForgetPerson(workspace_id=WORKSPACE, person=ALICE, by=ALICE)
    assert (await do(house, gone)).count == 2
    assert await found(store, "lathe") == ["the lathe is broken"]
    assert await store.tally(ELSEWHERE) == {}


async def test_all_of_a_scope_goes_and_the_next_channel_keeps_its_own(house, store):
    for number in range(3):
        await told(house, f"kiln {number}")
    await told(house, "the vault opens at nine", scope=ELSEWHERE)
    assert (await do(house, ForgetScope(scope=HERE, by=ALICE))).count == 3
    assert await store.tally(HERE) == {}
    assert await store.tally(ELSEWHERE) == {MemoryKind.FACT: 1}


@pytest.mark.parametrize(
    "command",
    [
        lambda at: ForgetMemory(scope=ELSEWHERE, memory_id=at, by=ALICE),
        lambda at: CorrectMemory(scope=ELSEWHERE, memory_id=at, text="mine", by=ALICE),
        lambda at: PinMemory(scope=ELSEWHERE, memory_id=at, pinned=True, by=ALICE),
        lambda at: ConfirmMemory(scope=ELSEWHERE, memory_id=at, by=ALICE),
        lambda at: ForgetMemory(scope=HERE, memory_id=at + 100, by=ALICE),
    ],
)
async def test_an_id_of_another_scope_is_the_id_of_nothing(house, store, command):
    at = await told(house)
    assert await do(house, command(at)) == Declined(why="no_memory")
    memory = await store.get(HERE, at)
    assert (memory.text, memory.pinned) == (KILN, False)
    assert await on_record(house) == [("memory", f"memory {at}", "told")]


async def test_lists_begin_with_what_waits_then_with_what_is_pinned(house, store):
    await told(house, "first")
    second = await told(house, "second")
    await told(house, "third")
    await do(house, PinMemory(scope=HERE, memory_id=second, pinned=True, by=ALICE))
    proposed = NewMemory(kind=MemoryKind.FACT, text="fourth", state=MemoryState.PROPOSED)
    await store.keep(HERE, proposed)
    kinds = (MemoryKind.FACT,)
    listed = await store.listed(HERE, kinds=kinds, offset=0, limit=10)
    assert [one.text for one in listed] == ["fourth", "second", "third", "first"]
    assert [one.text for one in await store.listed(HERE, kinds=kinds, offset=2, limit=1)] == [
        "third"
    ]
    assert await store.tally(HERE) == {MemoryKind.FACT: 4}


async def test_who_did_what_is_on_record_and_no_word_of_what_was_remembered(house):
    at = await told(house)
    await do(house, PinMemory(scope=HERE, memory_id=at, pinned=True, by=BOB))
    corrected = CorrectMemory(scope=HERE, memory_id=at, text="the kiln is blue", by=BOB)
    new = (await do(house, corrected)).memory_id
    await do(house, ForgetMemory(scope=HERE, memory_id=new, by=ALICE))
    assert [row[1:] for row in await on_record(house)] == [
        (f"memory {at}", "told"),
        (f"memory {at}", "pinned"),
        (f"memory {at}", "corrected"),
        (f"memory {new}", "forgotten"),
    ]
    texts = await house.database.read(lambda c: c.execute(select(audit_texts)).all())
    assert "kiln" not in str(texts)


# -- what a run proposed -------------------------------------------------------------------------


async def proposing(house, *, key="kiln", text=KILN):
    """Answer a task that proposed a fact, all of it shown; return the run and the memory."""
    run = await house.begin(await house.start())
    memory = NewMemory(
        kind=MemoryKind.FACT,
        key=key,
        text=text,
        content=text,
        state=MemoryState.PROPOSED,
        origin=Origin(person=ALICE, run_id=run.run_id, task_id=run.task.id),
    )
    await house.commit(run, Remembered(scope=HERE, memory=memory), answered())
    [shown] = await house.threads.runs(thread())
    return run, shown.proposed[0].id


async def post(house, run, memory_id):
    key = f"run:{run.run_id}:memory:{memory_id}"
    await house.posts.intend(
        [
            NewPost(
                key=key,
                thread=thread(),
                kind=PostKind.MEMORY,
                run_id=run.run_id,
                task_id=run.task.id,
            )
        ]
    )
    await house.posts.posted(key, ts="9.9", body_hash="h")
    await house.all_shown()


async def test_a_proposed_fact_is_shown_with_its_run_and_found_once_it_is_confirmed(house, store):
    run, at = await proposing(house)
    await post(house, run, at)
    assert await found(store) == []
    confirm = ConfirmMemory(scope=HERE, memory_id=at, by=BOB)
    assert isinstance(await do(house, confirm), MemoriesChanged)
    assert await found(store) == [KILN]
    assert (await store.get(HERE, at)).trust is Trust.PERSON
    assert [dirty.thread for dirty in await house.threads.dirty(limit=9)] == [thread()]
    [shown] = await house.threads.runs(thread())
    assert [(fact.id, fact.text, fact.confirmed_by) for fact in shown.proposed] == [(at, KILN, BOB)]
    assert await do(house, confirm) == Declined(why="no_memory")


async def test_a_confirmed_fact_takes_the_place_of_what_was_held_under_its_key(house, store):
    old = NewMemory(kind=MemoryKind.FACT, key="kiln", text="the kiln is off")
    await store.keep(HERE, old)
    _, at = await proposing(house)
    await do(house, ConfirmMemory(scope=HERE, memory_id=at, by=ALICE))
    assert await found(store) == [KILN]
    assert [one.text for one in await store.history(HERE, at)] == [KILN, "the kiln is off"]


async def test_a_forgotten_proposal_is_gone_and_its_thread_is_shown_anew(house):
    run, at = await proposing(house)
    await post(house, run, at)
    await do(house, ForgetMemory(scope=HERE, memory_id=at, by=ALICE))
    assert [dirty.thread for dirty in await house.threads.dirty(limit=9)] == [thread()]
    [shown] = await house.threads.runs(thread())
    assert shown.proposed == ()


async def test_an_export_is_asked_for_once_and_kept_until_it_is_handed_over(house, store):
    await told(house)
    exports, command = SqlExportStore(house.database), ExportMemories(scope=HERE, by=BOB)
    assert (await do(house, command, "d1")).count == 1
    assert isinstance(await do(house, command, "d1"), Repeated)
    assert await exports.asked_for(WorkspaceId("T2")) == []
    [asked] = await exports.asked_for(WORKSPACE)
    assert (asked.scope, asked.by, asked.is_begun) == (HERE, BOB, False)
    await exports.begun(asked.id)
    [asked] = await exports.asked_for(WORKSPACE)
    assert asked.is_begun
    assert ("memory", "all memories here", "exported") in await on_record(house)
    await exports.settled(asked.id)
    await exports.settled(asked.id)
    assert await exports.asked_for(WORKSPACE) == []
    assert await found(store) == [KILN]
