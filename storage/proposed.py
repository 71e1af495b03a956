"""The facts that runs proposed to remember, as their threads show them."""

from collections.abc import Sequence

from sqlalchemy import bindparam, literal, select
from sqlalchemy import cast as as_type
from sqlalchemy.engine import Connection
from sqlalchemy.types import Text

from agent_engine.memories import MemoryKind, MemoryState, OriginOf, Trust
from agent_engine.types import AgentId, ProposedFact, UserId
from storage.compiled import fetch_all
from storage.lessons import mark_run
from storage.mapping import AnyRow
from storage.tables import memories, memory_origins, memory_shelves, posts

CONFIRMED_BY = "confirmed_by"
"""In the details of a memory that had been proposed: who let it be held."""

_OF_RUN = (
    select(
        memories.c.id,
        memories.c.text,
        memories.c.state,
        memories.c.trust,
        memories.c.details,
        memories.c.origin,
        memory_shelves.c.agent_id,
    )
    .join(memory_origins, memory_origins.c.memory_id == memories.c.id)
    .join(memory_shelves, memory_shelves.c.id == memories.c.shelf_id)
    .where(
        memory_origins.c.what == str(OriginOf.RUN),
        memory_origins.c.ref == bindparam("run"),
        memory_shelves.c.kind == str(MemoryKind.FACT),
    )
    .order_by(memories.c.id)
)
_SHOWN_IN = (
    select(posts.c.run_id)
    .distinct()
    .join(memory_origins, memory_origins.c.ref == posts.c.run_id)
    .where(
        memory_origins.c.what == str(OriginOf.RUN),
        memory_origins.c.memory_id == bindparam("memory"),
        posts.c.key
        == literal("run:")
        + posts.c.run_id
        + ":memory:"
        + as_type(memory_origins.c.memory_id, Text),
    )
)
"""The key is that of ``bot.outbound.desired``."""


def proposed_of(connection: Connection, run_id: str) -> tuple[ProposedFact, ...]:
    """Return what the run proposed; what another had proposed before it, that one shows."""
    rows = fetch_all(connection, _OF_RUN, {"run": run_id})
    return tuple(_fact(row) for row in rows if _was_proposed(row, run_id))


def mark_proposed(connection: Connection, memory_ids: Sequence[int]) -> None:
    """Have the threads shown anew that show these memories as proposed."""
    for memory_id in memory_ids:
        for row in fetch_all(connection, _SHOWN_IN, {"memory": memory_id}):
            mark_run(connection, row.run_id)


def _was_proposed(row: AnyRow, run_id: str) -> bool:
    if row.origin.get("run_id") != run_id:
        return False
    is_open = row.state == MemoryState.PROPOSED
    was_left = row.state == MemoryState.SUPERSEDED and row.trust != Trust.PERSON
    return is_open or was_left or CONFIRMED_BY in row.details


def _fact(row: AnyRow) -> ProposedFact:
    by = row.details.get(CONFIRMED_BY)
    return ProposedFact(
        id=row.id,
        text="" if row.state == MemoryState.SUPERSEDED else row.text,
        agent_id=AgentId(row.agent_id),
        confirmed_by=UserId(by) if by else None,
    )
