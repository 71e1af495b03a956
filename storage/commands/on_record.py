"""What commands put on record: the entries of the audit log that go into the outbox with them."""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Connection

from agent_engine.commands import Decide, ExtendBudget
from agent_engine.errors import StorageError
from agent_engine.safeguards import AuditAction, AuditEntry, BudgetOf, StandingRule
from agent_engine.types import (
    APPROVE,
    REPEAT,
    SKIP,
    AgentId,
    ChannelId,
    ProposedCall,
    Scope,
    UserId,
)
from storage.audit_rows import drain, put_out
from storage.database import Database

logger = logging.getLogger(__name__)

Redact = Callable[[str], str]
"""Takes out of a text what nobody may see."""

MOST_CHARS = 4_000
_DECISIONS = {APPROVE: "approved", REPEAT: "repeat", SKIP: "skip"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A call that someone was asked about, and what they said."""

    command: Decide
    scope: Scope
    step: int
    call: ProposedCall


def record_decision(connection: Connection, decided: Decided, redact: Redact) -> None:
    """Say who approved or denied a call and what they changed, or let it be made once more."""
    command, call = decided.command, decided.call
    words = [f"with arguments {_json(command.arguments)}"] if command.arguments is not None else []
    words += [command.remark] if command.remark else []
    entry = AuditEntry(
        key=f"decision:{command.run_id}:{command.wait_id}",
        action=AuditAction.APPROVAL,
        scope=decided.scope,
        actor=command.by,
        run_id=command.run_id,
        step=decided.step,
        subject=call.tool,
        arguments_digest=call.digest,
        decision=_DECISIONS.get(command.value, "denied"),
        decided_by=command.by,
        text=_cut(redact("\n".join(words))),
    )
    put_out(connection, entry)


def record_rule(
    connection: Connection, rule: StandingRule, *, by: UserId, decision: str, redact: Redact
) -> None:
    """Say who made a standing rule, or took it back."""
    entry = AuditEntry(
        key=f"rule:{rule.id}:{decision}",
        action=AuditAction.RULE,
        scope=rule.scope,
        actor=by,
        subject=rule.tool,
        decision=decision,
        decided_by=by,
        text=_cut(redact(_json(rule.like))),
    )
    put_out(connection, entry)


def record_extension(connection: Connection, command: ExtendBudget, extension_id: str) -> None:
    """Say who added how much to which budget."""
    channel = command.id if command.of is BudgetOf.CHANNEL else ""
    scope = Scope(
        workspace_id=command.workspace_id, channel_id=ChannelId(channel), agent_id=AgentId("")
    )
    entry = AuditEntry(
        key=f"budget:{extension_id}",
        action=AuditAction.BUDGET,
        scope=scope,
        actor=command.by,
        subject=f"{command.of} {command.id}",
        decision="extended",
        decided_by=command.by,
        result=f"{command.tokens} tokens, {command.usd:g} USD",
    )
    put_out(connection, entry)


async def settle_audit(database: Database) -> None:
    """Append what was put out to the audit log; what fails now is done by housekeeping."""
    try:
        await database.write(drain)
    except StorageError:
        logger.warning("audit_postponed", exc_info=True)


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value), ensure_ascii=False, sort_keys=True)


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARS else f"{text[: MOST_CHARS - 1]}…"
