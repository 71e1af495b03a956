"""Whether a person must be asked before a tool is called, and about what exactly.

An approval is bound to the hash of the arguments and to one step; a standing rule to what the tool
says its calls have in common. It never waits: who waits, and where people answer, others decide.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agent_engine.ports import Tool, ToolContext
from agent_engine.safeguards import ApprovalStore, StandingRule
from agent_engine.tools.declare import call_key
from agent_engine.tools.policy import ToolPolicy, likeness
from agent_engine.types import (
    Asks,
    ChannelId,
    JsonObject,
    ProposedCall,
    Scope,
    TaskId,
    WorkspaceId,
)

ALLOWED: Final = "allowed"
APPROVED: Final = "approved"
APPROVED_BEFORE: Final = "approved_before"
STANDING_RULE: Final = "standing_rule"


@dataclass(frozen=True, slots=True, kw_only=True)
class Permitted:
    """The call may be made."""

    why: str
    """``allowed``, ``approved``, ``approved_before`` in this task, or by a ``standing_rule``."""


class NobodyAsked:
    """Stands for an installation that keeps no record of approvals: none was ever given."""

    async def standing_rule(self, scope: Scope, tool: str, like: JsonObject) -> StandingRule | None:
        """Return no rule."""
        del scope, tool, like
        return None

    async def was_approved(self, task_id: TaskId, tool: str) -> bool:
        """Say no."""
        del task_id, tool
        return False

    async def rules(
        self, workspace_id: WorkspaceId, *, channel_id: ChannelId | None
    ) -> Sequence[StandingRule]:
        """Return no rules."""
        del workspace_id, channel_id
        return ()


class Approvals:
    """Finds out what holds for a call, asking the store only where the rules ask people."""

    def __init__(self, policy: ToolPolicy, store: ApprovalStore) -> None:
        self._policy = policy
        self._store = store

    async def ask(
        self, tool: Tool, arguments: JsonObject, context: ToolContext
    ) -> Permitted | ProposedCall:
        """Say that the call may be made, or what a person is to be asked.

        Raises:
            StorageError: the database cannot be used; nothing is allowed then.
        """
        ruling = self._policy.ruling(tool, arguments, requester=context.requester)
        if ruling.asks is Asks.NEVER:
            return Permitted(why=ALLOWED)
        digest = call_key(tool.name, arguments)
        if context.approved is not None and context.approved.digest == digest:
            return Permitted(why=APPROVED)
        like = likeness(tool, arguments)
        if ruling.asks is Asks.FIRST_TIME and await self._was_approved(tool.name, context):
            return Permitted(why=APPROVED_BEFORE)
        if await self._store.standing_rule(context.scope, tool.name, like) is not None:
            return Permitted(why=STANDING_RULE)
        return ProposedCall(
            tool=tool.name,
            arguments=arguments,
            digest=digest,
            because=ruling.because,
            approvers=ruling.approvers,
            like=like,
        )

    async def _was_approved(self, tool: str, context: ToolContext) -> bool:
        """Say whether this task's people approved the tool: in this run, or in an earlier one."""
        if tool in context.approved_tools:
            return True
        return await self._store.was_approved(context.task_id, tool)
