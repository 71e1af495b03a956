"""The modals about a tool call that waits for a person: changing, denying, seeing it whole. Pure.

An argument is one field, by its type in the tool's schema where there is one, else by what it is
now. What comes back is exact: nothing that was typed is stripped or tidied.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agent_engine.types import JsonObject, ProposedCall
from bot.outbound.blocks import ids
from bot.outbound.blocks.forms import MAX_INPUT, MAX_OPTIONS, Choice, modal, select_field
from bot.outbound.blocks.parts import plain, quiet, section
from bot.outbound.blocks.visible import kind_of, made_visible, shown_value
from bot.outbound.content import Block
from bot.outbound.text import escape, one_line

MAX_FIELDS = 40
REMARK = "remark"
REPLY = "reply"

_CHUNK = 2_800
_MAX_CHUNKS = 80
_MAX_ENUM = 140
"""An option's value has at most 150 characters."""
_ONE_LINE = 120
"""Texts up to this length are a field of one line."""
_LONG = 10_000
"""An argument that may have so many characters is a document, however short it is now."""
_PLAIN_NUMBER = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,12})?")
"""What Slack's field for numbers takes: no exponents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What came back from the form: all arguments, or what is wrong, by field."""

    arguments: JsonObject | None = None
    """None: as they were proposed."""
    errors: Mapping[str, str]


def change_modal(
    form: ids.ChangeForm,
    call: ProposedCall,
    schema: JsonObject | None,
    *,
    hidden: Collection[str] = (),
) -> JsonObject:
    """Render the arguments as fields.

    Args:
        form: which form it is.
        call: what is asked about.
        schema: the tool's, None where it is not known.
        hidden: arguments with secrets, which Slack is not shown as they are: they stay so.
    """
    required = (schema or {}).get("required") or ()
    blocks: list[Block] = [section(f"Approve `{_name(call.tool)}` with these arguments:")]
    for number, (name, value) in enumerate(call.arguments.items()):
        if name in hidden:
            blocks.append(
                quiet(f"{_label(name)}: a secret in it is not shown, so it stays as it is.")
            )
        else:
            may_be_empty = value == "" or (isinstance(value, str) and name not in required)
            fields = _field(number, name, value, _property(schema, name, value))
            blocks += (_optional(field, is_so=may_be_empty) for field in fields)
    return modal(form, title="Approve with changes", blocks=blocks, submit="Approve")


def read_changes(values: JsonObject, call: ProposedCall, schema: JsonObject | None) -> Changes:
    """Return the arguments as the person left them; ``values`` is the view's ``state.values``."""
    left: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for number, (name, value) in enumerate(call.arguments.items()):
        typed = values.get(field_name(number))
        element = typed.get(field_name(number)) if isinstance(typed, Mapping) else None
        if not isinstance(element, Mapping):
            left[name] = value
            continue
        try:
            left[name] = _left(element, value, _property(schema, name, value))
        except ValueError as error:
            errors[field_name(number)] = str(error)
    if errors:
        return Changes(errors=errors)
    return Changes(arguments=None if _same(left, call.arguments) else left, errors={})


def field_of(call: ProposedCall, sentence: str) -> str:
    """Return the field that a sentence about the arguments is about: the first that it names."""
    shown = [n for n, (name, value) in enumerate(call.arguments.items()) if _fits(n, value)]
    names = list(call.arguments)
    named = (n for n in shown if names[n] in sentence)
    return field_name(next(named, next(iter(shown), 0)))


def field_name(number: int) -> str:
    """Return the name of the field of the argument with this number from 0."""
    return f"argument-{number}"


def deny_modal(form: ids.DenyForm, call: ProposedCall) -> JsonObject:
    """Ask why a call is denied."""
    asked = section(f"`{_name(call.tool)}` will not be called; the agent looks for another way.")
    field = _text_input(REMARK, "Why?", "", hint="The agent is told.", lines=True)
    return modal(form, title="Deny", blocks=[asked, field], submit="Deny")


def reply_modal(form: ids.ReplyForm, question: str) -> JsonObject:
    """Ask for an answer in one's own words."""
    asked = section(escape(one_line(question, 2_500)))
    field = _text_input(REPLY, "Your answer", "", hint="", lines=True)
    return modal(form, title="Answer", blocks=[asked, _optional(field, is_so=False)], submit="Send")


