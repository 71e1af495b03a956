"""Day budgets of people, channels and the workspace: set aside before a model call, settled after.

Where no budget is configured nothing is asked of the database. A price that is not known counts as
tokens only, so a budget in money alone does not hold such a model: it is refused at start.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from typing_extensions import override

from agent_engine.errors import LimitExceededError
from agent_engine.safeguards import (
    DAY_SUFFIX,
    Budget,
    BudgetExceeded,
    BudgetOf,
    BudgetStore,
    CapOf,
)
from agent_engine.types import RunId, RunSnapshot, WorkspaceId

_WHOSE = {
    BudgetOf.PERSON: "your budget for today",
    BudgetOf.CHANNEL: "this channel's budget for today",
    BudgetOf.WORKSPACE: "the workspace's budget for today",
}


class BudgetExceededError(LimitExceededError):
    """A budget of the day is used up, or the half of it that ``for_no_run`` leaves.

    Attributes:
        of: whose budget it is.
    """

    def __init__(self, exceeded: BudgetExceeded, *, is_half: bool = False) -> None:
        budget = exceeded.budget
        whose = f"half of {_WHOSE[budget.of]}" if is_half else _WHOSE[budget.of]
        used, allowed, said = _amounts(exceeded)
        super().__init__(
            exceeded.cap,
            used=used,
            allowed=allowed,
            message=f"{whose} allows no more: {said}; it is new again at 0:00 UTC",
        )
        self.of = budget.of

    @property
    @override
    def name(self) -> str:
        """``person_day``, ``channel_day`` or ``workspace_day``."""
        return f"{self.of}{DAY_SUFFIX}"


def for_no_run(budgets: Sequence[Budget]) -> Sequence[Budget]:
    """Return what nobody waits for may use: half of each, for people's tasks need the other."""
    return [replace(one, tokens=(one.tokens + 1) // 2, usd=one.usd / 2) for one in budgets]


@dataclass(frozen=True, slots=True)
class RunBudgets:
    """The budgets as one worker on one run meets them."""

    budgets: "DayBudgets"
    run_id: RunId
    epoch: int

    async def reserve(self, *, tokens: int, usd: float) -> str | None:
        """Set this much aside for the run; as ``DayBudgets.reserve``."""
        return await self.budgets.reserve(self.run_id, epoch=self.epoch, tokens=tokens, usd=usd)

    async def release(self, reservation: str | None) -> None:
        """Give back what a failed call did not use."""
        await self.budgets.release(reservation)


class DayBudgets:
    """The installation's budgets."""

    def __init__(self, budgets: Sequence[Budget], store: BudgetStore) -> None:
        self._budgets = tuple(budget for budget in budgets if budget.tokens or budget.usd)
        self._store = store

    def of_run(self, run: RunSnapshot) -> RunBudgets:
        """Return the budgets as the worker that has begun this run meets them."""
        return RunBudgets(self, run.run_id, run.epoch)

    async def reserve(self, run_id: RunId, *, epoch: int, tokens: int, usd: float) -> str | None:
        """Set this much aside and return the reservation; None where there are no budgets.

        Raises:
            BudgetExceededError: a budget would be passed; nothing was set aside.
            FencedError: another worker took the run over.
            StorageError: the database cannot be used.
        """
        if not self._budgets:
            return None
        reserved = await self._store.reserve(
            run_id, self._budgets, epoch=epoch, tokens=tokens, usd=usd
        )
        if isinstance(reserved, BudgetExceeded):
            raise BudgetExceededError(reserved)
        return reserved

    async def check(self, workspace_id: WorkspaceId, *, tokens: int, usd: float) -> None:
        """Raise BudgetExceededError where half of the workspace's has no room for no run's work."""
        halves = for_no_run(self._budgets)
        exceeded = await self._store.exceeded(workspace_id, halves, tokens=tokens, usd=usd)
        if exceeded is not None:
            raise BudgetExceededError(exceeded, is_half=True)

    async def release(self, reservation: str | None) -> None:
        """Give back what a failed call did not use."""
        if reservation is not None:
            await self._store.release(reservation)


def _amounts(exceeded: BudgetExceeded) -> tuple[float, float, str]:
    """Return what was used of the cap that was met, the cap, and both in words."""
    budget = exceeded.budget
    match exceeded.cap:
        case CapOf.TOKENS:
            said = f"{exceeded.used_tokens:,} of {budget.tokens:,} tokens are used"
            return exceeded.used_tokens, budget.tokens, said
        case CapOf.USD:
            said = f"${exceeded.used_usd:.2f} of ${budget.usd:.2f} are used"
            return exceeded.used_usd, budget.usd, said
