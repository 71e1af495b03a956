"""From a low rating to a lesson and back: the rows, on both databases."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import select

import storage.opinions
from agent_engine.analysis import lesson_memory
from agent_engine.commands import (
    CorrectLesson,
    Declined,
    ForgetLesson,
    LessonChanged,
    Rate,
    Unrate,
)
from agent_engine.events import Recalled, Remembered
from agent_engine.feedback import Analysis, Remark, analysis_of
from agent_engine.memories import (
    MemoryKind,
    MemoryScope,
    NewMemory,
    Query,
    StoredMemory,
)
from agent_engine.memory_commands import ForgetPerson, MemoriesChanged
from agent_engine.places import NewPost, PostKind
from agent_engine.planners.lessons import Finding
from agent_engine.ports import NotRunnable
from agent_engine.types import (
    EndReason,
    Lesson,
    MemoryUse,
    RunId,
    RunSnapshot,
    Scope,
    UserId,
)
from storage.figures import SqlFigureStore
from storage.memory.changing import weigh
from storage.memory.indexes import indexes_of
from storage.memory.store import SqlMemoryStore
from storage.tables import audit_entries
from tests.contract.house import ALICE, BOB, CHANNEL, WORKSPACE, House, answered, failed, thread
from tests.contract.racing import meeting

FOUND = Finding(wrong="Refunds were left out.", next_time="Subtract refunds.", applies_when="Sums.")


@pytest.fixture
def memories(house: House) -> SqlMemoryStore:
    return SqlMemoryStore(house.database, indexes_of(house.database))


def scope_of(house: House) -> MemoryScope:
    return MemoryScope.of_channel(
        Scope(workspace_id=WORKSPACE, channel_id=CHANNEL, agent_id=house.agent.id)
    )


async def answered_run(house: House, ts: str = "1.0", *uses: MemoryUse) -> RunId:
    """Answer a task, with the answer posted half an hour after its question."""
    run = await house.begin(await house.start(ts))
    if uses:
        await house.commit(run, Recalled(uses=uses, scopes=(scope_of(house),)))
    await house.commit(run, answered())
    await post(house, run, PostKind.ANSWER, ts=f"{ts}5")
    await house.woken()
    return run.run_id


async def post(house: House, run: RunSnapshot, kind: PostKind, *, ts: str) -> None:
    key = f"run:{run.run_id}:{kind}:{ts}"
    where = thread(ts[:3])
    await house.posts.intend(
        [NewPost(key=key, thread=where, kind=kind, run_id=run.run_id, task_id=run.task.id)]
    )
    await house.posts.posted(key, ts=ts, body_hash="h")


async def rate(house: House, choice: str = "-1", rating: int = 1, **fields) -> None:
    told = {"by": ALICE, "message_ts": "1.05"} | fields
    command = Rate(workspace_id=WORKSPACE, channel_id=CHANNEL, choice=choice, rating=rating, **told)
    await house.commands.carry_out(command, keys=[])


async def unrate(house: House, choice: str = "-1", *, by: UserId = ALICE, ts: str = "1.05") -> None:
    command = Unrate(
        workspace_id=WORKSPACE, channel_id=CHANNEL, message_ts=ts, by=by, choice=choice
    )
    await house.commands.carry_out(command, keys=[])


async def woken(house: House) -> list[RunId]:
    """Return the analyses that were started since the last call and have not ended."""
    ids = dict.fromkeys(run_id for run_id, _ in await house.woken())
    return [run_id for run_id in ids if (await house.runs.load(run_id)).end is None]


async def draw(house: House, rated: RunId, found: Finding = FOUND, *, by: UserId = ALICE) -> None:
    """Carry the one analysis out that was started."""
    [run_id] = await woken(house)
    await finish(house, await house.begin(run_id), rated, found, by=by)


async def finish(
    house: House, run: RunSnapshot, rated: RunId, found: Finding = FOUND, *, by: UserId = ALICE
) -> None:
    memory = lesson_memory(await house.runs.load(rated), by, found)
    await house.commit(run, Remembered(scope=scope_of(house), memory=memory), answered())


async def lessons(house: House, run_id: RunId) -> list[tuple[str, bool]]:
    return [(one.text, one.is_retired) for one in (await house.runs.load(run_id)).lessons]


async def applied(house: House, memories: SqlMemoryStore) -> list[str]:
    query = Query(text="subtract refunds from sums", kinds=(MemoryKind.LESSON,))
    findings = await memories.search([scope_of(house)], query)
    return [one.memory.text for one in findings.found]


# -- the trigger ---------------------------------------------------------------------------------


async def test_a_low_rating_starts_an_analysis_in_no_thread_for_whoever_rated(house: House) -> None:
    rated = await answered_run(house)
    await rate(house, text="refunds are missing", by=BOB)
    [run_id] = await woken(house)
    run = await house.runs.load(run_id)
    remarks = (Remark(rating=1, text="refunds are missing"),)
    assert analysis_of(run.task) == Analysis(run_id=rated, person=BOB, remarks=remarks)
    assert (run.requester, run.thread, run.scope) == (
        BOB,
        None,
        (await house.runs.load(rated)).scope,
    )


async def test_an_analysis_is_in_no_list_and_no_figure(house: House) -> None:
    rated = await answered_run(house)
    await rate(house)
    lines = await house.commands.tasks(WORKSPACE, channel_id=None, limit=10)
    assert [line.run_id for line in lines] == [rated]
    assert (await SqlFigureStore(house.database).figures(WORKSPACE, days=1)).tasks == 1


async def test_good_and_middling_ratings_start_nothing(house: House) -> None:
    await answered_run(house)
    await rate(house, "+1", 5)
    await rate(house, "three", 3)
    assert await woken(house) == []


async def test_a_run_under_way_is_analysed_once_it_has_ended(house: House) -> None:
    run = await house.begin(await house.start())
    await post(house, run, PostKind.PLAN, ts="1.05")
    await house.woken()
    await rate(house)
    assert await woken(house) == []
    await house.commit(run, answered())
    [analysis] = await woken(house)
    await rate(house)
    assert await woken(house) == []
    await finish(house, await house.begin(analysis), run.run_id)
    assert await lessons(house, run.run_id) == [("Subtract refunds.", False)]


async def test_a_rating_taken_back_before_the_end_leads_to_nothing(house: House) -> None:
    run = await house.begin(await house.start())
    await post(house, run, PostKind.PLAN, ts="1.05")
    await rate(house)
    await unrate(house)
    await house.woken()
    await house.commit(run, answered())
    assert await woken(house) == []


async def test_the_same_low_opinion_is_analysed_once(house: House) -> None:
    await answered_run(house)
    await rate(house)
    await rate(house)
    await rate(house, "one", 1)
    assert len(await woken(house)) == 1


async def test_a_reason_given_later_is_analysed_instead(house: House) -> None:
    rated = await answered_run(house)
    await rate(house)
    [first] = await woken(house)
    begun = await house.begin(first)
    await rate(house, text="refunds are missing")
    [second] = [run_id for run_id in await woken(house) if run_id != first]
    assert (await house.runs.load(first)).cancel is not None
    await finish(house, await house.begin(second), rated)
    late = replace(FOUND, next_time="Guess better.")
    await finish(house, begun, rated, late)
    assert await lessons(house, rated) == [("Subtract refunds.", False)]


async def test_an_analysis_that_never_began_is_ended_by_its_successor(house: House) -> None:
    await answered_run(house)
    await rate(house)
    [first] = await woken(house)
    await rate(house, text="refunds are missing")
    assert isinstance(await house.runs.begin(first, worker="w1"), NotRunnable)


async def test_a_rating_of_a_step_tells_which(house: House) -> None:
    await answered_run(house)
    await rate(house, "step:2", 1, step=2)
    [run_id] = await woken(house)
    analysis = analysis_of((await house.runs.load(run_id)).task)
    assert analysis is not None
    assert analysis.remarks == (Remark(rating=1, step=2),)


async def test_two_people_have_an_analysis_each(house: House) -> None:
    await answered_run(house)
    await rate(house)
    await rate(house, by=BOB)
    assert len(await woken(house)) == 2


async def test_a_rating_of_a_lesson_is_about_no_run(house: House) -> None:
    run_id = await answered_run(house)
    run = await house.runs.load(run_id)
    await post(house, run, PostKind.LESSON, ts="1.06")
    await rate(house, message_ts="1.06")
    assert await woken(house) == []


async def test_an_analysis_that_failed_is_made_again_when_the_rating_is_given_again(
    house: House,
) -> None:
    await answered_run(house)
    await rate(house)
    [run_id] = await woken(house)
    await house.commit(await house.begin(run_id), failed())
    await rate(house)
    assert len(await woken(house)) == 1


# -- what was learned ----------------------------------------------------------------------------


async def test_a_lesson_is_held_told_in_its_thread_and_found(
    house: House, memories: SqlMemoryStore
) -> None:
    rated = await answered_run(house)
    await rate(house)
    await house.all_shown()
    await draw(house, rated)
    [dirty] = await house.threads.dirty(limit=10)
    [shown] = await house.threads.runs(dirty.thread)
    [lesson] = shown.lessons
    assert lesson == Lesson(id=lesson.id, person=ALICE, text="Subtract refunds.")
    assert await applied(house, memories) == ["Subtract refunds. (for: Sums.)"]


async def test_a_later_reason_changes_the_words_of_the_same_lesson(
    house: House, memories: SqlMemoryStore
) -> None:
    rated = await answered_run(house)
    await rate(house)
    await draw(house, rated)
    [before] = (await house.runs.load(rated)).lessons
    await rate(house, text="and taxes")
    await draw(house, rated, replace(FOUND, next_time="Subtract refunds and taxes."))
    [after] = (await house.runs.load(rated)).lessons
    assert (after.id, after.text) == (before.id, "Subtract refunds and taxes.")
    assert len(await applied(house, memories)) == 1


# -- taken back ----------------------------------------------------------------------------------


async def test_a_rating_taken_back_retires_its_lesson_and_given_again_brings_it_back(
    house: House, memories: SqlMemoryStore
) -> None:
    rated = await answered_run(house)
    await rate(house)
    await draw(house, rated)
    await house.all_shown()
    await unrate(house)
    assert await lessons(house, rated) == [("Subtract refunds.", True)]
    assert await applied(house, memories) == []
    assert len(await house.threads.dirty(limit=10)) == 1
    await rate(house)
    assert await lessons(house, rated) == [("Subtract refunds.", False)]
    assert len(await applied(house, memories)) == 1
    assert await woken(house) == []


async def test_a_rating_changed_for_the_better_retires_the_lesson(house: House) -> None:
    rated = await answered_run(house)
    await rate(house)
    await draw(house, rated)
    await rate(house, "+1", 5)
    assert await lessons(house, rated) == [("Subtract refunds.", True)]
    await unrate(house, "+1")
    assert await lessons(house, rated) == [("Subtract refunds.", False)]


async def test_another_low_rating_of_the_run_supports_a_lesson(house: House) -> None:
    rated = await answered_run(house)
    await rate(house)
    await draw(house, rated)
    await rate(house, by=BOB)
    await unrate(house)
    assert await lessons(house, rated) == [("Subtract refunds.", False)]
    await unrate(house, by=BOB)
    assert await lessons(house, rated) == [("Subtract refunds.", True)]


async def test_a_rating_taken_back_in_time_ends_the_analysis_without_a_lesson(house: House) -> None:
    rated = await answered_run(house)
    await rate(house)
    [run_id] = await woken(house)
    await unrate(house)
    ended = (await house.runs.load(run_id)).end
    assert ended is not None
    assert ended.reason is EndReason.STOPPED
    await rate(house)
    await draw(house, rated)
    assert await lessons(house, rated) == [("Subtract refunds.", False)]


async def test_a_rating_given_again_while_its_analysis_is_being_stopped_starts_another(
    house: House,
) -> None:
    rated = await answered_run(house)
    await rate(house)
    [first] = await woken(house)
    await house.begin(first)
    await unrate(house)
    await rate(house)
    [second] = [run_id for run_id in await woken(house) if run_id != first]
    await finish(house, await house.begin(second), rated)
    assert await lessons(house, rated) == [("Subtract refunds.", False)]


async def test_a_lesson_and_the_withdrawal_of_its_rating_at_once_leave_it_retired(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    rated = await answered_run(house)
    await rate(house)
    [run_id] = await woken(house)
    run = await house.begin(run_id)
    seen = meeting(storage.opinions.opinions)
    monkeypatch.setattr("storage.learning.opinions", seen)
    monkeypatch.setattr("storage.commands.learn.opinions", seen)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(finish(house, run, rated))
        group.create_task(unrate(house))
    assert await lessons(house, rated) == [("Subtract refunds.", True)]


async def test_a_lesson_that_comes_after_the_rating_was_taken_back_is_retired(
    house: House, memories: SqlMemoryStore
) -> None:
    rated = await answered_run(house)
    await rate(house)
    [run_id] = await woken(house)
    run = await house.begin(run_id)
    await unrate(house)
    await finish(house, run, rated)
    assert await lessons(house, rated) == [("Subtract refunds.", True)]
    assert await applied(house, memories) == []


async def test_a_retired_lesson_that_is_drawn_anew_leaves_no_second_one(
    house: House, memories: SqlMemoryStore
) -> None:
    rated = await answered_run(house)
    await rate(house)
    await draw(house, rated)
    await unrate(house)
    await rate(house, text="and taxes")
    await draw(house, rated, replace(FOUND, next_time="Subtract taxes."))
    await forget(house, rated)
    assert await lessons(house, rated) == [("", False)]
    everything = await memories.search(
        [scope_of(house)], Query(text="subtract refunds taxes sums", limit=50)
    )
    assert everything.found == ()


# -- forgotten and corrected ---------------------------------------------------------------------


async def forget(house: House, rated: RunId) -> object:
    [lesson] = (await house.runs.load(rated)).lessons
    return await house.commands.carry_out(
        ForgetLesson(run_id=rated, lesson_id=lesson.id, by=ALICE), keys=[]
    )


async def correct(house: House, rated: RunId, text: str) -> object:
    [lesson] = (await house.runs.load(rated)).lessons
    return await house.commands.carry_out(
        CorrectLesson(run_id=rated, lesson_id=lesson.id, text=text, by=BOB), keys=[]
    )


async def test_a_forgotten_lesson_is_gone_and_stays_gone(
    house: House, memories: SqlMemoryStore
) -> None:
    rated = await answered_run(house)
    await rate(house)
    await draw(house, rated)
    await house.all_shown()
    assert isinstance(await forget(house, rated), LessonChanged)
    assert await lessons(house, rated) == [("", False)]
    assert len(await house.threads.dirty(limit=10)) == 1
    assert await forget(house, rated) == Declined(why="no_lesson")
    await unrate(house)
    await rate(house)
    assert await woken(house) == []
    assert await applied(house, memories) == []


@pytest.mark.parametrize("is_begun", [True, False])
async def test_a_lesson_that_people_settled_is_not_drawn_anew_by_an_analysis_under_way(
    house: House, *, is_begun: bool
) -> None:
    words = {"1.0": "", "2.0": "Subtract taxes."}
    for ts, corrected in words.items():
        rated = await answered_run(house, ts)
        await rate(house, message_ts=f"{ts}5")
        await draw(house, rated)
        await rate(house, text="and taxes", message_ts=f"{ts}5")
        [later] = await woken(house)
        begun = await house.begin(later) if is_begun else None
        await (correct(house, rated, corrected) if corrected else forget(house, rated))
        if begun is not None:
            await finish(house, begun, rated)
        assert (await house.runs.load(later)).end is not None
        assert await lessons(house, rated) == [(corrected, False)]
        await rate(house, text="and fees", message_ts=f"{ts}5")
        await draw(house, rated, replace(FOUND, next_time="Subtract fees."))
        assert await lessons(house, rated) == [("Subtract fees.", False)]


async def test_a_lesson_forgotten_elsewhere_is_told_in_its_thread(
    house: House, memories: SqlMemoryStore
) -> None:
    rated = await answered_run(house)
    await rate(house)
    await draw(house, rated)
    await house.all_shown()
    [found] = (
        await memories.search([scope_of(house)], Query(text="refunds", kinds=(MemoryKind.LESSON,)))
    ).found
    await memories.forget(scope_of(house), [found.memory.id])
    assert await lessons(house, rated) == [("", False)]
    assert len(await house.threads.dirty(limit=10)) == 1


async def test_a_corrected_lesson_says_what_the_person_said_and_is_found_like_before(
    house: House, memories: SqlMemoryStore
) -> None:
    rated = await answered_run(house)
    await rate(house)
    await draw(house, rated)
    assert isinstance(await correct(house, rated, "Ask me about refunds."), LessonChanged)
    assert await lessons(house, rated) == [("Ask me about refunds.", False)]
    assert await applied(house, memories) == ["Ask me about refunds."]
    by_problem = Query(text="six times seven", kinds=(MemoryKind.LESSON,))
    assert len((await memories.search([scope_of(house)], by_problem)).found) == 1
    await unrate(house)
    assert await lessons(house, rated) == [("Ask me about refunds.", True)]
    assert await correct(house, rated, "again") == Declined(why="no_lesson")


async def test_what_people_do_to_lessons_is_on_record(house: House) -> None:
    rated = await answered_run(house)
    await rate(house)
    await draw(house, rated)
    await correct(house, rated, "Ask me.")
    await forget(house, rated)
    entries = select(audit_entries.c.decision, audit_entries.c.actor, audit_entries.c.run_id)
    found = await house.database.read(
        lambda c: [tuple(row) for row in c.execute(entries.order_by(audit_entries.c.seq))]
    )
    assert found == [("corrected", BOB, rated), ("forgotten", ALICE, rated)]


async def test_a_lessons_words_are_in_no_row_once_it_is_forgotten(house: House) -> None:
    rated = await answered_run(house)
    await rate(house)
    await draw(house, rated)
    await correct(house, rated, "Ask me about refunds.")
    for words in (FOUND.next_time, FOUND.wrong, "Ask me about refunds."):
        assert words in await house.every_row()
    await forget(house, rated)
    for words in (FOUND.next_time, FOUND.wrong, "Ask me about refunds."):
        assert words not in await house.every_row()


async def test_forgetting_a_person_leaves_no_word_of_what_they_said_with_ratings(
    house: House,
) -> None:
    rated = await answered_run(house)
    await rate(house, text="refunds are missing", by=ALICE)
    [first] = await woken(house)
    await finish(house, await house.begin(first), rated)
    await rate(house, "one", text="sales tax counts twice", by=ALICE, step=1)
    await rate(house, text="it took too long", by=BOB)
    outcome = await house.commands.carry_out(
        ForgetPerson(workspace_id=WORKSPACE, person=ALICE, by=ALICE), keys=["d1"]
    )
    assert outcome == MemoriesChanged(count=1, remarks=2)
    left = await house.every_row()
    for words in ("refunds are missing", "sales tax counts twice", FOUND.next_time):
        assert words not in left
    assert "it took too long" in left
    again = await house.commands.carry_out(
        ForgetPerson(workspace_id=WORKSPACE, person=ALICE, by=ALICE), keys=["d2"]
    )
    assert again == MemoriesChanged(count=0, remarks=0)


async def test_an_analysis_under_way_learns_nothing_from_who_was_forgotten(house: House) -> None:
    rated = await answered_run(house)
    await rate(house, text="refunds are missing")
    [first] = await woken(house)
    begun = await house.begin(first)
    await house.commands.carry_out(
        ForgetPerson(workspace_id=WORKSPACE, person=ALICE, by=ALICE), keys=["d1"]
    )
    assert (await house.runs.load(first)).cancel is not None
    await finish(house, begun, rated)
    assert await lessons(house, rated) == []
    assert FOUND.next_time not in await house.every_row()
    await rate(house, text="taxes are missing")
    await draw(house, rated)
    assert await lessons(house, rated) == [("Subtract refunds.", False)]


async def test_what_was_analysed_before_its_words_were_forgotten_is_not_analysed_again(
    house: House,
) -> None:
    rated = await answered_run(house)
    await rate(house, text="refunds are missing")
    await draw(house, rated)
    await house.commands.carry_out(
        ForgetPerson(workspace_id=WORKSPACE, person=ALICE, by=ALICE), keys=["d1"]
    )
    await rate(house, by=BOB)
    await draw(house, rated, by=BOB)
    await rate(house)
    assert await woken(house) == []


async def test_a_lesson_is_only_reached_by_its_own_run(house: House) -> None:
    rated = await answered_run(house)
    await rate(house)
    await draw(house, rated)
    other = await answered_run(house, "2.0")
    [lesson] = (await house.runs.load(rated)).lessons
    command = ForgetLesson(run_id=other, lesson_id=lesson.id, by=ALICE)
    assert await house.commands.carry_out(command, keys=[]) == Declined(why="no_lesson")


# -- weight --------------------------------------------------------------------------------------


async def held(house: House, memories: SqlMemoryStore) -> StoredMemory:
    lesson = NewMemory(kind=MemoryKind.LESSON, text="Subtract refunds.")
    kept = await memories.keep(scope_of(house), lesson)
    stored = await memories.get(scope_of(house), kept.id)
    assert stored is not None
    return stored


@pytest.mark.parametrize(("choice", "rating", "weight"), [("+1", 5, 1.25), ("-1", 1, 0.8)])
async def test_a_rating_weighs_the_lessons_that_the_run_was_told_of(
    house: House, memories: SqlMemoryStore, choice: str, rating: int, weight: float
) -> None:
    lesson = await held(house, memories)
    await answered_run(house, "1.0", MemoryUse(id=lesson.id, kind="lesson"))
    await rate(house, choice, rating)
    await rate(house, choice, rating)
    stored = await memories.get(scope_of(house), lesson.id)
    assert stored is not None
    assert stored.weight == pytest.approx(weight)
    await unrate(house, choice)
    again = await memories.get(scope_of(house), lesson.id)
    assert again is not None
    assert again.weight == pytest.approx(1.0)


async def test_other_memories_keep_their_weight(house: House, memories: SqlMemoryStore) -> None:
    fact = await memories.keep(scope_of(house), NewMemory(kind=MemoryKind.FACT, text="Refunds."))
    await answered_run(house, "1.0", MemoryUse(id=fact.id, kind="fact"))
    await rate(house, "+1", 5)
    stored = await memories.get(scope_of(house), fact.id)
    assert stored is not None
    assert stored.weight == 1.0


async def test_of_two_that_fit_equally_the_lesson_that_helped_is_told_first(
    house: House, memories: SqlMemoryStore
) -> None:
    helped = await held(house, memories)
    newer = NewMemory(kind=MemoryKind.LESSON, text="Subtract refunds!", key="other")
    await memories.keep(scope_of(house), newer)
    await house.database.write(lambda c: weigh(c, scope_of(house), [helped.id], 1.25))
    assert (await applied(house, memories))[0] == helped.text


async def test_a_lesson_stays_in_the_agents_own_channel(
    house: House, memories: SqlMemoryStore
) -> None:
    rated = await answered_run(house)
    await rate(house)
    await draw(house, rated)
    elsewhere = replace(scope_of(house), channel_id="C2")
    found = await memories.search([elsewhere], Query(text="subtract refunds sums"))
    assert found.found == ()
