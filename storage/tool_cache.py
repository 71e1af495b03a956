"""Results of tool calls that may be used again: per scope, for a time, so many per workspace."""

from dataclasses import asdict
from datetime import datetime, timedelta

from sqlalchemy import bindparam, delete, func, select
from sqlalchemy.engine import Connection

from agent_engine.types import JsonObject, Scope, now_utc
from storage.columns import to_json
from storage.compiled import execute, fetch_all, fetch_values
from storage.database import Database
from storage.mapping import Values
from storage.tables import tool_cache
from storage.upsert import insert_or_update

MOST_ENTRIES = 2_000
MOST_BYTES = 64_000_000
"""Each per workspace; what was kept longest goes first."""

_KEY = ("workspace_id", "channel_id", "agent_id", "key")
_FIND = select(tool_cache.c.result).where(
    tool_cache.c.workspace_id == bindparam("workspace_id"),
    tool_cache.c.channel_id == bindparam("channel_id"),
    tool_cache.c.agent_id == bindparam("agent_id"),
    tool_cache.c.key == bindparam("key"),
    tool_cache.c.expires_at > bindparam("now"),
)
_KEPT = select(
    func.count().label("entries"), func.coalesce(func.sum(tool_cache.c.size), 0).label("size")
).where(tool_cache.c.workspace_id == bindparam("workspace_id"))
_newest_first = (tool_cache.c.kept_at.desc(), tool_cache.c.id.desc())
_RANKED = (
    select(
        tool_cache.c.id,
        func.row_number().over(order_by=_newest_first).label("place"),
        func.sum(tool_cache.c.size).over(order_by=_newest_first).label("size_so_far"),
    )
    .where(tool_cache.c.workspace_id == bindparam("workspace_id"))
    .subquery()
)
_EVICT = delete(tool_cache).where(
    tool_cache.c.id.in_(
        select(_RANKED.c.id).where(
            (_RANKED.c.place > bindparam("most_entries"))
            | (_RANKED.c.size_so_far > bindparam("most_bytes"))
        )
    )
)
_PRUNE = delete(tool_cache).where(tool_cache.c.expires_at <= bindparam("now"))


class SqlToolCache:
    """A ``ToolCache`` on the database."""

    def __init__(
        self, database: Database, *, entries: int = MOST_ENTRIES, size: int = MOST_BYTES
    ) -> None:
        self._database = database
        self._most: Values = {"most_entries": entries, "most_bytes": size}

    async def find(self, scope: Scope, key: str) -> JsonObject | None:
        """Return the stored result of this call by this agent here; None when none is fresh."""
        where = {**asdict(scope), "key": key, "now": now_utc()}
        found = await self._database.read(lambda c: fetch_values(c, _FIND, where))
        return found[0] if found else None

    async def keep(self, scope: Scope, key: str, result: JsonObject, *, ttl_s: float) -> None:
        """Store the result for so long, instead of an older one."""
        body, now = dict(result), now_utc()
        values: Values = {
            **asdict(scope),
            "key": key,
            "result": body,
            "size": len(to_json(body)),
            "kept_at": now,
            "expires_at": now + timedelta(seconds=ttl_s),
        }
        if values["size"] <= self._most["most_bytes"]:
            await self._database.write(lambda c: self._keep(c, values))

    def _keep(self, connection: Connection, values: Values) -> None:
        insert_or_update(connection, tool_cache, values, on=_KEY)
        where = {"workspace_id": values["workspace_id"]}
        [kept] = fetch_all(connection, _KEPT, where)
        most = self._most
        if kept.entries > most["most_entries"] or kept.size > most["most_bytes"]:
            execute(connection, _EVICT, {**where, **most})


def prune_cache(connection: Connection, now: datetime) -> int:
    """Delete results that are not fresh any more; return how many."""
    pruned: int = connection.execute(_PRUNE, {"now": now}).rowcount
    return pruned
