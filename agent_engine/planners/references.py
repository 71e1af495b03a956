"""References between steps, ``{{step2.stdout}}``, as far as a planner must know them.

Finds and renumbers them in proposed parameters; putting results in their place is not done here.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

REFERENCE = re.compile(r"\{\{\s*step\s*_?(\d{1,6})\s*((?:\.[\w-]+|\[\d+\])*)\s*\}\}", re.IGNORECASE)


def reference(step: int, field: str = "") -> str:
    """Return the text that stands for a step's result, or for one field of it."""
    return f"{{{{step{step}.{field}}}}}" if field else f"{{{{step{step}}}}}"


def referenced_steps(value: object) -> frozenset[int]:
    """Return the numbers of all steps that strings anywhere in the value refer to."""
    return frozenset(
        int(match.group(1)) for text in _strings(value) for match in REFERENCE.finditer(text)
    )


def renumbered(value: Any, numbers: Mapping[int, int]) -> Any:  # noqa: ANN401  # any JSON value
    """Return the value with references to ``numbers``' keys pointing to its values instead."""

    def swap(match: re.Match[str]) -> str:
        old = int(match.group(1))
        return f"{{{{step{numbers.get(old, old)}{match.group(2)}}}}}"

    return _mapped(value, lambda text: REFERENCE.sub(swap, text))


def without_references(value: Any, unknown: frozenset[int]) -> Any:  # noqa: ANN401  # any JSON value
    """Return the value with references to these steps broken, so that they are plain text."""

    def defuse(match: re.Match[str]) -> str:
        return match.group(0).replace("{{", "{ {") if int(match.group(1)) in unknown else match[0]

    return _mapped(value, lambda text: REFERENCE.sub(defuse, text))


def _strings(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            for item in value.values():
                yield from _strings(item)
        case list() | tuple():
            for item in value:
                yield from _strings(item)
        case _:
            return


def _mapped(value: Any, change: Callable[[str], str]) -> Any:  # noqa: ANN401  # any JSON value
    match value:
        case str():
            return change(value) if "{{" in value else value
        case Mapping():
            return {key: _mapped(item, change) for key, item in value.items()}
        case list() | tuple():
            return [_mapped(item, change) for item in value]
        case _:
            return value
