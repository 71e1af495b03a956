"""Tokens and money: reserved before a call, settled after it."""

import asyncio

import pytest

from agent_engine.errors import LimitExceededError, ModelUnavailableError
from agent_engine.limits import MeteredModel, cost_usd
from agent_engine.ports import Dialect, ModelReply, ModelRequest, Price, Role, Turn
from agent_engine.run_state import usage_after
from agent_engine.types import Limits, Usage

PRICE = Price(prompt_usd=1.0, completion_usd=10.0)


class Model:
    name = "small"
    dialect = Dialect()

    def __init__(self):
        self.asked = []
        self.arrived = asyncio.Event()
        self.hold = None

    async def complete(self, request):
        self.asked.append(request)
        self.arrived.set()
        if self.hold is not None:
            await self.hold.wait()
        return ModelReply(text="ok", model="small-2", prompt_tokens=100, completion_tokens=20)


class Account:
    def __init__(self, limits, *, prices=None):
        self.usage = Usage()
        self.calls = []
        self.model = Model()
        self.metered = MeteredModel(
            self.model,
            limits=limits,
            used=lambda: self.usage,
            prices=prices or {},
            settle=self.settle,
        )

    def settle(self, call):
        self.calls.append(call)
        self.usage = usage_after(self.usage, call)

    async def ask(self, *, chars=350, max_tokens=1_000):
        turns = (Turn(role=Role.USER, text="x" * chars),)
        request = ModelRequest(turns=turns, purpose="plan", max_tokens=max_tokens)
        return await self.metered.complete(request)


async def test_a_call_is_settled_with_what_it_really_took():
    account = Account(Limits(), prices={"small": PRICE})
    await account.ask()
    assert (account.usage.tokens, account.usage.model_calls) == (120, 1)
    assert account.usage.usd == pytest.approx(0.0003)
    assert (account.calls[0].model, account.calls[0].purpose) == ("small-2", "plan")


async def test_a_reply_may_be_no_longer_than_what_is_left():
    account = Account(Limits(tokens=500))
    await account.ask()
    assert account.model.asked[0].max_tokens == 500 - 101


async def test_a_call_that_cannot_be_afforded_is_not_made():
    account = Account(Limits(tokens=200))
    with pytest.raises(LimitExceededError, match="tokens"):
        await account.ask()
    assert account.model.asked == []


@pytest.mark.parametrize(
    ("limits", "named"),
    [
        (Limits(tokens=200, usd=1.0), "tokens is used up: 0 of 200"),
        (Limits(tokens=100_000, usd=0.001), "US dollars is used up: 0 of 0.001"),
    ],
)
async def test_of_two_caps_the_one_that_was_met_is_named(limits, named):
    with pytest.raises(LimitExceededError, match=named):
        await Account(limits, prices={"small": PRICE}).ask()


async def test_a_cap_met_by_calls_at_the_same_time_is_named_though_nothing_is_settled():
    account = Account(Limits(tokens=1_200))
    account.model.hold = asyncio.Event()
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        first = group.create_task(account.ask())
        await account.model.arrived.wait()
        with pytest.raises(LimitExceededError, match="tokens is used up: 0 of 1200"):
            await account.ask()
        account.model.hold.set()
    assert first.result().text == "ok"


async def test_money_runs_out_where_the_price_is_known():
    account = Account(Limits(tokens=0, usd=0.001), prices={"small": PRICE})
    with pytest.raises(LimitExceededError, match="US dollars"):
        await account.ask()


async def test_an_unknown_price_counts_tokens_only():
    account = Account(Limits(tokens=0, usd=0.0001))
    await account.ask()
    assert (account.usage.usd, account.usage.unpriced_tokens) == (0.0, 120)


async def test_calls_at_the_same_time_share_what_is_left():
    account = Account(Limits(tokens=1_300))
    account.model.hold = asyncio.Event()
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        first = group.create_task(account.ask(max_tokens=1_000))
        await asyncio.sleep(0)
        with pytest.raises(LimitExceededError):
            await account.ask(max_tokens=1_000)
        account.model.hold.set()
    assert first.result().text == "ok"
    await account.ask(max_tokens=1_000)


async def test_what_was_reserved_for_a_failed_call_is_free_again():
    account = Account(Limits(tokens=1_200))

    async def fail(_request):
        raise ModelUnavailableError

    complete, account.model.complete = account.model.complete, fail
    with pytest.raises(ModelUnavailableError):
        await account.ask()
    account.model.complete = complete
    await account.ask()
    assert account.model.asked[0].max_tokens == 1_000


def test_a_price_is_per_million_tokens():
    assert cost_usd(PRICE, prompt_tokens=1_000_000, completion_tokens=100_000) == 2.0
    assert cost_usd(None, prompt_tokens=1, completion_tokens=1) is None
