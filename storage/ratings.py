"""How people rated each agent, week by week: for the Home tab and the agent's own description.

Of one person's choices about one message the newest counts, as everywhere. Ratings of single steps
are left out: a form with ten of them would outweigh ten people.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import bindparam, case, func, select
from sqlalchemy.engine import Connection
from sqlalchemy.sql.elements import ColumnElement

from agent_engine.places import RATED_WEEKS, ChannelKind, RatedWeek
from agent_engine.types import (
    GOOD_RATING_FROM,
    LOW_RATING_BELOW,
    AgentId,
    ChannelId,
    WorkspaceId,
    now_utc,
)
from storage.mapping import AnyRow, Values
from storage.tables import channels, feedback

_WEEK = timedelta(days=7)
_F = feedback.c


def _begins(weeks_ago: int) -> ColumnElement[datetime]:
    return bindparam(f"week_{weeks_ago}", type_=_F.given_at.type)


_NEWEST_FIRST = (
    select(
        _F.agent_id,
        _F.channel_id,
        _F.rating,
        case(
            *((_F.given_at >= _begins(n), n) for n in range(RATED_WEEKS - 1)),
            else_=RATED_WEEKS - 1,
        ).label("weeks_ago"),
        func.row_number()
        .over(
            partition_by=(_F.channel_id, _F.message_ts, _F.person),
            order_by=(_F.given_at.desc(), _F.seq.desc()),
        )
        .label("place"),
    )
    .where(
        _F.workspace_id == bindparam("workspace"),
        _F.agent_id.is_not(None),
        _F.given_at >= _begins(RATED_WEEKS - 1),
        _F.retracted_at.is_(None),
        _F.step == 0,
    )
    .subquery()
)
_R = _NEWEST_FIRST.c
_WEEKS = (
    select(
        _R.agent_id,
        _R.weeks_ago,
        func.count().label("ratings"),
        func.sum(case((_R.rating >= GOOD_RATING_FROM, 1), else_=0)).label("good"),
        func.sum(case((_R.rating < LOW_RATING_BELOW, 1), else_=0)).label("low"),
        func.sum(_R.rating).label("total"),
    )
    .where(_R.place == 1)
    .group_by(_R.agent_id, _R.weeks_ago)
    .order_by(_R.agent_id, _R.weeks_ago)
)
_IN_CHANNEL = _WEEKS.where(_R.channel_id == bindparam("channel"))
_IN_PUBLIC = _WEEKS.join(
    channels,
    (channels.c.workspace_id == bindparam("workspace")) & (channels.c.channel_id == _R.channel_id),
).where(channels.c.kind == str(ChannelKind.PUBLIC))


def rated_weeks(
    connection: Connection, workspace_id: WorkspaceId, channel_id: ChannelId | None
) -> Sequence[RatedWeek]:
    """Sum up one channel, or with None all public ones."""
    now = now_utc()
    begins = {f"week_{n}": now - (n + 1) * _WEEK for n in range(RATED_WEEKS)}
    where: Values = {"workspace": workspace_id, **begins}
    if channel_id is None:
        rows = connection.execute(_IN_PUBLIC, where)
    else:
        rows = connection.execute(_IN_CHANNEL, {**where, "channel": channel_id})
    return [_rated_week(row) for row in rows]


def _rated_week(row: AnyRow) -> RatedWeek:
    return RatedWeek(
        agent_id=AgentId(row.agent_id),
        weeks_ago=int(row.weeks_ago),
        ratings=int(row.ratings),
        good=int(row.good),
        low=int(row.low),
        mean=int(row.total) / int(row.ratings),
    )
