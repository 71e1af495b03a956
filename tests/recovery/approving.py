"""A bot that asks before it writes a file, and a person who approves with another file's name.

The rule is given to the bot here; whoever presses the button does so once the question is shown.
"""

import asyncio
from collections.abc import Awaitable, Callable

from sqlalchemy import select

import bot.toolbox
from agent_engine.commands import Decide
from agent_engine.types import APPROVE, RunId, UserId
from bot.agents_file import AgentsFile
from bot.app import Works
from storage.tables import posts, runs, waits

ASKED_ABOUT = "file_operations"
CHANGED = {"path": "approved.txt"}
APPROVER = UserId("UAPPROVER")
_LOOK_EVERY_S = 0.05
_OPEN = (
    select(waits.c.run_id, waits.c.wait_id, waits.c.call)
    .join(runs, runs.c.id == waits.c.run_id)
    .join(posts, posts.c.key == "run:" + waits.c.run_id + ":approval:" + waits.c.wait_id)
    .where(posts.c.state == "posted")
    .where(waits.c.resolved_at.is_(None), waits.c.kind == "approval", runs.c.end_reason.is_(None))
)


def guard_tools() -> None:
    """Let every bot of this process ask before it writes a file."""
    rule = {"tool": ASKED_ABOUT, "ask": "always", "approvers": [APPROVER]}
    asking = AgentsFile.model_validate({"tools": {"rules": [rule]}})
    make_policy = bot.toolbox.tool_policy
    bot.toolbox.tool_policy = lambda _file: make_policy(asking)


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
