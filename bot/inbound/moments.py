"""Slack's time stamps: strings such as ``1732300000.000100``, compared without becoming floats."""

from datetime import UTC, datetime


def order(ts: str) -> tuple[int, str]:
    """Return what sorts time stamps by time; what is none comes first.

    >>> sorted(["10.000001", "9.999999", ""], key=order)
    ['', '9.999999', '10.000001']
    """
    seconds, _, rest = ts.partition(".")
    return (int(seconds) if seconds.isdecimal() else 0, rest.ljust(6, "0"))


def is_later(ts: str, than: str | None) -> bool:
    """Say whether the first is later than the second; anything is later than None."""
    return than is None or order(ts) > order(than)


def earlier(ts: str, seconds: int) -> str:
    """Return the time stamp so many seconds before, not before the epoch.

    >>> earlier("1000.000100", 300)
    '700.000100'
    """
    whole, rest = order(ts)
    return f"{max(0, whole - seconds)}.{rest}"


def sent_at(ts: str) -> datetime:
    """Return when something was done; the epoch when its ``ts`` is no number."""
    try:
        return datetime.fromtimestamp(float(ts), tz=UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, tz=UTC)
