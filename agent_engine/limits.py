"""Caps on what a run may use: checked before every move, reserved before every model call.

A price that is not known counts as tokens only. The metered model is the one place where a run's
model calls are counted; planners and writers get it instead of the bare model.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

from agent_engine.errors import LimitExceededError
from agent_engine.ports import Dialect, ModelClient, ModelReply, ModelRequest, Price
from agent_engine.types import Limits, ModelCall, RunSnapshot, Usage

CHARS_PER_TOKEN = 3.5
"""A deliberately low guess, so that reservations err on the safe side."""
IMAGE_TOKENS = 1_000
"""What one image is taken to cost until the server says."""
FEWEST_REPLY_TOKENS = 128
"""A reply that may be no longer than this is not worth asking for."""


def exceeded(run: RunSnapshot) -> LimitExceededError | None:
    """Return the first limit that is used up; None when none is."""
    used, caps = run.usage, run.limits
    for name, amount, cap in _amounts(used, caps):
        if cap and amount >= cap:
            return LimitExceededError(name, used=round(amount, 4), allowed=cap)
    return None


def estimated_tokens(text: str) -> int:
    """Return about how many tokens a text has."""
    return int(len(text) / CHARS_PER_TOKEN) + 1


def cost_usd(price: Price | None, *, prompt_tokens: int, completion_tokens: int) -> float | None:
    """Return what a call costs in US dollars; None when the price is not known."""
    if price is None:
        return None
    return price.usd(prompt_tokens=prompt_tokens, completion_tokens=completion_tokens)


class Reserve(Protocol):
    """What a run may still use of budgets that it shares with others."""

    async def reserve(self, *, tokens: int, usd: float) -> str | None:
        """Set this much aside; raises LimitExceededError when that is too much."""
        ...

    async def release(self, reservation: str | None) -> None:
        """Give it back unused."""
        ...


class MeteredModel:
    """A model whose calls count against one run's limits: reserved before, settled after."""

    def __init__(  # noqa: PLR0913  # one keyword for each thing a call is counted by
        self,
        model: ModelClient,
        *,
        limits: Limits,
        used: Callable[[], Usage],
        prices: Mapping[str, Price],
        settle: Callable[[ModelCall], None],
        reserve: Reserve | None = None,
    ) -> None:
        self._model = model
        self._limits = limits
        self._used = used
        self._prices = prices
        self._settle = settle
        self._day = reserve
        self._reserved_tokens = 0

    @property
    def name(self) -> str:
        """The model's name."""
        return self._model.name

    @property
    def dialect(self) -> Dialect:
        """What was found out about the endpoint."""
        return self._model.dialect

    async def complete(self, request: ModelRequest) -> ModelReply:
        """Ask the model within what is left; raises LimitExceededError when that is too little."""
        prompt = sum(
            estimated_tokens(turn.text) + IMAGE_TOKENS * len(turn.images) for turn in request.turns
        )
        affordable = self._affordable(request, prompt)
        self._reserved_tokens += prompt + affordable.max_tokens
        try:
            reservation = await self._reserved(prompt, affordable.max_tokens)
            reply = await self._asked(affordable, reservation)
        finally:
            self._reserved_tokens -= prompt + affordable.max_tokens
        self._settle(replace(self._accounted(reply, request.purpose), reservation=reservation))
        return reply

    async def _reserved(self, prompt: int, completion: int) -> str | None:
        """Set the call's worst case aside in the budgets of the day."""
        if self._day is None:
            return None
        price = self._prices.get(self.name)
        usd = cost_usd(price, prompt_tokens=prompt, completion_tokens=completion) or 0.0
        return await self._day.reserve(tokens=prompt + completion, usd=usd)

    async def _asked(self, request: ModelRequest, reservation: str | None) -> ModelReply:
        try:
            return await self._model.complete(request)
        except BaseException:
            if self._day is not None:
                await self._day.release(reservation)
            raise

    def _affordable(self, request: ModelRequest, prompt: int) -> ModelRequest:
        lefts = self._tokens_left()
        if not lefts:
            return request
        tightest = min(lefts, key=lefts.__getitem__)
        left = lefts[tightest]
        if left >= prompt + request.max_tokens:
            return request
        if left < prompt + FEWEST_REPLY_TOKENS:
            raise self._used_up(tightest)
        return replace(request, max_tokens=left - prompt)

    def _tokens_left(self) -> dict[str, int]:
        """Return how many tokens each cap leaves, by the cap's name."""
        used, caps = self._used(), self._limits
        lefts: dict[str, int] = {}
        if caps.tokens:
            lefts["tokens"] = caps.tokens - used.tokens - self._reserved_tokens
        price = self._prices.get(self.name)
        if caps.usd and price is not None:
            dearest = max(price.prompt_usd, price.completion_usd, 1e-9)
            usd_left = caps.usd - used.usd
            lefts["usd"] = int(usd_left * 1_000_000 / dearest) - self._reserved_tokens
        return lefts

    def _used_up(self, name: str) -> LimitExceededError:
        used, caps = self._used(), self._limits
        if name == "tokens":
            return LimitExceededError(name, used=used.tokens, allowed=caps.tokens)
        return LimitExceededError(name, used=round(used.usd, 4), allowed=caps.usd)

    def _accounted(self, reply: ModelReply, purpose: str) -> ModelCall:
        price = self._prices.get(self.name)
        return ModelCall(
            model=reply.model or self.name,
            purpose=purpose,
            prompt_tokens=reply.prompt_tokens,
            completion_tokens=reply.completion_tokens,
            usd=cost_usd(
                price,
                prompt_tokens=reply.prompt_tokens,
                completion_tokens=reply.completion_tokens,
            ),
            duration_s=reply.duration_s,
            estimated=reply.estimated,
        )


def _amounts(used: Usage, caps: Limits) -> tuple[tuple[str, float, float], ...]:
    return (
        ("iterations", used.iterations, caps.iterations),
        ("seconds", used.seconds, caps.seconds),
        ("tokens", used.tokens, caps.tokens),
        ("usd", used.usd, caps.usd),
    )
