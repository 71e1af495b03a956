"""What follows for plans from ratings: what people thought well of is an example for later ones.

A plan is held as an example as long as more people think well of its run than not. Forgotten, it
comes back only when people change their minds once more.
"""

from sqlalchemy import bindparam, select, update
from sqlalchemy.engine import Connection

from agent_engine.memories import (
    MemoryKind,
    MemoryScope,
    MemoryState,
    NewMemory,
    Origin,
    OriginOf,
    StoredMemory,
)
from agent_engine.past_plans import PastRun, PastStep, plan_words
from agent_engine.types import EndReason, RunId, RunSnapshot, now_utc
from storage.compiled import execute, fetch_one, fetch_values
from storage.mapping import AnyRow, scope_from
from storage.memory.changing import change, one, settle
from storage.memory.keeping import keep
from storage.memory.searching import Indexes
from storage.opinions import Opinions, opinions
from storage.past_runs import EXAMPLE_KEY, past_runs
from storage.snapshots import read_snapshot
from storage.tables import memories, memory_origins, memory_shelves, runs

_RUN = select(
    runs.c.id,
    runs.c.workspace_id,
    runs.c.channel_id,
    runs.c.agent_id,
    runs.c.end_reason,
).where(runs.c.id == bindparam("run"))
_MEET = update(runs).where(runs.c.id == bindparam("run")).values(changed_seq=runs.c.changed_seq)
"""Changes nothing: of two transactions that write a row at once, one has to begin again."""
_OF_RUN = (
    select(memories.c.id)
    .join(memory_origins, memory_origins.c.memory_id == memories.c.id)
    .join(memory_shelves, memory_shelves.c.id == memories.c.shelf_id)
    .where(
        memory_origins.c.what == str(OriginOf.RUN),
        memory_origins.c.ref == bindparam("run"),
        memory_shelves.c.kind == str(MemoryKind.EXAMPLE),
        memories.c.key == bindparam("of_key"),
        memories.c.state != str(MemoryState.SUPERSEDED),
    )
    .order_by(memories.c.id.desc())
    .limit(1)
)


def exemplify(connection: Connection, indexes: Indexes, run_id: str, *, before: int) -> None:
    """Hold the run's plan as an example, or retire it, by what people think of the run now.

    ``before`` is their favour so far. Two who rate at once, and a rating and the run's end, meet in
    the run's row, so that one of them sees what the other did.
    """
    execute(connection, _MEET, {"run": run_id})
    run = fetch_one(connection, _RUN, {"run": run_id})
    if run is None or run.end_reason != EndReason.ANSWERED:
        return
    now = opinions(connection, run_id)
    scope = MemoryScope.of_channel(scope_from(run))
    example = _example(connection, scope, run_id)
    if example is not None:
        _settle(connection, indexes, example, now)
    elif before <= 0 < now.favour:
        _keep(connection, indexes, scope, run, now)


# ------------------------------------------------------------------------------------------------


def _example(connection: Connection, scope: MemoryScope, run_id: str) -> StoredMemory | None:
    found = fetch_values(connection, _OF_RUN, {"run": run_id, "of_key": EXAMPLE_KEY + run_id})
    return one(connection, scope, found[0]) if found else None


def _settle(connection: Connection, indexes: Indexes, example: StoredMemory, now: Opinions) -> None:
    state = MemoryState.HELD if now.favour > 0 else MemoryState.RETIRED
    settle(connection, indexes, example.scope, example.id, state)
    details = {**example.details, **_rated(now)}
    change(connection, example.scope, example.id, details=details)


def _keep(
    connection: Connection, indexes: Indexes, scope: MemoryScope, run: AnyRow, now: Opinions
) -> None:
    past = past_runs(connection, scope, [RunId(run.id)])[RunId(run.id)]
    if not past.steps:
        return
    snapshot = read_snapshot(connection, run.id, full_outputs=False)
    if any(use.is_own for use in snapshot.memories_used):  # it may hold their words
        return
    keep(connection, indexes, scope, _memory(snapshot, past, now), now=now_utc())


def _memory(run: RunSnapshot, past: PastRun, now: Opinions) -> NewMemory:
    """Return the plan as a memory.

    Without a vector: whoever rates does not wait for one, the job that makes them follows.
    """
    said = [message.id for message in run.messages if message.steers]
    return NewMemory(
        kind=MemoryKind.EXAMPLE,
        key=EXAMPLE_KEY + run.run_id,
        content={"problem": run.subject, "steps": [_told(step) for step in past.steps]},
        text=plan_words(run.subject, past),
        heading=run.subject,
        origin=Origin(
            task_id=run.task.id,
            run_id=run.run_id,
            person=run.requester,
            message=said[-1] if said else None,
        ),
        details={"seconds": round(past.seconds, 1), **_rated(now)},
    )


def _told(step: PastStep) -> dict[str, object]:
    return {
        "action": str(step.action.action_type),
        "tool": step.action.tool_name,
        "description": step.action.description,
        "parameters": dict(step.action.parameters),
        "status": str(step.status),
        "seconds": None if step.seconds is None else round(step.seconds, 1),
    }


def _rated(now: Opinions) -> dict[str, object]:
    return {"rated_well": now.well, "rated_low": now.badly}
