"""The rules of ``treadle.toml`` as the engine's policy, and what the Slack side must know of tools.

Part of the composition root: it may know the engine's inside, but decides nothing.
"""

from dataclasses import dataclass

from agent_engine.errors import ToolError
from agent_engine.tools.call import ToolCaller
from agent_engine.tools.policy import ToolPolicy, ToolRule
from agent_engine.tools.validate import fitting_arguments
from agent_engine.types import JsonObject, UserId
from bot.agents_file import AgentsFile


def tool_policy(file: AgentsFile) -> ToolPolicy:
    """Return the installation's rules."""
    rules = [
        ToolRule(
            tool=table.tool,
            arguments=table.arguments,
            asks=table.ask,
            approvers=table.approvers,
            only_for=table.only_for,
        )
        for table in file.tools.rules
    ]
    return ToolPolicy(rules, admins=file.slack.admins)


@dataclass(frozen=True, slots=True)
class KnownTools:
    """``bot.ports.ToolFacts`` of the tools of this installation."""

    caller: ToolCaller
    policy: ToolPolicy

    def schema(self, name: str) -> JsonObject | None:
        """Return the schema of the tool's arguments; None for a tool that is not known here."""
        tool = self.caller.tool(name)
        return None if tool is None else tool.parameters_schema

    def problem(self, name: str, arguments: JsonObject, *, requester: UserId | None) -> str | None:
        """Say why the call could not be made for this person; None when it could."""
        tool = self.caller.tool(name)
        if tool is None:
            return None
        try:
            fitting = fitting_arguments(tool, arguments)
        except ToolError as error:
            return error.message
        return self.policy.refusal(tool, fitting, requester=requester)

    def approvers(
        self, name: str, arguments: JsonObject, *, requester: UserId | None
    ) -> tuple[UserId, ...] | None:
        """Return who may approve the call besides admins; None when that is not known here."""
        tool = self.caller.tool(name)
        if tool is None:
            return None
        return self.policy.ruling(tool, arguments, requester=requester).approvers
