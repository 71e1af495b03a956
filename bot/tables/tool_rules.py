"""``[[tools.rules]]``: when a person is asked before a tool is called, and whom.

They become the engine's values elsewhere; here is only what the file may say.
"""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Final

from pydantic import Field
from typing_extensions import override

from agent_engine.types import Asks
from bot.tables.table import Names, Table, like

BUILT_IN: Final = ("api_call", "calculate", "code_execution", "file_operations", "web_search")
"""The tools that come with the bot, configured or not."""
Someone = Annotated[
    str, like(r"[UW][A-Z0-9]+|requester|admins", 'give a user id, "requester" or "admins"')
]
Privileged = Annotated[str, like(r"[UW][A-Z0-9]+|admins", 'give a user id or "admins"')]


class ToolRuleTable(Table):
    """When a person is asked before a tool is called, whom, and for whom it may be called."""

    tool: Annotated[str, Field(min_length=1, max_length=100)]
    """A tool's name, or a pattern with ``*``; it need not be set up here."""
    arguments: Mapping[str, str] = Field(default_factory=dict)
    """A pattern for each characteristic or argument that has to fit."""
    ask: Asks | None = None
    """None: what the tool says of itself."""
    approvers: tuple[Someone, ...] = ()
    only_for: tuple[Privileged, ...] = ()

    @override
    def problems(self, where: str, names: Names) -> Iterator[str]:
        known = (*BUILT_IN, *(f"mcp_{server}_*" for server in names.mcp_servers))
        if not any(fnmatchcase(k, self.tool) or fnmatchcase(self.tool, k) for k in known):
            use = ", ".join(sorted(known))
            yield f"{where} names the tool {self.tool!r}, which does not exist: use one of {use}"

    @override
    def lacks(self, where: str) -> Iterator[str]:
        if self.ask is None and not self.approvers and not self.only_for:
            yield f"{where} says nothing: give it one of ask, approvers, only_for"
