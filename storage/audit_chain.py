"""What makes the rows of the audit log a chain: the hash of a row, and whether rows fit.

Pure: nothing here runs a statement. A row's hash covers all of its fields, its number, the hash of
the row before and the hash of its text, whose salt is forgotten with the text.
"""

import hashlib
import json
import secrets
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from agent_engine.safeguards import AuditAction, AuditEntry, AuditRow
from agent_engine.types import AgentId, ChannelId, RunId, Scope, WorkspaceId
from storage.columns import storable
from storage.mapping import AnyRow, Values, user_from

_SALT_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One row of the chain and its text, as they are stored."""

    row: Values
    text: Values | None
    """None where the entry has no words."""


def link_of(entry: AuditEntry, *, seq: int, previous: str) -> Link:
    """Return what is stored of the entry as the chain's row with this number."""
    row = {**_fields(entry), "seq": seq, "previous": previous, "text_hash": ""}
    words = storable(entry.text)
    text = None
    if words:
        salt = secrets.token_hex(_SALT_BYTES)
        row["text_hash"] = text_hash(salt, words)
        where = {"workspace_id": row["workspace_id"], "seq": seq}
        text = {**where, "salt": salt, "text": words}
    return Link(row={**row, "hash": row_hash(row)}, text=text)


def row_hash(row: Values) -> str:
    """Return the hash of a row's columns, its own hash excepted."""
    plain = {name: _plain(value) for name, value in row.items() if name != "hash"}
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def text_hash(salt: str, text: str) -> str:
    """Return the hash of an entry's words, which cannot be guessed without the salt."""
    return hashlib.sha256(f"{salt}:{text}".encode()).hexdigest()


@dataclass(slots=True)
class Walk:
    """Checks rows one after the other, and remembers how far the chain holds."""

    seq: int = 0
    hash: str = ""
    forgotten: int = 0
    broken_at: int | None = None
    because: str = ""

    def take(self, row: Values, *, salt: str | None, text: str | None) -> bool:
        """Check the next row; False at the first that does not fit."""
        number = self.seq + 1
        if row["seq"] != number:
            return self._break(number, f"row {number} is missing")
        if row["previous"] != self.hash:
            return self._break(number, f"row {number} does not follow the row before it")
        if row["hash"] != row_hash(row):
            return self._break(number, f"row {number} was changed")
        if text is None and row["text_hash"]:
            self.forgotten += 1
        elif text is not None and row["text_hash"] != text_hash(salt or "", text):
            return self._break(number, f"the text of row {number} was changed")
        self.seq, self.hash = number, row["hash"]
        return True

    def arrive(self, *, seq: int, head: str) -> None:
        """Compare the end of the rows with what the head says was written last."""
        if seq > self.seq:
            why = f"the rows from {self.seq + 1} to {seq} are missing at the end"
            self._break(self.seq + 1, why)
        elif seq < self.seq:
            self._break(seq + 1, f"row {seq + 1} was added without the head knowing of it")
        elif head != self.hash:
            self._break(self.seq, f"the last row, {self.seq}, is not the one that was written last")

    def _break(self, number: int, because: str) -> bool:
        self.broken_at, self.because = number, because
        return False


def audit_row_from(row: AnyRow) -> AuditRow:
    """Return the entry in a row that was read together with its text."""
    scope = Scope(
        workspace_id=WorkspaceId(row.workspace_id),
        channel_id=ChannelId(row.channel_id),
        agent_id=AgentId(row.agent_id),
    )
    entry = AuditEntry(
        key=row.key,
        action=AuditAction(row.action),
        scope=scope,
        actor=user_from(row.actor),
        run_id=None if row.run_id is None else RunId(row.run_id),
        step=row.step,
        subject=row.subject,
        arguments_digest=row.arguments_digest,
        decision=row.decision,
        decided_by=user_from(row.decided_by),
        result=row.result,
        usd=row.usd,
        duration_s=row.duration_s,
        text=row.text or "",
        at=row.at,
    )
    return AuditRow(
        seq=row.seq,
        entry=entry,
        text_hash=row.text_hash,
        previous=row.previous,
        hash=row.hash,
        text_is_forgotten=bool(row.text_hash) and row.text is None,
    )


def entry_json(entry: AuditEntry) -> Values:
    """Return the entry as a JSON object, to be kept until it is in the chain."""
    return {**asdict(entry), "action": str(entry.action), "at": entry.at.isoformat()}


def entry_from(body: Values) -> AuditEntry:
    """Return the entry in this JSON object."""
    entry = AuditEntry(**{**body, "scope": Scope(**body["scope"])})
    at = datetime.fromisoformat(body["at"])
    return replace(entry, action=AuditAction(body["action"]), at=at)


def _fields(entry: AuditEntry) -> Values:
    """Return the entry's columns as every database gives them back: hashes must come out equal."""
    scope = entry.scope
    fields = {
        "workspace_id": scope.workspace_id,
        "key": entry.key,
        "action": str(entry.action),
        "channel_id": scope.channel_id,
        "agent_id": scope.agent_id,
        "actor": entry.actor,
        "run_id": entry.run_id,
        "step": entry.step,
        "subject": entry.subject,
        "arguments_digest": entry.arguments_digest,
        "decision": entry.decision,
        "decided_by": entry.decided_by,
        "result": entry.result,
        "usd": float(entry.usd),
        "duration_s": float(entry.duration_s),
        "at": entry.at.astimezone(UTC),
    }
    return {k: storable(v) if isinstance(v, str) else v for k, v in fields.items()}


def _plain(value: Any) -> Any:  # noqa: ANN401  # columns hold anything
    return value.isoformat() if isinstance(value, datetime) else value
