"""What one Slack message says, in variants from the richest to the plainest. Values only."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Block = Mapping[str, Any]
"""One Block Kit block, as Slack takes it."""

MAX_TEXT = 3_900
"""Characters of the fallback text; chat.update refuses more than 4,000."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Persona:
    """Under which name and icon a message appears, where that is not the bot's own."""

    name: str
    icon_emoji: str | None = None
    """As ``:owl:``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A whole message, as it is posted and as every edit renders it anew."""

    text: str
    """The fallback: notifications, screen readers, servers that know no blocks. Already safe."""
    blocks: tuple[Block, ...] = ()
    plain_blocks: tuple[Block, ...] | None = None
    """For servers that refuse the newer block types; None when ``blocks`` uses none of them."""
    text_is_whole: bool = True
    """Whether the text alone says enough; where it is cut, it is no message by itself."""
    persona: Persona | None = None
    """Who seems to say it, where Slack allows that; None for the bot itself."""

    def variants(self) -> Sequence[tuple[Block, ...]]:
        """Return the block lists to try, best first; an empty one is text alone."""
        lists = [blocks for blocks in (self.blocks, self.plain_blocks) if blocks]
        return (*lists, ()) if self.text_is_whole or not lists else tuple(lists)


def body_hash(*parts: object) -> str:
    """Return a short digest of JSON values, to tell whether Slack shows them already."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def block_types(blocks: Sequence[Block]) -> frozenset[str]:
    """Return the types of these blocks and of the blocks and elements inside them."""
    found: set[str] = set()
    pending: list[object] = list(blocks)
    while pending:
        match pending.pop():
            case Mapping() as item:
                if isinstance(kind := item.get("type"), str):
                    found.add(kind)
                pending.extend(item.values())
            case list() | tuple() as items:
                pending.extend(items)
            case _:
                pass
    return frozenset(found)
