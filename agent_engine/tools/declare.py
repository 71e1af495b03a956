"""Make a tool from a pydantic model of its parameters and an async function.

The schema a model reads is derived here and nowhere else. It must not run anything: how a tool is
called, bounded and reported is ``call.py``.
"""

import hashlib
import json
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from agent_engine.errors import ToolError
from agent_engine.ports import ToolContext, ToolTraits
from agent_engine.types import Asks, JsonObject

_MAX_REF_DEPTH: Final = 16


class Parameters(BaseModel):
    """The parameters of a tool: nothing unknown is accepted, nothing can be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


P = TypeVar("P", bound=Parameters)
Describe = Callable[[JsonObject, JsonObject], str]
"""Arguments and result to one line for people."""
Characterise = Callable[[JsonObject], Mapping[str, str]]
"""Arguments to what rules look at; see ``policy.Characterised``."""


def no_words(_arguments: JsonObject, _result: JsonObject) -> str:
    """Say nothing in particular; the caller finds words of its own."""
    return ""


def nothing_characteristic(_arguments: JsonObject) -> Mapping[str, str]:
    """Say that only equal arguments make calls alike."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredTool(Generic[P]):
    """A tool made of a parameters model and an async function."""

    name: str
    description: str
    parameters: type[P]
    run: Callable[[P, ToolContext], Awaitable[JsonObject]]
    traits: ToolTraits = field(default_factory=ToolTraits)
    describe: Describe = no_words
    characteristics: Characterise = nothing_characteristic
    asks: Callable[[JsonObject], Asks] | None = None
    """For a tool that must ask for some arguments only; None: as its traits say."""
    repeatable: Callable[[JsonObject], bool] | None = None
    """Whether a call with these arguments may be made twice; None where the traits say it all."""

    close: Callable[[], Awaitable[None]] | None = None
    """Lets go of what the tool holds open; None for nothing."""

    @property
    def parameters_schema(self) -> JsonObject:
        """JSON schema of the arguments object."""
        return schema_of(self.parameters)

    def asks_for(self, arguments: JsonObject) -> Asks:
        """Say when a person is asked before a call with these arguments."""
        return self.traits.asks if self.asks is None else self.asks(arguments)

    def is_repeatable(self, arguments: JsonObject) -> bool:
        """Say whether a call that may already have happened can be repeated."""
        return self.traits.idempotent if self.repeatable is None else self.repeatable(arguments)

    async def aclose(self) -> None:
        """Let go of what the tool holds open."""
        if self.close is not None:
            await self.close()

    async def execute(self, arguments: JsonObject, context: ToolContext) -> JsonObject:
        """Read the arguments into the model and run. Raises ToolError when they do not fit."""
        try:
            parameters = self.parameters.model_validate(dict(arguments))
        except ValidationError as error:
            raise ToolError(_validation_sentence(error)) from error
        return await self.run(parameters, context)


@cache
def schema_of(parameters: type[BaseModel]) -> JsonObject:
    """Return the model's JSON schema: closed objects, no titles, references written out.

    The same object every time; it must not be changed.
    """
    schema = parameters.model_json_schema()
    definitions: Mapping[str, Any] = schema.pop("$defs", {})
    tidied: dict[str, Any] = _tidy(schema, definitions, depth=0)
    if '"$ref"' in json.dumps(tidied):  # a model that holds itself cannot be written out
        return {**schema, "$defs": definitions}
    return {"properties": {}, **tidied}


def canonical_json(value: object) -> str:
    """Write JSON in one way only, so that equal values give equal text.

    Raises:
        ValueError: the value holds NaN or an infinity.
        TypeError: the value is not JSON.

    >>> canonical_json({"b": 1.0, "a": "é"})
    '{"a":"é","b":1}'
    """
    return json.dumps(
        _plain_numbers(value),
        sort_keys=True,
        ensure_ascii=False,
        allow_nan=False,
        separators=(",", ":"),
    )


def call_key(name: str, arguments: JsonObject) -> str:
    """Return a hash that is equal for equal calls: same tool, same arguments."""
    text = f"{name}\0{canonical_json(arguments)}"
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _plain_numbers(value: object) -> object:
    """Write whole floats as integers: to JSON 1.0 and 1 are the same number."""
    match value:
        case bool():
            return value
        case float() if math.isfinite(value) and value.is_integer():
            return int(value)
        case Mapping():
            return {key: _plain_numbers(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain_numbers(item) for item in value]
        case _:
            return value


def _tidy(node: Any, definitions: Mapping[str, Any], *, depth: int) -> Any:  # noqa: ANN401  a JSON schema node may be any JSON value
    if isinstance(node, list):
        return [_tidy(item, definitions, depth=depth) for item in node]
    if not isinstance(node, dict):
        return node
    if (name := _definition_name(node)) in definitions and depth < _MAX_REF_DEPTH:
        rest = {key: value for key, value in node.items() if key != "$ref"}
        return _tidy({**definitions[name], **rest}, definitions, depth=depth + 1)
    tidied = {
        key: _tidy_properties(value, definitions, depth=depth)
        if key == "properties"
        else _tidy(value, definitions, depth=depth)
        for key, value in node.items()
        if key != "title"
    }
    if tidied.get("type") == "object" and "properties" in tidied:
        tidied["additionalProperties"] = False
    return tidied


def _tidy_properties(
    properties: Mapping[str, Any], definitions: Mapping[str, Any], *, depth: int
) -> dict[str, Any]:
    """Tidy each property's schema; a property may itself be called ``title``."""
    return {name: _tidy(value, definitions, depth=depth) for name, value in properties.items()}


def _definition_name(node: Mapping[str, Any]) -> str:
    reference = node.get("$ref")
    return reference.removeprefix("#/$defs/") if isinstance(reference, str) else ""


def _validation_sentence(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "the arguments"
    return f"{where}: {first['msg']}"
