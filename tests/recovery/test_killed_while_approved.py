"""A bot that asks for an approval, is allowed other arguments, calls the tool and ends; killed."""

from sqlalchemy import select

from agent_engine.types import WorkspaceId
from storage.audit import SqlAuditLog
from storage.tables import audit_entries, steps
from tests.recovery import rows
from tests.recovery.approving import APPROVER, ASKED_ABOUT, CHANGED
from tests.recovery.house import Builder, House
from tests.recovery.processes import DeathWish
from tests.recovery.sweep import Outcome, both_sides, die_and_go_on, each, undisturbed

APPROVED = select(steps.c.approved).where(steps.c.approved.is_not(None))
DECISIONS = select(
    audit_entries.c.action,
    audit_entries.c.decision,
    audit_entries.c.actor,
    audit_entries.c.subject,
).where(audit_entries.c.action != "tool_call")


async def test_a_call_that_is_approved_is_made_once_wherever_the_bot_dies(builder: Builder):
    plain = await undisturbed(builder, approves=True)
    decided = [point for point in plain.writes if "carry_out" in point]
    assert len(decided) > 1, plain.writes  # the mention and the decision
    assert any("append" in point for point in plain.writes), plain.writes

    async def live(wish: DeathWish) -> Outcome:
        async with builder.house(f"{wish.side}-{wish.at}", approves=True) as house:
            outcome = await die_and_go_on(house, plain.remains, at_write=wish)
            return Outcome(died=outcome.died, wrong=[*outcome.wrong, *await _off_record(house)])

    await each(both_sides(plain.writes), live)


async def _off_record(house: House) -> list[str]:
    """Say what is wrong with the approval and with the record of it."""
    wrong = list(await rows.unrecorded(house.database))
    [(approved,)] = await house.read(APPROVED)
    if (approved["arguments"]["path"], approved["by"]) != (CHANGED["path"], APPROVER):
        wrong.append(f"approved is {approved}")
    decisions = sorted(tuple(row) for row in await house.read(DECISIONS))
    expected = [
        ("approval", "approved", APPROVER, ASKED_ABOUT),
        ("rule", "made", APPROVER, ASKED_ABOUT),
    ]
    if decisions != expected:
        wrong.append(f"on record is {decisions}")
    log = SqlAuditLog(house.database)
    for workspace_id in await log.workspaces():
        verdict = await log.verify(WorkspaceId(workspace_id))
        if verdict.broken_at is not None:
            wrong.append(verdict.because)
    return wrong
