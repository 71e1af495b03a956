"""The pieces that blocks are made of, each within Slack's sizes. Pure.

``plain`` and ``rich`` take any text and show it literally; ``mrkdwn`` takes markup that is safe.
"""

import re
from collections.abc import Sequence
from typing import Any

from agent_engine.types import UserId
from bot.outbound.blocks import ids
from bot.outbound.content import Block
from bot.outbound.text import cut, one_line

MAX_BUTTON = 75
MAX_SECTION = 2_900
MAX_CONTEXT = 1_900
MAX_HEADER = 150

_NOTHING = "-"
USER_ID = re.compile(r"[UW][A-Z0-9]{1,30}")


def plain(text: str, limit: int) -> dict[str, Any]:
    """Return a plain text object: nothing in it has a meaning."""
    return {"type": "plain_text", "text": one_line(text, limit) or _NOTHING, "emoji": False}


def section(mrkdwn: str) -> Block:
    """Return a paragraph of safe mrkdwn."""
    return {
        "type": "section",
        "text": {"type": "mrkdwn", "text": cut(mrkdwn, MAX_SECTION) or _NOTHING},
    }


def context(mrkdwn: str) -> Block:
    """Return a small grey line of safe mrkdwn."""
    element = {"type": "mrkdwn", "text": cut(mrkdwn, MAX_CONTEXT) or _NOTHING, "verbatim": True}
    return {"type": "context", "elements": [element]}


def quiet(text: str) -> Block:
    """Return a small grey line of any text, shown literally."""
    return {"type": "context", "elements": [plain(text, MAX_CONTEXT)]}


def header(text: str) -> Block:
    """Return a heading of any text."""
    return {"type": "header", "text": plain(text, MAX_HEADER)}


def rich(text: str) -> Block:
    """Return any text as rich text, shown literally."""
    element = {"type": "text", "text": text or _NOTHING}
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [element]}]}


def button(label: str, action: ids.Action, *, style: str | None = None) -> dict[str, Any]:
    """Return a button; ``style`` is ``primary``, ``danger`` or None."""
    made: dict[str, Any] = {
        "type": "button",
        "text": {**plain(label, MAX_BUTTON), "emoji": True},
        "action_id": ids.action_id(action),
        "value": ids.value(action),
    }
    return made if style is None else {**made, "style": style}


def link_button(label: str, url: str, *, name: str) -> dict[str, Any]:
    """Return a button that leads to an address."""
    return {**button(label, ids.OpenLink(name=name)), "url": url}


def actions(elements: Sequence[dict[str, Any]]) -> Block:
    """Return a row of up to 25 buttons."""
    return {"type": "actions", "elements": list(elements[:25])}


def person(user_id: UserId | None) -> str:
    """Return mrkdwn that names a person, without sounding for what is no id; "someone" for None."""
    if user_id is None:
        return "someone"
    return f"<@{user_id}>" if USER_ID.fullmatch(user_id) else one_line(user_id, 30)
