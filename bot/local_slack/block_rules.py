"""Which blocks Slack would refuse, and where: errors name JSON pointers, as Slack's do.

The SDK's own validators are the base; what they miss is added here. Checks, changes nothing.
"""

from collections.abc import Iterator
from enum import StrEnum

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block

from bot.local_slack.errors import RefusedError
from bot.local_slack.records import Json


class Surface(StrEnum):
    """Where blocks are shown; it limits how many and which."""

    MESSAGE = "message"
    MODAL = "modal"
    HOME = "home"


def check_blocks(
    blocks: list[Json], *, surface: Surface, refused_types: frozenset[str] = frozenset()
) -> None:
    """Refuse blocks that Slack would refuse.

    Raises:
        RefusedError: `invalid_blocks` with a list of problems, or `msg_blocks_too_long`.
    """
    problems = [*_problems(blocks, surface, refused_types)]
    if problems:
        raise RefusedError(
            "invalid_blocks",
            {
                "errors": problems,
                "response_metadata": {"messages": [f"[ERROR] {p}" for p in problems]},
            },
        )


_MAX_BLOCKS = {Surface.MESSAGE: 50, Surface.MODAL: 100, Surface.HOME: 100}
_NOT_MODELLED = frozenset({"data_table", "data_visualization"})


def _problems(blocks: list[Json], surface: Surface, refused: frozenset[str]) -> Iterator[str]:
    if len(blocks) > _MAX_BLOCKS[surface]:
        yield f"no more than {_MAX_BLOCKS[surface]} items allowed [json-pointer:/blocks]"
    for number, block in enumerate(blocks):
        pointer = f"/blocks/{number}"
        kind = block.get("type")
        if kind in refused:
            yield f"unsupported type: {kind} [json-pointer:{pointer}/type]"
        elif kind not in _NOT_MODELLED and (problem := _sdk_problem(block)):
            yield f"{problem} [json-pointer:{pointer}]"


def _sdk_problem(block: Json) -> str | None:
    try:
        parsed = Block.parse(block)
        if parsed is None:
            return f"unsupported type: {block.get('type')}"
        parsed.validate_json()
    except (SlackObjectFormationError, TypeError, AttributeError) as error:
        return str(error)
    return None
