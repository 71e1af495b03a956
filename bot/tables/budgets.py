"""``[budgets]``: what may be used in a day."""

from collections.abc import Iterator, Sequence

from typing_extensions import override

from agent_engine.safeguards import Budget, BudgetOf
from bot.tables.table import Amount, Count, Names, Table


class BudgetsTable(Table):
    """Caps of a day, in UTC; 0 means no cap."""

    person_tokens_per_day: Count = 0
    person_usd_per_day: Amount = 0.0
    channel_tokens_per_day: Count = 0
    channel_usd_per_day: Amount = 0.0
    workspace_tokens_per_day: Count = 0
    workspace_usd_per_day: Amount = 0.0

    def budgets(self) -> Sequence[Budget]:
        """Return the budgets that cap anything."""
        said = self.model_dump()
        found = [
            Budget(of=of, tokens=said[f"{of}_tokens_per_day"], usd=said[f"{of}_usd_per_day"])
            for of in BudgetOf
        ]
        return [budget for budget in found if budget.tokens or budget.usd]

    @override
    def problems(self, where: str, names: Names) -> Iterator[str]:
        # A model whose price is not known counts tokens only.
        for budget in self.budgets():
            if budget.usd and not budget.tokens and not names.priced:
                yield (
                    f"{where}.{budget.of}_usd_per_day: no model has a price, so it would cap "
                    f'nothing: add [prices."…"], or {budget.of}_tokens_per_day'
                )
