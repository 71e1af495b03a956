"""What a call costs, from a table of prices; an unknown price is None, never nothing."""

from collections.abc import Mapping

from agent_engine.ports import Price


def price_of(prices: Mapping[str, Price], model: str) -> Price | None:
    """Return the model's price: its own entry, else the longest entry it is a dated version of.

    >>> table = {"m": Price(prompt_usd=1, completion_usd=2)}
    >>> price_of(table, "m-2026-01-31") == table["m"], price_of(table, "m-mini")
    (True, None)
    """
    if model in prices:
        return prices[model]
    versions = [name for name in prices if _is_version_of(model, name)]
    return prices[max(versions, key=len)] if versions else None


def cost_usd(
    prices: Mapping[str, Price], model: str, *, prompt_tokens: int, completion_tokens: int
) -> float | None:
    """Return what the tokens cost in US dollars; None when the price is not known."""
    price = price_of(prices, model)
    if price is None:
        return None
    return price.usd(prompt_tokens=prompt_tokens, completion_tokens=completion_tokens)


def _is_version_of(model: str, name: str) -> bool:
    """Say whether the model is the name with a date behind; a suffix in words is another model."""
    suffix = model.removeprefix(f"{name}-")
    return suffix != model and suffix.replace("-", "").isdigit()
