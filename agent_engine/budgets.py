"""Day budgets of people, channels and the workspace: set aside before a model call, settled after.

Where no budget is configured nothing is asked of the database. A price that is not known counts as
tokens only, so a budget in money alone does not hold such a model: it is refused at start.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from typing_extensions import override

from agent_engine.errors import LimitExceededError
from agent_engine.safeguards import DAY_SUFFIX, Budget, BudgetExceeded, BudgetOf, BudgetStore
from agent_engine.types import RunId

_WHOSE = {
    BudgetOf.PERSON: "your budget for today",
    BudgetOf.CHANNEL: "this channel's budget for today",
    BudgetOf.WORKSPACE: "the workspace's budget for today",
}


class BudgetExceededError(LimitExceededError):
    """A budget of the day is used up.

    Attributes:
        of: whose budget it is.
    """

    def __init__(self, exceeded: BudgetExceeded) -> None:
        budget = exceeded.budget
        by_tokens = budget.tokens > 0 and exceeded.used_tokens >= budget.tokens
        in_money = budget.usd > 0 and not by_tokens
        used = exceeded.used_usd if in_money else exceeded.used_tokens
        allowed = budget.usd if in_money else budget.tokens
        amount = f"${allowed:g}" if in_money else f"{allowed:,} tokens"
        super().__init__(
            "usd" if in_money else "tokens",
            used=used,
            allowed=allowed,
            message=f"{_WHOSE[budget.of]} ({amount}) is used up; it is new again at 0:00 UTC",
        )
        self.of = budget.of

    @property
    @override
    def name(self) -> str:
        """``person_day``, ``channel_day`` or ``workspace_day``."""
        return f"{self.of}{DAY_SUFFIX}"


@dataclass(frozen=True, slots=True)
class RunBudgets:
    """The budgets as one run meets them."""

    budgets: "DayBudgets"
    run_id: RunId

    async def reserve(self, *, tokens: int, usd: float) -> str | None:
        """Set this much aside for the run; as ``DayBudgets.reserve``."""
        return await self.budgets.reserve(self.run_id, tokens=tokens, usd=usd)

    async def release(self, reservation: str | None) -> None:
        """Give back what a failed call did not use."""
        await self.budgets.release(reservation)


class DayBudgets:
    """The installation's budgets."""

    def __init__(self, budgets: Sequence[Budget], store: BudgetStore) -> None:
        self._budgets = tuple(budget for budget in budgets if budget.tokens or budget.usd)
        self._store = store

    async def reserve(self, run_id: RunId, *, tokens: int, usd: float) -> str | None:
        """Set this much aside and return the reservation; None where there are no budgets.

        Raises:
            BudgetExceededError: a budget would be passed; nothing was set aside.
            StorageError: the database cannot be used.
        """
        if not self._budgets:
            return None
        reserved = await self._store.reserve(run_id, self._budgets, tokens=tokens, usd=usd)
        if isinstance(reserved, BudgetExceeded):
            raise BudgetExceededError(reserved)
        return reserved

    async def release(self, reservation: str | None) -> None:
        """Give back what a failed call did not use."""
        if reservation is not None:
            await self._store.release(reservation)
