"""What tests of planners and models share: tools as specs, plans as JSON, steps that are done."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from agent_engine.models.openai_compatible import OpenAICompatibleModel
from agent_engine.ports import ModelRequest, Role, StepResult, ToolSpec, Turn
from agent_engine.types import (
    ActionType,
    AgentAction,
    AgentObservation,
    Plan,
    Source,
    Step,
    StepStatus,
)
from tests.fakes.openai_server import OpenAIServer

_TEXT = {"type": "string"}


def tool(name: str, required: tuple[str, ...] = (), **properties: dict[str, Any]) -> ToolSpec:
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return ToolSpec(name=name, description=f"The tool {name}.", parameters_schema=schema)


CALCULATE = tool("calculate", ("expression",), expression=_TEXT)
CODE = tool("code_execution", ("language", "code"), language=_TEXT, code=_TEXT, stdin=_TEXT)
FILES = tool("file_operations", ("operation", "path"), operation=_TEXT, path=_TEXT, content=_TEXT)
SEARCH = tool("web_search", ("query",), query=_TEXT, num_results={"type": "integer"})
API = tool("api_call", ("method", "url"), method=_TEXT, url=_TEXT)
MEMORY = tool("memory")
TOOLS = (CALCULATE, CODE, FILES)


def request(text: str = "hello", **fields: Any) -> ModelRequest:
    turns = fields.pop("turns", (Turn(role=Role.USER, text=text),))
    return ModelRequest(turns=turns, purpose=fields.pop("purpose", "plan"), **fields)


def step_json(number: int, tool_name: str = "calculate", **fields: Any) -> dict[str, Any]:
    """A step as a model that keeps to the schema writes it."""
    arguments = fields.pop("arguments", {"expression": "1 + 1"})
    pairs = [{"name": name, "value": value} for name, value in arguments.items()]
    return {
        "step": number,
        "description": f"Step {number}",
        "action": "use_tool",
        "tool": tool_name,
        "arguments": pairs,
        "depends_on": [],
        "expected_outcome": "",
        "check": "succeeds",
        "check_value": "",
        **fields,
    }


def plan_json(*steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A plan as a model that keeps to the schema writes it."""
    empty: dict[str, Any] = {"mode": "plan", "answer": "", "question": "", "choices": []}
    return {**empty, "steps": list(steps), **fields}


def action_json(action: str = "use_tool", **fields: Any) -> dict[str, Any]:
    """An action object as a model that keeps to the schema writes it."""
    arguments = fields.pop("arguments", {})
    pairs = [{"name": name, "value": value} for name, value in arguments.items()]
    empty = {"description": "do it", "action": action, "tool": "", "arguments": pairs, "text": ""}
    return {**empty, **fields}


def done_step(number: int, content: dict[str, Any] | None = None, **fields: Any) -> Step:
    observation = AgentObservation(
        observation_type="tool_result",
        content={"success": True, **(content or {})},
        source=Source.TOOL,
        outcome=fields.pop("outcome", ""),
        files=fields.pop("files", ()),
    )
    action = fields.pop("action", None) or AgentAction(
        action_type=ActionType.USE_TOOL,
        tool_name=fields.pop("tool_name", "calculate"),
        parameters=fields.pop("parameters", {"expression": "1 + 1"}),
        description=fields.pop("description", f"Step {number}"),
        expected_outcome=fields.pop("expected_outcome", ""),
    )
    status = fields.pop("status", StepStatus.DONE)
    return Step(number=number, action=action, status=status, observation=observation, **fields)


def plan_of(*steps: Step, **fields: Any) -> Plan:
    return Plan(version=1, steps=steps, **fields)


def results(*steps: Step) -> tuple[StepResult, ...]:
    return tuple(
        StepResult(step=step, result=step.observation.content)
        for step in steps
        if step.observation is not None
    )


@asynccontextmanager
async def connected(server: OpenAIServer, **options: Any) -> AsyncIterator[OpenAICompatibleModel]:
    """A real model client that talks to the fake server, for a few seconds at most."""
    async with (
        asyncio.timeout(10),
        server.running() as url,
        OpenAICompatibleModel("m", base_url=url, **options) as model,
    ):
        yield model
