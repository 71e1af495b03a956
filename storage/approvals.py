"""What people allowed: approvals of single calls, and rules that stand until they are revoked."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import bindparam, select, update
from sqlalchemy.engine import Connection

from agent_engine.safeguards import StandingRule
from agent_engine.types import (
    APPROVE,
    ChannelId,
    JsonObject,
    Scope,
    TaskId,
    UserId,
    WaitKind,
    WorkspaceId,
)
from storage.compiled import execute, fetch_all, fetch_one
from storage.database import Database
from storage.mapping import AnyRow, Values, scope_from
from storage.tables import runs, standing_rules, waits
from storage.upsert import insert_or_ignore

_HOLDING = select(standing_rules).where(standing_rules.c.revoked_at.is_(None))
_IN_SCOPE = _HOLDING.where(
    standing_rules.c.workspace_id == bindparam("workspace_id"),
    standing_rules.c.channel_id == bindparam("channel_id"),
    standing_rules.c.agent_id == bindparam("agent_id"),
    standing_rules.c.tool == bindparam("tool"),
    standing_rules.c.likeness == bindparam("likeness"),
)
_OF_WORKSPACE = _HOLDING.where(standing_rules.c.workspace_id == bindparam("workspace_id")).order_by(
    standing_rules.c.created_at, standing_rules.c.id
)
_OF_CHANNEL = _OF_WORKSPACE.where(standing_rules.c.channel_id == bindparam("channel_id"))
_ONE = _HOLDING.where(
    standing_rules.c.workspace_id == bindparam("workspace_id"),
    standing_rules.c.id == bindparam("rule_id"),
)
_REVOKE = (
    update(standing_rules)
    .where(standing_rules.c.id == bindparam("rule_id"))
    .values(revoked_by=bindparam("by"), revoked_at=bindparam("at"))
)
_APPROVED = (
    select(waits.c.wait_id)
    .join(runs, runs.c.id == waits.c.run_id)
    .where(
        runs.c.task_id == bindparam("task"),
        runs.c.requester.is_not_distinct_from(bindparam("requester", type_=runs.c.requester.type)),
        waits.c.kind == str(WaitKind.APPROVAL),
        waits.c.tool == bindparam("tool"),
        waits.c.value == APPROVE,
    )
    .limit(1)
)


class SqlApprovalStore:
    """An ``ApprovalStore`` on the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def standing_rule(self, scope: Scope, tool: str, like: JsonObject) -> StandingRule | None:
        """Return the rule that allows such calls here; None when none does or it was revoked."""
        where = {**asdict(scope), "tool": tool, "likeness": likeness_text(like)}
        row = await self._database.read(lambda c: fetch_one(c, _IN_SCOPE, where))
        return None if row is None else rule_from(row)

    async def was_approved(self, task_id: TaskId, tool: str, *, requester: UserId | None) -> bool:
        """Say whether a call of this tool was approved in a run of this task for this person."""
        where = {"task": task_id, "tool": tool, "requester": requester}
        row = await self._database.read(lambda c: fetch_one(c, _APPROVED, where))
        return row is not None

    async def rules(
        self, workspace_id: WorkspaceId, *, channel_id: ChannelId | None
    ) -> Sequence[StandingRule]:
        """Return the standing rules that hold, oldest first; of all channels for None."""
        statement = _OF_WORKSPACE if channel_id is None else _OF_CHANNEL
        where = {"workspace_id": workspace_id, "channel_id": channel_id}
        rows = await self._database.read(lambda c: fetch_all(c, statement, where))
        return [rule_from(row) for row in rows]


def add_rule(connection: Connection, rule: StandingRule) -> bool:
    """Store the rule; False when there is one already that allows the same."""
    values: Values = {
        "id": rule.id,
        **asdict(rule.scope),
        "tool": rule.tool,
        "likeness": likeness_text(rule.like),
        "created_by": rule.created_by,
        "created_at": rule.created_at,
    }
    insert_or_ignore(connection, standing_rules, [values])
    return holding_rule(connection, rule.scope.workspace_id, rule.id) is not None


def holding_rule(
    connection: Connection, workspace_id: WorkspaceId, rule_id: str
) -> StandingRule | None:
    """Return the rule; None when there is none or it was revoked."""
    row = fetch_one(connection, _ONE, {"workspace_id": workspace_id, "rule_id": rule_id})
    return None if row is None else rule_from(row)


def revoke(connection: Connection, rule: StandingRule, values: Values) -> None:
    """Note who took the rule back (``by``) and when (``at``); it stays as a row."""
    execute(connection, _REVOKE, {"rule_id": rule.id, **values})


def likeness_text(like: JsonObject) -> str:
    """Return what a rule allows as text that is the same for equal objects."""
    return json.dumps(dict(like), sort_keys=True, separators=(",", ":"))


def rule_from(row: AnyRow) -> StandingRule:
    """Return the rule in this row."""
    return StandingRule(
        id=row.id,
        scope=scope_from(row),
        tool=row.tool,
        like=json.loads(row.likeness),
        created_by=UserId(row.created_by),
        created_at=row.created_at,
    )
