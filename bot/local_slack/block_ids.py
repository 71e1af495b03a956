"""Ids that Slack makes up for blocks and elements sent without them. Copies, never changes."""

from bot.local_slack.mint import Mint
from bot.local_slack.records import Json

_PASSIVE = frozenset({"image", "mrkdwn", "plain_text"})
_ID_LENGTH = 5


def identified(blocks: list[Json], mint: Mint) -> list[Json]:
    """Give every block a block_id and every interactive element an action_id."""
    return [_block(block, mint) for block in blocks]


def _block(block: Json, mint: Mint) -> Json:
    whole = block | {"block_id": block.get("block_id") or mint.hex(_ID_LENGTH)}
    for name in ("accessory", "element"):
        if isinstance(whole.get(name), dict):
            whole[name] = _element(whole[name], mint)
    if whole.get("type") in ("actions", "context_actions"):
        whole["elements"] = [_element(e, mint) for e in whole["elements"]]
    if whole.get("child_blocks"):
        whole["child_blocks"] = identified(whole["child_blocks"], mint)
    return whole


def _element(element: Json, mint: Mint) -> Json:
    if element.get("type") in _PASSIVE or element.get("action_id"):
        return element
    return element | {"action_id": mint.hex(_ID_LENGTH)}
