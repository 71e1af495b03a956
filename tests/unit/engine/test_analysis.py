"""A run that analyses another one, from its beginning to its end."""

import asyncio
from dataclasses import replace

from agent_engine.analysis import NOTHING_LEARNED
from agent_engine.clock import SystemClock
from agent_engine.equipment import Equipment
from agent_engine.errors import ModelUnavailableError
from agent_engine.events import Remembered
from agent_engine.feedback import (
    ANALYSIS_LIMITS,
    Analysis,
    Remark,
    analysis_of,
    analysis_parameters,
)
from agent_engine.in_memory import InMemoryRunStore
from agent_engine.loop import AgentLoop
from agent_engine.memories import MemoryKind, MemoryScope, Trust
from agent_engine.models.scripted import After, ScriptedModel
from agent_engine.ports import ToolTraits
from agent_engine.states import AgentStates
from agent_engine.types import (
    LIBRARY_SCOPE,
    AgentId,
    AgentObservation,
    EndReason,
    Scope,
    StepStatus,
    Task,
    TaskStatus,
    UserId,
)
from agent_engine.watch import SignalWatch
from tests.fakes.runs import a_plan, a_step
from tests.fakes.snapshots import an_agent

RATER = UserId("U2")
LESSON = {"wrong": "Left out.", "next_time": "Subtract refunds.", "applies_when": "Sums."}
REASON = Remark(rating=1, text="Refunds are missing.")
SCOPE = replace(LIBRARY_SCOPE, agent_id=AgentId("a1"))


class Office:
    """One rated run, the run that analyses it, and what that stores."""

    def __init__(self, *script, planner="llm", remark=REASON, scope: Scope = SCOPE, tools=None):
        self.store = InMemoryRunStore()
        self.model = ScriptedModel(*script)
        self.stored = []
        agent = an_agent()
        self.rated = self.store.add(Task(description="Sum up the revenue"), agent, SCOPE)
        analysis = Analysis(run_id=self.rated, person=RATER, remarks=(remark,))
        task = Task(description="why", parameters=analysis_parameters(analysis))
        self.run_id = self.store.add(task, agent, scope, requester=RATER, limits=ANALYSIS_LIMITS)
        self.watch = SignalWatch(self.store)
        equipment = Equipment(
            model=self.model,
            planner=None,
            planner_name=planner,
            writer=None,
            judge=None,
            tools=tools,
            folders=None,
        )
        self.loop = AgentLoop(
            runs=self.store,
            equip=lambda _agent: equipment,
            watch=self.watch,
            clock=SystemClock(),
            states=AgentStates(),
            observe=lambda _run, events: self.stored.append(events),
        )

    async def work(self):
        """Advance the analysis and return how it stands."""
        async with asyncio.timeout(5):
            progress = await self.loop.advance(self.run_id, worker="w1")
        assert progress.done
        return await self.store.load(self.run_id)

    @property
    def kept(self):
        return [event for events in self.stored for event in events if type(event) is Remembered]


async def test_what_was_learned_and_the_end_are_one_commit():
    office = Office(LESSON)
    run = await office.work()
    [last] = office.stored
    assert [type(event).__name__ for event in last] == ["ModelCalled", "Remembered", "Ended"]
    [lesson] = office.kept
    assert lesson.scope == MemoryScope.of_channel(SCOPE)
    memory = lesson.memory
    assert (memory.kind, memory.trust) == (MemoryKind.LESSON, Trust.AGENT)
    assert memory.key == f"lesson_{office.rated}_{RATER}"
    assert memory.text == "Subtract refunds. (for: Sums.)"
    assert memory.heading == "Sum up the revenue"
    assert (memory.origin.run_id, memory.origin.person) == (office.rated, RATER)
    assert memory.details == LESSON
    assert run.status is TaskStatus.COMPLETED
    assert run.usage.model_calls == 1


async def test_nothing_learned_ends_well_and_keeps_nothing():
    office = Office({**LESSON, "next_time": ""})
    run = await office.work()
    assert office.kept == []
    assert run.answer.text == NOTHING_LEARNED


async def test_without_a_model_the_reason_is_the_lesson_and_no_reason_is_none():
    office = Office(planner="offline")
    await office.work()
    [lesson] = office.kept
    assert (lesson.memory.text, lesson.memory.trust) == (REASON.text, Trust.PERSON)
    silent = Office(planner="offline", remark=Remark(rating=1))
    assert (await silent.work()).status is TaskStatus.COMPLETED
    assert silent.kept == []


async def test_a_model_that_does_not_answer_ends_it_without_a_lesson():
    office = Office(ModelUnavailableError())
    run = await office.work()
    assert run.end.reason is EndReason.FAILED
    assert office.kept == []


async def test_its_own_small_limits_hold():
    office = Office(LESSON)
    office.store._runs[office.run_id] = replace(
        await office.store.load(office.run_id), limits=replace(ANALYSIS_LIMITS, tokens=100)
    )
    assert (await office.work()).end.reason is EndReason.LIMIT
    assert office.model.requests == ()


async def test_one_that_is_stopped_before_it_begins_asks_nobody():
    office = Office()
    office.store.cancel(office.run_id, "The rating was taken back.")
    run = await office.work()
    assert (run.end.reason, run.end.sentence) == (EndReason.STOPPED, "The rating was taken back.")


async def test_one_that_is_stopped_on_the_way_learns_nothing():
    never, asked = asyncio.Event(), asyncio.Event()

    def hang(_request):
        asked.set()
        return After(event=never, reply=LESSON)

    office = Office(hang)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        working = group.create_task(office.work())
        await asked.wait()
        office.store.cancel(office.run_id, "More was said about it.")
        await office.watch.look()
    assert working.result().end.reason is EndReason.STOPPED
    assert office.kept == []


async def test_a_run_of_another_scope_is_not_read():
    office = Office(scope=replace(SCOPE, agent_id=AgentId("other")))
    assert (await office.work()).end.reason is EndReason.FAILED
    assert office.model.requests == ()


def test_what_an_analysis_is_about_survives_its_parameters():
    analysis = Analysis(run_id="r1", person=RATER, remarks=(REASON, Remark(rating=2, step=3)))
    task = Task(description="why", parameters=analysis_parameters(analysis))
    assert analysis_of(task) == analysis
    assert analysis_of(Task(description="anything")) is None


class Pages:
    """Tools whose results others write."""

    def traits(self, _name):
        return ToolTraits()


async def test_the_lesson_of_a_run_that_read_pages_is_untrusted():
    office = Office(LESSON, tools=Pages())
    load = office.store.load
    step = a_step(1, "Read", StepStatus.DONE)
    seen = AgentObservation(observation_type="tool_result", content={"success": True})
    action = replace(step.action, tool_name="api_call")
    plan = a_plan(replace(step, action=action, observation=seen))

    async def with_plan(run_id):
        run = await load(run_id)
        return replace(run, plan=plan) if run_id == office.rated else run

    office.store.load = with_plan
    await office.work()
    [lesson] = office.kept
    assert lesson.memory.trust is Trust.UNTRUSTED
