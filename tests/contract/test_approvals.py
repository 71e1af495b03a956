"""Decisions about tool calls: what they leave behind, standing rules, and what goes on record."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import select, text
from sqlalchemy.engine import Connection

from agent_engine.commands import (
    Decide,
    Declined,
    Outcome,
    Repeated,
    Revoked,
    RevokeRule,
    RunAgain,
    Started,
    Steered,
)
from agent_engine.errors import StorageError
from agent_engine.events import PlanMade, Slept, StepStarted, WaitOpened
from agent_engine.safeguards import AuditAction, AuditRow
from agent_engine.types import (
    APPROVE,
    DENY,
    REPEAT,
    SKIP,
    ApprovedCall,
    ChannelId,
    Limits,
    ProposedCall,
    RunId,
    RunSnapshot,
    TaskId,
    Wait,
    WaitKind,
    WorkspaceId,
)
from storage import tables
from storage.approvals import SqlApprovalStore
from storage.audit import SqlAuditLog
from storage.commands.decide import decide
from storage.commands.store import SqlCommandStore
from storage.database import Database
from storage.housekeeping import SqlHousekeeping
from tests.contract.house import ALICE, BOB, CHANNEL, WORKSPACE, House, answered, plan_of, think

LIKE = {"method": "POST", "host": "a.test"}
CALL = ProposedCall(
    tool="api_call",
    arguments={"method": "POST", "url": "https://a.test/x"},
    digest="d1",
    because="It changes something elsewhere.",
    approvers=(BOB,),
    like=LIKE,
)


async def ask(house: House, ts: str = "1.0", call: ProposedCall = CALL) -> RunSnapshot:
    """Let a run ask for an approval and sleep."""
    run = await house.begin(await house.start(ts))
    await ask_in(house, run, call)
    return run


async def ask_in(house: House, run: RunSnapshot, call: ProposedCall = CALL) -> None:
    wait = Wait(id=f"{run.run_id}:1:0", kind=WaitKind.APPROVAL, step=1, call=call)
    plan = PlanMade(plan=plan_of(think()), messages_read=1)
    await house.commit(run, plan, WaitOpened(wait=wait), Slept())


def decision(run: RunSnapshot, value: str = APPROVE, **more) -> Decide:
    return Decide(run_id=run.run_id, wait_id=f"{run.run_id}:1:0", value=value, by=BOB, **more)


async def carry_out(house: House, command, *keys: str) -> Outcome:
    return await house.commands.carry_out(command, keys=keys)


async def on_record(house: House, workspace: WorkspaceId = WORKSPACE) -> list[AuditRow]:
    return [row async for row in SqlAuditLog(house.database).export(workspace)]


async def test_what_an_approver_says_and_changes_comes_back(house: House) -> None:
    run = await ask(house)
    changed = {"method": "POST", "url": "https://a.test/y", "n": None, "odd": "\x00\ud800"}
    command = decision(run, arguments=changed, remark="Only this one.")
    assert await carry_out(house, command) == Steered(run_id=run.run_id)
    [wait] = (await house.runs.load(run.run_id)).waits
    assert wait.call == CALL
    assert wait.resolution is not None
    assert (wait.resolution.value, wait.resolution.by) == (APPROVE, BOB)
    assert (wait.resolution.arguments, wait.resolution.remark) == (changed, "Only this one.")


async def test_an_approval_counts_for_later_runs_of_its_task_for_the_same_person(
    house: House,
) -> None:
    store = SqlApprovalStore(house.database)
    run = await ask(house)
    other = await ask(house, "2.0")
    assert not await store.was_approved(run.task.id, "api_call", requester=ALICE)
    await carry_out(house, decision(run))
    await carry_out(house, decision(other, DENY))
    begun = await house.begin(run.run_id)
    await house.commit(begun, answered())
    again = await carry_out(house, RunAgain(run_id=run.run_id, by=ALICE, keep_work=False))
    assert isinstance(again, Started)
    assert await store.was_approved(again.task_id, "api_call", requester=ALICE)
    assert not await store.was_approved(run.task.id, "file_operations", requester=ALICE)
    assert not await store.was_approved(other.task.id, "api_call", requester=ALICE)
    assert not await store.was_approved(run.task.id, "api_call", requester=BOB)
    assert not await store.was_approved(run.task.id, "api_call", requester=None)
    assert not await store.was_approved(TaskId("nothing"), "api_call", requester=ALICE)


async def test_always_makes_a_rule_for_this_agent_in_this_channel(house: House) -> None:
    store = SqlApprovalStore(house.database)
    run = await ask(house)
    await carry_out(house, decision(run, always=True))
    rule = await store.standing_rule(run.scope, "api_call", {"host": "a.test", "method": "POST"})
    assert rule is not None
    assert (rule.scope, rule.tool, rule.like) == (run.scope, "api_call", LIKE)
    assert rule.created_by == BOB
    elsewhere = replace(run.scope, channel_id=ChannelId("C2"))
    assert await store.standing_rule(elsewhere, "api_call", LIKE) is None
    assert await store.standing_rule(run.scope, "other_tool", LIKE) is None
    assert await store.standing_rule(run.scope, "api_call", {**LIKE, "host": "b.test"}) is None
    assert await store.rules(WORKSPACE, channel_id=None) == [rule]
    assert await store.rules(WORKSPACE, channel_id=CHANNEL) == [rule]
    assert await store.rules(WORKSPACE, channel_id=ChannelId("C2")) == []
    assert await store.rules(WorkspaceId("T2"), channel_id=None) == []


async def test_a_denial_or_a_call_without_likeness_makes_no_rule(house: House) -> None:
    store = SqlApprovalStore(house.database)
    await carry_out(house, decision(await ask(house), DENY, always=True))
    unlike = await ask(house, "2.0", replace(CALL, like=None))
    await carry_out(house, decision(unlike, always=True))
    assert await store.rules(WORKSPACE, channel_id=None) == []


async def test_the_same_rule_is_made_once_even_at_the_same_time(house: House) -> None:
    asked = [await ask(house, f"{n}.0") for n in range(1, 6)]
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        for run in asked:
            group.create_task(carry_out(house, decision(run, always=True)))
    store = SqlApprovalStore(house.database)
    assert len(await store.rules(WORKSPACE, channel_id=None)) == 1
    actions = [row.entry.action for row in await on_record(house)]
    assert actions.count(AuditAction.RULE) == 1
    assert actions.count(AuditAction.APPROVAL) == 5


async def test_a_revoked_rule_allows_nothing_and_stays_as_a_row(house: House) -> None:
    store = SqlApprovalStore(house.database)
    run = await ask(house)
    await carry_out(house, decision(run, always=True))
    [rule] = await store.rules(WORKSPACE, channel_id=None)
    foreign = RevokeRule(workspace_id=WorkspaceId("T2"), rule_id=rule.id, by=ALICE)
    assert await carry_out(house, foreign) == Declined(why="no_rule")
    revoke = RevokeRule(workspace_id=WORKSPACE, rule_id=rule.id, by=ALICE)
    assert await carry_out(house, revoke, "k1") == Revoked(rule_id=rule.id)
    assert await carry_out(house, revoke, "k1") == Repeated()
    assert await carry_out(house, revoke) == Declined(why="no_rule")
    assert await store.standing_rule(run.scope, "api_call", LIKE) is None
    assert await store.rules(WORKSPACE, channel_id=None) == []
    rows = select(tables.standing_rules.c.revoked_by, tables.standing_rules.c.created_by)
    assert await house.database.read(lambda c: c.execute(rows).all()) == [(ALICE, BOB)]
    anew = await ask(house, "2.0")
    await carry_out(house, decision(anew, always=True))
    assert await store.standing_rule(run.scope, "api_call", LIKE) is not None


async def test_decisions_and_rules_are_on_record_once(house: House) -> None:
    house.commands = SqlCommandStore(
        house.database, redact=lambda words: words.replace("hunter2", "…")
    )
    run = await ask(house)
    command = decision(
        run, arguments={"password": "hunter2"}, remark="hunter2 is fine", always=True
    )
    await carry_out(house, command, "k1")
    await carry_out(house, command, "k1")
    await carry_out(house, decision(run, DENY))
    [rule] = await SqlApprovalStore(house.database).rules(WORKSPACE, channel_id=None)
    await carry_out(house, RevokeRule(workspace_id=WORKSPACE, rule_id=rule.id, by=ALICE))
    rows = await on_record(house)
    assert [(row.entry.action, row.entry.decision, row.entry.actor) for row in rows] == [
        (AuditAction.APPROVAL, "approved", BOB),
        (AuditAction.RULE, "made", BOB),
        (AuditAction.RULE, "revoked", ALICE),
    ]
    approval = rows[0].entry
    assert (approval.run_id, approval.step, approval.subject) == (run.run_id, 1, "api_call")
    assert (approval.arguments_digest, approval.decided_by) == ("d1", BOB)
    assert approval.scope == run.scope
    assert approval.text == 'with arguments {"password": "…"}\n… is fine'
    assert (await SqlAuditLog(house.database).verify(WORKSPACE)).broken_at is None


async def test_a_denial_is_on_record_as_one(house: House) -> None:
    await carry_out(house, decision(await ask(house), DENY, remark="Too risky."))
    [row] = await on_record(house)
    assert (row.entry.decision, row.entry.text) == ("denied", "Too risky.")


async def test_what_a_crash_held_back_is_on_record_after_the_next_start(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await ask(house)
    # The process dies between the command's commit and the one that appends.
    monkeypatch.setattr("storage.commands.store.settle_audit", _dies)
    await carry_out(house, decision(run))
    assert await on_record(house) == []
    keeping = SqlHousekeeping(house.database)
    assert await keeping.settle_audit() == 1
    assert await keeping.settle_audit() == 0
    [row] = await on_record(house)
    assert (row.entry.action, row.entry.run_id) == (AuditAction.APPROVAL, run.run_id)


async def _dies(_database: Database) -> None:
    return None


async def test_a_decision_that_is_rolled_back_leaves_nothing_on_record(house: House) -> None:
    run = await ask(house)

    def fail(connection: Connection) -> None:
        decide(connection, decision(run), str)
        connection.execute(text("SELECT nonsense"))

    with pytest.raises(StorageError, match="nonsense"):
        await house.database.write(fail)
    assert await SqlHousekeeping(house.database).settle_audit() == 0
    assert (await house.runs.load(run.run_id)).waits[0].resolution is None


@pytest.mark.parametrize("word", [REPEAT, SKIP])
async def test_who_lets_a_call_be_made_once_more_or_not_is_on_record(house: House, word) -> None:
    run = await house.begin(await house.start())
    plan = PlanMade(plan=plan_of(think()), messages_read=1)
    in_doubt = replace(CALL, like=None)
    wait = Wait(id=f"{run.run_id}:1:0", kind=WaitKind.REPEAT, step=1, call=in_doubt)
    await house.commit(run, plan, WaitOpened(wait=wait), Slept())
    await carry_out(house, decision(run, word, always=True))
    [row] = await on_record(house)
    assert (row.entry.action, row.entry.decision) == (AuditAction.APPROVAL, word)
    assert (row.entry.decided_by, row.entry.subject) == (BOB, "api_call")
    store = SqlApprovalStore(house.database)
    assert not await store.was_approved(run.task.id, "api_call", requester=ALICE)
    assert await store.rules(WORKSPACE, channel_id=None) == []


async def test_a_question_puts_nothing_on_record(house: House) -> None:
    run = await house.begin(await house.start())
    await house.ask(run)
    command = Decide(run_id=run.run_id, wait_id="w1", value="yes", by=ALICE)
    await carry_out(house, command)
    assert await on_record(house) == []


async def test_a_run_that_is_extended_gets_the_limits_it_was_given(house: House) -> None:
    run = await house.begin(await house.start())
    await house.commit(run, answered())
    more = Limits(iterations=99, tokens=7)
    outcome = await carry_out(
        house, RunAgain(run_id=run.run_id, by=BOB, keep_work=True, limits=more)
    )
    assert isinstance(outcome, Started)
    assert (await house.runs.load(outcome.run_id)).limits == more
    begun = await house.begin(outcome.run_id)
    await house.commit(begun, answered())
    same = await carry_out(house, RunAgain(run_id=outcome.run_id, by=BOB, keep_work=False))
    assert isinstance(same, Started)
    assert (await house.runs.load(same.run_id)).limits == more


async def test_the_log_of_a_run_says_who_approved_its_start(house: House) -> None:
    run = await ask(house)
    await carry_out(house, decision(run))
    begun = await house.begin(run.run_id)
    approved = ApprovedCall(arguments=CALL.arguments, digest="d1", by=BOB)
    await house.commit(begun, StepStarted(step=1, attempt=1, approved=approved))
    body = await _start_of(house, run.run_id)
    assert (body["approved_by"], body["digest"]) == (BOB, "d1")


async def _start_of(house: House, run_id: RunId) -> dict[str, object]:
    found = select(tables.events.c.body).where(
        tables.events.c.run_id == run_id, tables.events.c.kind == "StepStarted"
    )
    return await house.database.read(lambda c: c.execute(found).scalar_one())
