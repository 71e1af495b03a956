"""The JSON shape of a plan: what a model is asked for, and what is accepted from it.

Asked for is what strict servers take: every key required, no open objects, no unions, no length
limits on strings (some refuse those; ``max_tokens`` bounds the reply). So arguments are a list of
name and value: an open object is refused in strict mode, and JSON inside a JSON string makes small
models stumble over doubled escapes. Accepted are all three forms.
"""

from collections.abc import Sequence
from typing import Any

from jsonschema import Draft202012Validator

from agent_engine.ports import JsonSchemaFormat, ToolSpec
from agent_engine.types import ActionType, AgentId, Check

MAX_CHOICES = 5
MAX_ARGUMENTS = 20
MAX_DEPENDENCIES = 12
MIN_SUB_GOALS = 3
MAX_SUB_GOALS = 5


def action_words(
    tools: Sequence[ToolSpec], delegates: Sequence[AgentId], *, memory: bool
) -> list[str]:
    """Return the actions that can be proposed where these tools and agents are available."""
    words = [ActionType.THINK, ActionType.ASK, ActionType.WAIT]
    if tools:
        words.insert(0, ActionType.USE_TOOL)
    if memory:
        words += [ActionType.RECALL, ActionType.REMEMBER]
    if delegates:
        words.append(ActionType.DELEGATE)
    return [word.value for word in words]


def plan_format(
    tools: Sequence[ToolSpec], actions: Sequence[str], modes: Sequence[str], *, max_steps: int
) -> JsonSchemaFormat:
    """Return the schema of a plan's reply."""
    fields: dict[str, Any] = {
        "mode": {"type": "string", "enum": list(modes)},
        "answer": _TEXT,
        "question": _TEXT,
        "choices": {"type": "array", "items": _TEXT, "maxItems": MAX_CHOICES},
        "steps": {"type": "array", "items": _step(tools, actions), "maxItems": max_steps},
    }
    if "split" in modes:
        fields["sub_goals"] = {"type": "array", "items": _SUB_GOAL, "maxItems": MAX_SUB_GOALS}
    return JsonSchemaFormat(name="plan", schema=closed_object(fields))


def arguments_schema() -> dict[str, Any]:
    """Return the schema of arguments as a list of name and value."""
    pair = closed_object({"name": _TEXT, "value": _TEXT})
    return {"type": "array", "items": pair, "maxItems": MAX_ARGUMENTS}


def closed_object(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an object with exactly these keys."""
    return {
        "type": "object",
        "properties": fields,
        "required": list(fields),
        "additionalProperties": False,
    }


def tool_names(tools: Sequence[ToolSpec]) -> list[str]:
    """Return the values that ``tool`` may have; empty stands for none."""
    return ["", *(tool.name for tool in tools)]


def _step(tools: Sequence[ToolSpec], actions: Sequence[str]) -> dict[str, Any]:
    return closed_object(
        {
            "step": {"type": "integer"},
            "description": _TEXT,
            "action": {"type": "string", "enum": list(actions)},
            "tool": {"type": "string", "enum": tool_names(tools)},
            "arguments": arguments_schema(),
            "depends_on": _NUMBERS_BEFORE,
            "expected_outcome": _TEXT,
            "check": {"type": "string", "enum": [check.value for check in Check]},
            "check_value": _TEXT,
        }
    )


_TEXT: dict[str, Any] = {"type": "string"}
# Bounded, for a small model held to an open list of numbers never ends it.
_NUMBERS_BEFORE = {"type": "array", "items": {"type": "integer"}, "maxItems": MAX_DEPENDENCIES}
_SUB_GOAL = closed_object({"goal": _TEXT, "depends_on": _NUMBERS_BEFORE})

_NUMBERS = {"type": "array", "items": {"type": "integer"}}
_ACCEPTED_STEP = {
    "type": "object",
    "properties": {
        "step": {"type": "integer"},
        "description": _TEXT,
        "action": _TEXT,
        "tool": _TEXT,
        "arguments": {"type": "object"},
        "depends_on": _NUMBERS,
        "expected_outcome": _TEXT,
        "check": _TEXT,
        "check_value": _TEXT,
    },
    "required": ["action", "tool", "arguments"],
}
ACCEPTED = Draft202012Validator(
    {
        "type": "object",
        "properties": {
            "mode": {"enum": ["answer", "plan", "stepwise", "ask", "split", "done"]},
            "answer": _TEXT,
            "question": _TEXT,
            "choices": {"type": "array", "items": _TEXT},
            "steps": {"type": "array", "items": _ACCEPTED_STEP},
            "sub_goals": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"goal": _TEXT, "depends_on": _NUMBERS},
                    "required": ["goal"],
                },
            },
        },
        "required": ["mode", "answer", "question", "choices", "steps", "sub_goals"],
    }
)
"""What a reply must be once it was brought into shape; compiled once."""
