"""Finds JSON in what a model wrote, however it wrote it.

Knows nothing of plans. It must never raise on any text: it finds candidates or none.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from agent_engine.ports import ModelReply, ToolRequest

MAX_TRIES = 40
"""How many opening brackets are tried before a text counts as prose."""

_THINKING = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
_THOUGHT_END = re.compile(r"\A.*</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_THOUGHT_BEGIN = re.compile(r"<think(?:ing)?>", re.IGNORECASE)
_HALF_TAG = re.compile(r"</?(?:t(?:h(?:i(?:n(?:k(?:i(?:ng?)?)?)?)?)?)?)?\Z", re.IGNORECASE)
"""What may become a mark of thinking."""
_FENCED = re.compile(r"```[a-zA-Z0-9]*[ \t]*\n?(.*?)```", re.DOTALL)
_OPENING = re.compile(r"[{\[]")


def without_thinking(text: str) -> str:
    """Return the text without what a reasoning model thought aloud."""
    if "think" not in text:
        return text.strip()
    return _THOUGHT_END.sub("", _THINKING.sub("", text)).strip()


def spoken_so_far(text: str, *, thinks_unmarked: bool = False) -> str:
    """Return what is certainly no thinking of a text that still grows.

    >>> spoken_so_far("<think>17 is prime</think> It is.<thi")
    'It is.'
    """
    if thinks_unmarked and _THOUGHT_END.match(text) is None:
        return ""
    return _HALF_TAG.sub("", without_thinking(text)).rstrip()


def thinks_unmarked(text: str) -> bool:
    """Say whether the text ends a thought that it did not begin."""
    end = _THOUGHT_END.match(text)
    return end is not None and _THOUGHT_BEGIN.search(end[0]) is None


def json_candidates(reply: ModelReply) -> Iterator[Any]:
    """Yield what may be the JSON in a reply, most likely first; nothing for prose."""
    if reply.tool_requests:
        yield _called(reply.tool_requests)
    text = without_thinking(reply.text)
    whole = parsed(text)
    if whole is not None:
        yield whole
        return
    for match in _FENCED.finditer(text):
        fenced = parsed(match.group(1))
        if fenced is not None:
            yield fenced
    yield from _embedded(text)


def parsed(text: str) -> Any | None:  # noqa: ANN401  # any JSON value
    """Return the object or array that the text is; None when it is neither."""
    text = text.strip()
    if not text.startswith(("{", "[")):
        return None
    try:
        value: Any = _DECODER.decode(text)
    except (ValueError, RecursionError):
        return None
    return value


def _embedded(text: str) -> Iterator[Any]:
    """Yield the first object or array that stands anywhere in the text; the rest is ignored."""
    for tries, match in enumerate(_OPENING.finditer(text)):
        if tries == MAX_TRIES:
            return
        try:
            value: Any
            value, _ = _DECODER.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) or (value and isinstance(value[0], dict)):
            yield value
            return


def _called(requests: Sequence[ToolRequest]) -> Any:  # noqa: ANN401  # any JSON value
    calls = [{"name": call.name, "arguments": call.arguments} for call in requests]
    return calls[0] if len(calls) == 1 else calls


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(strict=False, parse_constant=_no_constant)
"""Not strict: small models write line breaks inside strings; ``NaN`` is refused."""
