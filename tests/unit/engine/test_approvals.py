"""A risky call waits for a person: bound to its arguments, used once, on record."""

from dataclasses import replace

import pytest

from agent_engine.errors import StorageError
from agent_engine.types import (
    APPROVE,
    DENY,
    Asks,
    Resolution,
    StepStatus,
    TaskStatus,
    UserId,
    WaitKind,
)
from tests.fakes.engine import Bench, ScriptedPlanner, propose, tool_returning, use
from tests.fakes.safeguards import Ledger, guarded

OK = {"success": True, "result": "sent"}
ADA = UserId("U1")


@pytest.fixture
def ledger():
    return Ledger()


@pytest.fixture
def bench(tmp_path, ledger):
    def make(*proposals, tool, rules=(), **options):
        caller = guarded([tool], *rules, ledger=ledger, **options)
        return Bench(ScriptedPlanner(*proposals), [tool], tmp_path, caller=caller)

    return make


def sender(**traits):
    return tool_returning("send", OK, **{"asks": Asks.ALWAYS, **traits})


async def until_asked(bench):
    run_id = bench.add(requester=ADA)
    _, run = await bench.advance(run_id)
    [wait] = run.waits
    return run_id, wait


async def test_a_risky_call_waits_with_its_exact_arguments(bench, ledger):
    tool = sender()
    run_id, wait = await until_asked(bench_ := bench(propose(use("send", to="bob")), tool=tool))
    assert (wait.kind, wait.call.tool, wait.call.arguments) == (
        WaitKind.APPROVAL,
        "send",
        {"to": "bob"},
    )
    assert wait.call.approvers == (ADA,)
    progress, run = await bench_.advance(run_id)
    assert (progress.done, run.status, tool.calls) == (False, TaskStatus.WAITING, [])
    assert ledger.entries == []


async def test_an_approved_call_is_made_once_and_on_record(bench, ledger):
    tool = sender()
    run_id, wait = await until_asked(bench_ := bench(propose(use("send", to="bob")), tool=tool))
    assert bench_.store.decide(run_id, wait.id, Resolution(value=APPROVE, by=ADA))
    progress, run = await bench_.advance(run_id)
    assert progress.done
    assert [arguments for arguments, _ in tool.calls] == [{"to": "bob"}]
    assert run.steps[0].approved.by == ADA
    assert ledger.told == [("send", "approved", "success")]
    assert ledger.entries[0].decided_by == ADA


async def test_changed_arguments_are_what_is_called(bench):
    tool = sender()
    run_id, wait = await until_asked(bench_ := bench(propose(use("send", to="bob")), tool=tool))
    changed = Resolution(value=APPROVE, by=ADA, arguments={"to": "eve"})
    bench_.store.decide(run_id, wait.id, changed)
    _, run = await bench_.advance(run_id)
    assert [arguments for arguments, _ in tool.calls] == [{"to": "eve"}]
    assert run.steps[0].approved.arguments == {"to": "eve"}


async def test_a_denied_call_is_not_made_and_the_planner_hears_why(bench, ledger):
    tool = sender()
    bench_ = bench(propose(use("send", to="bob")), propose(), tool=tool)
    run_id, wait = await until_asked(bench_)
    bench_.store.decide(run_id, wait.id, Resolution(value=DENY, by=ADA, remark="wrong person"))
    progress, run = await bench_.advance(run_id)
    assert (progress.done, tool.calls) == (True, [])
    assert run.steps[0].status is StepStatus.FAILED
    assert "wrong person" in bench_.planner.asked[1][1]
    assert run.usage.iterations == 1
    assert ledger.told == [("send", "denied", "error")]


async def test_each_call_is_asked_about_anew(bench):
    tool = sender()
    bench_ = bench(propose(use("send", to="bob"), use("send", 1, to="bob")), tool=tool)
    run_id, wait = await until_asked(bench_)
    bench_.store.decide(run_id, wait.id, Resolution(value=APPROVE, by=ADA))
    _, run = await bench_.advance(run_id)
    assert len(tool.calls) == 1
    [second] = run.waits
    assert (second.step, second.call.arguments) == (2, {"to": "bob"})


async def test_first_time_asks_once_per_task(bench):
    tool = sender(asks=Asks.FIRST_TIME)
    bench_ = bench(propose(use("send", to="bob"), use("send", 1, to="eve")), tool=tool)
    run_id, wait = await until_asked(bench_)
    bench_.store.decide(run_id, wait.id, Resolution(value=APPROVE, by=ADA))
    progress, _ = await bench_.advance(run_id)
    assert progress.done
    assert [arguments for arguments, _ in tool.calls] == [{"to": "bob"}, {"to": "eve"}]


async def test_a_repeated_step_keeps_its_approval(bench):
    """A worker that dies in an approved call that may be repeated does not ask twice."""
    tool = sender(idempotent=True)
    run_id, wait = await until_asked(bench_ := bench(propose(use("send", to="bob")), tool=tool))
    bench_.store.decide(run_id, wait.id, Resolution(value=APPROVE, by=ADA))

    bench_.equipment = replace(bench_.equipment, tools=_Dying(bench_.equipment.tools))
    with pytest.raises(StorageError):
        await bench_.advance(run_id)
    bench_.equipment = replace(bench_.equipment, tools=bench_.equipment.tools.inner)
    progress, run = await bench_.advance(run_id)
    assert progress.done
    assert (run.steps[0].attempt, run.steps[0].status) == (2, StepStatus.DONE)


async def test_a_call_that_cannot_be_put_on_record_ends_the_work_for_now(bench, ledger):
    tool = sender(asks=Asks.NEVER)
    bench_ = bench(propose(use("send", to="bob")), tool=tool)
    ledger.is_down = True
    with pytest.raises(StorageError):
        await bench_.advance(bench_.add())


async def test_an_interrupted_call_is_on_record_as_unknown(bench, ledger):
    tool = sender(asks=Asks.NEVER, idempotent=True)
    bench_ = bench(propose(use("send", to="bob")), tool=tool)
    run_id = bench_.add()
    bench_.equipment = replace(bench_.equipment, tools=_Dying(bench_.equipment.tools))
    with pytest.raises(StorageError):
        await bench_.advance(run_id)
    bench_.equipment = replace(bench_.equipment, tools=bench_.equipment.tools.inner)
    await bench_.advance(run_id)
    assert ledger.told == [("send", "unknown", "unknown"), ("send", "allowed", "success")]


class _Dying:
    """A call path whose worker dies in every call."""

    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        return getattr(self.inner, name)

    async def call(self, *_arguments, **_options):
        raise StorageError
