"""The one retry layer around language models: backoff with jitter, and a circuit breaker.

Retries only what is transient. Nothing below it retries, and nothing above it should.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from agent_engine.backoff import Backoff, delay_s
from agent_engine.breaker import CircuitBreaker
from agent_engine.errors import ModelError, ModelUnavailableError
from agent_engine.models.around import AroundModel
from agent_engine.models.replies import ModelBusyError, ModelTimeoutError
from agent_engine.ports import ModelClient, ModelReply, ModelRequest

logger = logging.getLogger(__name__)

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how patiently to try again."""

    attempts: int = 4
    """Calls in all, the first included."""
    attempts_by_purpose: Mapping[str, int] = field(default_factory=lambda: {"judge": 2})
    """For purposes that are worth fewer or more."""
    attempts_in_time: int = 2
    """Calls in all when the model takes too long: it may be as slow the next time."""
    first_delay_s: float = 0.5
    """The longest delay before the second call; it doubles with every further one."""
    longest_delay_s: float = 20.0
    longest_retry_after_s: float = 60.0
    """A server's wish for a longer wait is not waited for: the call fails with it."""


class RetryingModel(AroundModel):
    """A model whose transient failures are retried.

    Args:
        model: what is asked.
        policy: how often and how patiently.
        breaker: shared by the models of one endpoint; by default its own.
        sleep: how to wait, for tests.
        uniform: a random number between two, for tests.
    """

    def __init__(
        self,
        model: ModelClient,
        policy: RetryPolicy | None = None,
        *,
        breaker: CircuitBreaker | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        super().__init__(model)
        self._retries = Retries(policy, breaker=breaker, sleep=sleep, uniform=uniform)

    @property
    def breaker(self) -> CircuitBreaker:
        """The endpoint's circuit breaker."""
        return self._retries.breaker

    async def complete(self, request: ModelRequest) -> ModelReply:
        """Ask until there is a reply, a refusal, or no attempt left."""
        once = partial(self._model.complete, request)
        return await self._retries.ask(once, model=self.name, purpose=request.purpose)


class Retries:
    """Retries calls of one endpoint, whatever they are for. Made as ``RetryingModel``."""

    def __init__(
        self,
        policy: RetryPolicy | None = None,
        *,
        breaker: CircuitBreaker | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._policy = policy or RetryPolicy()
        self._breaker = breaker or CircuitBreaker(time.monotonic)
        self._sleep = sleep
        self._uniform = uniform

    @property
    def breaker(self) -> CircuitBreaker:
        """The endpoint's circuit breaker."""
        return self._breaker

    async def ask(self, call: Callable[[], Awaitable[_T]], *, model: str, purpose: str) -> _T:
        """Call until there is a reply, a refusal, or no attempt left."""
        policy = self._policy
        facts = {"model": model, "purpose": purpose}
        attempts = policy.attempts_by_purpose.get(purpose, policy.attempts)
        attempt = 1
        while True:
            try:
                return await self._once(call)
            except _OpenError:
                raise
            except ModelUnavailableError as error:
                delay_s = self._delay_s(attempt, error)
                if isinstance(error, ModelTimeoutError):
                    attempts = min(attempts, policy.attempts_in_time)
                if attempt >= attempts or delay_s is None:
                    logger.warning("model_unavailable", extra={**facts, "attempt": attempt})
                    raise
            logger.info("model_call_retried", extra={**facts, "attempt": attempt})
            await self._sleep(delay_s)
            attempt += 1

    async def _once(self, call: Callable[[], Awaitable[_T]]) -> _T:
        """Ask once and tell the breaker how it went."""
        blocked_s = self._breaker.blocked_s()
        if blocked_s is not None:
            message = "the language model did not answer several times and is left alone for now"
            raise _OpenError(message, retry_after_s=blocked_s)
        settled = False
        try:
            reply = await call()
        except ModelBusyError:
            self._breaker.succeeded()
            settled = True
            raise
        except ModelUnavailableError:
            self._breaker.failed()
            settled = True
            raise
        except ModelError:
            self._breaker.succeeded()
            settled = True
            raise
        else:
            self._breaker.succeeded()
            settled = True
            return reply
        finally:
            if not settled:
                self._breaker.abandoned()

    def _delay_s(self, attempt: int, error: ModelUnavailableError) -> float | None:
        """Return how long to wait; None when the server wants more than we are ready to wait."""
        policy = self._policy
        return delay_s(
            attempt,
            Backoff(
                first_s=policy.first_delay_s,
                longest_s=policy.longest_delay_s,
                longest_asked_s=policy.longest_retry_after_s,
            ),
            asked_s=error.retry_after_s,
            uniform=self._uniform,
        )


class _OpenError(ModelUnavailableError):
    """The endpoint's circuit breaker is open."""
