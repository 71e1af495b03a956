"""The rows of runs: taking one, reading it whole, and committing what its worker did."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import (
    ColumnElement,
    Float,
    Integer,
    bindparam,
    case,
    delete,
    exists,
    func,
    select,
    update,
)
from sqlalchemy.engine import Connection

from agent_engine.errors import FencedError
from agent_engine.events import (
    Ended,
    ModelCalled,
    PlanMade,
    Recalled,
    Remembered,
    RepetitionWarned,
    RunEvent,
    Slept,
    StepStarted,
    WaitOpened,
)
from agent_engine.ports import Fence, NotRunnable, Queued, RunSignal, WakeupKind
from agent_engine.run_state import usage_after
from agent_engine.types import ActionType, RunId, RunSnapshot, TaskStatus, Usage, now_utc
from storage.compiled import execute, fetch_all, fetch_one
from storage.database import Database
from storage.dirt import NEXT_SEQ, mark_dirty, mark_ended, mark_queue
from storage.endings import EndedRun, blocked_by, end_unbegun, why_blocked
from storage.mapping import AnyRow, cancel_from
from storage.memory.indexes import indexes_of
from storage.memory.searching import Indexes
from storage.run_events import write_events
from storage.slots import SlotCaps, lock_slots, may_start, wake_next
from storage.snapshots import queue_place, read_run, read_snapshot
from storage.tables import reservations, runs, tasks, waits
from storage.wakeup_rows import write_wakeup

_BEGIN_UNSEEN = (
    update(runs)
    .where(runs.c.id == bindparam("run"))
    .values(
        epoch=runs.c.epoch + 1,
        # A run that slept is woken; one that was under way is taken over from a dead worker.
        attempts=case(
            (runs.c.attempts == 0, 1),
            (runs.c.status == str(TaskStatus.RUNNING), runs.c.attempts + 1),
            else_=runs.c.attempts,
        ),
        status=str(TaskStatus.RUNNING),
        has_slot=True,
        queued=False,
        worker=bindparam("by"),
        begun_at=bindparam("now"),
        heard_inbox_seq=runs.c.inbox_seq,
    )
)
_BEGIN = _BEGIN_UNSEEN.values(changed_seq=func.coalesce(NEXT_SEQ, runs.c.changed_seq))
_QUEUE = (
    update(runs)
    .where(runs.c.id == bindparam("run"))
    .values(
        status=str(TaskStatus.PENDING),
        queued=True,
        changed_seq=func.coalesce(NEXT_SEQ, runs.c.changed_seq),
    )
)
_DROP_RESERVATIONS = delete(reservations).where(reservations.c.run_id == bindparam("run"))
_TASK_STATUS = (
    update(tasks).where(tasks.c.id == bindparam("task")).values(status=bindparam("new_status"))
)
_COUNTED = ("iterations", "model_calls", "prompt_tokens", "completion_tokens", "replans")
_AS_KNOWN = runs.c.inbox_seq == bindparam("known_inbox_seq", type_=Integer)


def _if_as_known(name: str) -> ColumnElement[int]:
    """What the starts add, which happen only if nobody said anything meanwhile."""
    return case((_AS_KNOWN, bindparam(name, type_=Integer)), else_=0)


_MORE = {
    "usd": runs.c.usd + bindparam("more_usd", type_=Float(53)),
    "seconds": runs.c.seconds + bindparam("more_seconds", type_=Float(53)),
    "unpriced_tokens": runs.c.unpriced_tokens + bindparam("more_unpriced_tokens", type_=Integer),
    **{name: runs.c[name] + bindparam(f"more_{name}", type_=Integer) for name in _COUNTED},
    "event_seq": runs.c.event_seq
    + bindparam("more_events", type_=Integer)
    + _if_as_known("start_events"),
    "iterations": runs.c.iterations
    + bindparam("more_iterations", type_=Integer)
    + _if_as_known("start_iterations"),
}
_FENCED = (
    update(runs)
    .where(
        runs.c.id == bindparam("run"),
        runs.c.epoch == bindparam("held_epoch"),
        runs.c.end_reason.is_(None),
    )
    .returning(
        runs.c.id,
        runs.c.task_id,
        runs.c.workspace_id,
        runs.c.channel_id,
        runs.c.agent_id,
        runs.c.requester,
        runs.c.show_thread_id,
        runs.c.inbox_seq,
        runs.c.event_seq,
        # Seldom so: a start closes the waits of its step only where there may be some.
        exists().where(waits.c.run_id == bindparam("run"), ~waits.c.over).label("has_waits"),
    )
)
_PLANNED = {
    "messages_read": func.coalesce(bindparam("now_read", type_=Integer), runs.c.messages_read),
    "plan_version": func.coalesce(bindparam("new_version", type_=Integer), runs.c.plan_version),
}
_SHOWN = {"changed_seq": func.coalesce(NEXT_SEQ, runs.c.changed_seq)}
_HEARD = {"heard_inbox_seq": runs.c.inbox_seq}
_COMMIT = _FENCED.values({**_MORE, **_PLANNED, **_SHOWN, **_HEARD})
_COMMIT_UNSEEN = _FENCED.values({**_MORE, **_PLANNED, **_HEARD})
_COMMIT_LAST = _FENCED.values({**_MORE, **_PLANNED, **_SHOWN})
_INBOX = select(runs.c.inbox_seq, runs.c.heard_inbox_seq).where(runs.c.id == bindparam("run"))
_SIGNAL = select(
    runs.c.id, runs.c.inbox_seq, runs.c.cancel_reason, runs.c.cancel_by, runs.c.epoch
).where(runs.c.id == bindparam("run"))


class SqlRunStore:
    """A ``RunStore`` on the database."""

    def __init__(
        self,
        database: Database,
        *,
        caps: SlotCaps = SlotCaps(),  # noqa: B008  # frozen
        indexes: Indexes | None = None,
    ) -> None:
        """Keep what the store works with; ``indexes`` find what runs remember."""
        self._database = database
        self._caps = caps
        self._indexes = indexes or indexes_of(database)

    async def begin(self, run_id: RunId, *, worker: str) -> RunSnapshot | Queued | NotRunnable:
        """Take the run and a slot for it; see the port."""
        return await self._database.write(lambda c: _begin(c, run_id, worker, self._caps))

    async def load(self, run_id: RunId) -> RunSnapshot:
        """Read all of the run, full outputs included."""
        return await self._database.read(lambda c: read_snapshot(c, run_id))

    async def commit(
        self,
        fence: Fence,
        events: Sequence[RunEvent],
        *,
        starts: Sequence[StepStarted] = (),
        known_inbox_seq: int = 0,
        worked_s: float,
    ) -> int:
        """Write the events in one transaction; see the port."""
        happened = _Happened.of(
            events, worked_s=worked_s, starts=starts, known_inbox_seq=known_inbox_seq
        )
        return await self._database.write(
            lambda c: _commit(c, fence, happened, self._caps, self._indexes)
        )

    async def signals(self, run_ids: Sequence[RunId]) -> Mapping[RunId, RunSignal]:
        """Read what changed from outside, in one transaction."""
        if not run_ids:
            return {}
        ids = list(run_ids)
        return await self._database.read(lambda c: _signals(c, ids))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Happened:
    """The events of one commit and what follows from all of them."""

    events: tuple[RunEvent, ...]
    starts: tuple[StepStarted, ...]
    known_inbox_seq: int
    more: Mapping[str, float]
    is_last: bool
    """The worker lets go of the run: nothing after this is heard by it."""
    has_ended: bool
    is_seen: bool
    """There is something that people should see."""
    starts_sub_task: bool

    @classmethod
    def of(
        cls,
        events: Sequence[RunEvent],
        *,
        worked_s: float,
        starts: Sequence[StepStarted],
        known_inbox_seq: int,
    ) -> "_Happened":
        return cls(
            events=tuple(events),
            starts=tuple(starts),
            known_inbox_seq=known_inbox_seq,
            more={**_more(events, worked_s), **_more_by_starts(starts, known_inbox_seq)},
            is_last=any(isinstance(event, Slept | Ended) for event in events),
            has_ended=any(isinstance(event, Ended) for event in events),
            is_seen=bool(starts) or any(_is_seen(event) for event in events),
            starts_sub_task=any(
                isinstance(event, WaitOpened) and event.sub_task is not None for event in events
            ),
        )


def _begin(
    connection: Connection, run_id: RunId, worker: str, caps: SlotCaps
) -> RunSnapshot | Queued | NotRunnable:
    lock_slots(connection)
    row = read_run(connection, run_id)
    if row.end_reason is not None:
        return NotRunnable(reason="already_ended")
    if row.attempts == 0 and (refused := _refused(connection, row)):
        return refused
    if row.attempts:  # what a dead worker had set aside
        execute(connection, _DROP_RESERVATIONS, {"run": run_id})
    is_free = row.has_slot or row.cancel_reason is not None or may_start(connection, row, caps)
    if not is_free:
        return _queue(connection, row)
    # People see no difference between a run that is about to begin and one that has begun.
    is_seen = row.attempts > 0 or row.queued
    begin = _BEGIN if is_seen else _BEGIN_UNSEEN
    execute(connection, begin, {"run": run_id, "by": worker, "now": now_utc()})
    _set_task_status(connection, row, TaskStatus.RUNNING)
    if is_seen:
        mark_dirty(connection, row.show_thread_id)
    if row.queued:
        mark_queue(connection, row)
    return read_snapshot(connection, run_id)


def _refused(connection: Connection, row: AnyRow) -> NotRunnable | None:
    blocked = blocked_by(connection, row.task_id)
    if blocked is None:
        return None
    if blocked is not TaskStatus.PENDING:
        run = EndedRun(run_id=row.id, task_id=row.task_id, show_thread_id=row.show_thread_id)
        end_unbegun(connection, run, blocked, sentence=why_blocked(blocked), by=None)
        return NotRunnable(reason="already_ended")
    return NotRunnable(reason="dependencies")


def _queue(connection: Connection, row: AnyRow) -> Queued:
    if not row.queued:
        execute(connection, _QUEUE, {"run": row.id})
        _set_task_status(connection, row, TaskStatus.PENDING)
        mark_dirty(connection, row.show_thread_id)
    return Queued(place=queue_place(connection, row.id))


def _set_task_status(connection: Connection, row: AnyRow, status: TaskStatus) -> None:
    if row.task_status != status:
        execute(connection, _TASK_STATUS, {"task": row.task_id, "new_status": str(status)})


def _commit(
    connection: Connection, fence: Fence, happened: _Happened, caps: SlotCaps, indexes: Indexes
) -> int:
    if happened.is_last:
        lock_slots(connection)
    run = _pass_fence(connection, fence, happened)
    begins = run.inbox_seq == happened.known_inbox_seq
    events = (*happened.events, *(happened.starts if begins else ()))
    if events:
        write_events(connection, run, events, indexes=indexes)
    if happened.has_ended:
        mark_ended(connection, run.show_thread_id)
    elif happened.is_seen:
        mark_dirty(connection, run.show_thread_id)
    if happened.is_last:
        return _let_go(connection, run, happened, caps)
    return _inbox_seq(connection, run, happened)


def _pass_fence(connection: Connection, fence: Fence, happened: _Happened) -> AnyRow:
    if happened.is_last:
        statement = _COMMIT_LAST
    else:
        statement = _COMMIT if happened.is_seen else _COMMIT_UNSEEN
    numbers: dict[str, object] = {"run": fence.run_id, "held_epoch": fence.epoch}
    numbers.update(happened.more)
    numbers.update(_planned(happened.events))
    run = fetch_one(connection, statement, numbers)
    if run is None:
        raise FencedError
    return run


def _let_go(connection: Connection, run: AnyRow, happened: _Happened, caps: SlotCaps) -> int:
    [inbox] = fetch_all(connection, _INBOX, {"run": run.id})
    told_meanwhile = inbox.inbox_seq > inbox.heard_inbox_seq
    if told_meanwhile and not happened.has_ended:
        write_wakeup(connection, run.id, WakeupKind.WAKE)
    wake_next(connection, run.workspace_id, caps)
    inbox_seq: int = inbox.inbox_seq
    return inbox_seq


def _inbox_seq(connection: Connection, run: AnyRow, happened: _Happened) -> int:
    inbox = run
    if happened.starts_sub_task:  # one that cannot start tells the run so
        [inbox] = fetch_all(connection, _INBOX, {"run": run.id})
    inbox_seq: int = inbox.inbox_seq
    return inbox_seq


def _signals(connection: Connection, ids: Sequence[RunId]) -> dict[RunId, RunSignal]:
    rows = [row for run_id in ids for row in fetch_all(connection, _SIGNAL, {"run": run_id})]
    return {
        RunId(row.id): RunSignal(inbox_seq=row.inbox_seq, cancel=cancel_from(row), epoch=row.epoch)
        for row in rows
    }


def _is_seen(event: RunEvent) -> bool:
    """Whether people see anything of it; a first plan of nothing but an answer is never shown."""
    match event:
        case ModelCalled() | RepetitionWarned() | Recalled() | Remembered():
            return False
        case PlanMade(plan=plan):
            kinds = {step.action.action_type for step in plan.steps}
            return plan.version > 1 or not kinds <= {ActionType.ANSWER}
        case _:
            return True


def _planned(events: Sequence[RunEvent]) -> dict[str, int | None]:
    """Return what the run's row says of its newest plan; nothing where there is no new one."""
    made = [event for event in events if isinstance(event, PlanMade)]
    if not made:
        return {"now_read": None, "new_version": None}
    return {"now_read": made[-1].messages_read, "new_version": made[-1].plan.version}


def _more_by_starts(starts: Sequence[StepStarted], known_inbox_seq: int) -> dict[str, float]:
    return {
        "known_inbox_seq": known_inbox_seq,
        "start_events": len(starts),
        "start_iterations": sum(1 for event in starts if event.attempt == 1),
    }


def _more(events: Sequence[RunEvent], worked_s: float) -> dict[str, float]:
    """Return by how much each counter of the run's row grows."""
    used = Usage(seconds=worked_s)
    for event in events:
        match event:
            case ModelCalled(call=call):
                used = usage_after(used, call)
            case StepStarted(attempt=1):
                used = replace(used, iterations=used.iterations + 1)
            case PlanMade(counts_as_replan=True):
                used = replace(used, replans=used.replans + 1)
            case _:
                pass
    return {
        "more_events": len(events),
        "more_usd": used.usd,
        "more_seconds": used.seconds,
        "more_unpriced_tokens": used.unpriced_tokens,
        **{f"more_{name}": getattr(used, name) for name in _COUNTED},
    }
