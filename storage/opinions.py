"""How people rate runs: of each person's choices about one thing the newest counts. Reads only."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import bindparam, select
from sqlalchemy.engine import Connection

from agent_engine.feedback import Remark
from agent_engine.types import GOOD_RATING_FROM, LOW_RATING_BELOW
from storage.compiled import fetch_all
from storage.mapping import AnyRow
from storage.tables import feedback

_F = feedback.c
_COUNTING = (
    select(_F.channel_id, _F.message_ts, _F.person, _F.step, _F.rating, _F.text)
    .where(_F.run_id == bindparam("run"), _F.retracted_at.is_(None))
    .order_by(_F.given_at, _F.seq)
)


class Place(NamedTuple):
    """What a rating is about."""

    channel_id: str
    message_ts: str
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinions:
    """How people rate a run: of each person's choices about one thing the newest counts."""

    low: Mapping[str, tuple[Remark, ...]]
    """The low ratings, by person."""
    well: int
    """How many people think well of the run as a whole."""
    badly: int

    @property
    def favour(self) -> int:
        """How many people think well of the run as a whole, less those who do not."""
        return self.well - self.badly

    @property
    def is_low(self) -> bool:
        """Whether people rated the run low, and no more of them well."""
        return bool(self.badly) and self.favour <= 0


def opinions(connection: Connection, run_id: str) -> Opinions:
    """Return what people think of the run now."""
    return opinions_in(fetch_all(connection, _COUNTING, {"run": run_id}))


def opinions_in(rows: Iterable[AnyRow]) -> Opinions:
    """Return what the ratings in these rows come to: all that count of one run, oldest first."""
    counting: dict[str, dict[Place, AnyRow]] = {}
    for row in rows:
        place = Place(row.channel_id, row.message_ts, row.step)
        theirs = counting.setdefault(row.person, {})
        theirs.pop(place, None)  # the newest comes last
        theirs[place] = row
    low = {person: _remarks(theirs.values()) for person, theirs in counting.items()}
    favours = [_favour(theirs.values()) for theirs in counting.values()]
    return Opinions(
        low={person: remarks for person, remarks in low.items() if remarks},
        well=favours.count(1),
        badly=favours.count(-1),
    )


def _remarks(rows: Iterable[AnyRow]) -> tuple[Remark, ...]:
    low = (row for row in rows if row.rating < LOW_RATING_BELOW)
    return tuple(Remark(rating=row.rating, step=row.step, text=row.text) for row in low)


def _favour(rows: Iterable[AnyRow]) -> int:
    """1 for a person who thinks well of the whole run, -1 for one who does not, else 0."""
    whole = [row.rating for row in rows if row.step == 0]
    if not whole:
        return 0
    return int(whole[-1] >= GOOD_RATING_FROM) - int(whole[-1] < LOW_RATING_BELOW)
