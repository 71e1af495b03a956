"""A circuit breaker for one endpoint: after some failures in a row it fails fast for a while.

Closed: calls pass. Open: none does. Half-open: one call tries whether the server is back. Shared by
whatever calls out: models, and tools that use the network.
"""

from collections.abc import Callable
from enum import StrEnum

FAILURES_TO_OPEN = 5
OPEN_S = 15.0


class BreakerState(StrEnum):
    """Whether calls pass."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class CircuitBreaker:
    """Counts failures in a row; shared by all that call one endpoint.

    Args:
        monotonic_s: where time comes from.
        failures_to_open: so many failures in a row open it.
        open_s: so long nothing passes; then one call may try.
    """

    def __init__(
        self,
        monotonic_s: Callable[[], float],
        *,
        failures_to_open: int = FAILURES_TO_OPEN,
        open_s: float = OPEN_S,
    ) -> None:
        self._monotonic_s = monotonic_s
        self._failures_to_open = failures_to_open
        self._open_s = open_s
        self._failures = 0
        self._opened_at: float | None = None
        self._is_trying = False

    @property
    def state(self) -> BreakerState:
        """Whether calls pass now."""
        if self._opened_at is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if self._left_s > 0 else BreakerState.HALF_OPEN

    def blocked_s(self) -> float | None:
        """Return for how long no call may pass; None when this one may.

        In the half-open state the first asker gets to try, and must report how it went.
        """
        match self.state:
            case BreakerState.CLOSED:
                return None
            case BreakerState.OPEN:
                return self._left_s
            case BreakerState.HALF_OPEN:
                if self._is_trying:
                    return self._open_s
                self._is_trying = True
                return None

    def succeeded(self) -> None:
        """Report that the server answered, be it a refusal."""
        self._failures = 0
        self._opened_at = None
        self._is_trying = False

    def failed(self) -> None:
        """Report that the server did not answer."""
        self._failures += 1
        if self._failures >= self._failures_to_open:
            self._opened_at = self._monotonic_s()
        self._is_trying = False

    def abandoned(self) -> None:
        """Report that a call ended without telling anything, e.g. cancelled."""
        self._is_trying = False

    @property
    def _left_s(self) -> float:
        opened_at = self._opened_at if self._opened_at is not None else float("-inf")
        return max(0.0, opened_at + self._open_s - self._monotonic_s())
