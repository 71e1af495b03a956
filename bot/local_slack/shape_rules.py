"""Small rules for JSON shapes that say where something is wrong, as Slack does: JSON pointers.

A rule takes a value and its pointer and yields one sentence per problem.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

Rule: TypeAlias = Callable[[Any, str], Iterator[str]]
_PLAIN_KEYS = frozenset({"type", "text", "emoji"})
_MRKDWN_KEYS = frozenset({"type", "text", "verbatim"})


def at(problem: str, pointer: str) -> str:
    """Write a problem with its place."""
    return f"{problem} [json-pointer:{pointer}]"


def string(most: int, *, least: int = 0) -> Rule:
    """A string of so many characters."""

    def rule(value: Any, pointer: str) -> Iterator[str]:  # noqa: ANN401 - any JSON
        if not isinstance(value, str):
            yield at("should be a string", pointer)
        elif len(value) > most:
            yield at(f"must be less than {most + 1} characters", pointer)
        elif len(value) < least:
            yield at(f"must be more than {least - 1} characters", pointer)

    return rule


def flag(value: Any, pointer: str) -> Iterator[str]:  # noqa: ANN401 - any JSON
    """True or false."""
    if not isinstance(value, bool):
        yield at("should be a boolean", pointer)


def number(value: Any, pointer: str) -> Iterator[str]:  # noqa: ANN401 - any JSON
    """A number, also as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        yield at("should be a number", pointer)


def anything(value: Any, pointer: str) -> Iterator[str]:  # noqa: ANN401 - any JSON
    """Whatever it is, it is left to others to judge."""
    del value, pointer
    yield from ()


def one_of(*allowed: str) -> Rule:
    """One of these words."""

    def rule(value: Any, pointer: str) -> Iterator[str]:  # noqa: ANN401 - any JSON
        if value not in allowed:
            yield at(f"must be one of: {', '.join(allowed)}", pointer)

    return rule


def items(each: Rule, *, most: int, least: int = 1) -> Rule:
    """A list of so many things of one kind."""

    def rule(value: Any, pointer: str) -> Iterator[str]:  # noqa: ANN401 - any JSON
        if not isinstance(value, list):
            yield at("must be an array", pointer)
            return
        if len(value) > most:
            yield at(f"no more than {most} items allowed", pointer)
        if len(value) < least:
            yield at(f"no less than {least} items required", pointer)
        for index, item in enumerate(value):
            yield from each(item, f"{pointer}/{index}")

    return rule


def fields(*, required: Mapping[str, Rule], optional: Mapping[str, Rule]) -> Rule:
    """An object with these fields and no others; null counts as absent."""
    known = {**required, **optional}

    def rule(value: Any, pointer: str) -> Iterator[str]:  # noqa: ANN401 - any JSON
        if not isinstance(value, dict):
            yield at("should be an object", pointer)
            return
        for name in required:
            if value.get(name) is None:
                yield at(f"missing required field: {name}", pointer)
        for name, part in value.items():
            if name not in known:
                yield at(f"additional property is not allowed: {name}", pointer)
            elif part is not None:
                yield from known[name](part, f"{pointer}/{name}")

    return rule


def by_type(rules: Mapping[str, Rule]) -> Rule:
    """An object whose `type` chooses the rule."""

    def rule(value: Any, pointer: str) -> Iterator[str]:  # noqa: ANN401 - any JSON
        kind = value.get("type") if isinstance(value, dict) else None
        if not isinstance(kind, str):
            yield at("missing required field: type", pointer)
        elif kind not in rules:
            yield at(f"unsupported type: {kind}", f"{pointer}/type")
        else:
            yield from rules[kind](value, pointer)

    return rule


def both(first: Rule, second: Rule) -> Rule:
    """What both rules say."""

    def rule(value: Any, pointer: str) -> Iterator[str]:  # noqa: ANN401 - any JSON
        yield from first(value, pointer)
        yield from second(value, pointer)

    return rule


def plain(most: int) -> Rule:
    """A plain_text object."""
    return _text(most, kinds=("plain_text",))


def any_text(most: int) -> Rule:
    """A plain_text or mrkdwn object."""
    return _text(most, kinds=("plain_text", "mrkdwn"))


def _text(most: int, *, kinds: tuple[str, ...]) -> Rule:
    content = string(most, least=1)

    def rule(value: Any, pointer: str) -> Iterator[str]:  # noqa: ANN401 - any JSON
        if not isinstance(value, dict):
            yield at("should be a text object", pointer)
            return
        kind = value.get("type")
        if kind not in kinds:
            yield at(f"must be {' or '.join(kinds)}", f"{pointer}/type")
        keys = _MRKDWN_KEYS if kind == "mrkdwn" else _PLAIN_KEYS
        for name in sorted(set(value) - keys):
            yield at(f"additional property is not allowed: {name}", pointer)
        yield from content(value.get("text"), f"{pointer}/text")

    return rule
