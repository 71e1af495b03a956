"""What every ``RunStore`` does: on SQLite, on PostgreSQL, and in the library's memory."""

from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import count
from typing import Protocol

import pytest

from agent_engine.commands import Cancel, Decide, Steered
from agent_engine.errors import FencedError, UnapprovedError
from agent_engine.events import (
    PlanMade,
    RunEvent,
    Slept,
    StepFinished,
    StepStarted,
    WaitOpened,
)
from agent_engine.in_memory import InMemoryRunStore
from agent_engine.ports import Fence, NotRunnable, RunStore
from agent_engine.types import (
    APPROVE,
    DENY,
    AgentId,
    AgentObservation,
    AgentProfile,
    ApprovedCall,
    CancelRequest,
    JsonObject,
    ProposedCall,
    Resolution,
    RunId,
    RunSnapshot,
    StepStatus,
    Task,
    TaskStatus,
    Wait,
    WaitKind,
)
from storage.database import open_database
from tests.contract.house import ALICE, WORKSPACE, House, answered, message, plan_of, think

HELPER = AgentId("helper")
SEEN = AgentObservation(
    observation_type="tool_result",
    content={"success": True, "stdout": "short\x00 \ud800 ü"},
    full_output="long \ud800\x00 ü" * 100,
    files=("a/b.txt",),
)


class Outside(Protocol):
    """What others do to the runs of a store."""

    store: RunStore

    async def add(self, task: Task) -> RunId: ...
    async def say(self, run_id: RunId, name: str) -> None: ...
    async def decide(
        self, run_id: RunId, wait_id: str, value: str, arguments: JsonObject | None = None
    ) -> bool: ...
    async def cancel(self, run_id: RunId, reason: str) -> None: ...
    async def run_of(self, task: Task) -> RunId | None: ...


class InMemory:
    def __init__(self) -> None:
        self.store = InMemoryRunStore()
        self._agent = AgentProfile(id=AgentId("A1"), workspace_id=WORKSPACE, name="Ada")
        self.store.know(replace(self._agent, id=HELPER))

    async def add(self, task: Task) -> RunId:
        return self.store.add(task, self._agent, requester=ALICE)

    async def say(self, run_id: RunId, name: str) -> None:
        self.store.tell(run_id, message(name))

    async def decide(
        self, run_id: RunId, wait_id: str, value: str, arguments: JsonObject | None = None
    ) -> bool:
        resolution = Resolution(value=value, by=ALICE, arguments=arguments)
        return self.store.decide(run_id, wait_id, resolution)

    async def cancel(self, run_id: RunId, reason: str) -> None:
        self.store.cancel(run_id, reason, by=ALICE)

    async def run_of(self, task: Task) -> RunId | None:
        return self.store.run_of(task.id)


class InDatabase:
    def __init__(self, house: House) -> None:
        self.store = house.runs
        self._house = house
        self._threads = (f"{n}.0" for n in count(1))
        self._ts: dict[RunId, str] = {}

    async def add(self, task: Task) -> RunId:
        ts = next(self._threads)
        run_id = await self._house.add(task, ts=ts)
        self._ts[run_id] = ts
        return run_id

    async def say(self, run_id: RunId, name: str) -> None:
        await self._house.say(name, ts=self._ts[run_id])

    async def decide(
        self, run_id: RunId, wait_id: str, value: str, arguments: JsonObject | None = None
    ) -> bool:
        command = Decide(run_id=run_id, wait_id=wait_id, value=value, by=ALICE, arguments=arguments)
        outcome = await self._house.commands.carry_out(command, keys=[])
        return isinstance(outcome, Steered)

    async def cancel(self, run_id: RunId, reason: str) -> None:
        command = Cancel(run_id=run_id, reason=reason, by=ALICE)
        await self._house.commands.carry_out(command, keys=[])

    async def run_of(self, task: Task) -> RunId | None:
        return await self._house.run_of(task)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str | None:
    if request.param == "memory":
        return None
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
async def outside(url: str | None) -> AsyncIterator[Outside]:
    if url is None:
        yield InMemory()
        return
    async with open_database(url) as database:
        house = House(database)
        await house.agents.save_agent(house.agent)
        await house.add_agent(HELPER)
        yield InDatabase(house)


async def begin(outside: Outside, run_id: RunId) -> RunSnapshot:
    begun = await outside.store.begin(run_id, worker="w1")
    assert isinstance(begun, RunSnapshot), begun
    return begun


async def start(outside: Outside, *thoughts: str) -> RunSnapshot:
    """Begin a run with a plan of these thoughts."""
    run = await begin(outside, await outside.add(Task(description="What is 6 x 7?")))
    if thoughts:
        plan = plan_of(*(think(thought) for thought in thoughts))
        await commit(outside, run, PlanMade(plan=plan, messages_read=0))
    return run


