"""Durable execution: keeps calling ``advance`` until a run is done, and sleeps while it waits.

The only file that knows dbos, which holds no state that the tables do not hold: one workflow per
run that calls ``advance`` and sleeps; losing its database costs a start-up sweep. Wake-ups are rows
that this file delivers after the commit that wrote them; a sweep delivers what a crash left.

``advance`` is no step of dbos's: what it did stands in our tables, it may be called again at any
time, and a step would cost two transactions more per run. A workflow that is revived therefore
calls it once more for every time it was woken before, and finds nothing to do.
"""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy
from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetWorkflowID

from agent_engine.errors import FencedError, OwnershipLostError, RetryableError, StorageError
from agent_engine.loop import Progress
from agent_engine.ports import Bell, Topic, Wakeup, WakeupKind, WakeupStore
from agent_engine.types import RunId, new_id

logger = logging.getLogger(__name__)

WAKE_TOPIC = "wake"
LONGEST_SLEEP_S = 24 * 3600.0
"""A sleeping workflow looks at its run this often even if nothing wakes it."""
RETRY_S = 2.0
"""How long a run rests after the database was away."""
SWEEP_S = 10.0
PRUNE_S = 3600.0
WORKFLOWS_KEPT = timedelta(days=14)
"""Longer than any delivery may be repeated: the end of a workflow's row ends its dedupe."""
MOST_PRUNED = 500
ADOPT_S = 60.0
TAKEOVER_S = 1.0
POLL_S = 1.0
MOST_WAKEUPS = 200
APPLICATION_VERSION = "1"
_LIVE = ["PENDING", "ENQUEUED", "DELAYED"]
_ENDED = frozenset({"SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"})

Advance = Callable[[RunId], Awaitable[Progress]]


class _Advanced(NamedTuple):
    """What the workflow does next: end, or sleep."""

    done: bool
    sleep_s: float = 0.0


@dataclass(slots=True)
class _Bound:
    """What the workflow functions work with: dbos is one per process, and so is this."""

    advance: Advance
    running: set[asyncio.Task[Any]]


_bound: list[_Bound] = []


async def _advance(run_id: str) -> _Advanced:
    """Advance once. What is unavailable for the moment is tried again by the workflow."""
    try:
        progress = await _bound[0].advance(RunId(run_id))
    except FencedError:
        logger.warning("run_taken_over", extra={"run_id": run_id})
        return _Advanced(done=True)
    except StorageError as error:
        logger.warning("advance_postponed", extra={"run_id": run_id, "error": error.message})
        return _Advanced(done=False, sleep_s=error.retry_after_s or RETRY_S)
    return _Advanced(done=progress.done, sleep_s=_sleep_s(progress))


@DBOS.workflow(name="run", max_recovery_attempts=1_000_000)
async def _run(run_id: str) -> None:
    task = asyncio.current_task()
    if task is not None:
        _bound[0].running.add(task)
        task.add_done_callback(_bound[0].running.discard)
    while True:
        advanced = await _advance(run_id)
        if advanced.done:
            return
        await DBOS.recv_async(WAKE_TOPIC, timeout_seconds=advanced.sleep_s)


