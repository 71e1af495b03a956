"""Forgetting a person with their tasks: none of their words is left, and others keep theirs."""

from collections.abc import Sequence

from agent_engine.commands import Say, Started
from agent_engine.memories import MemoryKind, MemoryScope, NewMemory, Origin
from agent_engine.memory_commands import ForgetPerson, MemoriesChanged, TasksErased
from agent_engine.places import NewPost, PostKind, Removal, RemovalOf
from agent_engine.safeguards import AuditAction, AuditEntry
from agent_engine.types import RunSnapshot, UserId, WorkspaceId
from bot.outbound.posting import FILE_TS
from storage import persons_tasks
from storage.audit import SqlAuditLog
from storage.audit_rows import put_out
from storage.memory.indexes import indexes_of
from storage.memory.store import SqlMemoryStore
from storage.persons_tasks import SqlPersonsTasks
from storage.removals import SqlRemovalStore
from tests.contract.house import (
    ALICE,
    BOB,
    CHANNEL,
    WORKSPACE,
    House,
    answered,
    message,
    thread,
)
from tests.contract.test_sub_tasks import delegate

ELSEWHERE = WorkspaceId("T2")


async def done(house: House, ts: str, *, author: UserId = ALICE, answer: str = "") -> RunSnapshot:
    """Answer a task of the person's, with its answer and a file shown, and something learned."""
    run = await house.begin(await house.start(ts, author=author))
    await house.commit(run, answered(answer or f"forty-two of {ts}"))
    await show(house, run, f"{ts}5", ts=ts)
    await show(house, run, f"{FILE_TS}F{ts}", ts=ts)
    store = SqlMemoryStore(house.database, indexes_of(house.database))
    origin = Origin(task_id=run.task.id, person=author)
    learned = NewMemory(kind=MemoryKind.EPISODE, text=f"learned in {ts}", origin=origin)
    await store.keep(MemoryScope.of_channel(run.scope), learned)
    await house.all_shown()
    return run


async def show(house: House, run: RunSnapshot, as_ts: str, *, ts: str) -> None:
    """Have shown something of the run in Slack."""
    key = f"run:{run.run_id}:{as_ts}"
    post = NewPost(
        key=key, thread=thread(ts), kind=PostKind.ANSWER, run_id=run.run_id, task_id=run.task.id
    )
    await house.posts.intend([post])
    await house.posts.posted(key, ts=as_ts, body_hash="h")


async def forget(house: House, person: UserId = ALICE, *, by: UserId | None = None) -> TasksErased:
    command = ForgetPerson(workspace_id=WORKSPACE, person=person, by=by or person, with_tasks=True)
    outcome = await house.commands.carry_out(command, keys=[])
    assert isinstance(outcome, MemoriesChanged)
    assert outcome.erased is not None
    return outcome.erased


async def removals(house: House) -> Sequence[Removal]:
    return await SqlRemovalStore(house.database).pending(WORKSPACE, limit=100)


async def pending(house: House) -> list[tuple[RemovalOf, str, str]]:
    return [(removal.what, removal.channel_id, removal.ref) for removal in await removals(house)]


async def test_no_word_of_the_person_is_left_and_others_keep_theirs(house: House) -> None:
    await done(house, "1.0")
    await done(house, "2.0", author=BOB)
    told = AuditEntry(
        key="k1",
        action=AuditAction.TOOL_CALL,
        scope=(await house.runs.load(await house.start("3.0"))).scope,
        actor=ALICE,
        subject="fetch",
        decision="allowed",
        text="what alice looked up",
    )
    await house.database.write(lambda c: put_out(c, told))
    command = ForgetPerson(workspace_id=WORKSPACE, person=ALICE, by=ALICE, with_tasks=True)
    outcome = await house.commands.carry_out(command, keys=[])
    erased = TasksErased(tasks=1, messages=2, under_way=1)
    assert outcome == MemoriesChanged(count=1, erased=erased)
    assert await pending(house) == [
        (RemovalOf.AUDIT_TEXTS, "", ALICE),
        (RemovalOf.MESSAGE, CHANNEL, "1.05"),
        (RemovalOf.MESSAGE, CHANNEL, f"{FILE_TS}F1.0"),
    ]
    await SqlAuditLog(house.database).forget_texts(WORKSPACE, actor=ALICE)
    left = await house.every_row()
    for words in ("forty-two of 1.0", "m-1.0", "learned in 1.0", "what alice looked up"):
        assert words not in left
    for words in ("forty-two of 2.0", "m-2.0", "learned in 2.0", "m-3.0"):
        assert words in left


