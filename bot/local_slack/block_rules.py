"""Which blocks Slack would refuse, and where: errors name JSON pointers, as Slack's do.

Own tables come first, then the SDK's validators, which model a few things more. Changes nothing.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block

from bot.local_slack import element_rules as elements
from bot.local_slack.errors import RefusedError
from bot.local_slack.records import Json
from bot.local_slack.shape_rules import (
    Rule,
    any_text,
    anything,
    at,
    both,
    by_type,
    fields,
    flag,
    items,
    number,
    one_of,
    plain,
    string,
)


class Surface(StrEnum):
    """Where blocks are shown; it limits how many and which."""

    MESSAGE = "message"
    MODAL = "modal"
    HOME = "home"


MAX_MARKDOWN = 12_000
MAX_CHARACTERS = 13_200
"""Third-party measurements of `msg_blocks_too_long` lie between 13,172 and 13,297."""
_MAX_BLOCKS = {Surface.MESSAGE: 50, Surface.MODAL: 100, Surface.HOME: 100}
_MESSAGES_ONLY = frozenset({"context_actions", "markdown", "plan", "table", "task_card"})
_ONE_PER_MESSAGE = ("table",)
_MAX_CHARTS = 2
_NOT_MODELLED = frozenset({"data_table", "data_visualization"})
"""Newer types that slack_sdk 3.47 does not know but Slack accepts."""


def check_blocks(
    blocks: list[Json], *, surface: Surface, refused_types: frozenset[str] = frozenset()
) -> None:
    """Refuse blocks that Slack would refuse.

    Raises:
        RefusedError: `invalid_blocks` with a list of problems, or `msg_blocks_too_long`.
    """
    problems = block_problems(blocks, surface=surface, refused_types=refused_types)
    if problems:
        messages = [f"[ERROR] {problem}" for problem in problems]
        facts = {"errors": problems, "response_metadata": {"messages": messages}}
        raise RefusedError("invalid_blocks", facts)
    is_message = surface is Surface.MESSAGE
    if is_message and (_size(blocks) > MAX_CHARACTERS or _markdown_size(blocks) > MAX_MARKDOWN):
        raise RefusedError("msg_blocks_too_long")


def block_problems(
    blocks: list[Json], *, surface: Surface, refused_types: frozenset[str] = frozenset()
) -> list[str]:
    """List what is wrong with blocks, each problem with its JSON pointer."""
    root = "/blocks" if surface is Surface.MESSAGE else "/view/blocks"
    problems = [*_together(blocks, surface, root)]
    for index, block in enumerate(blocks):
        pointer = f"{root}/{index}"
        own = [*_alone(block, pointer, surface, refused_types)]
        problems += own or _sdk_problems(block, pointer)
    return problems


def _together(blocks: list[Json], surface: Surface, root: str) -> Iterator[str]:
    most = _MAX_BLOCKS[surface]
    if len(blocks) > most:
        yield at(f"no more than {most} items allowed", root)
    kinds = Counter(str(b.get("type")) for b in blocks)
    for kind in _ONE_PER_MESSAGE:
        if kinds[kind] > 1:
            yield at(f"no more than 1 block of type {kind} allowed", root)
    if kinds["data_visualization"] > _MAX_CHARTS:
        yield at(f"no more than {_MAX_CHARTS} charts allowed", root)
    seen: set[str] = set()
    for index, block in enumerate(blocks):
        block_id = str(block.get("block_id") or "")
        if block_id and block_id in seen:
            yield at(f"block_id {block_id} already exists", f"{root}/{index}/block_id")
        seen.add(block_id)


def _alone(block: Json, pointer: str, surface: Surface, refused: frozenset[str]) -> Iterator[str]:
    kind = str(block.get("type"))
    if kind in refused or (surface is not Surface.MESSAGE and kind in _MESSAGES_ONLY):
        yield at(f"unsupported type: {kind}", f"{pointer}/type")
        return
    yield from _BLOCK(block, pointer)
    action_ids = Counter(_action_ids(block))
    for action_id, count in action_ids.items():
        if count > 1:
            yield at(f"action_id {action_id} already exists in this block", pointer)


def _action_ids(block: Json) -> Iterator[str]:
    parts = block.get("elements")
    for part in parts if isinstance(parts, list) else []:
        if isinstance(part, dict) and isinstance(part.get("action_id"), str):
            yield part["action_id"]


def _sdk_problems(block: Json, pointer: str) -> list[str]:
    if str(block.get("type")) in _NOT_MODELLED:
        return []
    try:
        parsed = Block.parse(block)
        if parsed is None:
            return [at(f"unsupported type: {block.get('type')}", f"{pointer}/type")]
        parsed.validate_json()
        unknown = sorted(set(block) - parsed.attributes - {"type"})
    except (SlackObjectFormationError, TypeError, AttributeError, KeyError) as error:
        return [at(str(error), pointer)]
    return [at(f"additional property is not allowed: {name}", pointer) for name in unknown]


def _size(value: Any) -> int:  # noqa: ANN401 - any JSON
    """Count the characters people would see."""
    if isinstance(value, dict):
        counted = ("text", "title", "details", "output", "description", "label", "hint")
        own = sum(len(v) for k, v in value.items() if k in counted and isinstance(v, str))
        return own + sum(_size(v) for v in value.values() if isinstance(v, dict | list))
    return sum(_size(v) for v in value) if isinstance(value, list) else 0


def _markdown_size(blocks: list[Json]) -> int:
    return sum(len(str(b.get("text", ""))) for b in blocks if b.get("type") == "markdown")


def _block(*, required: Mapping[str, Rule], optional: Mapping[str, Rule]) -> Rule:
    shared = {"type": anything, "block_id": string(255)}
    return fields(required=required, optional={**shared, **optional})


def _text_or_fields(value: Any, pointer: str) -> Iterator[str]:  # noqa: ANN401 - any JSON
    if not value.get("text") and not value.get("fields"):
        yield at("missing required field: text or fields", pointer)


def _rectangle(value: Any, pointer: str) -> Iterator[str]:  # noqa: ANN401 - any JSON
    rows = value.get("rows")
    lengths = {len(row) for row in rows if isinstance(row, list)} if isinstance(rows, list) else ()
    if len(lengths) > 1:
        yield at("rows must have the same number of cells", f"{pointer}/rows")


_RICH_TEXT = _block(
    required={
        "elements": items(by_type(elements.RICH_TEXT_PARTS), most=10_000),
    },
    optional={},
)
_TASK_CARD = _block(
    required={
        "task_id": string(255, least=1),
        "title": string(256, least=1),
        "status": one_of("pending", "in_progress", "complete", "error"),
    },
    optional={
        "details": by_type({"rich_text": _RICH_TEXT}),
        "output": by_type({"rich_text": _RICH_TEXT}),
        "sources": items(by_type({"url": elements.SOURCE}), most=50, least=0),
    },
)
_CELL = by_type(
    {
        "raw_text": fields(required={"text": string(40_000, least=1)}, optional={"type": anything}),
        "raw_number": fields(
            required={"value": number, "text": string(255, least=1)}, optional={"type": anything}
        ),
        "rich_text": _RICH_TEXT,
    }
)
_IMAGE_FIELDS: dict[str, Rule] = {
    "image_url": elements.URL,
    "slack_file": elements.SLACK_FILE,
    "title": plain(2000),
}
_CHILDREN = ("section", "divider", "image", "actions", "context", "header", "rich_text", "markdown")
_SIMPLE: dict[str, Rule] = {
    "section": both(
        _block(
            required={},
            optional={
                "text": any_text(3000),
                "fields": items(any_text(2000), most=10),
                "accessory": by_type(elements.ACCESSORIES),
                "expand": flag,
            },
        ),
        _text_or_fields,
    ),
    "divider": _block(required={}, optional={}),
    "image": elements.has_picture(
        _block(required={"alt_text": string(2000)}, optional=_IMAGE_FIELDS)
    ),
    "actions": _block(
        required={"elements": items(by_type(elements.ACTIONS), most=25)}, optional={}
    ),
    "context": _block(
        required={"elements": items(by_type(elements.CONTEXT), most=10)}, optional={}
    ),
    "context_actions": _block(
        required={"elements": items(by_type(elements.CONTEXT_ACTIONS), most=5)}, optional={}
    ),
    "input": _block(
        required={"label": plain(2000), "element": by_type(elements.INPUTS)},
        optional={"hint": plain(2000), "optional": flag, "dispatch_action": flag},
    ),
    "header": _block(required={"text": plain(150)}, optional={}),
    "markdown": _block(required={"text": string(MAX_MARKDOWN, least=1)}, optional={}),
    "rich_text": _RICH_TEXT,
    "table": both(
        _block(
            required={"rows": items(items(_CELL, most=20), most=100)},
            optional={"column_settings": items(anything, most=20, least=0)},
        ),
        _rectangle,
    ),
    "task_card": _TASK_CARD,
    "plan": _block(
        required={"title": string(256, least=1)},
        optional={"tasks": items(by_type({"task_card": _TASK_CARD}), most=50, least=0)},
    ),
    "alert": _block(
        required={"text": any_text(200)},
        optional={"level": one_of("default", "info", "warning", "error", "success")},
    ),
    "data_table": _block(
        required={"rows": items(anything, most=101)},
        optional={"caption": anything, "page_size": anything, "columns": anything},
    ),
}
_LEFT_TO_SDK = (
    "auth_provider",
    "call",
    "card",
    "carousel",
    "data_visualization",
    "file",
    "video",
)


def _child(value: Any, pointer: str) -> Iterator[str]:  # noqa: ANN401 - any JSON
    yield from by_type({kind: _SIMPLE[kind] for kind in _CHILDREN})(value, pointer)


_BLOCK = by_type(
    {
        **_SIMPLE,
        **dict.fromkeys(_LEFT_TO_SDK, anything),
        "container": both(
            anything, lambda value, pointer: _children(value.get("child_blocks"), pointer)
        ),
    }
)


def _children(value: Any, pointer: str) -> Iterator[str]:  # noqa: ANN401 - any JSON
    yield from items(_child, most=10)(value, f"{pointer}/child_blocks")
