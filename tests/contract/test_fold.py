"""Every store comes to the snapshot that ``run_state.apply`` says, whatever happened."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_engine.events import (
    Ended,
    ModelCalled,
    PlanMade,
    Recalled,
    RepetitionWarned,
    RunEvent,
    Slept,
    StepFinished,
    StepStarted,
    WaitOpened,
)
from agent_engine.in_memory import InMemoryRunStore
from agent_engine.ports import Fence, RunStore
from agent_engine.run_state import apply
from agent_engine.types import (
    APPROVE,
    DENY,
    ActionType,
    AgentAction,
    AgentId,
    AgentObservation,
    AgentProfile,
    Answer,
    ApprovedCall,
    Check,
    EndReason,
    MemoryUse,
    ModelCall,
    Plan,
    ProposedCall,
    Resolution,
    RunEnd,
    RunId,
    RunSnapshot,
    Source,
    Step,
    StepStatus,
    Task,
    TaskStatus,
    UserId,
    Wait,
    WaitKind,
)
from storage.database import Database
from storage.slots import SlotCaps
from tests.contract.house import WORKSPACE, House, message

# Text columns hold anything but what no database can hold; JSON columns hold even that.
WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
OBJECTS = st.dictionaries(st.text(max_size=6), JSON, max_size=3)
TIMES = st.integers(0, 2_000_000_000_000_000).map(
    lambda us: datetime.fromtimestamp(0, UTC) + timedelta(microseconds=us)
)
# Dyadic fractions add up to the same whatever the order.
AMOUNTS = st.integers(0, 4096).map(lambda n: n / 1024)
NUMBERS = st.lists(st.integers(1, 9), max_size=3, unique=True).map(lambda n: tuple(sorted(n)))

ACTIONS = st.builds(
    AgentAction,
    action_type=st.sampled_from([*ActionType, "juggle"]),
    parameters=OBJECTS,
    tool_name=st.none() | WORDS,
    expected_outcome=st.text(max_size=8),
    description=st.text(max_size=8),
    depends_on=NUMBERS,
    check=st.sampled_from(Check),
    check_value=st.text(max_size=8),
)
OBSERVATIONS = st.builds(
    AgentObservation,
    observation_type=WORDS,
    content=st.builds(lambda body, success: {**body, "success": success}, OBJECTS, st.booleans()),
    timestamp=TIMES,
    source=st.sampled_from([*Source, "elsewhere"]),
    outcome=st.text(max_size=8),
    full_output=st.none() | st.text(max_size=20),
    files=st.lists(st.text(max_size=5), max_size=2).map(tuple),
)
PROPOSED = st.builds(
    ProposedCall,
    tool=WORDS,
    arguments=OBJECTS,
    digest=WORDS,
    because=st.text(max_size=8),
    approvers=st.lists(WORDS.map(UserId), max_size=2).map(tuple),
    like=st.none() | OBJECTS,
)
CALLS = st.builds(
    ModelCall,
    model=WORDS,
    purpose=WORDS,
    prompt_tokens=st.integers(0, 9999),
    completion_tokens=st.integers(0, 9999),
    usd=st.none() | AMOUNTS,
    duration_s=AMOUNTS,
    estimated=st.booleans(),
    reservation=st.none() | WORDS,
)


@dataclass
class Story:
    """A plausible sequence of commits, and where the run stands while it is made up."""

    draw: st.DrawFn
    steps: dict[int, Step]
    version: int = 0
    waits: int = 0
    asleep: bool = False
    approved: dict[int, ApprovedCall] = field(default_factory=dict)
    """What people approved and no step has started under yet."""

    def event(self) -> RunEvent:
        return self.draw(st.sampled_from(self.possible()))()

    def possible(self):
        choices = [self.plan, self.model, self.warn, self.recall, self.sleep]
        if self.asleep:  # nothing but accounts may still come with the same commit
            return [self.model]
        if self.in_status(StepStatus.PENDING):
            choices += [self.start, self.start, self.ask]
        if self.in_status(StepStatus.STARTED, StepStatus.WAITING):
            choices += [self.finish, self.finish, self.restart]
        if self.in_status(StepStatus.STARTED):
            choices.append(self.wait)
        return choices

    def in_status(self, *statuses: StepStatus) -> list[int]:
        return [number for number, step in self.steps.items() if step.status in statuses]

    def pick(self, *statuses: StepStatus) -> Step:
        return self.steps[self.draw(st.sampled_from(self.in_status(*statuses)))]

    def plan(self) -> PlanMade:
        before = dict(self.steps)
        for number in self.in_status(StepStatus.PENDING):
            if self.draw(st.booleans()):
                self.steps[number] = replace(self.steps[number], status=StepStatus.DROPPED)
        for _ in range(self.draw(st.integers(0, 3))):
            number = len(self.steps) + 1
            self.steps[number] = self.draw(
                st.builds(
                    Step,
                    number=st.just(number),
                    action=ACTIONS,
                    depends_on=NUMBERS,
                    parent=st.none() | st.integers(1, 9),
                    depth=st.integers(0, 3),
                )
            )
        self.version += 1
        plan = Plan(
            version=self.version,
            steps=tuple(self.steps.values()),
            open_ended=self.draw(st.booleans()),
            because=self.draw(WORDS),
            planner=self.draw(WORDS),
        )
        return PlanMade(
            plan=plan,
            messages_read=self.draw(st.integers(1, 2)),
            counts_as_replan=self.draw(st.booleans()),
            changed=self.draw(st.none() | self._changed_since(before)),
        )

    def _changed_since(self, before: dict[int, Step]) -> st.SearchStrategy[tuple[int, ...]]:
        """All that changed, and perhaps others."""
        changed = {number for number, step in self.steps.items() if before.get(number) != step}
        more = st.sets(st.sampled_from(sorted(self.steps))) if self.steps else st.just(set())
        return more.map(lambda others: tuple(sorted(changed | others)))

    def start(self) -> StepStarted:
        step = self.pick(StepStatus.PENDING)
        return self._started(step)

    def restart(self) -> StepStarted:
        return self._started(self.pick(StepStatus.STARTED, StepStatus.WAITING))

    def _started(self, step: Step) -> StepStarted:
        at, attempt = self.draw(TIMES), step.attempt + 1
        allowed = self.approved.pop(step.number, None) or step.approved
        under = self.draw(st.sampled_from([None, allowed]))
        self.steps[step.number] = replace(
            step,
            status=StepStatus.STARTED,
            attempt=attempt,
            started_at=at,
            approved=under or step.approved,
        )
        return StepStarted(
            step=step.number,
            attempt=attempt,
            parameters=self.draw(OBJECTS),
            approved=under,
            at=at,
        )

    def ask(self) -> WaitOpened:
        """Ask a person about a step that has not started; they may have answered already."""
        step = self.pick(StepStatus.PENDING)
        call = self.draw(PROPOSED)
        answers = st.builds(
            Resolution,
            value=st.sampled_from([APPROVE, DENY]),
            by=WORDS.map(UserId),
            at=TIMES,
            arguments=st.none() | OBJECTS,
            remark=WORDS,
        )
        answer = self.draw(st.none() | answers)
        if answer is not None and answer.value == APPROVE:
            self.approved[step.number] = ApprovedCall(
                arguments=answer.arguments or call.arguments,
                digest=call.digest if answer.arguments is None else self.draw(WORDS),
                by=answer.by,
            )
        self.waits += 1
        self.steps[step.number] = replace(step, status=StepStatus.WAITING)
        wait = Wait(
            id=f"w{self.waits}",
            kind=WaitKind.APPROVAL,
            step=step.number,
            opened_at=self.draw(TIMES),
            choices=(APPROVE, DENY),
            call=call,
            resolution=answer,
        )
        return WaitOpened(wait=wait)

    def finish(self) -> StepFinished:
        step = self.pick(StepStatus.STARTED, StepStatus.WAITING)
        event = self.draw(
            st.builds(
                StepFinished,
                step=st.just(step.number),
                observation=OBSERVATIONS,
                surprise=st.none() | WORDS,
                seconds=AMOUNTS,
                stopped=st.booleans(),
                at=TIMES,
            )
        )
        status = StepStatus.DONE if event.observation.success else StepStatus.FAILED
        self.steps[step.number] = replace(
            step,
            status=StepStatus.STOPPED if event.stopped else status,
            observation=event.observation,
            surprise=event.surprise,
            ended_at=event.at,
        )
        return event

    def wait(self) -> WaitOpened:
        step = self.pick(StepStatus.STARTED)
        self.waits += 1
        self.steps[step.number] = replace(step, status=StepStatus.WAITING)
        resolutions = st.builds(
            Resolution,
            value=WORDS,
            by=st.none() | WORDS.map(UserId),
            at=TIMES,
            success=st.booleans(),
            arguments=st.none() | OBJECTS,
            remark=WORDS,
        )
        wait = self.draw(
            st.builds(
                Wait,
                id=st.just(f"w{self.waits}"),
                kind=st.sampled_from(WaitKind),
                step=st.just(step.number),
                opened_at=TIMES,
                until=st.none() | TIMES,
                question=WORDS,
                choices=st.lists(st.text(max_size=4), max_size=2).map(tuple),
                asked_of=st.none() | WORDS.map(UserId),
                call=st.none() | PROPOSED,
                resolution=st.none() | resolutions,
            )
        )
        return WaitOpened(wait=wait)

    def model(self) -> ModelCalled:
        return ModelCalled(call=self.draw(CALLS))

    def warn(self) -> RepetitionWarned:
        return RepetitionWarned(key=self.draw(st.text(max_size=6)))

    def recall(self) -> Recalled:
        ids = self.draw(st.lists(st.integers(1, 5), max_size=4))
        return Recalled(
            uses=tuple(MemoryUse(id=n, kind="note") for n in dict.fromkeys(ids)), scopes=()
        )

    def sleep(self) -> Slept:
        self.asleep = True
        return Slept()


@st.composite
def commits(draw: st.DrawFn) -> list[tuple[list[RunEvent], float]]:
    """Commits of a run up to its sleep, its end or somewhere in the middle."""
    story = Story(draw, steps={})
    told: list[tuple[list[RunEvent], float]] = []
    for _ in range(draw(st.integers(1, 6))):
        events = [story.event() for _ in range(draw(st.integers(0, 4)))]
        told.append((events, draw(AMOUNTS)))
        if story.asleep:
            return told
    if draw(st.booleans()):
        told.append(([draw(_ends())], draw(AMOUNTS)))
    return told


def _ends() -> st.SearchStrategy[Ended]:
    answers = st.builds(
        Answer,
        text=st.text(max_size=20),
        files=st.lists(st.text(max_size=4), max_size=2).map(tuple),
        label=st.text(max_size=4),
    )
    ends = st.builds(
        RunEnd,
        reason=st.sampled_from(EndReason),
        sentence=WORDS,
        by=st.none() | WORDS.map(UserId),
        at=TIMES,
    )
    return st.builds(
        Ended,
        end=ends,
        status=st.sampled_from([TaskStatus.COMPLETED, TaskStatus.ERROR, TaskStatus.CANCELLED]),
        answer=st.none() | answers,
    )


async def _is_folded(store: RunStore, run_id: RunId, told: list) -> None:
    run = await store.begin(run_id, worker="w1")
    assert isinstance(run, RunSnapshot)
    for events, worked_s in told:
        await store.commit(Fence(run_id, run.epoch), events, worked_s=worked_s)
        run = apply(run, events, worked_s=worked_s)
        assert await store.load(run_id) == run


ENOUGH = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@ENOUGH
@given(told=commits())
async def test_what_is_loaded_is_what_the_events_add_up_to(database: Database, told: list) -> None:
    house = House(database, caps=SlotCaps(per_person=0, per_channel=0))
    await house.add_agent("A1", max_concurrent=0)
    thread_ts = str(datetime.now(UTC).timestamp())
    await _is_folded(house.runs, await house.start(thread_ts), told)


@ENOUGH
@given(told=commits())
async def test_the_librarys_store_agrees(told: list) -> None:
    store = InMemoryRunStore()
    agent = AgentProfile(id=AgentId("A1"), workspace_id=WORKSPACE, name="Ada")
    task = Task(description="What is six times seven?")
    run_id = store.add(task, agent, messages=[message("m1")])
    await _is_folded(store, run_id, told)