def whole_modal(call: ProposedCall) -> JsonObject:
    """Show all of every argument, as far as a modal goes."""
    blocks: list[Block] = []
    for name, value in call.arguments.items():
        text, kind = shown_value(value), kind_of(value)
        said = f" ({kind})" if kind else ""
        blocks.append(_bold(f"{made_visible(one_line(name, 100))}{said}"))
        blocks += [_code(text[at : at + _CHUNK]) for at in range(0, len(text), _CHUNK)]
    if not fits_modal(call):
        rest = "The rest is in the file in the thread: a window in Slack holds no more."
        blocks = [*blocks[:_MAX_CHUNKS], quiet(rest)]
    title = {"type": "modal", "title": plain("What would be done", 24)}
    return {**title, "close": plain("Close", 24), "blocks": blocks or [quiet("No arguments.")]}


def fits_modal(call: ProposedCall) -> bool:
    """Say whether a modal can show the call whole."""
    lengths = [len(shown_value(value)) for value in call.arguments.values()]
    return sum(1 + -(-length // _CHUNK) for length in lengths) <= _MAX_CHUNKS


def whole_text(call: ProposedCall) -> str:
    """Return the call as a text file, everything in it visible."""
    parts = [f"tool: {made_visible(call.tool)}"]
    for name, value in call.arguments.items():
        kind = kind_of(value)
        said = f" ({kind})" if kind else ""
        parts.append(f"\n--- {made_visible(name)}{said} ---\n{shown_value(value)}")
    return "\n".join(parts) + "\n"


def read_plain(values: JsonObject, name: str) -> str:
    """Return what was typed into a field; empty for nothing."""
    block = values.get(name)
    element = block.get(name) if isinstance(block, Mapping) else None
    return str(element.get("value") or "").strip() if isinstance(element, Mapping) else ""


# -- fields --------------------------------------------------------------------------------------


def _field(number: int, name: str, value: object, schema: Mapping[str, Any]) -> Iterator[Block]:
    label = _label(name)
    if not _fits(number, value):
        yield quiet(f"{label}: too long to be changed here, so it stays as it is.")
        return
    kind, field = _kind(value, schema), field_name(number)
    hint = one_line(str(schema.get("description") or ""), 300)
    match kind:
        case "choice":
            choices = [Choice(_word(option), _word(option)) for option in schema["enum"]]
            yield select_field(field, label, choices, chosen=_word(value), hint=hint)
        case "boolean":
            choices = [Choice("true", "Yes"), Choice("false", "No")]
            yield select_field(field, label, choices, chosen=_json(value), hint=hint)
        case "text":
            shown = str(value)
            if shown_value(shown).replace("↵\n", "\n") != shown:
                hint = f"{hint} It holds signs that do not show: see the message.".strip()
            is_long = _wants_lines(shown, schema)
            yield _text_input(field, label, shown, hint=hint, lines=is_long)
        case "integer" | "number":
            yield _number_input(field, label, value, schema, hint=hint)
        case _:
            hint = f"{hint} As JSON.".strip()
            yield _text_input(field, label, _json(value), hint=hint, lines=True)


def _optional(block: Block, *, is_so: bool) -> Block:
    """Say whether a field for text may be left empty; other fields never, the rest is no field."""
    if block["type"] != "input":
        return block
    return {**block, "optional": is_so and block["element"]["type"] == "plain_text_input"}


def _label(name: str) -> str:
    return made_visible(one_line(name, 100))


def _wants_lines(text: str, schema: Mapping[str, Any]) -> bool:
    """Say whether a text needs room, or has blanks or line ends that one line would not keep."""
    longest = schema.get("maxLength")
    may_grow = isinstance(longest, int) and longest >= _LONG
    return may_grow or len(text) > _ONE_LINE or text != text.strip() or len(text.splitlines()) > 1


def _word(option: object) -> str:
    """Return how an option is called, in the menu and in what comes back of it."""
    return option if isinstance(option, str) else _json(option)


def _kind(value: object, schema: Mapping[str, Any]) -> str:
    options, wanted = schema.get("enum"), schema.get("type")
    if isinstance(options, list) and _is_menu(options) and value in options:
        return "choice"
    if wanted == "string" and isinstance(value, str):
        return "text"
    if wanted == "boolean" and isinstance(value, bool):
        return "boolean"
    if wanted in {"integer", "number"} and _is_number(value):
        return str(wanted)
    if wanted is not None:
        return "json"
    match value:
        case bool():
            return "boolean"
        case str():
            return "text"
        case int() | float():
            return "number"
        case _:
            return "json"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_menu(options: list[Any]) -> bool:
    """Say whether the options can be a menu: texts and whole numbers, told apart by their words."""
    if not all(isinstance(o, str | int) and not isinstance(o, bool) for o in options):
        return False
    words = [_word(option) for option in options]
    is_told_apart = len(set(words)) == len(words) <= MAX_OPTIONS
    return is_told_apart and bool(words) and all(0 < len(word) <= _MAX_ENUM for word in words)


def _left(element: Mapping[str, Any], value: object, schema: Mapping[str, Any]) -> object:
    """Return what was put into a field. Raises ValueError with a sentence for the person."""
    option = element.get("selected_option")
    chosen = str(option["value"]) if isinstance(option, Mapping) else None
    typed = str(element.get("value") or "")
    match kind := _kind(value, schema):
        case "choice":
            return _chosen(chosen, {_word(option): option for option in schema["enum"]})
        case "boolean":
            return _chosen(chosen, {"true": True, "false": False})
        case "text":
            return typed
        case "integer" | "number":
            number = _number(typed.strip(), whole=kind == "integer")
            return value if number == value else number
        case _:
            return _from_json(typed)


def _chosen(chosen: str | None, options: Mapping[str, object]) -> object:
    if chosen is None or chosen not in options:
        raise ValueError("Choose one.")
    return options[chosen]


def _number(typed: str, *, whole: bool) -> int | float:
    try:
        return int(typed)
    except ValueError:
        pass
    try:
        if not whole and (number := float(typed)) - number == 0:
            return number
    except ValueError:
        pass
    raise ValueError("Put a whole number here." if whole else "Put a number here.")


def _from_json(typed: str) -> object:
    try:
        found: object = json.loads(typed)
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise ValueError(f"This is not JSON{where}.") from error
    return found


def _property(schema: JsonObject | None, name: str, value: object) -> Mapping[str, Any]:
    """Return what the schema says of an argument: of several, the alternative that the value is."""
    properties = schema.get("properties") if schema else None
    found = properties.get(name) if isinstance(properties, Mapping) else None
    if not isinstance(found, Mapping):
        return {}
    several = found.get("anyOf") or found.get("oneOf")
    if not isinstance(several, list):
        return found
    fitting = (one for one in several if isinstance(one, Mapping) and _is_a(one, value))
    return {**next(fitting, {}), "description": found.get("description", "")}


def _is_a(schema: Mapping[str, Any], value: object) -> bool:
    options = schema.get("enum")
    if isinstance(options, list):
        return value in options
    return schema.get("type") is not None and _kind(value, schema) != "json"


def _fits(number: int, value: object) -> bool:
    text = value if isinstance(value, str) else _json(value)
    return number < MAX_FIELDS and len(text) <= MAX_INPUT


def _same(left: JsonObject, right: JsonObject) -> bool:
    return json.dumps(dict(left), sort_keys=True) == json.dumps(dict(right), sort_keys=True)


def _json(value: object) -> str:
    indent = 2 if isinstance(value, Mapping | list | tuple) else None
    return json.dumps(value, ensure_ascii=False, indent=indent, default=str)


def _text_input(name: str, label: str, value: str, *, hint: str, lines: bool) -> dict[str, Any]:
    element: dict[str, Any] = {
        "type": "plain_text_input",
        "action_id": name,
        "multiline": lines,
        "max_length": MAX_INPUT,
    }
    if value:
        element["initial_value"] = value
    block: dict[str, Any] = {
        "type": "input",
        "block_id": name,
        "optional": True,
        "label": plain(label, 150),
        "element": element,
    }
    return {**block, "hint": plain(hint, 500)} if hint else block


def _number_input(
    name: str, label: str, value: object, schema: Mapping[str, Any], *, hint: str
) -> dict[str, Any]:
    """Return a field for a number; a plain one where Slack's own could not hold the number."""
    shown = _json(value)
    if not _PLAIN_NUMBER.fullmatch(shown):
        return _text_input(name, label, shown, hint=hint or "A number.", lines=False)
    block = _text_input(name, label, shown, hint=hint, lines=False)
    bounds = {"min_value": schema.get("minimum"), "max_value": schema.get("maximum")}
    texts = {side: _json(bound) for side, bound in bounds.items() if _is_number(bound)}
    block["element"] = {
        "type": "number_input",
        "action_id": name,
        "is_decimal_allowed": schema.get("type") != "integer",
        "initial_value": shown,
        **{side: text for side, text in texts.items() if _PLAIN_NUMBER.fullmatch(text)},
    }
    return block


def _bold(text: str) -> Block:
    leaf = {"type": "text", "text": text, "style": {"bold": True}}
    part = {"type": "rich_text_section", "elements": [leaf]}
    return {"type": "rich_text", "elements": [part]}


def _code(text: str) -> Block:
    leaf = {"type": "text", "text": text}
    part = {"type": "rich_text_preformatted", "elements": [leaf]}
    return {"type": "rich_text", "elements": [part]}


def _name(text: str) -> str:
    return escape(made_visible(one_line(text, 100))).replace("`", "'")
