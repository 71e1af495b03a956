"""Whether a person must be asked before a tool is called, and about what exactly.

An approval is bound to the hash of the arguments and to one step; a standing rule to what the tool
says its calls have in common. It never waits: who waits, and where people answer, others decide.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from agent_engine.ports import Tool, ToolContext
from agent_engine.safeguards import ApprovalStore, StandingRule
from agent_engine.tools.declare import call_key
from agent_engine.tools.policy import Ruling, ToolPolicy, likeness
from agent_engine.types import (
    Asks,
    ChannelId,
    JsonObject,
    ProposedCall,
    Scope,
    TaskId,
    UserId,
    WorkspaceId,
)

ALLOWED: Final = "allowed"
APPROVED: Final = "approved"
APPROVED_BEFORE: Final = "approved_before"
STANDING_RULE: Final = "standing_rule"
MAY_HAVE_HAPPENED: Final = "it was interrupted, and may not be safe to do twice"


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

    async def was_approved(self, task_id: TaskId, tool: str, *, requester: UserId | None) -> bool:
        """Say no."""
        del task_id, tool, requester
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
        proposed = _proposed(tool, arguments, ruling)
        if context.approved is not None and context.approved.digest == proposed.digest:
            return Permitted(why=APPROVED)
        if ruling.asks is Asks.FIRST_TIME and await self._was_approved(tool.name, context):
            return Permitted(why=APPROVED_BEFORE)
        like = proposed.like or {}
        if await self._store.standing_rule(context.scope, tool.name, like) is not None:
            return Permitted(why=STANDING_RULE)
        return proposed

    def in_doubt(self, tool: Tool, arguments: JsonObject, context: ToolContext) -> ProposedCall:
        """Return what a person is asked about a call that may already have been made.

        Who may allow such a call decides whether it is made once more; where nobody has to allow
        it, whoever asked for the task. There is nothing to allow for good in that.
        """
        ruling = self._policy.ruling(tool, arguments, requester=context.requester)
        if ruling.asks is Asks.NEVER:
            requester = context.requester
            ruling = replace(ruling, approvers=() if requester is None else (requester,))
        return replace(_proposed(tool, arguments, ruling), because=MAY_HAVE_HAPPENED, like=None)

    async def _was_approved(self, tool: str, context: ToolContext) -> bool:
        """Say whether the tool was approved for this task and whom it works for now.

        In this run, or in an earlier one: of somebody else's follow-up nothing is carried over.
        """
        if tool in context.approved_tools:
            return True
        return await self._store.was_approved(context.task_id, tool, requester=context.requester)


def _proposed(tool: Tool, arguments: JsonObject, ruling: Ruling) -> ProposedCall:
    return ProposedCall(
        tool=tool.name,
        arguments=arguments,
        digest=call_key(tool.name, arguments),
        because=ruling.because,
        approvers=ruling.approvers,
        like=likeness(tool, arguments),
    )