async def test_what_others_asked_in_the_persons_task_goes_with_it(house: House) -> None:
    await done(house, "1.0")
    follow_up = Say(
        thread=thread("1.0"),
        agent_id=house.agent.id,
        message=message("m-bob", "and in euros?", author=BOB),
        starts=True,
        continues=True,
    )
    started = await house.commands.carry_out(follow_up, keys=[])
    assert isinstance(started, Started)
    assert (await forget(house)).under_way == 1
    run = await house.begin(started.run_id)
    await house.commit(run, answered("forty euros"))
    await house.all_shown()
    assert (await forget(house, BOB)).tasks == 0
    assert "forty euros" in await house.every_row()
    assert (await forget(house)).tasks == 1
    left = await house.every_row()
    assert "and in euros?" not in left
    assert "forty euros" not in left


async def test_a_task_that_was_delegated_goes_with_the_one_that_did(house: House) -> None:
    await house.add_agent("helper")
    parent, _, child_id = await delegate(house)
    assert child_id is not None
    await house.commit(await house.begin(child_id), answered("It is blue."))
    await house.commit(await house.begin(parent.run_id), answered())
    await house.all_shown()
    assert await forget(house) == TasksErased(tasks=1, messages=0, under_way=0)
    assert "It is blue." not in await house.every_row()


async def test_asking_again_finds_nothing_and_removes_nothing_twice(house: House) -> None:
    await done(house, "1.0")
    await forget(house)
    before = await pending(house)
    assert await forget(house) == TasksErased(tasks=0, messages=0, under_way=0)
    messages = [removal for removal in await pending(house) if removal[0] is RemovalOf.MESSAGE]
    assert messages == before[1:]


async def test_more_than_go_at_once_are_counted_and_go_afterwards(
    house: House, monkeypatch
) -> None:
    monkeypatch.setattr(persons_tasks, "MOST_TASKS", 2)
    for number in range(5):
        await done(house, f"{number}.0")
    await done(house, "7.0", author=BOB)
    assert await forget(house) == TasksErased(tasks=2, messages=4, under_way=0, later=3)
    [noted] = [one for one in await removals(house) if one.what is RemovalOf.TASKS]
    assert noted.ref == ALICE
    await done(house, "8.0")
    persons = SqlPersonsTasks(house.database, indexes_of(house.database))
    ends = [await persons.erase_more(WORKSPACE, ALICE, before=noted.noted_at) for _ in range(3)]
    assert ends == [False, True, True]
    left = await house.every_row()
    assert not any(f"m-{number}.0" in left for number in range(5))
    assert "m-7.0" in left
    assert "m-8.0" in left
    assert len([one for one in await removals(house) if one.what is RemovalOf.MESSAGE]) == 10


async def test_tasks_under_way_keep_none_of_the_others_from_going(
    house: House, monkeypatch
) -> None:
    monkeypatch.setattr(persons_tasks, "MOST_TASKS", 2)
    for number in range(2):
        await house.start(f"{number}.0")
    for number in range(2, 4):
        await done(house, f"{number}.0")
    erased = await forget(house)
    assert erased == TasksErased(tasks=2, messages=4, under_way=2)


async def test_what_an_admin_had_forgotten_is_on_record_without_words(house: House) -> None:
    await done(house, "1.0")
    await forget(house, by=BOB)
    [texts, *_] = await pending(house)
    assert texts == (RemovalOf.AUDIT_TEXTS, "", ALICE)
    rows = await house.every_row()
    assert "memories and tasks from U-alice" in rows
    assert "forty-two" not in rows


async def test_what_is_removed_is_noted_once_and_only_in_its_own_workspace(house: House) -> None:
    await done(house, "1.0")
    await forget(house)
    store = SqlRemovalStore(house.database)
    assert await store.pending(ELSEWHERE, limit=10) == []
    [first, *others] = await store.pending(WORKSPACE, limit=100)
    assert await store.pending(WORKSPACE, limit=1) == [first]
    await store.done([first.id])
    await store.done([first.id])
    assert await store.pending(WORKSPACE, limit=100) == others
