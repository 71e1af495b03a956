"""A bot that asks before it writes a file, and a person who approves with another file's name.

Wired here, in the test program, around the composition root's own works: the rule, the record, and
whoever presses the button.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import select

import bot.app
from agent_engine.clock import SystemClock
from agent_engine.commands import Decide
from agent_engine.tools.audit import Auditor
from agent_engine.tools.call import Guards, ToolCaller
from agent_engine.tools.policy import ToolPolicy, ToolRule
from agent_engine.types import APPROVE, Asks, RunId, UserId
from bot.app import Works
from storage.approvals import SqlApprovalStore
from storage.audit import SqlAuditLog
from storage.tables import runs, waits

ASKED_ABOUT = "file_operations"
CHANGED = {"path": "approved.txt"}
APPROVER = UserId("U-approver")
RULE = ToolRule(tool=ASKED_ABOUT, asks=Asks.ALWAYS, approvers=(APPROVER,))
_LOOK_EVERY_S = 0.05
_OPEN = (
    select(waits.c.run_id, waits.c.wait_id, waits.c.call)
    .join(runs, runs.c.id == waits.c.run_id)
    .where(waits.c.resolved_at.is_(None), waits.c.kind == "approval", runs.c.end_reason.is_(None))
)


def guard_tools() -> None:
    """Let every bot of this process ask, and put its calls on record."""
    open_works = bot.app._open_works

    async def guarded(*parts: Any) -> Works:
        works = await open_works(*parts)
        guards = Guards(
            policy=ToolPolicy([RULE]),
            approvals=SqlApprovalStore(works.database),
            audit=Auditor(SqlAuditLog(works.database), str),
        )
        works.outfitter._caller = ToolCaller(works.outfitter.tools, SystemClock(), guards=guards)
        return works

    bot.app._open_works = guarded


async def with_approver(run: Callable[[], Awaitable[None]], ready: asyncio.Future[Works]) -> None:
    """Run the bot beside a person who approves whatever it asks, with changed arguments."""
    async with asyncio.TaskGroup() as group:
        approving = group.create_task(_approve_all(ready))
        await run()
        approving.cancel()


async def _approve_all(ready: asyncio.Future[Works]) -> None:
    works = await asyncio.shield(ready)
    while True:
        found = await works.database.read(lambda c: c.execute(_OPEN).all())
        for run_id, wait_id, call in found:
            command = Decide(
                run_id=RunId(run_id),
                wait_id=wait_id,
                value=APPROVE,
                by=APPROVER,
                arguments={**call["arguments"], **CHANGED},
                remark="Under this name.",
                always=True,
            )
            await works.engine.carry_out(command, keys=[f"press:{wait_id}"])
        await asyncio.sleep(_LOOK_EVERY_S)
