"""Tries again what may be tried again, and leaves a server alone that fails time after time.

The one retry layer of tools that use the network. A request that the server must not get twice is
sent once, whatever happens to it.
"""

import asyncio
import logging
import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, Protocol

from agent_engine.backoff import Backoff, delay_s
from agent_engine.breaker import CircuitBreaker
from agent_engine.tools.http.exchange import HttpError, HttpRequest, HttpResponse

logger = logging.getLogger(__name__)

BUSY: Final = 429
_DOWN: Final = frozenset({502, 503, 504})
"""The server is not there; a 500 may be about this one request."""
PASSING_STATUSES: Final = _DOWN | {BUSY}
"""The same request may succeed a little later."""
_MAX_HOSTS: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often and how patiently to try again."""

    attempts: int = 3
    """In all, the first included."""
    backoff: Backoff = field(
        default_factory=lambda: Backoff(first_s=0.5, longest_s=4.0, longest_asked_s=10.0)
    )
    failures_to_open: int = 5
    """So many failures of one server in a row, and it is left alone."""
    open_s: float = 30.0


class Exchange(Protocol):
    """Sends one request and reads its response."""

    async def __call__(
        self, request: HttpRequest, extra: Mapping[str, str], *, deadline: float
    ) -> HttpResponse:
        """Return the response, of whatever status. Raises HttpError."""
        ...


class PatientExchange:
    """Exchanges with retries, and a circuit breaker for each server.

    Args:
        patience: how often and how patiently.
        sleep: how to wait, for tests.
        uniform: a random number between two, for tests.
        monotonic_s: where the breakers' time comes from; the loop's clock when None.
    """

    def __init__(
        self,
        patience: Patience | None = None,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        uniform: Callable[[float, float], float] = random.uniform,
        monotonic_s: Callable[[], float] | None = None,
    ) -> None:
        self._patience = patience or Patience()
        self._sleep = sleep
        self._uniform = uniform
        self._monotonic_s = monotonic_s or _loop_time
        self._breakers: OrderedDict[tuple[str, str, int], CircuitBreaker] = OrderedDict()

    async def __call__(
        self,
        exchange: Exchange,
        request: HttpRequest,
        extra: Mapping[str, str],
        *,
        deadline: float,
    ) -> HttpResponse:
        """Exchange until there is a response to keep, or no attempt or time left."""
        attempt = 1
        while True:
            outcome = await self._once(exchange, request, extra, deadline=deadline)
            wait_s = self._wait_s(request, outcome, attempt=attempt)
            if wait_s is None or _loop_time() + wait_s >= deadline:
                break
            facts = {"host": request.destination.host, "attempt": attempt}
            logger.info("http_call_retried", extra=facts)
            await self._sleep(wait_s)
            attempt += 1
        if isinstance(outcome, HttpError):
            raise outcome
        return outcome

    def breaker(self, origin: tuple[str, str, int]) -> CircuitBreaker:
        """Return the breaker of one server; those asked for least recently are forgotten."""
        breaker = self._breakers.get(origin) or CircuitBreaker(
            self._monotonic_s,
            failures_to_open=self._patience.failures_to_open,
            open_s=self._patience.open_s,
        )
        self._breakers[origin] = breaker
        self._breakers.move_to_end(origin)
        if len(self._breakers) > _MAX_HOSTS:
            self._breakers.popitem(last=False)
        return breaker

    async def _once(
        self,
        exchange: Exchange,
        request: HttpRequest,
        extra: Mapping[str, str],
        *,
        deadline: float,
    ) -> HttpResponse | HttpError:
        """Exchange once and tell the breaker how it went."""
        breaker = self.breaker(request.destination.origin)
        blocked_s = breaker.blocked_s()
        if blocked_s is not None:
            host = request.destination.host
            return HttpError(
                f"{host} failed several times in a row and is left alone for {blocked_s:.0f} s"
            )
        verdict = breaker.abandoned
        try:
            response = await exchange(request, extra, deadline=deadline)
            verdict = breaker.failed if response.status in _DOWN else breaker.succeeded
        except HttpError as error:
            if error.is_passing:
                verdict = breaker.failed
            return error
        else:
            return response
        finally:
            verdict()

    def _wait_s(
        self, request: HttpRequest, outcome: HttpResponse | HttpError, *, attempt: int
    ) -> float | None:
        """Return how long to wait before the next attempt; None for no further one."""
        if not request.is_repeatable or attempt >= self._patience.attempts:
            return None
        if isinstance(outcome, HttpError):
            passing, asked_s = outcome.is_passing, None
        else:
            passing, asked_s = outcome.status in PASSING_STATUSES, retry_after_s(outcome)
        if not passing:
            return None
        return delay_s(attempt, self._patience.backoff, asked_s=asked_s, uniform=self._uniform)


def retry_after_s(response: HttpResponse, *, now: datetime | None = None) -> float | None:
    """Return how long the server asks to wait; None when it does not say."""
    said = response.header("Retry-After").strip()
    if said.isascii() and said.isdigit():
        return float(said)
    try:
        when = parsedate_to_datetime(said)
    except (ValueError, OverflowError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - (now or datetime.now(UTC))).total_seconds())


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