class DurableRuns:
    """Runs that survive the process: starts, wakes, revives them."""

    def __init__(self, *, url: str, advance: Advance, wakeups: WakeupStore, bell: Bell) -> None:
        self._url = url
        self._advance = advance
        self._wakeups = wakeups
        self._bell = bell
        self._executor_id = f"treadle-{new_id()}"
        self._lock_connection: sqlalchemy.Connection | None = None

    async def open(self) -> None:
        """Launch dbos in the running loop and take over what dead processes left."""
        if _bound:
            raise RuntimeError("dbos runs once per process")
        await asyncio.to_thread(self._lock_executor)
        _bound.append(_Bound(self._advance, set()))
        DBOS(config=self._config())
        DBOS.launch()
        await self._take_over()

    async def close(self) -> None:
        """Leave all runs as they are, to go on after the restart."""
        running = tuple(_bound[0].running) if _bound else ()
        for task in running:
            task.cancel("shutdown")
        if running:
            await asyncio.wait(running, timeout=5)
        await asyncio.to_thread(DBOS.destroy)
        # dbos had put its own, which is shut down now, in the place of the loop's.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor())
        _bound.clear()
        if self._lock_connection is not None:
            self._lock_connection.close()

    async def run(self) -> None:
        """Deliver wake-ups, sweep and take over for ever; for the application's task group."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._deliver_for_ever())
            group.create_task(_every(SWEEP_S, self._sweep))
            group.create_task(_every(ADOPT_S, self._adopt_unknown))
            group.create_task(_every(PRUNE_S, prune_workflows))
            if not self._is_sqlite:
                group.create_task(_every(TAKEOVER_S, self._take_over))

    # -- wake-ups --------------------------------------------------------------------------------

    async def _deliver_for_ever(self) -> None:
        while True:
            try:
                delivered = await self._deliver()
            except RetryableError as error:
                logger.warning("wakeups_undelivered", extra={"error": error.message})
                delivered = 0
            if delivered < MOST_WAKEUPS:
                await self._bell.wait(Topic.WAKEUPS, timeout_s=POLL_S)

    async def _deliver(self) -> int:
        due = await self._wakeups.due(limit=MOST_WAKEUPS)
        for wakeup in due:
            await self._deliver_one(wakeup)
        if due:
            await self._wakeups.delivered([wakeup.id for wakeup in due])
        return len(due)

    async def _deliver_one(self, wakeup: Wakeup) -> None:
        """Start the run's workflow, or wake it; both are safe to repeat."""
        if wakeup.kind is WakeupKind.START:
            await self._start(wakeup.run_id)
            return
        found = await _workflows(wakeup.run_id)
        if found.live is None:
            await self._start(wakeup.run_id, as_workflow=found.next_id)
            return
        key = f"wakeup-{wakeup.id}"
        await DBOS.send_async(found.live, "wake", WAKE_TOPIC, idempotency_key=key)

    async def _start(self, run_id: RunId, *, as_workflow: str | None = None) -> None:
        with SetWorkflowID(as_workflow or run_id):
            await DBOS.start_workflow_async(_run, run_id)

    async def _adopt_unknown(self) -> None:
        """Start the runs that the tables know and dbos does not: its database was lost."""
        live = {_run_of(workflow_id) for workflow_id in await _live_workflows()}
        for run_id in await self._wakeups.unfinished():
            if run_id in live:
                continue
            found = await _workflows(run_id)
            if found.live is None:
                logger.warning("run_adopted", extra={"run_id": run_id})
                await self._start(run_id, as_workflow=found.next_id)

    async def _sweep(self) -> None:
        if await self._wakeups.sweep(stale_after_s=SWEEP_S):
            self._bell.ring(Topic.WAKEUPS)

    # -- taking over -----------------------------------------------------------------------------

    @property
    def _is_sqlite(self) -> bool:
        return self._url.startswith("sqlite")

    async def _take_over(self) -> None:
        """Bring back the workflows of processes that died."""
        pending = await DBOS.list_workflows_async(
            status="PENDING", load_input=False, load_output=False
        )
        owners = {status.executor_id for status in pending if status.executor_id}
        others = sorted(owners - {self._executor_id})
        await asyncio.to_thread(self._revive, others)

    def _revive(self, owners: Sequence[str]) -> None:
        if self._lock_connection is not None:
            self._still_ours(self._lock_connection)
        for owner in owners:
            if self._is_sqlite:  # the lock file says that nobody else is alive
                DBOS._recover_pending_workflows([owner])  # noqa: SLF001 - no public equivalent
                logger.warning("runs_taken_over", extra={"from": owner})
            else:
                self._revive_if_dead(owner)

    def _revive_if_dead(self, owner: str) -> None:
        """An owner whose lock we get has died: PostgreSQL frees a lock with its connection."""
        connection = self._lock_connection
        if connection is None:
            return
        key = {"key": _lock_key(owner)}
        if not connection.scalar(sqlalchemy.text("SELECT pg_try_advisory_lock(:key)"), key):
            return
        try:
            DBOS._recover_pending_workflows([owner])  # noqa: SLF001 - no public equivalent
            logger.warning("runs_taken_over", extra={"from": owner})
        finally:
            connection.execute(sqlalchemy.text("SELECT pg_advisory_unlock(:key)"), key)

    def _still_ours(self, connection: sqlalchemy.Connection) -> None:
        """A process that lost its lock may have been taken over and must stop working."""
        try:
            connection.execute(sqlalchemy.text("SELECT 1"))
        except sqlalchemy.exc.SQLAlchemyError as error:
            raise OwnershipLostError from error

    def _lock_executor(self) -> None:
        """Hold, for as long as this process lives, the lock that says so."""
        if self._is_sqlite:
            return
        engine = sqlalchemy.create_engine(
            self._url, poolclass=sqlalchemy.NullPool, isolation_level="AUTOCOMMIT"
        )
        self._lock_connection = engine.connect()
        key = {"key": _lock_key(self._executor_id)}
        self._lock_connection.execute(sqlalchemy.text("SELECT pg_advisory_lock(:key)"), key)

    def _config(self) -> DBOSConfig:
        config = DBOSConfig(
            name="treadle",
            system_database_url=self._url,
            application_version=APPLICATION_VERSION,
            executor_id=self._executor_id,
            serializer=DBOSPortableJSONSerializer(),
            notification_listener_polling_interval_sec=0.1,
            max_executor_threads=4,
            log_level="ERROR",  # it warns of every run that a shutdown leaves to be continued
        )
        if self._is_sqlite:
            config["system_database_engine"] = _sqlite_engine(self._url)
        return config


