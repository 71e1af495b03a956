"""The pieces that modals are made of, and reading what was filled in. Pure.

A field's ``block_id`` and ``action_id`` are the same word, its name.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from agent_engine.types import JsonObject
from bot.outbound.blocks import ids
from bot.outbound.blocks.parts import plain
from bot.outbound.content import Block

MAX_INPUT = 3_000
MAX_OPTION = 75
MAX_OPTIONS = 100


class Choice(NamedTuple):
    """One option of a select or of radio buttons."""

    value: str
    label: str


def modal(
    form: ids.Form, *, title: str, blocks: Sequence[Block], submit: str = "Save"
) -> dict[str, Any]:
    """Return a modal that says which form it is when it is submitted."""
    return {
        "type": "modal",
        "callback_id": ids.callback_id(form),
        "private_metadata": ids.private_metadata(form),
        "title": plain(title, 24),
        "submit": plain(submit, 24),
        "close": plain("Cancel", 24),
        "blocks": list(blocks),
    }


def text_field(
    name: str, label: str, *, value: str = "", hint: str = "", lines: bool = False
) -> Block:
    """Return a field for text; optional."""
    element: dict[str, Any] = {
        "type": "plain_text_input",
        "action_id": name,
        "multiline": lines,
        "max_length": MAX_INPUT,
    }
    if value:
        element["initial_value"] = value[:MAX_INPUT]
    return _input(name, label, element, hint=hint)


def number_field(name: str, label: str, *, value: float, hint: str = "") -> Block:
    """Return a field for a number that is not negative."""
    element = {
        "type": "number_input",
        "action_id": name,
        "is_decimal_allowed": True,
        "initial_value": f"{value:.12g}",
        "min_value": "0",
    }
    return _input(name, label, element, hint=hint)


def select_field(
    name: str, label: str, choices: Sequence[Choice], *, chosen: str | None, hint: str = ""
) -> Block:
    """Return a field with one choice out of several."""
    element: dict[str, Any] = {
        "type": "static_select",
        "action_id": name,
        "options": [_option(choice) for choice in choices[:MAX_OPTIONS]],
    }
    if initial := [_option(c) for c in choices[:MAX_OPTIONS] if c.value == chosen]:
        element["initial_option"] = initial[0]
    return _input(name, label, element, hint=hint)


def multi_field(
    name: str, label: str, choices: Sequence[Choice], *, chosen: Sequence[str], hint: str = ""
) -> Block:
    """Return a field with any number of choices."""
    element: dict[str, Any] = {
        "type": "multi_static_select",
        "action_id": name,
        "options": [_option(choice) for choice in choices[:MAX_OPTIONS]],
    }
    if initial := [_option(c) for c in choices[:MAX_OPTIONS] if c.value in chosen]:
        element["initial_options"] = initial
    return _input(name, label, element, hint=hint)


def read_text(values: JsonObject, name: str) -> str:
    """Return what was typed; empty for nothing. ``values`` is the view's ``state.values``."""
    return str(_element(values, name).get("value") or "").strip()


def read_choice(values: JsonObject, name: str) -> str | None:
    """Return what was chosen; None for nothing."""
    option = _element(values, name).get("selected_option")
    return str(option["value"]) if isinstance(option, Mapping) and option.get("value") else None


def read_choices(values: JsonObject, name: str) -> tuple[str, ...]:
    """Return all that was chosen."""
    options = _element(values, name).get("selected_options")
    rows = options if isinstance(options, list) else []
    return tuple(str(o["value"]) for o in rows if isinstance(o, Mapping) and o.get("value"))


# ------------------------------------------------------------------------------------------------


def _input(name: str, label: str, element: dict[str, Any], *, hint: str) -> Block:
    block: dict[str, Any] = {
        "type": "input",
        "block_id": name,
        "optional": True,
        "label": plain(label, 2_000),
        "element": element,
    }
    return {**block, "hint": plain(hint, 2_000)} if hint else block


def _option(choice: Choice) -> dict[str, Any]:
    return {"text": plain(choice.label, MAX_OPTION), "value": choice.value[:150]}


def _element(values: JsonObject, name: str) -> Mapping[str, Any]:
    block = values.get(name)
    element = block.get(name) if isinstance(block, Mapping) else None
    return element if isinstance(element, Mapping) else {}
