"""What was spent today, what is set aside for calls under way, and what was added for today.

A day is a day in UTC. Whoever reserves does it alone in its workspace; settling needs no lock, for
it takes the reservation away in the commit that stores what the call really cost.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, delete, func, insert, select, true
from sqlalchemy.engine import Connection

from agent_engine.errors import FencedError
from agent_engine.safeguards import Budget, BudgetExceeded, BudgetOf, CapOf, Spent, SpentToday
from agent_engine.types import ChannelId, RunId, UserId, WorkspaceId, new_id, now_utc
from storage.compiled import execute, fetch_all, fetch_one
from storage.database import Database
from storage.mapping import Values
from storage.one_by_one import lock_in_workspace
from storage.tables import budget_extensions, reservations, runs, usage

RESERVED_FOR = timedelta(hours=1)
"""What is older belongs to a call that nobody will settle: its process died."""
_LOCK = "budgets"
_ROUNDING_USD = 1e-9

_RUN = select(
    runs.c.workspace_id, runs.c.channel_id, runs.c.requester, runs.c.epoch, runs.c.end_reason
).where(runs.c.id == bindparam("run"))
_RESERVE = insert(reservations)
_RELEASE = delete(reservations).where(reservations.c.id == bindparam("reservation"))
_SWEEP = delete(reservations).where(reservations.c.at <= bindparam("before"))
_EXTEND = insert(budget_extensions)


class SqlBudgetStore:
    """A ``BudgetStore`` on the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def reserve(
        self, run_id: RunId, budgets: Sequence[Budget], *, epoch: int, tokens: int, usd: float
    ) -> str | BudgetExceeded:
        """Set this much aside and return the reservation's id; see the port.

        A budget of persons does not hold a run that nobody asked for. Raises KeyError when there
        is no such run.
        """
        run = await self._database.read(lambda c: fetch_one(c, _RUN, {"run": run_id}))
        if run is None:
            raise KeyError(run_id)
        # Who is taken over after this look reserves for an epoch that does not count any more.
        if run.epoch != epoch or run.end_reason is not None:
            raise FencedError
        whose: Values = {
            "run_id": run_id,
            "epoch": epoch,
            "workspace_id": run.workspace_id,
            "channel_id": run.channel_id,
            "requester": run.requester,
        }
        asked: Values = {"tokens": tokens, "usd": usd}
        return await self._database.write(lambda c: _reserve(c, whose, budgets, asked))

    async def exceeded(
        self, workspace_id: WorkspaceId, budgets: Sequence[Budget], *, tokens: int, usd: float
    ) -> BudgetExceeded | None:
        """Say by what the workspace's budget would be passed; see the port."""
        asked: Values = {"tokens": tokens, "usd": usd}
        return await self._database.read(
            lambda c: exceeded_by_no_run(c, workspace_id, budgets, asked)
        )

    async def release(self, reservation: str) -> None:
        """Give back what was not used. Safe to repeat."""
        gone = {"reservation": reservation}
        await self._database.write(lambda c: execute(c, _RELEASE, gone))

    async def spent_today(
        self, workspace_id: WorkspaceId, *, person: UserId, channel: ChannelId
    ) -> SpentToday:
        """Return today's figures of this person, this channel and the workspace."""
        return await self._database.read(
            lambda c: SpentToday(
                person=spent(c, workspace_id, BudgetOf.PERSON, person),
                channel=spent(c, workspace_id, BudgetOf.CHANNEL, channel),
                workspace=spent(c, workspace_id, BudgetOf.WORKSPACE, workspace_id),
            )
        )


def spent(connection: Connection, workspace_id: str, of: BudgetOf, whose: str) -> Spent:
    """Return today's figures, all as they are at one moment."""
    now = now_utc()
    where = {
        "workspace": workspace_id,
        "whose": whose,
        "since": datetime.combine(now.date(), datetime.min.time(), UTC),
        "alive_since": now - RESERVED_FOR,
        "today": day_of(now),
    }
    [row] = fetch_all(connection, _SPENT[of], where)
    return Spent(**{name: getattr(row, name) for name in _FIGURES})


def exceeded_by_no_run(
    connection: Connection, workspace_id: str, budgets: Sequence[Budget], asked: Values
) -> BudgetExceeded | None:
    """Return by what the workspace's budget would be passed by so much that no run asks for."""
    whose = {"workspace_id": workspace_id, "channel_id": None, "requester": None}
    return _exceeded(connection, whose, budgets, asked)


