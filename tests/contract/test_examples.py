"""Plans that people thought well of are examples, and what later planners are told of plans."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

import storage.opinions
import storage.past_runs
from agent_engine.actions import failure, success
from agent_engine.commands import Rate, Unrate
from agent_engine.events import Ended, PlanMade, StepFinished, StepStarted
from agent_engine.memories import MemoryKind, MemoryScope, MemoryState, StoredMemory
from agent_engine.memory.embeddings import uncounted
from agent_engine.memory.long_term import LongTermMemory, Recollection
from agent_engine.places import NewPost, PostKind
from agent_engine.types import (
    ActionType,
    AgentAction,
    Answer,
    ChannelId,
    EndReason,
    MemoryUse,
    RunEnd,
    RunId,
    RunSnapshot,
    Source,
    TaskStatus,
    now_utc,
)
from storage.memory.indexes import indexes_of
from storage.memory.store import SqlMemoryStore
from tests.contract.house import ALICE, BOB, CHANNEL, WORKSPACE, House, answered, plan_of, thread
from tests.contract.racing import meeting

OTHER = ChannelId("C2")
PROBLEM = "What is six times seven?"
"""What the house asks."""
NEXT = "What is six times nine?"


@pytest.fixture
def store(house: House) -> SqlMemoryStore:
    return SqlMemoryStore(house.database, indexes_of(house.database))


@pytest.fixture
def memory(store: SqlMemoryStore) -> LongTermMemory:
    return LongTermMemory(store)


def fetch() -> AgentAction:
    return AgentAction(
        action_type=ActionType.USE_TOOL,
        tool_name="orders",
        parameters={"month": "10"},
        description="Read the orders",
    )


async def begun(house: House, ts: str, *, said: str, channel: ChannelId = CHANNEL) -> RunSnapshot:
    run = await house.begin(await house.start(ts, channel=channel))
    return replace(run, task=replace(run.task, description=said), messages=())


async def planned(house: House, run: RunSnapshot, *, fails: bool = False) -> None:
    """Carry a plan of one step out, which takes 2.5 seconds."""
    start = now_utc()
    seen = (
        failure("the shop is closed")
        if fails
        else success("tool_result", source=Source.ENGINE, outcome="<page>")
    )
    await house.commit(
        run,
        PlanMade(plan=plan_of(fetch()), messages_read=0),
        StepStarted(step=1, attempt=1, at=start),
        StepFinished(step=1, observation=seen, at=start + timedelta(seconds=2.5)),
    )


async def done(house: House, memory: LongTermMemory, ts: str = "1.0", **how: bool) -> RunSnapshot:
    run = await begun(house, ts, said=PROBLEM)
    await planned(house, run, **how)
    await house.commit(run, memory.episode(run, Answer(text="It is 12.")), answered())
    await post(house, run, ts)
    return run


async def post(house: House, run: RunSnapshot, ts: str) -> None:
    key = f"run:{run.run_id}:answer"
    post = NewPost(
        key=key,
        thread=thread(ts),
        kind=PostKind.ANSWER,
        run_id=run.run_id,
        task_id=run.task.id,
    )
    await house.posts.intend([post])
    await house.posts.posted(key, ts=f"{ts}5", body_hash="h")


async def rate(house: House, rating: int = 5, *, by=ALICE, ts: str = "1.05", step: int = 0) -> None:
    command = Rate(
        workspace_id=WORKSPACE,
        channel_id=CHANNEL,
        message_ts=ts,
        by=by,
        choice=f"r{rating}",
        rating=rating,
        step=step or None,
    )
    await house.commands.carry_out(command, keys=[])


async def unrate(house: House, rating: int = 5, *, by=ALICE) -> None:
    command = Unrate(
        workspace_id=WORKSPACE, channel_id=CHANNEL, message_ts="1.05", by=by, choice=f"r{rating}"
    )
    await house.commands.carry_out(command, keys=[])


async def examples(store: SqlMemoryStore, run: RunSnapshot) -> list[StoredMemory]:
    scope = MemoryScope.of_channel(run.scope)
    return list(await store.listed(scope, kinds=[MemoryKind.EXAMPLE], offset=0, limit=9))


async def told(
    house: House, memory: LongTermMemory, ts: str = "9.0", channel: ChannelId = CHANNEL
) -> Recollection:
    return await memory.recall(
        await begun(house, ts, said=NEXT, channel=channel), NEXT, settle=uncounted
    )


def words(recalled: Recollection) -> str:
    return "\n".join(plan.words for plan in recalled.plans)


# -- how an example comes and goes ---------------------------------------------------------------


async def test_a_plan_that_is_rated_well_becomes_an_example_with_its_figures(
    house: House, store: SqlMemoryStore, memory: LongTermMemory
) -> None:
    run = await done(house, memory)
    assert await examples(store, run) == []
    await rate(house)
    [example] = await examples(store, run)
    assert example.text.splitlines()[0] == PROBLEM
    assert "1. done, 2.5 s: use_tool orders (month=10) Read the orders" in example.text
    assert "<page>" not in f"{example.text}{example.content}"
    assert example.content["steps"][0]["seconds"] == 2.5
    assert (example.origin.run_id, example.origin.task_id) == (run.run_id, run.task.id)
    assert example.details["rated_well"] == 1


async def test_rating_it_well_again_and_by_others_leaves_one_example(
    house: House, store: SqlMemoryStore, memory: LongTermMemory
) -> None:
    run = await done(house, memory)
    for who in (ALICE, ALICE, BOB):
        await rate(house, by=who)
    [example] = await examples(store, run)
    assert example.details["rated_well"] == 2


async def test_a_rating_taken_back_retires_the_example_and_given_again_brings_it_back(
    house: House, store: SqlMemoryStore, memory: LongTermMemory
) -> None:
    run = await done(house, memory)
    await rate(house)
    [example] = await examples(store, run)
    await unrate(house)
    assert await examples(store, run) == []
    retired = await store.get(example.scope, example.id)
    assert retired is not None
    assert retired.state is MemoryState.RETIRED
    await rate(house)
    assert [one.id for one in await examples(store, run)] == [example.id]
    assert "orders" in words(await told(house, memory))


async def test_it_stays_while_more_people_think_well_of_it_than_not(
    house: House, store: SqlMemoryStore, memory: LongTermMemory
) -> None:
    run = await done(house, memory)
    await rate(house)
    await rate(house, 1, by=BOB)
    assert await examples(store, run) == []
    await rate(house, 5, by=BOB)
    assert len(await examples(store, run)) == 1


async def test_an_example_that_was_forgotten_stays_forgotten_when_others_rate_well(
    house: House, store: SqlMemoryStore, memory: LongTermMemory
) -> None:
    run = await done(house, memory)
    await rate(house)
    [example] = await examples(store, run)
    await store.forget(example.scope, [example.id])
    await rate(house, by=BOB)
    assert await examples(store, run) == []
    assert (await told(house, memory)).plans == ()


async def test_what_was_answered_at_once_and_what_did_not_end_well_are_no_examples(
    house: House, store: SqlMemoryStore
) -> None:
    run = await begun(house, "1.0", said=PROBLEM)
    await house.commit(run, answered())
    await post(house, run, "1.0")
    await rate(house)
    other = await begun(house, "2.0", said=PROBLEM)
    await planned(house, other)
    end = RunEnd(reason=EndReason.LIMIT, sentence="Enough.")
    await house.commit(other, Ended(end=end, status=TaskStatus.ERROR))
    await post(house, other, "2.0")
    await rate(house, ts="2.05")
    assert await examples(store, run) == []


async def test_a_run_rated_well_under_way_is_an_example_once_it_is_answered(
    house: House, store: SqlMemoryStore
) -> None:
    run = await begun(house, "1.0", said=PROBLEM)
    await post(house, run, "1.0")
    await rate(house)
    await planned(house, run)
    assert await examples(store, run) == []
    await house.commit(run, answered())
    assert len(await examples(store, run)) == 1


async def test_two_who_rate_at_once_both_count(
    house: House, store: SqlMemoryStore, memory: LongTermMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await done(house, memory)
    monkeypatch.setattr("storage.examples.opinions", meeting(storage.opinions.opinions))
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(rate(house))
        group.create_task(rate(house, 1, by=BOB))
    assert await examples(store, run) == []


# -- what planners are told ----------------------------------------------------------------------


async def test_a_similar_task_is_told_of_the_plan_once_with_its_figures_and_ratings(
    house: House, memory: LongTermMemory
) -> None:
    run = await done(house, memory)
    await rate(house)
    recalled = await told(house, memory)
    [plan] = recalled.plans
    assert plan.use.kind == MemoryKind.EXAMPLE
    assert "rated well by 1" in plan.words
    assert "2.5 s: use_tool orders" in plan.words
    assert [one.kind for one in recalled.memories] == [MemoryKind.EPISODE]
    uses = recalled.event(now_utc())
    assert uses is not None
    assert {use.kind for use in uses.uses} == {"example", "episode"}
    assert (await memory.recall(run, PROBLEM, settle=uncounted)).plans == ()


async def test_a_plan_that_nobody_rated_is_told_as_such(
    house: House, memory: LongTermMemory
) -> None:
    await done(house, memory, fails=True)
    recalled = await told(house, memory)
    assert "not rated" in words(recalled)
    assert "step 1 failed: -> the shop is closed" in words(recalled)


async def test_what_was_rated_low_is_only_a_warning_and_its_result_no_memory(
    house: House, memory: LongTermMemory
) -> None:
    await done(house, memory, fails=True)
    await rate(house)
    await rate(house, 1)
    recalled = await told(house, memory)
    assert recalled.memories == ()
    assert "do not repeat: rated low by 1" in words(recalled)
    assert "the shop is closed" in words(recalled)
    assert "It is 12." not in words(recalled)
    assert (
        await memory.search(await begun(house, "8.0", said=NEXT), PROBLEM, 9, settle=uncounted)
        == ()
    )
    await unrate(house, 1)
    assert len((await told(house, memory, "7.0")).memories) == 1


async def test_a_step_that_was_rated_low_is_told_as_such(
    house: House, memory: LongTermMemory
) -> None:
    await done(house, memory)
    await rate(house, 1, step=1)
    assert "1. done, 2.5 s, rated low: use_tool orders" in words(await told(house, memory))


async def test_another_channel_is_told_nothing_and_reads_no_runs_of_this_one(
    house: House, store: SqlMemoryStore, memory: LongTermMemory
) -> None:
    run = await done(house, memory)
    await rate(house)
    assert (await told(house, memory, channel=OTHER)).event(now_utc()) is None
    here = MemoryScope.of_channel(run.scope)
    assert list(await store.past_runs(here, [run.run_id, RunId("none")])) == [run.run_id]
    assert await store.past_runs(replace(here, channel_id=OTHER), [run.run_id]) == {}


async def test_an_example_is_told_where_only_the_episode_of_its_run_is_found(
    house: House, store: SqlMemoryStore, memory: LongTermMemory
) -> None:
    run = await done(house, memory)
    await rate(house)
    [example] = await examples(store, run)
    asker = await begun(house, "9.0", said="the answer It is 12.")
    [plan] = (await memory.recall(asker, "12.", settle=uncounted)).plans
    assert plan.use == MemoryUse(id=example.id, kind="example")
    assert "rated well by 1" in plan.words
    await store.forget(example.scope, [example.id])
    assert (await memory.recall(asker, "12.", settle=uncounted)).plans == ()


async def test_any_number_of_runs_is_read_in_one_statement_and_none_for_nothing(
    house: House, memory: LongTermMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[object] = []

    def counted(connection, statement, values):
        read.append(values)
        return fetch_all(connection, statement, values)

    fetch_all = storage.past_runs.fetch_all
    asker = await begun(house, "9.0", said=NEXT)
    monkeypatch.setattr("storage.past_runs.fetch_all", counted)
    assert (await memory.recall(asker, NEXT, settle=uncounted)).event(now_utc()) is None
    assert read == []
    for at in range(1, 4):
        await done(house, memory, f"{at}.0")
        await rate(house, ts=f"{at}.05")
    read.clear()
    assert len((await memory.recall(asker, NEXT, settle=uncounted)).plans) == 3
    assert len(read) == 1
