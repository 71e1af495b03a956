"""Someone takes a standing rule back, or adds to a budget of today."""

from sqlalchemy.engine import Connection

from agent_engine.commands import (
    BudgetExtended,
    Declined,
    ExtendBudget,
    Outcome,
    Revoked,
    RevokeRule,
)
from agent_engine.types import new_id, now_utc
from storage.approvals import holding_rule, revoke
from storage.budgets import add_extension, spent
from storage.commands.on_record import Redact, record_extension, record_rule
from storage.mapping import Values


def revoke_rule(connection: Connection, command: RevokeRule, redact: Redact) -> Outcome:
    """Take the rule back; it stays as a row that says who did."""
    rule = holding_rule(connection, command.workspace_id, command.rule_id)
    if rule is None:
        return Declined(why="no_rule")
    revoke(connection, rule, {"by": command.by, "at": now_utc()})
    record_rule(connection, rule, by=command.by, decision="revoked", redact=redact)
    return Revoked(rule_id=rule.id)


def extend_budget(connection: Connection, command: ExtendBudget) -> Outcome:
    """Add to what may be spent today."""
    if min(command.tokens, command.usd) < 0 or not (command.tokens or command.usd):
        return Declined(why="nothing_to_add")
    extension: Values = {
        "id": new_id(),
        "workspace_id": command.workspace_id,
        "budget_of": str(command.of),
        "of_id": command.id,
        "tokens": command.tokens,
        "usd": command.usd,
        "by": command.by,
        "at": now_utc(),
    }
    add_extension(connection, extension)
    record_extension(connection, command, extension["id"])
    today = spent(connection, command.workspace_id, command.of, command.id)
    return BudgetExtended(
        of=command.of, id=command.id, extra_tokens=today.extra_tokens, extra_usd=today.extra_usd
    )
