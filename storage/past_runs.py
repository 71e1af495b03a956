"""The figures of earlier runs: their steps with times, their end, and how people rated them.

One statement for any few runs of one scope. It reads only.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import attrgetter

from sqlalchemy import bindparam, case, literal, null, select, union_all
from sqlalchemy.engine import Connection
from sqlalchemy.sql.elements import BindParameter

from agent_engine.memories import MemoryScope, MemoryState, OriginOf
from agent_engine.past_plans import PastRun, PastStep, is_step
from agent_engine.types import EndReason, RunId, StepStatus
from storage.compiled import fetch_all
from storage.mapping import AnyRow, action_from, observation_from
from storage.opinions import opinions_in
from storage.tables import feedback, memories, memory_origins, runs, steps

EXAMPLE_KEY = "example_"
"""The key of the example that a run's plan is, before the run's id."""
_TOGETHER = 24
"""More than one planner is told of."""
_NO_RUN = ""
_IDS = tuple(f"run_{n}" for n in range(_TOGETHER))
_THESE: list[BindParameter[str]] = [bindparam(name) for name in _IDS]

_R, _S, _F = runs.c, steps.c, feedback.c
_parts = union_all(
    select(
        _S.run_id,
        _S.number,
        _S.action,
        _S.status,
        _S.started_at,
        _S.ended_at,
        case((_S.status == str(StepStatus.FAILED), _S.observation)).label("seen"),
        null().label("channel_id"),
        null().label("message_ts"),
        null().label("person"),
        null().label("rating"),
        null().label("text"),
        null().label("seq"),
    ).where(_S.run_id.in_(_THESE)),
    select(
        _F.run_id,
        _F.step,
        null(),
        null(),
        _F.given_at,
        null(),
        null(),
        _F.channel_id,
        _F.message_ts,
        _F.person,
        _F.rating,
        _F.text,
        _F.seq,
    ).where(_F.run_id.in_(_THESE), _F.retracted_at.is_(None)),
).subquery("parts")
_P = _parts.c
_example = (
    select(memories.c.id)
    .join(memory_origins, memory_origins.c.memory_id == memories.c.id)
    .where(
        memory_origins.c.what == str(OriginOf.RUN),
        memory_origins.c.ref == _R.id,
        memories.c.key == literal(EXAMPLE_KEY) + _R.id,
        memories.c.state == str(MemoryState.HELD),
    )
    .limit(1)
    .scalar_subquery()
)
_PAST = (
    select(
        _R.id,
        _R.end_reason,
        _R.seconds,
        _example.label("example"),
        _P.number,
        _P.number.label("step"),
        _P.action,
        _P.status,
        _P.started_at,
        _P.ended_at,
        _P.seen,
        _P.channel_id,
        _P.message_ts,
        _P.person,
        _P.rating,
        _P.text,
    )
    .outerjoin(_parts, _P.run_id == _R.id)
    .where(
        _R.id.in_(_THESE),
        _R.workspace_id == bindparam("workspace"),
        _R.channel_id == bindparam("channel"),
        _R.agent_id == bindparam("agent"),
    )
    .order_by(_R.id, _P.rating.is_not(None), _P.started_at, _P.seq, _P.number)
)


def past_runs(
    connection: Connection, scope: MemoryScope, run_ids: Sequence[RunId]
) -> Mapping[RunId, PastRun]:
    """Return the figures of these runs as far as they are stored, and of this scope."""
    where = {
        "workspace": scope.workspace_id,
        "channel": scope.channel_id,
        "agent": scope.agent_id,
    }
    found: dict[RunId, PastRun] = {}
    for start in range(0, len(run_ids), _TOGETHER):
        some = run_ids[start : start + _TOGETHER]
        these = dict.fromkeys(_IDS, _NO_RUN) | dict(zip(_IDS, some, strict=False))
        rows = fetch_all(connection, _PAST, {**where, **these})
        for _, parts in groupby(rows, key=attrgetter("id")):
            run = _run(list(parts))
            found[run.run_id] = run
    return found


def _run(rows: Sequence[AnyRow]) -> PastRun:
    rated = opinions_in(row for row in rows if row.rating is not None)
    planned = [row for row in rows if row.action is not None]
    low = {remark.step for remarks in rated.low.values() for remark in remarks if remark.step}
    past = sorted((_step(row, low) for row in planned), key=attrgetter("number"))
    run = rows[0]
    return PastRun(
        run_id=RunId(run.id),
        end_reason=None if run.end_reason is None else EndReason(run.end_reason),
        seconds=run.seconds,
        steps=tuple(step for step in past if is_step(step.action, step.status)),
        rated_well=rated.well,
        rated_low=rated.badly,
        example=run.example,
    )


def _step(row: AnyRow, low: set[int]) -> PastStep:
    seen = None if row.seen is None else observation_from(row.seen, None)
    took = None
    if row.started_at is not None and row.ended_at is not None:
        took = max((row.ended_at - row.started_at).total_seconds(), 0.0)
    return PastStep(
        number=row.number,
        action=action_from(row.action),
        status=StepStatus(row.status),
        seconds=took,
        error="" if seen is None else seen.error or "",
        rated_low=row.number in low,
    )
