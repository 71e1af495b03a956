"""The audit log from the command line: checked, and written out as JSON lines.

Works beside a running bot: it reads page by page and changes nothing.
"""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict

from agent_engine.safeguards import AuditRow, AuditVerdict
from agent_engine.types import WorkspaceId
from bot.settings import Settings
from storage.audit import SqlAuditLog
from storage.database import open_database


async def verify(settings: Settings) -> Sequence[AuditVerdict]:
    """Check the chain of every workspace. Raises StorageError."""
    async with open_database(settings.database_url) as database:
        log = SqlAuditLog(database)
        return [await log.verify(workspace_id) for workspace_id in await log.workspaces()]


async def export(
    settings: Settings, *, workspace: WorkspaceId | None, after: int
) -> AsyncIterator[str]:
    """Yield a line of JSON per entry behind this number, of one workspace or of all.

    Raises StorageError.
    """
    async with open_database(settings.database_url) as database:
        log = SqlAuditLog(database)
        chosen = await log.workspaces() if workspace is None else [workspace]
        for workspace_id in chosen:
            async for row in log.export(workspace_id, after=after):
                yield _line(row)


def report(verdicts: Sequence[AuditVerdict], *, as_json: bool) -> str:
    """Say how the chains are, a line each, or as one JSON object."""
    if as_json:
        chains = [{**asdict(v), "holds": v.broken_at is None} for v in verdicts]
        holds = all(chain["holds"] for chain in chains)
        return json.dumps({"holds": holds, "workspaces": chains}, indent=2)
    return "\n".join(map(_sentence, verdicts)) or "The audit log is empty."


def _sentence(verdict: AuditVerdict) -> str:
    if verdict.broken_at is not None:
        return f"{verdict.workspace_id}: the chain is broken: {verdict.because}."
    texts = _count(verdict.forgotten_texts, "text", "texts")
    forgotten = f", {texts} forgotten" if verdict.forgotten_texts else ""
    return (
        f"{verdict.workspace_id}: the chain of {_count(verdict.rows, 'entry', 'entries')} holds"
        f"{forgotten}; "
        f"it ends in {verdict.head}."
    )


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _line(row: AuditRow) -> str:
    entry = asdict(row.entry)
    scope = entry.pop("scope")
    said = {
        "seq": row.seq,
        **scope,
        **entry,
        "action": str(row.entry.action),
        "at": row.entry.at.isoformat(),
        "text_is_forgotten": row.text_is_forgotten,
        "text_hash": row.text_hash,
        "previous": row.previous,
        "hash": row.hash,
    }
    return json.dumps(said, ensure_ascii=False)
