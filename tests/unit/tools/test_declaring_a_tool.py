"""A tool is made of a parameters model and a function, and its schema follows."""

import json
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from agent_engine.errors import ToolError
from agent_engine.ports import Tool
from agent_engine.tools.declare import (
    DeclaredTool,
    Parameters,
    call_key,
    canonical_json,
    schema_of,
)
from tests.fakes.tools import tool_context


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Place(BaseModel):
    street: str
    title: str = ""


class Painting(Parameters):
    colour: Colour = Field(description="Which one.")
    at: Place
    copies: int = Field(default=1, ge=1)
    also: tuple[Place, ...] = ()


class Branch(BaseModel):
    below: "Branch | None" = None


async def paint(parameters: Painting, _context):
    return {"success": True, "said": f"{parameters.copies} x {parameters.colour}"}


PAINT = DeclaredTool(name="paint", description="Paint.", parameters=Painting, run=paint)


def test_the_schema_is_closed_has_no_titles_and_no_references():
    schema = PAINT.parameters_schema

    assert schema["required"] == ["colour", "at"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["colour"]["enum"] == ["red", "blue"]
    assert schema["properties"]["colour"]["description"] == "Which one."
    assert schema["properties"]["at"]["additionalProperties"] is False
    assert "title" in schema["properties"]["at"]["properties"]
    assert "$ref" not in json.dumps(schema)
    assert "$defs" not in schema
    assert "title" not in schema


def test_a_model_that_holds_itself_keeps_its_references_and_their_definitions():
    schema = schema_of(Branch)

    assert "$defs" in schema


async def test_a_declared_tool_runs_with_the_model_filled(tmp_path):
    assert isinstance(PAINT, Tool)

    result = await PAINT.execute({"colour": "red", "at": {"street": "x"}}, tool_context(tmp_path))

    assert result == {"success": True, "said": "1 x red"}


async def test_what_only_the_model_can_tell_is_an_error_that_names_the_field(tmp_path):
    with pytest.raises(ToolError, match=r"^copies: .*greater"):
        await PAINT.execute(
            {"colour": "red", "at": {"street": "x"}, "copies": 0}, tool_context(tmp_path)
        )


def test_equal_calls_have_equal_keys_whatever_the_order_and_spelling_of_numbers():
    first = call_key("paint", {"a": 1, "b": [1.0, {"y": 2, "x": "é"}]})
    second = call_key("paint", {"b": [1, {"x": "é", "y": 2.0}], "a": 1.0})

    assert first == second
    assert first != call_key("paint", {"a": 1, "b": [1.5]})
    assert first != call_key("draw", {"a": 1, "b": [1, {"x": "é", "y": 2}]})
    assert call_key("a", {"x": True}) != call_key("a", {"x": 1})


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_canonical_json_survives_a_round_trip_unchanged(value):
    text = canonical_json(value)

    assert json.loads(text) == value
    assert canonical_json(json.loads(text)) == text


def test_canonical_json_refuses_what_is_no_number():
    with pytest.raises(ValueError, match="JSON"):
        canonical_json({"x": float("nan")})
