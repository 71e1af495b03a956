"""Turn what a tool returned into plain JSON of a bounded size.

The head and the tail are kept, because errors stand at the end, and every cut says how much it
took. It must not lose anything silently.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from agent_engine.errors import ToolError
from agent_engine.long_texts import PIECE, in_turn
from agent_engine.types import JsonObject

MAX_DEPTH: Final = 32
MAX_NODES: Final = 200_000
MAX_FULL_CHARS: Final = 16 * 1024 * 1024
MAX_INTEGER_BITS: Final = 1024
_LEAST_CHARS: Final = 40
_LEAST_ITEMS: Final = 4
_CHARS_PER_ITEM: Final = 24
_KEPT_AT_HEAD: Final = 2 / 3
_PER_TEXT: Final = 64
"""As many characters are copied in the time that any text takes, however short it is."""
_ALWAYS_KEPT: Final = ("success", "error", "final_result", "unexpected", "replan_requested")


class NotJsonError(ToolError):
    """The tool returned something that is not JSON."""


@dataclass(slots=True)
class _Budget:
    nodes: int = MAX_NODES


def plain_json(value: object, *, text: Callable[[str], str]) -> dict[str, Any]:
    """Copy a result into plain dicts and lists, passing every string through ``text``.

    Raises:
        NotJsonError: it is no object, or holds something JSON has no word for; says where.
    """
    if not isinstance(value, Mapping):
        raise NotJsonError(f"the tool returned {type(value).__name__} instead of a JSON object")
    copied: dict[str, Any] = _copy(value, "result", text, _Budget(), depth=1)
    return copied


async def plain_copy(value: object, *, text: Callable[[str], str]) -> dict[str, Any]:
    """Copy a result as ``plain_json`` does; aside where it is long, for others have their turn."""
    return await in_turn(_size(value), lambda: plain_json(value, text=text))


def shortened(result: JsonObject, max_chars: int) -> tuple[dict[str, Any], str | None]:
    """Return the result within ``max_chars`` of JSON, and all of it as text where it was cut."""
    full = json.dumps(result, ensure_ascii=False)
    if len(full) <= max_chars:
        return dict(result), None
    kept = cut_text(full, MAX_FULL_CHARS)
    low, high, best = _LEAST_CHARS, max_chars, None
    while low <= high:
        middle = (low + high) // 2
        attempt = _cut(result, middle)
        if len(json.dumps(attempt, ensure_ascii=False)) <= max_chars:
            low, best = middle + 1, attempt
        else:
            high = middle - 1
    return best if best is not None else _as_text(result, full, max_chars), kept


def cut_text(text: str, max_chars: int) -> str:
    """Keep the head and the tail and say between them how many characters were left out.

    >>> cut_text("a" * 50 + "b" * 50, 60)
    'aaaaaaaaaaaaaaaaaaaa … [71 characters left out] … bbbbbbbbb'
    """
    if len(text) <= max_chars:
        return text
    marker = f" … [{len(text)} characters left out] … "
    room = max(max_chars - len(marker), 0)
    head = math.ceil(room * _KEPT_AT_HEAD)
    tail = room - head
    marker = f" … [{len(text) - head - tail} characters left out] … "
    return text[:head] + marker + (text[-tail:] if tail else "")


def one_line(text: str, max_chars: int = 140) -> str:
    """Make one printable line of any text."""
    start = text[: 4 * max_chars]
    line = " ".join("".join(char if char.isprintable() else " " for char in start).split())
    return line if len(line) <= max_chars else f"{line[: max_chars - 1]}…"


def _size(value: object) -> int:
    """Return how long copying it takes, in characters; what is too long has no end to be found."""
    waiting, size = [value], 0
    while waiting and size <= PIECE:
        match waiting.pop():
            case str() as text:
                size += len(text) + _PER_TEXT
            case Mapping() as members:
                size += _PER_TEXT
                waiting += (*members.keys(), *members.values())
            case list() | tuple() as items:
                size += _PER_TEXT
                waiting += items
            case _:
                size += 1
    return size


def _copy(
    value: object, where: str, text: Callable[[str], str], budget: _Budget, *, depth: int
) -> Any:  # noqa: ANN401  any JSON value
    budget.nodes -= 1
    if budget.nodes < 0:
        raise NotJsonError(f"the tool returned more than {MAX_NODES} values")
    if depth > MAX_DEPTH:
        raise NotJsonError(f"the tool returned a result nested deeper than {MAX_DEPTH}")
    match value:
        case None | bool():
            return value
        case str():
            return text(_encodable(value))
        case int() | float():
            return _number(value, where)
        case Mapping():
            return {
                text(_encodable(_key(key, where))): _copy(
                    item, f"{where}.{key}", text, budget, depth=depth + 1
                )
                for key, item in value.items()
            }
        case list() | tuple():
            return [
                _copy(item, f"{where}[{number}]", text, budget, depth=depth + 1)
                for number, item in enumerate(value)
            ]
        case _:
            kind = type(value).__name__
            raise NotJsonError(f"the tool returned {kind} in {where[:80]}, which is not JSON")


def _key(key: object, where: str) -> str:
    if not isinstance(key, str):
        raise NotJsonError(f"the tool returned a key that is no string in {where[:80]}")
    return key


def _number(value: float, where: str) -> float:
    if isinstance(value, int) and value.bit_length() > MAX_INTEGER_BITS:
        raise NotJsonError(f"the tool returned too large a number in {where[:80]}")
    if not math.isfinite(value):
        raise NotJsonError(f"the tool returned a number that is not finite in {where[:80]}")
    return value


def _encodable(text: str) -> str:
    """Replace lone surrogates, which no database and no model server takes."""
    return str(text).encode(errors="replace").decode()


def _cut(value: Any, max_chars: int) -> Any:  # noqa: ANN401  any JSON value
    match value:
        case str():
            return cut_text(value, max_chars)
        case dict():
            return _cut_object(value, max_chars)
        case list():
            return _cut_list(value, max_chars)
        case _:
            return value


def _cut_list(items: list[Any], max_chars: int) -> list[Any]:
    room = max(max_chars // _CHARS_PER_ITEM, _LEAST_ITEMS)
    if len(items) <= room:
        return [_cut(item, max_chars) for item in items]
    head = math.ceil(room * _KEPT_AT_HEAD)
    tail = room - head
    marker = f"… [{len(items) - room} items left out] …"
    kept = [_cut(item, max_chars) for item in (*items[:head], *items[len(items) - tail :])]
    return [*kept[:head], marker, *kept[head:]]


def _cut_object(fields: dict[str, Any], max_chars: int) -> dict[str, Any]:
    room = max(max_chars // _CHARS_PER_ITEM, _LEAST_ITEMS)
    if len(fields) <= room:
        return {cut_text(key, max_chars): _cut(item, max_chars) for key, item in fields.items()}
    first: list[str] = [name for name in _ALWAYS_KEPT if name in fields]
    names = [*first, *[name for name in fields if name not in first][:room]]
    left_out = len(fields) - len(names)
    kept = {cut_text(name, max_chars): _cut(fields[name], max_chars) for name in names}
    return {**kept, "…": f"[{left_out} fields left out]"}


def _as_text(result: JsonObject, full: str, max_chars: int) -> dict[str, Any]:
    """Fall back for a shape that cutting its strings and lists cannot make small."""
    facts = {"success": bool(result.get("success", False))}
    error = result.get("error")
    told = {"error": cut_text(str(error), max_chars // 4)} if error is not None else {}
    return {**facts, **told, "shortened": cut_text(full, max(max_chars // 3, _LEAST_CHARS))}
