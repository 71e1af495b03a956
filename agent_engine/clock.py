"""The clock of the machine; tests bring their own."""

import time
from datetime import UTC, datetime


class SystemClock:
    """Where time comes from in production."""

    def now(self) -> datetime:
        """Return the time, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        """Return seconds that only ever grow; for durations."""
        return time.monotonic()