async def commit(outside: Outside, run: RunSnapshot, *events: RunEvent) -> int:
    return await outside.store.commit(Fence(run.run_id, run.epoch), events, worked_s=0.0)


async def test_beginning_takes_the_run(outside: Outside) -> None:
    run = await start(outside)
    assert (run.epoch, run.attempts) == (1, 1)
    assert run.status is run.task.status is TaskStatus.RUNNING
    assert await outside.store.load(run.run_id) == run


async def test_only_a_take_over_counts_as_an_attempt(outside: Outside) -> None:
    run = await start(outside)
    await commit(outside, run, Slept())
    woken = await begin(outside, run.run_id)
    taken_over = await begin(outside, run.run_id)
    assert (woken.epoch, woken.attempts) == (2, 1)
    assert (taken_over.epoch, taken_over.attempts) == (3, 2)


async def test_an_unknown_run_is_a_key_error(outside: Outside) -> None:
    with pytest.raises(KeyError):
        await outside.store.begin(RunId("nothing"), worker="w")
    with pytest.raises(KeyError):
        await outside.store.load(RunId("nothing"))


async def test_an_old_worker_writes_nothing(outside: Outside) -> None:
    old = await start(outside)
    new = await begin(outside, old.run_id)
    with pytest.raises(FencedError):
        await commit(outside, old, PlanMade(plan=plan_of(think()), messages_read=1))
    assert await outside.store.load(old.run_id) == new


async def test_an_attempt_is_started_once(outside: Outside) -> None:
    run = await start(outside, "a")
    await commit(outside, run, StepStarted(step=1, attempt=1))
    before = await outside.store.load(run.run_id)
    with pytest.raises(FencedError):
        await commit(outside, run, StepStarted(step=1, attempt=1))
    assert await outside.store.load(run.run_id) == before


async def test_an_ended_run_takes_no_more(outside: Outside) -> None:
    run = await start(outside)
    await commit(outside, run, answered("forty-two"))
    with pytest.raises(FencedError):
        await commit(outside, run, Slept())
    refused = await outside.store.begin(run.run_id, worker="w")
    assert refused == NotRunnable(reason="already_ended")
    after = await outside.store.load(run.run_id)
    assert after.task.result == {"answer": "forty-two", "files": []}
    assert after.status is after.task.status is TaskStatus.COMPLETED


async def test_any_observation_comes_back(outside: Outside) -> None:
    run = await start(outside, "a")
    await commit(outside, run, StepStarted(step=1, attempt=1))
    await commit(outside, run, StepFinished(step=1, observation=SEEN, surprise="odd"))
    step = (await outside.store.load(run.run_id)).steps[0]
    assert step.observation == SEEN
    assert (step.status, step.surprise) == (StepStatus.DONE, "odd")


async def test_steps_start_while_nobody_has_said_anything(outside: Outside) -> None:
    run = await start(outside, "a", "b")
    fence = Fence(run.run_id, run.epoch)
    first, second = StepStarted(step=1, attempt=1), StepStarted(step=2, attempt=1)
    known = await outside.store.commit(
        fence, [], starts=[first], known_inbox_seq=run.inbox_seq, worked_s=0.0
    )
    await outside.say(run.run_id, "m2")
    done = StepFinished(step=1, observation=SEEN)
    moved = await outside.store.commit(
        fence, [done], starts=[second], known_inbox_seq=known, worked_s=1.0
    )
    assert moved == known + 1
    after = await outside.store.load(run.run_id)
    assert [step.status for step in after.steps] == [StepStatus.DONE, StepStatus.PENDING]
    assert after.usage.iterations == 1
    assert [m.id for m in after.unread] == ["m2"]


async def test_a_decision_counts_once_and_not_after_the_step_began_again(
    outside: Outside,
) -> None:
    run = await start(outside, "a")
    wait = Wait(id="w1", kind=WaitKind.REPEAT, step=1, question="Again?")
    await commit(outside, run, StepStarted(step=1, attempt=1), WaitOpened(wait=wait))
    assert await outside.decide(run.run_id, "w1", "repeat")
    assert not await outside.decide(run.run_id, "w1", "skip")
    resolved = (await outside.store.load(run.run_id)).waits
    assert [found.resolution.value for found in resolved if found.resolution] == ["repeat"]
    await commit(outside, run, StepStarted(step=1, attempt=2))
    assert (await outside.store.load(run.run_id)).waits == ()
    assert not await outside.decide(run.run_id, "w1", "skip")


