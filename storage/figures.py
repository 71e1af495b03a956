"""Sums over what was done and how it was rated: for the Home tab."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import bindparam, case, func, select
from sqlalchemy.engine import Connection

from agent_engine.places import RatedWeek, Tally
from agent_engine.types import GOOD_RATING_FROM, LOW_RATING_BELOW, ChannelId, WorkspaceId, now_utc
from storage.database import Database
from storage.ratings import rated_weeks
from storage.tables import feedback, tasks, usage

_SINCE = bindparam("since", type_=tasks.c.created_at.type)
_TASKS = select(func.count()).where(
    tasks.c.workspace_id == bindparam("workspace"),
    tasks.c.created_at >= _SINCE,
    tasks.c.parent_id.is_(None),
    tasks.c.show_thread_id.is_not(None),
)
_USAGE = select(
    func.coalesce(func.sum(usage.c.prompt_tokens + usage.c.completion_tokens), 0),
    func.coalesce(func.sum(usage.c.usd), 0.0),
).where(usage.c.workspace_id == bindparam("workspace"), usage.c.at >= _SINCE)
_RANKED = (
    select(
        feedback.c.rating,
        func.row_number()
        .over(
            partition_by=(
                feedback.c.channel_id,
                feedback.c.message_ts,
                feedback.c.person,
                feedback.c.step,
            ),
            order_by=(feedback.c.given_at.desc(), feedback.c.seq.desc()),
        )
        .label("place"),
    )
    .where(
        feedback.c.workspace_id == bindparam("workspace"),
        feedback.c.given_at >= _SINCE,
        feedback.c.retracted_at.is_(None),
    )
    .subquery()
)
_RATINGS = select(
    func.coalesce(func.sum(case((_RANKED.c.rating >= GOOD_RATING_FROM, 1), else_=0)), 0),
    func.coalesce(func.sum(case((_RANKED.c.rating < LOW_RATING_BELOW, 1), else_=0)), 0),
).where(_RANKED.c.place == 1)


class SqlFigureStore:
    """A ``FigureStore`` on the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def figures(self, workspace_id: WorkspaceId, *, days: int) -> Tally:
        """Sum up the last days of a workspace."""
        return await self._database.read(lambda c: _figures(c, workspace_id, days))

    async def ratings(
        self, workspace_id: WorkspaceId, *, channel_id: ChannelId | None = None
    ) -> Sequence[RatedWeek]:
        """Sum up how people rated each agent, by week: in a channel, or in all public ones."""
        return await self._database.read(lambda c: rated_weeks(c, workspace_id, channel_id))


def _figures(connection: Connection, workspace_id: WorkspaceId, days: int) -> Tally:
    period = {"workspace": workspace_id, "since": now_utc() - timedelta(days=days)}
    count = connection.execute(_TASKS, period).scalar_one()
    tokens, usd = connection.execute(_USAGE, period).one()
    good, low = connection.execute(_RATINGS, period).one()
    return Tally(
        tasks=count,
        tokens=int(tokens),
        usd=float(usd),
        good_ratings=int(good),
        low_ratings=int(low),
    )
