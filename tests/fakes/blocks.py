"""Checks that Slack would take what was rendered: the local workspace's rules and the SDK's."""

import json

from slack_sdk.models.blocks import Block

from bot.local_slack.block_rules import Surface, check_blocks
from bot.outbound.content import MAX_TEXT


def check_content(content):
    """Fail unless every variant of the message would be accepted."""
    assert 0 < len(content.text) <= MAX_TEXT
    for blocks in content.variants():
        check(blocks, Surface.MESSAGE)


def check(blocks, surface):
    """Fail unless the blocks would be accepted, as they arrive there: as JSON."""
    arrived = json.loads(json.dumps(list(blocks)))
    if arrived:
        check_blocks(arrived, surface=surface)
    for block in arrived:
        parsed = Block.parse(block)
        assert parsed is not None, block
        parsed.validate_json()
        nested = [Block.parse(task) for task in block.get("tasks", [])]
        for task in nested:
            task.validate_json()


def check_view(view):
    """Fail unless the view would be accepted."""
    surface = Surface.HOME if view["type"] == "home" else Surface.MODAL
    check(view["blocks"], surface)
    assert len(json.dumps(view)) < 250_000
    assert len(view.get("private_metadata", "")) <= 3_000


def all_texts(content):
    """Return everything the message says, as one string."""
    return json.dumps([content.text, *content.variants()], ensure_ascii=False)
