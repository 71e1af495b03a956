"""Hold a tool's arguments to its schema, and say what is wrong so that a model can mend it.

Only what loses nothing is mended here (``"5"`` where an integer is wanted). It must not fill in,
drop or guess anything.
"""

import functools
import itertools
import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError

from agent_engine.errors import ToolError
from agent_engine.ports import Tool
from agent_engine.types import JsonObject

MAX_ARGUMENT_CHARS: Final = 11 * 1024 * 1024
"""A little more than the largest file that may be written."""
MAX_ARGUMENT_DEPTH: Final = 20
MAX_ARGUMENT_NODES: Final = 50_000
_MAX_PROBLEMS: Final = 3
_MAX_LOOKED_AT: Final = 50
_MAX_SHOWN_CHARS: Final = 60

_INTEGER: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]{0,15})(\.[0-9]{1,15})?")
_BOOLEANS: Final = {"true": True, "false": False}


class ArgumentsError(ToolError):
    """The arguments do not fit the tool."""


def fitting_arguments(tool: Tool, arguments: object) -> JsonObject:
    """Return the arguments as the tool wants them.

    Raises:
        ArgumentsError: they are too large, too deep or do not fit the schema; the sentence names
            each field that is wrong.
    """
    if not isinstance(arguments, Mapping):
        raise ArgumentsError(f"the arguments must be a JSON object, not {_type_name(arguments)}")
    _check_size(arguments)
    schema = tool.parameters_schema
    mended: JsonObject = _mend(arguments, schema)
    found = itertools.islice(_validator(_key(schema)).iter_errors(mended), _MAX_LOOKED_AT)
    problems = sorted(found, key=_place)
    if problems:
        raise ArgumentsError(_sentence(problems))
    return mended


@functools.lru_cache(maxsize=256)
def _validator(schema_json: str) -> Draft202012Validator:
    schema = json.loads(schema_json)
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise ArgumentsError("the tool's own schema is broken, so it cannot be called") from error
    return Draft202012Validator(schema)


def _key(schema: JsonObject) -> str:
    return json.dumps(schema, sort_keys=True, default=dict)


# -- size ----------------------------------------------------------------------------------------


def _check_size(arguments: Mapping[str, Any]) -> None:
    """Look at every part once, without recursion, so that depth itself cannot hurt."""
    waiting: list[tuple[object, int]] = [(arguments, 1)]
    nodes = chars = 0
    while waiting:
        value, depth = waiting.pop()
        nodes += 1
        if depth > MAX_ARGUMENT_DEPTH:
            raise ArgumentsError(f"the arguments are nested deeper than {MAX_ARGUMENT_DEPTH}")
        chars += len(value) if isinstance(value, str) else 1
        waiting.extend((child, depth + 1) for child in _children(value))
        if nodes + len(waiting) > MAX_ARGUMENT_NODES or chars > MAX_ARGUMENT_CHARS:
            raise ArgumentsError("the arguments are too large")


def _children(value: object) -> Iterable[object]:
    match value:
        case str() | bool() | None:
            return ()
        case int():
            if value.bit_length() > 1024:  # noqa: PLR2004  as many bits as a float can reach
                raise ArgumentsError("a number in the arguments is too large")
            return ()
        case float():
            if not math.isfinite(value):
                raise ArgumentsError("a number in the arguments is not finite")
            return ()
        case Mapping():
            return [*value.keys(), *value.values()]
        case list() | tuple():
            return value
        case _:
            raise ArgumentsError(f"the arguments hold {_type_name(value)}, which is not JSON")


# -- mending -------------------------------------------------------------------------------------


def _mend(value: Any, schema: Any) -> Any:  # noqa: ANN401  any JSON value against any JSON schema
    if not isinstance(schema, Mapping):
        return value
    match value:
        case str():
            return _mended_text(value, _wanted_types(schema))
        case Mapping():
            properties = schema.get("properties", {})
            return {key: _mend(item, properties.get(key)) for key, item in value.items()}
        case list() | tuple():
            return [_mend(item, schema.get("items")) for item in value]
        case _:
            return value


def _wanted_types(schema: Mapping[str, Any]) -> set[object]:
    """Return the types a schema takes; those of its alternatives as well."""
    types = schema.get("type", [])
    wanted: set[object] = set(types) if isinstance(types, list) else {types}
    for alternative in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        wanted |= _wanted_types(alternative) if isinstance(alternative, Mapping) else set()
    return wanted


def _mended_text(text: str, wanted: set[object]) -> object:
    if "string" in wanted:
        return text
    if wanted & {"integer", "number"} and _INTEGER.fullmatch(text):
        return int(text)
    if "number" in wanted and _NUMBER.fullmatch(text):
        return float(text)
    if "boolean" in wanted:
        return _BOOLEANS.get(text, text)
    return text


# -- saying --------------------------------------------------------------------------------------


def _place(error: ValidationError) -> tuple[int, str]:
    return (len(error.absolute_path), error.json_path)


def _sentence(problems: list[ValidationError]) -> str:
    said = list(dict.fromkeys(_problem(error) for error in problems))
    tail = "; and more" if len(said) > _MAX_PROBLEMS else ""
    return "; ".join(said[:_MAX_PROBLEMS]) + tail


def _problem(error: ValidationError) -> str:
    where = ".".join(str(part) for part in error.absolute_path) or "the arguments"
    wanted: Any = error.validator_value
    instance: Any = error.instance
    match error.validator:
        case "required":
            missing = [name for name in wanted if name not in instance]
            return f"{_inside(error)}missing: {', '.join(map(repr, missing))}"
        case "additionalProperties":
            return _unknown_fields(error)
        case "type":
            kinds = " or ".join(wanted) if isinstance(wanted, list) else wanted
            return f"{where} must be of type {kinds}, not {_type_name(error.instance)}"
        case "enum":
            choices = ", ".join(repr(choice) for choice in wanted)
            return f"{where} must be one of {choices}, not {_shown(error.instance)}"
        case "const":
            return f"{where} must be {wanted!r}"
        case "maxLength" | "minLength" | "maxItems" | "minItems" as rule:
            bound = "at most" if rule.startswith("max") else "at least"
            unit = "characters" if rule.endswith("Length") else "items"
            return f"{where} must have {bound} {wanted} {unit}; it has {len(instance)}"
        case _:
            return f"{where}: {error.message[:200]}"


def _inside(error: ValidationError) -> str:
    path = ".".join(str(part) for part in error.absolute_path)
    return f"{path}: " if path else ""


def _unknown_fields(error: ValidationError) -> str:
    known = sorted(error.schema.get("properties", {})) if isinstance(error.schema, Mapping) else []
    instance: Any = error.instance
    unknown = [_shown(name) for name in instance if name not in known]
    known_text = ", ".join(known) or "none"
    return f"{_inside(error)}unknown: {', '.join(unknown[:5])} (known: {known_text})"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN_CHARS else f"{text[:_MAX_SHOWN_CHARS]}…"


def _type_name(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case str():
            return "string"
        case int():
            return "integer"
        case float():
            return "number"
        case list() | tuple():
            return "array"
        case Mapping():
            return "object"
        case _:
            return type(value).__name__
