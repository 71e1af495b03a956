"""The schema of a server's tool, made into one that can be validated against and shown.

Kept is what says the shape of the arguments. Left out is what costs without bound (patterns, long
lists of choices), is only words for people, or cannot be shown as it is; the server checks its
arguments itself. What cannot be used is refused.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from agent_engine.errors import ToolError
from agent_engine.tools.mcp.words import clean_text, is_plain
from agent_engine.types import JsonObject

MAX_SCHEMA_CHARS: Final = 64_000
MAX_DEPTH: Final = 16
MAX_NODES: Final = 2_000
MAX_KEY_CHARS: Final = 128
MAX_DESCRIPTION_CHARS: Final = 300
MAX_CHOICES: Final = 100
MAX_CHOICE_CHARS: Final = 200

_KEPT: Final = frozenset({
    "type", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
    "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties",
})  # fmt: skip
_VALUES: Final = ("required", "enum", "const", "default", "format")
"""What a server may write words into; kept where all of them can be shown as they are."""
_ALTERNATIVES: Final = ("anyOf", "oneOf", "allOf", "prefixItems")
_INNER: Final = ("items", "additionalProperties")
_LOCAL: Final = ("#/$defs/", "#/definitions/")


class UnusableSchemaError(ToolError):
    """The tool's schema cannot be used."""


def size_of(schema: object) -> int:
    """Return how many characters a schema has as JSON. Raises UnusableSchemaError."""
    try:
        return len(json.dumps(schema, allow_nan=False))
    except (ValueError, TypeError, RecursionError) as error:
        raise UnusableSchemaError("it is no JSON, or nested too deeply") from error


def usable_schema(schema: object, blot: Callable[[str], str] = str) -> JsonObject:
    """Return the schema in the form that is used. Raises UnusableSchemaError with the reason.

    References within the schema are written out; any other reference is refused, as is a schema
    that refers to itself. ``blot`` takes out of texts what nobody may see.
    """
    if not isinstance(schema, Mapping) or schema.get("type", "object") != "object":
        raise UnusableSchemaError("it does not describe an object")
    if size_of(schema) > MAX_SCHEMA_CHARS:
        raise UnusableSchemaError(f"it has more than {MAX_SCHEMA_CHARS} characters")
    copy = _Copy(_definitions(schema), blot)
    usable: dict[str, Any] = {"type": "object", "properties": {}, **copy.node(schema, depth=1)}
    try:
        Draft202012Validator.check_schema(usable)
    except SchemaError as error:
        raise UnusableSchemaError("it is no valid JSON schema") from error
    return usable


def _definitions(schema: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for start in _LOCAL:
        part = schema.get(start.strip("#/"))
        if isinstance(part, Mapping):
            found |= {f"{start}{name}": inner for name, inner in part.items()}
    return found


@dataclass(slots=True)
class _Copy:
    """One copying, which may make only so many nodes."""

    definitions: Mapping[str, Any]
    blot: Callable[[str], str]
    left: int = MAX_NODES

    def node(self, node: object, *, depth: int) -> Any:  # noqa: ANN401  a schema is an object or a boolean
        self.left -= 1
        if self.left < 0:
            raise UnusableSchemaError("it is too large once its references are written out")
        if depth > MAX_DEPTH:
            raise UnusableSchemaError("it refers to itself or is nested too deeply")
        if isinstance(node, bool):
            return node
        if not isinstance(node, Mapping):
            raise UnusableSchemaError("a part of it is no schema")
        return self._object(self._resolved(node), depth=depth)

    def _resolved(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        for word in ("$dynamicRef", "$recursiveRef"):
            if word in node:
                raise UnusableSchemaError(f"it uses {word}")
        hops = 0
        while "$ref" in node:
            target = self.definitions.get(str(node["$ref"]))
            hops += 1
            if not isinstance(target, Mapping) or hops > MAX_DEPTH:
                raise UnusableSchemaError("it has a reference that leads nowhere or outside")
            node = {**target, **{key: value for key, value in node.items() if key != "$ref"}}
        return node

    def _object(self, node: Mapping[str, Any], *, depth: int) -> dict[str, Any]:
        made = {key: value for key, value in node.items() if key in _KEPT}
        made |= {key: node[key] for key in _VALUES if key in node and self._can_show(node[key])}
        if text := self._words(node.get("description")):
            made["description"] = text
        if "properties" in node:
            made["properties"] = self._properties(node["properties"], depth=depth + 1)
        for word in _ALTERNATIVES:
            if word in node:
                made[word] = self._list(node[word], depth=depth + 1)
        for word in _INNER:
            if word in node and not (
                word == "additionalProperties" and "patternProperties" in node
            ):
                made[word] = self.node(node[word], depth=depth + 1)
        return made

    def _properties(self, properties: object, *, depth: int) -> dict[str, Any]:
        if not isinstance(properties, Mapping):
            raise UnusableSchemaError("its properties are no object")
        for name in properties:
            if not is_plain(name, MAX_KEY_CHARS):
                raise UnusableSchemaError("a property has an odd name")
        return {name: self.node(inner, depth=depth) for name, inner in properties.items()}

    def _words(self, description: object) -> str:
        said = self.blot(description) if isinstance(description, str) else description
        return clean_text(said, MAX_DESCRIPTION_CHARS)

    def _can_show(self, value: object) -> bool:
        """Say whether a value, or each of a list, is plain and short."""
        values = value if isinstance(value, list) else [value]
        return len(values) <= MAX_CHOICES and all(map(self._is_plain, values))

    def _is_plain(self, value: object) -> bool:
        if isinstance(value, str):
            return is_plain(value, MAX_CHOICE_CHARS) and self.blot(value) == value
        return value is None or isinstance(value, int | float)

    def _list(self, schemas: object, *, depth: int) -> list[Any]:
        if not isinstance(schemas, list):
            raise UnusableSchemaError("its alternatives are no list")
        return [self.node(inner, depth=depth) for inner in schemas]
