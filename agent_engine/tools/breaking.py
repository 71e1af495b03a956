"""Leaves a tool alone for a while that broke or hung several times in a row.

One breaker per tool, shared by all agents of the process. What a tool refuses with a sentence
(``ToolError``) is an answer and no failure; servers behind tools have breakers of their own.
"""

import asyncio
import logging

from agent_engine.breaker import CircuitBreaker
from agent_engine.errors import ToolError
from agent_engine.ports import Clock
from agent_engine.tools.call import Proceed, ToolCall
from agent_engine.types import JsonObject

logger = logging.getLogger(__name__)

FAILURES_TO_OPEN = 5
OPEN_S = 60.0


class Breaking:
    """The stage of the call path that fails fast where trying would only cost time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._breakers: dict[str, CircuitBreaker] = {}

    async def __call__(self, call: ToolCall, proceed: Proceed) -> JsonObject:
        """Let the call proceed and note how it went; raises ToolError while it is left alone."""
        name = call.tool.name
        breaker = self._breakers.get(name) or self._made(name)
        blocked_s = breaker.blocked_s()
        if blocked_s is not None:
            raise ToolError(
                f"{name} failed several times in a row and is left alone for {blocked_s:.0f} s; "
                "find another way, or say that it does not work"
            )
        began_s = self._clock.monotonic_s()
        try:
            result = await proceed(call)
        except ToolError:
            breaker.succeeded()
            raise
        except asyncio.CancelledError:
            # The path cancels what takes too long; whoever stops a task does so earlier.
            if self._clock.monotonic_s() - began_s >= call.tool.traits.timeout_s:
                self._failed(breaker, name)
            else:
                breaker.abandoned()
            raise
        except BaseException:
            self._failed(breaker, name)
            raise
        breaker.succeeded()
        return result

    def _made(self, name: str) -> CircuitBreaker:
        breaker = CircuitBreaker(
            self._clock.monotonic_s, failures_to_open=FAILURES_TO_OPEN, open_s=OPEN_S
        )
        self._breakers[name] = breaker
        return breaker

    def _failed(self, breaker: CircuitBreaker, name: str) -> None:
        breaker.failed()
        if breaker.blocked_s() is not None:
            logger.warning("tool_left_alone", extra={"tool": name, "for_s": OPEN_S})
