"""Money and tokens are set aside before a model call and settled, or given back, after it."""

import pytest

from agent_engine.budgets import BudgetExceededError, DayBudgets, RunBudgets
from agent_engine.errors import ModelUnavailableError
from agent_engine.limits import MeteredModel
from agent_engine.ports import Dialect, ModelReply, ModelRequest, Price, Role, Turn
from agent_engine.safeguards import Budget, BudgetExceeded, BudgetOf, CapOf
from agent_engine.types import Limits, RunId, Usage

REQUEST = ModelRequest(turns=(Turn(role=Role.USER, text="hello"),), purpose="plan", max_tokens=100)


class Store:
    def __init__(self, exceeded=None):
        self.exceeded = exceeded
        self.reserved, self.released = [], []

    async def reserve(self, run_id, budgets, *, epoch, tokens, usd):
        self.reserved.append((run_id, epoch, budgets, tokens, usd))
        return self.exceeded or f"r{len(self.reserved)}"

    async def release(self, reservation):
        self.released.append(reservation)


class Model:
    name = "m"
    dialect = Dialect()

    def __init__(self, error=None):
        self.error = error

    async def complete(self, _request):
        if self.error:
            raise self.error
        return ModelReply(text="hi", model="m", prompt_tokens=10, completion_tokens=5)


def metered(store, *budgets, model=None):
    settled = []
    days = RunBudgets(DayBudgets(budgets, store), RunId("run"), 3)
    meter = MeteredModel(
        model or Model(),
        limits=Limits(),
        used=Usage,
        prices={"m": Price(prompt_usd=1.0, completion_usd=2.0)},
        settle=settled.append,
        reserve=days,
    )
    return meter, settled


CHANNEL = Budget(of=BudgetOf.CHANNEL, tokens=1_000, usd=1.0)


async def test_the_worst_case_is_reserved_and_the_call_names_it():
    store = Store()
    meter, settled = metered(store, CHANNEL)
    await meter.complete(REQUEST)
    [(run_id, epoch, budgets, tokens, usd)] = store.reserved
    assert (run_id, epoch, budgets) == ("run", 3, (CHANNEL,))
    assert tokens == 100 + 2
    assert usd == pytest.approx((2 * 1.0 + 100 * 2.0) / 1_000_000)
    assert [call.reservation for call in settled] == ["r1"]
    assert store.released == []


async def test_a_failed_call_gives_it_back():
    store = Store()
    meter, settled = metered(store, CHANNEL, model=Model(ModelUnavailableError()))
    with pytest.raises(ModelUnavailableError):
        await meter.complete(REQUEST)
    assert (store.released, settled) == (["r1"], [])


@pytest.mark.parametrize(
    ("cap", "said"),
    [
        (CapOf.TOKENS, r"this channel's budget for today allows no more: 990 of 1,000 tokens"),
        (CapOf.USD, r"this channel's budget for today allows no more: \$0\.99 of \$1\.00"),
    ],
)
async def test_a_used_up_budget_says_whose_it_is_and_which_of_its_caps_was_met(cap, said):
    store = Store(BudgetExceeded(budget=CHANNEL, cap=cap, used_tokens=990, used_usd=0.99))
    meter, _ = metered(store, CHANNEL)
    with pytest.raises(BudgetExceededError, match=said) as raised:
        await meter.complete(REQUEST)
    assert (raised.value.limit, raised.value.name) == (cap, "channel_day")


async def test_without_budgets_the_store_is_not_asked():
    store = Store()
    meter, settled = metered(store, Budget(of=BudgetOf.PERSON))
    await meter.complete(REQUEST)
    assert store.reserved == []
    assert settled[0].reservation is None