async def test_the_first_reason_to_stop_stays(outside: Outside) -> None:
    run = await start(outside)
    await outside.cancel(run.run_id, "Enough.")
    await outside.cancel(run.run_id, "Really.")
    signal = (await outside.store.signals([run.run_id, RunId("nothing")]))[run.run_id]
    assert signal.cancel == CancelRequest(reason="Enough.", by=ALICE)
    assert signal.inbox_seq >= 1


async def test_a_sub_task_runs_and_tells_its_parent(outside: Outside) -> None:
    parent = await start(outside, "a")
    task = Task(description="Look it up", assigned_agent=HELPER)
    wait = Wait(id="w1", kind=WaitKind.SUB_TASK, step=1, sub_task_id=task.id)
    await commit(
        outside,
        parent,
        StepStarted(step=1, attempt=1),
        WaitOpened(wait=wait, sub_task=task),
        Slept(),
    )
    child_id = await outside.run_of(task)
    assert child_id is not None
    child = await begin(outside, child_id)
    assert (child.agent.id, child.task.parent_id) == (HELPER, parent.task.id)
    assert (child.requester, child.thread) == (ALICE, None)
    await commit(outside, child, answered("It is blue."))
    after = await outside.store.load(parent.run_id)
    assert after.inbox_seq == 1
    resolution = after.waits[0].resolution
    assert resolution is not None
    assert (resolution.value, resolution.success) == ("It is blue.", True)


async def test_a_sub_task_for_an_unknown_agent_is_told_at_once(outside: Outside) -> None:
    parent = await start(outside, "a")
    task = Task(description="Look it up", assigned_agent=AgentId("nobody"))
    wait = Wait(id="w1", kind=WaitKind.SUB_TASK, step=1, sub_task_id=task.id)
    started = StepStarted(step=1, attempt=1)
    assert await commit(outside, parent, started, WaitOpened(wait=wait, sub_task=task)) == 1
    assert await outside.run_of(task) is None
    resolution = (await outside.store.load(parent.run_id)).waits[0].resolution
    assert resolution is not None
    assert not resolution.success


async def test_dependencies_hold_a_run_back(outside: Outside) -> None:
    first = await start(outside)
    task = Task(description="afterwards", dependencies=(first.task.id,))
    later = await outside.add(task)
    refused = await outside.store.begin(later, worker="w")
    assert refused == NotRunnable(reason="dependencies")
    await commit(outside, first, answered())
    assert (await begin(outside, later)).task.dependencies == (first.task.id,)


async def test_a_commit_that_fails_half_way_leaves_nothing(outside: Outside) -> None:
    run = await start(outside, "a", "b")
    await commit(outside, run, StepStarted(step=1, attempt=1))
    before = await outside.store.load(run.run_id)
    with pytest.raises(FencedError):
        await commit(
            outside,
            run,
            StepFinished(step=1, observation=SEEN),
            StepStarted(step=2, attempt=1),
            StepStarted(step=1, attempt=1),
        )
    assert await outside.store.load(run.run_id) == before


# -- approvals -----------------------------------------------------------------------------------

ASKED = ProposedCall(tool="api_call", arguments={"n": 1}, digest="d1", like={"tool": "api_call"})
AS_ASKED = ApprovedCall(arguments={"n": 1}, digest="d1", by=ALICE)


async def ask(outside: Outside, *thoughts: str) -> RunSnapshot:
    """Begin a run whose first step waits for an approval."""
    run = await start(outside, *(thoughts or ("a",)))
    wait = Wait(id="w1", kind=WaitKind.APPROVAL, step=1, choices=(APPROVE, DENY), call=ASKED)
    await commit(outside, run, WaitOpened(wait=wait))
    return run


def under(approved: ApprovedCall, *, step: int = 1, attempt: int = 1) -> StepStarted:
    return StepStarted(step=step, attempt=attempt, approved=approved)


async def test_a_step_that_has_not_started_can_wait_for_an_approval(outside: Outside) -> None:
    run = await ask(outside)
    asked = await outside.store.load(run.run_id)
    assert (asked.steps[0].status, asked.steps[0].attempt) == (StepStatus.WAITING, 0)
    assert [wait.call for wait in asked.waits] == [ASKED]
    assert asked.usage.iterations == 0


async def test_the_start_of_a_step_uses_its_approval_up(outside: Outside) -> None:
    run = await ask(outside)
    assert await outside.decide(run.run_id, "w1", APPROVE)
    await commit(outside, run, under(AS_ASKED))
    started = await outside.store.load(run.run_id)
    assert (started.waits, started.steps[0].approved) == ((), AS_ASKED)
    assert started.steps[0].status is StepStatus.STARTED
    assert started.usage.iterations == 1
    assert not await outside.decide(run.run_id, "w1", DENY)


