import pytest

from agent_engine.models.pricing import cost_usd, price_of
from agent_engine.ports import Price

TABLE = {
    "small": Price(prompt_usd=1.0, completion_usd=4.0),
    "small-pro": Price(prompt_usd=10.0, completion_usd=40.0),
}


@pytest.mark.parametrize(
    ("model", "entry"),
    [
        ("small", "small"),
        ("small-2026-01-31", "small"),
        ("small-pro-0613", "small-pro"),
        ("small-mini", None),
        ("smaller", None),
        ("other", None),
        ("small-", None),
    ],
)
def test_a_model_has_the_price_of_its_entry_or_of_the_one_it_is_a_version_of(model, entry):
    assert price_of(TABLE, model) == (TABLE[entry] if entry else None)


def test_a_cost_is_per_million_tokens_and_none_when_unknown():
    assert cost_usd(TABLE, "small", prompt_tokens=1_000_000, completion_tokens=500_000) == 3.0
    assert cost_usd(TABLE, "other", prompt_tokens=1, completion_tokens=1) is None