def add_extension(connection: Connection, extension: Values) -> None:
    """Store what was added to a budget: the columns of a row, without its day."""
    execute(connection, _EXTEND, {**extension, "day": day_of(extension["at"])})


def day_of(time: datetime) -> str:
    """Return the day in UTC, as 2026-11-22."""
    return time.astimezone(UTC).date().isoformat()


def sweep_reservations(connection: Connection, now: datetime) -> int:
    """Delete reservations that do not count any more; return how many."""
    swept: int = connection.execute(_SWEEP, {"before": now - RESERVED_FOR}).rowcount
    return swept


# -- inside --------------------------------------------------------------------------------------


def _reserve(
    connection: Connection, whose: Values, budgets: Sequence[Budget], asked: Values
) -> str | BudgetExceeded:
    lock_in_workspace(connection, _LOCK, whose["workspace_id"])
    exceeded = _exceeded(connection, whose, budgets, asked)
    if exceeded is not None:
        return exceeded
    reservation = new_id()
    execute(connection, _RESERVE, {"id": reservation, **whose, **asked, "at": now_utc()})
    return reservation


def _exceeded(
    connection: Connection, whose: Values, budgets: Sequence[Budget], asked: Values
) -> BudgetExceeded | None:
    """Return by what the first of the budgets would be passed; None when all have room."""
    found = (_exceeded_one(connection, whose, budget, asked) for budget in budgets)
    return next((exceeded for exceeded in found if exceeded is not None), None)


def _exceeded_one(
    connection: Connection, whose: Values, budget: Budget, asked: Values
) -> BudgetExceeded | None:
    """Return by what the budget would be passed; None when the call fits into it."""
    key = whose[_COLUMN[budget.of]]
    if key is None:
        return None
    so_far = spent(connection, whose["workspace_id"], budget.of, key)
    tokens, usd = so_far.tokens + so_far.reserved_tokens, so_far.usd + so_far.reserved_usd
    today = replace(
        budget,
        tokens=budget.tokens + so_far.extra_tokens if budget.tokens else 0,
        usd=budget.usd + so_far.extra_usd if budget.usd else 0.0,
    )
    fits_tokens = not today.tokens or tokens + asked["tokens"] <= today.tokens
    fits_usd = not today.usd or usd + asked["usd"] <= today.usd + _ROUNDING_USD
    if fits_tokens and fits_usd:
        return None
    cap = CapOf.USD if fits_tokens else CapOf.TOKENS
    return BudgetExceeded(budget=today, cap=cap, used_tokens=tokens, used_usd=usd)


_COLUMN = {
    BudgetOf.PERSON: "requester",
    BudgetOf.CHANNEL: "channel_id",
    BudgetOf.WORKSPACE: "workspace_id",
}
_FIGURES = tuple(asdict(Spent()))


def _sum(column: ColumnElement[Any], name: str) -> ColumnElement[Any]:
    return func.coalesce(func.sum(column), 0).label(name)


def _spent(of: BudgetOf) -> Select[*tuple[Any, ...]]:
    """Return the statement that finds the figures of one budget, in one look at the data."""
    column = _COLUMN[of]
    used = (
        select(
            _sum(usage.c.prompt_tokens + usage.c.completion_tokens, "tokens"),
            _sum(usage.c.usd, "usd"),
        )
        .where(
            usage.c.workspace_id == bindparam("workspace"),
            usage.c[column] == bindparam("whose"),
            usage.c.at >= bindparam("since"),
        )
        .subquery()
    )
    held = (
        select(
            _sum(reservations.c.tokens, "reserved_tokens"),
            _sum(reservations.c.usd, "reserved_usd"),
        )
        .join(runs, runs.c.id == reservations.c.run_id)
        .where(
            reservations.c.workspace_id == bindparam("workspace"),
            reservations.c[column] == bindparam("whose"),
            reservations.c.at > bindparam("alive_since"),
            reservations.c.epoch == runs.c.epoch,
            runs.c.end_reason.is_(None),
        )
        .subquery()
    )
    extra = (
        select(
            _sum(budget_extensions.c.tokens, "extra_tokens"),
            _sum(budget_extensions.c.usd, "extra_usd"),
        )
        .where(
            budget_extensions.c.workspace_id == bindparam("workspace"),
            budget_extensions.c.day == bindparam("today"),
            budget_extensions.c.budget_of == str(of),
            budget_extensions.c.of_id == bindparam("whose"),
        )
        .subquery()
    )
    one_row = used.join(held, true()).join(extra, true())
    return select(*used.c, *held.c, *extra.c).select_from(one_row)


_SPENT = {of: _spent(of) for of in BudgetOf}