async def test_changed_arguments_may_have_another_digest(outside: Outside) -> None:
    run = await ask(outside)
    assert await outside.decide(run.run_id, "w1", APPROVE, {"n": 2})
    resolution = (await outside.store.load(run.run_id)).waits[0].resolution
    assert resolution is not None
    assert resolution.arguments == {"n": 2}
    changed = ApprovedCall(arguments={"n": 2}, digest="d2", by=ALICE)
    await commit(outside, run, under(changed))
    assert (await outside.store.load(run.run_id)).steps[0].approved == changed
    changed_again = replace(changed, digest="d3")
    with pytest.raises(UnapprovedError):
        await commit(outside, run, under(changed_again, attempt=2))


async def test_a_denied_step_is_started_without_an_approval(outside: Outside) -> None:
    run = await ask(outside)
    assert await outside.decide(run.run_id, "w1", DENY)
    with pytest.raises(UnapprovedError):
        await commit(outside, run, under(AS_ASKED))
    await commit(outside, run, StepStarted(step=1, attempt=1))
    started = await outside.store.load(run.run_id)
    assert (started.waits, started.steps[0].approved) == ((), None)
    assert started.usage.iterations == 1


@pytest.mark.parametrize(
    "claimed",
    [
        under(replace(AS_ASKED, digest="d2")),
        under(replace(AS_ASKED, by=None)),
        under(AS_ASKED, step=2),
    ],
    ids=["another call", "another person", "another step"],
)
async def test_nothing_else_may_use_an_approval(outside: Outside, claimed: StepStarted) -> None:
    run = await ask(outside, "a", "b")
    await outside.decide(run.run_id, "w1", APPROVE)
    before = await outside.store.load(run.run_id)
    with pytest.raises(UnapprovedError):
        await commit(outside, run, claimed)
    with pytest.raises(UnapprovedError):
        await outside.store.commit(
            Fence(run.run_id, run.epoch),
            [],
            starts=[claimed],
            known_inbox_seq=before.inbox_seq,
            worked_s=0.0,
        )
    assert await outside.store.load(run.run_id) == before


async def test_nobody_starts_before_the_person_has_spoken(outside: Outside) -> None:
    run = await ask(outside)
    before = await outside.store.load(run.run_id)
    with pytest.raises(UnapprovedError):
        await commit(outside, run, under(AS_ASKED))
    assert await outside.store.load(run.run_id) == before


async def test_a_step_may_be_repeated_under_its_approval_and_not_under_another(
    outside: Outside,
) -> None:
    run = await ask(outside)
    await outside.decide(run.run_id, "w1", APPROVE)
    await commit(outside, run, under(AS_ASKED))
    taken_over = await begin(outside, run.run_id)
    assert taken_over.steps[0].approved == AS_ASKED
    other = replace(AS_ASKED, digest="d2")
    with pytest.raises(UnapprovedError):
        await commit(outside, taken_over, under(other, attempt=2))
    await commit(outside, taken_over, under(AS_ASKED, attempt=2))
    again = await outside.store.load(run.run_id)
    assert (again.steps[0].attempt, again.steps[0].approved) == (2, AS_ASKED)


async def test_a_worker_that_was_replaced_cannot_use_the_approval(outside: Outside) -> None:
    old = await ask(outside)
    await commit(outside, old, Slept())
    await outside.decide(old.run_id, "w1", APPROVE)
    new = await begin(outside, old.run_id)
    assert new.waits[0].resolution is not None
    with pytest.raises(FencedError):
        await commit(outside, old, under(AS_ASKED))
    await commit(outside, new, under(AS_ASKED))
    with pytest.raises(FencedError):
        await commit(outside, new, under(AS_ASKED))


async def test_what_is_said_meanwhile_does_not_answer_a_request_for_approval(
    outside: Outside,
) -> None:
    run = await ask(outside)
    await outside.say(run.run_id, "m2")
    told = await outside.store.load(run.run_id)
    assert told.waits[0].resolution is None
    assert [message.id for message in told.unread] == ["m2"]


async def test_an_approved_step_does_not_start_while_something_was_said(outside: Outside) -> None:
    run = await ask(outside)
    await outside.decide(run.run_id, "w1", APPROVE)
    known = (await outside.store.load(run.run_id)).inbox_seq
    await outside.say(run.run_id, "m2")
    fence = Fence(run.run_id, run.epoch)
    await outside.store.commit(
        fence, [], starts=[under(AS_ASKED)], known_inbox_seq=known, worked_s=0.0
    )
    after = await outside.store.load(run.run_id)
    assert (after.steps[0].status, after.steps[0].approved) == (StepStatus.WAITING, None)
    await commit(outside, run, under(AS_ASKED))
    assert (await outside.store.load(run.run_id)).steps[0].approved == AS_ASKED
