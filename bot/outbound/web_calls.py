"""One call of Slack's Web API: paced, timed, retried where that is safe, errors translated.

The only retry layer above Slack. It knows no method's meaning and never logs what is sent or
answered; ``slack_client`` is the only user.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from agent_engine.ports import Clock
from bot.errors import SlackError, SlackRefusedError, SlackUnavailableError
from bot.outbound.pacing import Pacer, Sleep, Urgency

logger = logging.getLogger(__name__)

CALL_TIMEOUT_S = 15.0
MAX_ATTEMPTS = 4
BACKOFF_S = 0.4
"""Before the first repetition; doubled each time, with jitter."""
DEFAULT_RETRY_AFTER_S = 5.0
MIN_RETRY_AFTER_S = 0.5
REFUSAL_MEMORY_S = 3_600.0
"""How long a method that this app may not use is not tried again."""

MISSING_SCOPE = "missing_scope"
SCOPE_FIX = "update the app from `treadle manifest`, reinstall it and start again"
NOT_OFFERED = frozenset(
    {
        "unknown_method",
        "not_authorized",
        "not_allowed",
        "missing_scope",
        "not_allowed_token_type",
        "feature_not_enabled",
        "access_denied",
    }
)
"""Refusals that say: not to this app, not in this Slack."""
_NEVER_REMEMBERED = frozenset({"auth.test", "chat.postMessage", "chat.update"})
"""Without these nothing works, so they are tried each time."""
_TRANSIENT = frozenset(
    {"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"}
)
_SERVER_ERROR = 500
_TOO_MANY = 429

Send = Callable[[], Awaitable[AsyncSlackResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What is called, and how carefully."""

    method: str
    channel_id: str | None = None
    urgency: Urgency = Urgency.REPLY
    patience_s: float = 20.0
    """How long it may wait for its turn, all attempts together."""
    repeatable: bool = True
    """Whether doing it twice does no harm."""
    timeout_s: float = CALL_TIMEOUT_S


class WebCalls:
    """Carries out calls of the Web API."""

    def __init__(self, *, clock: Clock, pacer: Pacer, sleep: Sleep = asyncio.sleep) -> None:
        self._clock = clock
        self._pacer = pacer
        self._sleep = sleep
        self._refused: dict[str, tuple[str, float]] = {}
        self._scope_said_until_s: dict[str, float] = {}

    async def make(self, call: Call, send: Send) -> dict[str, Any]:
        """Carry the call out and return Slack's answer.

        Raises:
            SlackUnavailableError: Slack does not answer, or asks for more patience than allowed.
            SlackRefusedError: Slack refuses; at once for a method refused within the last hour.
        """
        self._recall(call.method)
        deadline_s = self._clock.monotonic_s() + call.patience_s
        attempt = 0
        while True:
            attempt += 1
            await self._pacer.turn(
                call.method,
                channel_id=call.channel_id,
                urgency=call.urgency,
                patience_s=deadline_s - self._clock.monotonic_s(),
            )
            try:
                return await self._try(call, send)
            except _RateLimitedError as limited:
                self._pacer.block(
                    call.method, channel_id=call.channel_id, seconds=limited.retry_after_s
                )
            except SlackUnavailableError as unavailable:
                if attempt >= MAX_ATTEMPTS or (unavailable.maybe_done and not call.repeatable):
                    facts = {"method": call.method, "attempts": attempt}
                    logger.warning("slack_unavailable", extra=facts)
                    raise
                await self._sleep(_backoff_s(attempt))

    def wait_s(self, method: str, *, channel_id: str | None, urgency: Urgency, ahead: int) -> float:
        """Return how long until so many calls and then this one may be made; 0 for now."""
        return self._pacer.wait_s(method, channel_id=channel_id, urgency=urgency, ahead=ahead)

    def is_refused(self, method: str) -> bool:
        """Say whether the method was refused for good within the last hour."""
        _, until_s = self._refused.get(method, ("", 0.0))
        return self._clock.monotonic_s() < until_s

    def _recall(self, method: str) -> None:
        if self.is_refused(method):
            raise SlackRefusedError(self._refused[method][0], method=method)

    async def _try(self, call: Call, send: Send) -> dict[str, Any]:
        started_s = time.monotonic()
        outcome = "cancelled"
        try:
            answer = await _sent(call, send)
            outcome = ""
        except SlackRefusedError as refused:
            outcome = refused.error
            self._remember(refused)
            raise
        except SlackError as error:
            outcome = type(error).__name__
            raise
        else:
            return answer
        finally:
            facts = {
                "method": call.method,
                "duration_ms": round((time.monotonic() - started_s) * 1000),
                "error": outcome,
            }
            logger.log(logging.INFO if outcome else logging.DEBUG, "slack_called", extra=facts)

    def _remember(self, refused: SlackRefusedError) -> None:
        if refused.error == MISSING_SCOPE:
            self._say_missing_scope(refused)
        if refused.error in NOT_OFFERED and refused.method not in _NEVER_REMEMBERED:
            until_s = self._clock.monotonic_s() + REFUSAL_MEMORY_S
            self._refused[refused.method] = (refused.error, until_s)

    def _say_missing_scope(self, refused: SlackRefusedError) -> None:
        """Say with the fix what the app may not do; once an hour for each method."""
        now_s = self._clock.monotonic_s()
        if now_s < self._scope_said_until_s.get(refused.method, 0.0):
            return
        self._scope_said_until_s[refused.method] = now_s + REFUSAL_MEMORY_S
        facts = {"method": refused.method, "needed": refused.needed, "fix": SCOPE_FIX}
        logger.error("scope_missing", extra=facts)


