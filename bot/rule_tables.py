"""The tables of ``treadle.toml`` about asking people and about the day's budgets, checked.

They become the engine's values elsewhere; here is only what the file may say.
"""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from agent_engine.safeguards import Budget, BudgetOf
from agent_engine.types import Asks

BUILT_IN = ("api_call", "calculate", "code_execution", "file_operations", "web_search")
"""The tools that come with the bot, configured or not."""
Someone = Annotated[str, Field(pattern=r"^(?:[UW][A-Z0-9]+|requester|admins)$")]
Privileged = Annotated[str, Field(pattern=r"^(?:[UW][A-Z0-9]+|admins)$")]
_Count = Annotated[int, Field(ge=0)]
_Amount = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


class ToolRuleTable(BaseModel):
    """When a person is asked before a tool is called, whom, and for whom it may be called."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tool: Annotated[str, Field(min_length=1, max_length=100)]
    """A tool's name, or a pattern with ``*``."""
    arguments: Mapping[str, str] = Field(default_factory=dict)
    """A pattern for each characteristic or argument that has to fit."""
    ask: Asks | None = None
    """None: what the tool says of itself."""
    approvers: tuple[Someone, ...] = ()
    only_for: tuple[Privileged, ...] = ()


class BudgetsTable(BaseModel):
    """Caps of a day, in UTC; 0 means no cap."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    person_tokens_per_day: _Count = 0
    person_usd_per_day: _Amount = 0.0
    channel_tokens_per_day: _Count = 0
    channel_usd_per_day: _Amount = 0.0
    workspace_tokens_per_day: _Count = 0
    workspace_usd_per_day: _Amount = 0.0

    def budgets(self) -> Sequence[Budget]:
        """Return the budgets that cap anything."""
        said = self.model_dump()
        found = [
            Budget(of=of, tokens=said[f"{of}_tokens_per_day"], usd=said[f"{of}_usd_per_day"])
            for of in BudgetOf
        ]
        return [budget for budget in found if budget.tokens or budget.usd]


def rule_problems(rules: Sequence[ToolRuleTable], *, servers: Sequence[str]) -> Sequence[str]:
    """Return what is wrong with the rules, each problem with its fix.

    A rule may name a tool that is not set up here. ``servers`` are the names of MCP servers.
    """
    return [*_useless_rules(rules), *_unknown_tools(rules, servers=servers)]


def _useless_rules(rules: Sequence[ToolRuleTable]) -> Sequence[str]:
    return [
        f"tools.rules: the rule for {rule.tool!r} says nothing: give it one of ask, approvers, "
        "only_for."
        for rule in rules
        if rule.ask is None and not rule.approvers and not rule.only_for
    ]


def unpriced_budgets(table: BudgetsTable, *, has_prices: bool) -> Sequence[str]:
    """Return what is wrong with budgets in money that would hold nothing.

    A price that is not known counts tokens only.
    """
    caps = [budget for budget in table.budgets() if budget.usd and not budget.tokens]
    if has_prices:
        return []
    return [
        f"budgets.{budget.of}_usd_per_day: no model has a price, so it would cap nothing: "
        f'add [prices."…"], or {budget.of}_tokens_per_day.'
        for budget in caps
    ]


def _unknown_tools(rules: Sequence[ToolRuleTable], *, servers: Sequence[str]) -> Sequence[str]:
    known = (*BUILT_IN, *(f"mcp_{server}_*" for server in servers))
    return [
        f"tools.rules names the tool {rule.tool!r}, which does not exist: use one of "
        f"{', '.join(sorted(known))}."
        for rule in rules
        if not any(fnmatchcase(name, rule.tool) or fnmatchcase(rule.tool, name) for name in known)
    ]
