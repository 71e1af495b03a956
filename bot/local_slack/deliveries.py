"""Brings events, commands and interactions to the app: attempts, retries, injected trouble.

How one attempt travels is the transport's business (Socket Mode or signed HTTP).
"""

import asyncio
import time
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple, Protocol

from bot.local_slack.background import Background
from bot.local_slack.config import LocalWorkspaceConfig
from bot.local_slack.errors import DeliveryError, RefusedError
from bot.local_slack.faults import Faults
from bot.local_slack.mint import Mint
from bot.local_slack.records import Json
from bot.local_slack.traffic import Direction, Observed, Traffic

NO_CONNECTION = "no_connection"
"""The reason of a command or interaction that found no socket."""
_HELD_EVENT_S = 0.2
"""How long an event waits for a later one to overtake it."""
_SHOWN_TO_PEOPLE = {
    "timeout": "operation_timeout",
    "http_timeout": "operation_timeout",
    NO_CONNECTION: "not_connected",
}


class DeliveryKind(StrEnum):
    """What is delivered; the value is Socket Mode's envelope type."""

    EVENT = "events_api"
    COMMAND = "slash_commands"
    INTERACTION = "interactive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One attempt to bring something to the app."""

    kind: DeliveryKind
    payload: Json
    retry_num: int = 0
    retry_reason: str = ""

    @property
    def name(self) -> str:
        """A short name for the record."""
        match self.kind:
            case DeliveryKind.EVENT:
                return str(self.payload["event"]["type"])
            case DeliveryKind.COMMAND:
                return str(self.payload["command"])
            case DeliveryKind.INTERACTION:
                return str(self.payload["type"])


class Transport(Protocol):
    """One way to the app."""

    async def carry(self, delivery: Delivery) -> Json:
        """Bring one attempt to the app and give what it acknowledged with.

        Raises:
            DeliveryError: the app did not acknowledge in time, or refused.
        """

    @property
    def connected(self) -> int:
        """How many receivers there are."""


class _Swap(NamedTuple):
    """A pair of events of which the later is delivered first."""

    done: asyncio.Event
    overtakes: bool


class Deliveries:
    """Sends events with retries in the background, commands and interactions once."""

    def __init__(  # noqa: PLR0913 - the parts a delivery touches, each by name
        self,
        *,
        config: LocalWorkspaceConfig,
        transport: Transport,
        faults: Faults,
        traffic: Traffic,
        background: Background,
        mint: Mint,
    ) -> None:
        self._config = config
        self.transport = transport
        self._faults = faults
        self._traffic = traffic
        self._background = background
        self._mint = mint
        self._held: asyncio.Event | None = None

    def send_event(self, body: Json) -> None:
        """Deliver an event body in the background, as often as the retry rules say."""
        first = Delivery(kind=DeliveryKind.EVENT, payload=body)
        swap = self._next_swap() if self._faults.out_of_order else None
        self._background.start(self._deliver(first) if swap is None else self._swapped(first, swap))
        if self._mint.chance(self._faults.duplicate_deliveries):
            second = replace(first, retry_num=1, retry_reason="http_timeout")
            self._background.start(self._deliver(second))

    async def send_interaction(self, kind: DeliveryKind, payload: Json) -> Json:
        """Deliver a command or interaction once and give the app's acknowledgement."""
        try:
            return await self._attempt(Delivery(kind=kind, payload=payload))
        except DeliveryError as error:
            code = _SHOWN_TO_PEOPLE.get(error.reason, "dispatch_failed")
            raise RefusedError(code) from error

    def _next_swap(self) -> _Swap:
        """Pair this event with the one before it, or keep it back for the next one."""
        if self._held is not None:
            swap, self._held = _Swap(done=self._held, overtakes=True), None
            return swap
        self._held = asyncio.Event()
        return _Swap(done=self._held, overtakes=False)

    async def _swapped(self, delivery: Delivery, swap: _Swap) -> None:
        if swap.overtakes:
            await self._deliver(delivery)
            swap.done.set()
            return
        await self._wait_until_overtaken(swap.done)
        await self._deliver(delivery)

    async def _deliver(self, delivery: Delivery) -> None:
        delays = (None, *self._config.retry_delays_s)[delivery.retry_num :]
        for number, delay in enumerate(delays, start=delivery.retry_num):
            if delay is not None and number > delivery.retry_num:
                await asyncio.sleep(delay * self._faults.retry_time_scale)
            try:
                attempt = replace(delivery, retry_num=number)
                await self._attempt(attempt)
            except DeliveryError as error:
                if not (error.may_retry and self._faults.ack_timeout_retries):
                    return
                delivery = replace(delivery, retry_reason=error.reason)
            else:
                return

    async def _wait_until_overtaken(self, overtaken: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(_HELD_EVENT_S):
                await overtaken.wait()
        except TimeoutError:
            if self._held is overtaken:
                self._held = None

    async def _attempt(self, delivery: Delivery) -> Json:
        started_s = time.monotonic()
        status, answer = "ok", {}
        try:
            answer = await self.transport.carry(delivery)
        except DeliveryError as error:
            status = error.reason
            raise
        finally:
            self._record(delivery, status=status, answer=answer, started_s=started_s)
        return answer

    def _record(self, delivery: Delivery, *, status: str, answer: Json, started_s: float) -> None:
        request: Json = {"kind": delivery.kind.value, "payload": delivery.payload}
        if delivery.retry_num:
            request["retry_num"] = delivery.retry_num
            request["retry_reason"] = delivery.retry_reason
        observed = Observed(
            direction=Direction.EVENT,
            name=delivery.name,
            status=status,
            duration_ms=(time.monotonic() - started_s) * 1000,
            request=request,
            response=answer,
        )
        self._traffic.record(observed)
