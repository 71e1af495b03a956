"""Slots: how many runs an agent, a person and a channel may have at work at once.

A slot is a flag on the run's row, counted in the transaction that takes it. ``fitting`` decides who
may go next; the rest only reads the counts and writes wake-ups.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, func, select
from sqlalchemy.engine import Connection

from agent_engine.ports import WakeupKind
from storage.compiled import fetch_all, fetch_values
from storage.mapping import AnyRow
from storage.tables import agents, runs, wakeups
from storage.wakeup_rows import write_wakeup


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotCaps:
    """Caps besides the agent's own; 0 means no cap."""

    per_person: int = 10
    per_channel: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a run needs in order to work: one slot of each."""

    run_id: str
    agent_id: str
    agent_cap: int
    channel_id: str
    requester: str | None


_HELD = select(
    func.count().filter(runs.c.agent_id == bindparam("agent_id")).label("by_agent"),
    func.count().filter(runs.c.channel_id == bindparam("channel_id")).label("by_channel"),
    func.count().filter(runs.c.requester == bindparam("requester")).label("by_person"),
).where(runs.c.workspace_id == bindparam("workspace_id"), runs.c.has_slot)
_HOLDERS = select(runs.c.agent_id, runs.c.channel_id, runs.c.requester).where(
    runs.c.workspace_id == bindparam("workspace_id"), runs.c.has_slot
)
_CLAIMS = (
    select(
        runs.c.id,
        runs.c.agent_id,
        runs.c.channel_id,
        runs.c.requester,
        agents.c.max_concurrent,
    )
    .join(
        agents,
        (agents.c.workspace_id == runs.c.workspace_id) & (agents.c.agent_id == runs.c.agent_id),
    )
    .order_by(runs.c.priority, runs.c.created_at, runs.c.id)
)
_QUEUE = _CLAIMS.where(runs.c.workspace_id == bindparam("workspace_id"), runs.c.queued)
_QUEUE_WITH = _CLAIMS.where(
    runs.c.workspace_id == bindparam("workspace_id"),
    runs.c.queued | (runs.c.id == bindparam("run_id")),
)
_IS_QUEUE = select(
    select(runs.c.id)
    .where(runs.c.workspace_id == bindparam("workspace_id"), runs.c.queued)
    .exists()
)
_WOKEN = (
    select(wakeups.c.run_id)
    .distinct()
    .join(runs, runs.c.id == wakeups.c.run_id)
    .where(runs.c.workspace_id == bindparam("workspace_id"), runs.c.queued)
)


def lock_slots(connection: Connection) -> None:
    """Let one transaction at a time count slots; must be its first statement.

    SQLite's one writer needs no lock. On PostgreSQL only LOCK TABLE comes before the snapshot is
    taken, so that what is counted afterwards is what the previous holder left.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("LOCK TABLE slot_lock IN EXCLUSIVE MODE")


def may_start(connection: Connection, run: AnyRow, caps: SlotCaps) -> bool:
    """Whether the run may take a slot now, without passing others that would fit as well."""
    where = {"workspace_id": run.workspace_id}
    if any(fetch_values(connection, _IS_QUEUE, where)):
        queue = fetch_all(connection, _QUEUE_WITH, {**where, "run_id": run.id})
        claims = [_claim(row) for row in queue]
        return run.id in fitting(_holders(connection, run.workspace_id), claims, caps)
    [held] = fetch_all(
        connection,
        _HELD,
        {
            **where,
            "agent_id": run.agent_id,
            "channel_id": run.channel_id,
            "requester": run.requester,
        },
    )
    return (
        _is_free(held.by_agent, run.profile_max_concurrent)
        and _is_free(held.by_channel, caps.per_channel)
        and _is_free(held.by_person, caps.per_person)
    )


def wake_next(connection: Connection, workspace_id: str, caps: SlotCaps) -> int:
    """Write a wake-up for every queued run that fits now and has none; return how many."""
    where = {"workspace_id": workspace_id}
    claims = [_claim(row) for row in fetch_all(connection, _QUEUE, where)]
    if not claims:
        return 0
    fits = fitting(_holders(connection, workspace_id), claims, caps)
    woken = set(fetch_values(connection, _WOKEN, where))
    to_wake = [run_id for run_id in fits if run_id not in woken]
    for run_id in to_wake:
        write_wakeup(connection, run_id, WakeupKind.WAKE)
    return len(to_wake)


def fitting(
    holders: Iterable[tuple[str, str, str | None]], queue: Sequence[Claim], caps: SlotCaps
) -> list[str]:
    """Return the runs of the queue that may start now, in its order.

    Each counts those before it that fit; one that does not fit holds up nobody behind it. Holders
    are (agent, channel, requester).
    """
    by_agent: Counter[str] = Counter()
    by_channel: Counter[str] = Counter()
    by_person: Counter[str | None] = Counter()
    fits: list[str] = []

    def take(agent_id: str, channel_id: str, requester: str | None) -> None:
        by_agent[agent_id] += 1
        by_channel[channel_id] += 1
        by_person[requester] += requester is not None

    for holder in holders:
        take(*holder)
    for claim in queue:
        if (
            _is_free(by_agent[claim.agent_id], claim.agent_cap)
            and _is_free(by_channel[claim.channel_id], caps.per_channel)
            and _is_free(by_person[claim.requester], caps.per_person)
        ):
            take(claim.agent_id, claim.channel_id, claim.requester)
            fits.append(claim.run_id)
    return fits


def _is_free(held: int, cap: int) -> bool:
    return cap <= 0 or held < cap


def _holders(connection: Connection, workspace_id: str) -> list[tuple[str, str, str | None]]:
    rows = fetch_all(connection, _HOLDERS, {"workspace_id": workspace_id})
    return [(row.agent_id, row.channel_id, row.requester) for row in rows]


def _claim(row: AnyRow) -> Claim:
    return Claim(
        run_id=row.id,
        agent_id=row.agent_id,
        agent_cap=row.max_concurrent,
        channel_id=row.channel_id,
        requester=row.requester,
    )