# ------------------------------------------------------------------------------------------------


class _RateLimitedError(SlackUnavailableError):
    """Slack said 429; the call was not carried out."""


async def _sent(call: Call, send: Send) -> dict[str, Any]:
    try:
        async with asyncio.timeout(call.timeout_s):
            response = await send()
    except SlackApiError as error:
        raise _translated(error, call) from error
    except aiohttp.ClientConnectorError as error:
        raise SlackUnavailableError("Slack cannot be reached.", method=call.method) from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise SlackUnavailableError(
            "Slack did not answer.", method=call.method, maybe_done=True
        ) from error
    except SlackClientError as error:
        raise SlackRefusedError("invalid_request", method=call.method) from error
    return response.data if isinstance(response.data, dict) else {}


def _translated(error: SlackApiError, call: Call) -> SlackError:
    response = error.response
    status = int(getattr(response, "status_code", 0) or getattr(response, "status", 0))
    data = getattr(response, "data", None)
    data = data if isinstance(data, dict) else {}
    word = str(data.get("error") or f"http_{status}")
    if status == _TOO_MANY or word in {"ratelimited", "rate_limited"}:
        return _RateLimitedError(
            "Slack asks to wait.", method=call.method, retry_after_s=_retry_after_s(response)
        )
    if status >= _SERVER_ERROR or word in _TRANSIENT or not data:
        return SlackUnavailableError("Slack has trouble.", method=call.method, maybe_done=True)
    needed = str(data.get("needed") or "")
    return SlackRefusedError(word, method=call.method, details=_details(data), needed=needed)


def _retry_after_s(response: object) -> float:
    headers = getattr(response, "headers", None) or {}
    found = {str(name).lower(): value for name, value in headers.items()}.get("retry-after")
    try:
        return max(MIN_RETRY_AFTER_S, float(str(found)))
    except ValueError:
        return DEFAULT_RETRY_AFTER_S


def _details(data: dict[str, Any]) -> tuple[str, ...]:
    about = data.get("response_metadata")
    messages = about.get("messages") if isinstance(about, dict) else None
    return tuple(str(m) for m in messages) if isinstance(messages, list) else ()


def _backoff_s(attempt: int) -> float:
    jitter = random.uniform(0.5, 1.5)  # noqa: S311  # no secret
    return BACKOFF_S * jitter * float(1 << (attempt - 1))
