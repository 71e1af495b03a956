"""The standing rules of a channel as a list with *Revoke* buttons. Pure."""

from collections.abc import Sequence

from agent_engine.safeguards import StandingRule
from bot.outbound.blocks import ids
from bot.outbound.blocks.approval import alike, when
from bot.outbound.blocks.parts import button, context, person, section
from bot.outbound.content import Block, Content
from bot.outbound.text import count, cut

MAX_RULES = 40
_NONE = "No standing rules here: every call that needs a person's word is asked about."


def rules_content(rules: Sequence[StandingRule]) -> Content:
    """List what is allowed in this channel without asking, and by whom."""
    if not rules:
        return Content(text=_NONE, blocks=(section(_NONE),))
    head = f"{count(len(rules), 'standing rule')}: these calls are made here without asking."
    blocks: list[Block] = [section(head), *map(_block, rules[:MAX_RULES])]
    if (more := len(rules) - MAX_RULES) > 0:
        blocks.append(context(f"… and {more} more: revoke some to see them."))
    return Content(text=head, blocks=tuple(blocks))


def rule_sentence(rule: StandingRule) -> str:
    """Say what a rule allows and who made it; safe mrkdwn."""
    made = f"by {person(rule.created_by)}, {when(rule.created_at)}"
    return cut(
        f"{alike(rule.tool, rule.like)}\nallowed {made}, for the agent `{_agent(rule)}`", 2_000
    )


def _block(rule: StandingRule) -> Block:
    revoke = button("Revoke", ids.RevokeStanding(rule_id=rule.id), style="danger")
    return {**section(rule_sentence(rule)), "accessory": revoke}


def _agent(rule: StandingRule) -> str:
    return str(rule.scope.agent_id).replace("`", "'")[:80]
