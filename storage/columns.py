"""Column types that behave the same on SQLite and PostgreSQL.

Nothing here knows a table. A value that goes in comes out equal on both databases.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator
from typing_extensions import override


class UtcTime(TypeDecorator[datetime]):
    """An aware time, in UTC when it comes out. A naive one is refused."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    @override
    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a stored time must be aware")
        return value.astimezone(UTC)

    @override
    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        time: datetime = value
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)

    @override
    def result_processor(
        self, dialect: Dialect, coltype: object
    ) -> Callable[[Any], datetime | None] | None:
        # SQLite holds text; one C function reads it in a fifth of what the layers of types take.
        return _read if dialect.name == "sqlite" else super().result_processor(dialect, coltype)


class Json(TypeDecorator[Any]):
    """Any JSON value, as ASCII text, so that NUL and lone surrogates survive everywhere."""

    impl = sa.Text()
    cache_ok = True

    @override
    def process_bind_param(self, value: Any | None, dialect: Dialect) -> str | None:
        return None if value is None else to_json(value)

    @override
    def process_result_value(self, value: Any | None, dialect: Dialect) -> Any:
        return _load(value)

    @override
    def result_processor(
        self, dialect: Dialect, coltype: object
    ) -> Callable[[str | None], Any] | None:
        # Both drivers hand texts out as they are, so the layers of types have nothing to add.
        return _load


class Words(TypeDecorator[str]):
    """Text that people, models or tools wrote; what no database can hold becomes U+FFFD."""

    impl = sa.Text()
    cache_ok = True

    @override
    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else storable(value)


_encode = json.JSONEncoder(separators=(",", ":")).encode  # json.dumps would make one each time
_decode = json.JSONDecoder().raw_decode


def _load(text: str | None) -> Any:  # noqa: ANN401  # any JSON value
    # As ``to_json`` wrote it, so without the blanks that json.loads spends its time looking for.
    return None if text is None else _decode(text)[0]


def _read(text: str | None) -> datetime | None:
    # Read with its zone, not given one afterwards: a seventh of the time.
    return None if text is None else datetime.fromisoformat(f"{text}+00:00")


def to_json(value: object) -> str:
    """Return the value as compact ASCII JSON text."""
    return _encode(value)


def storable(text: str) -> str:
    """Return the text without what PostgreSQL or UTF-8 cannot hold: NUL and lone surrogates."""
    if text.isascii():
        return text.replace("\x00", "\ufffd")
    held = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return held.replace("\x00", "\ufffd")