class _Workflows(NamedTuple):
    """What dbos knows of one run."""

    live: str | None
    """The workflow that is not over; None when there is none."""
    next_id: str
    """What the next one is called: the same for all processes, so that only one is started."""


async def _workflows(run_id: RunId) -> _Workflows:
    found = await DBOS.list_workflows_async(
        workflow_id_prefix=run_id, load_input=False, load_output=False
    )
    live = next((w.workflow_id for w in found if w.status not in _ENDED), None)
    last = max((_number_of(w.workflow_id) for w in found), default=-1)
    return _Workflows(live, f"{run_id}~{last + 1}" if found else run_id)


async def _live_workflows() -> Sequence[str]:
    found = await DBOS.list_workflows_async(status=_LIVE, load_input=False, load_output=False)
    return [status.workflow_id for status in found]


def _run_of(workflow_id: str) -> str:
    return workflow_id.partition("~")[0]


def _number_of(workflow_id: str) -> int:
    """A run's first workflow has the run's id, the others a number behind it."""
    return int(workflow_id.partition("~")[2] or 0)


def sqlite_url(home: Path) -> str:
    """Return where dbos keeps its own file under ``TREADLE_HOME``."""
    return f"sqlite:///{home / 'durable.sqlite'}"


async def prune_workflows(*, before: datetime | None = None) -> int:
    """Delete workflows that ended before then, by default 14 days ago; return how many.

    The tables keep what people want to keep of a run; dbos keeps its own rows for ever.
    """
    cutoff = before or datetime.now(UTC) - WORKFLOWS_KEPT
    pruned = 0
    while True:
        ended = await DBOS.list_workflows_async(
            status=sorted(_ENDED),
            completed_before=cutoff.isoformat(),
            has_parent=False,
            limit=MOST_PRUNED,
            load_input=False,
            load_output=False,
        )
        if ended:
            await DBOS.delete_workflows_async([w.workflow_id for w in ended], delete_children=True)
        pruned += len(ended)
        if len(ended) < MOST_PRUNED:
            return pruned


def _sqlite_engine(url: str) -> sqlalchemy.Engine:
    """An engine with what dbos sets by itself, and WAL, which it does not."""
    engine = sqlalchemy.create_engine(url)

    @sqlalchemy.event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own type
        connection.isolation_level = "IMMEDIATE"
        for pragma in (
            "busy_timeout=30000",
            "foreign_keys=ON",
            "journal_mode=WAL",
            "synchronous=NORMAL",
        ):
            connection.execute(f"PRAGMA {pragma}")

    return engine


def _lock_key(executor_id: str) -> int:
    digest = hashlib.sha256(f"dbos-exec:{executor_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _sleep_s(progress: Progress) -> float:
    if progress.until is None:
        return LONGEST_SLEEP_S
    left = (progress.until - datetime.now(UTC)).total_seconds()
    return min(max(left, 0.0), LONGEST_SLEEP_S)


async def _every(seconds: float, act: Callable[[], Awaitable[object]]) -> None:
    """Act again and again; what is unavailable for the moment is tried the next time."""
    while True:
        try:
            await act()
        except (RetryableError, sqlalchemy.exc.SQLAlchemyError) as error:
            logger.warning("durable_chore_failed", extra={"error": str(error)})
        await asyncio.sleep(seconds)
