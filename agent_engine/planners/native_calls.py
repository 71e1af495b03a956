"""Native tool calls: what is offered besides the tools, and how calls become actions.

Reads and checks only; asking is the stepwise planner's part.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from agent_engine.planners.plan_actions import Bounds, inner_parameters, tool_arguments
from agent_engine.planners.plan_reply import DraftStep, arguments_object
from agent_engine.planners.plan_schema import closed_object
from agent_engine.planners.prompts import compact_json
from agent_engine.planners.reply_parsing import json_candidates
from agent_engine.planners.structured import UnfitError
from agent_engine.ports import ModelReply, ToolRequest, ToolSpec
from agent_engine.tokens import shorten
from agent_engine.types import ActionType, AgentAction, AgentId

_LINE_CHARS = 100

_STRING = {"type": "string"}
_INNER = {
    ActionType.ASK: ToolSpec(
        name="ask",
        description="Ask the person something that only they know; the task waits for the reply.",
        parameters_schema=closed_object({"question": _STRING}),
    ),
    ActionType.RECALL: ToolSpec(
        name="recall",
        description="Search your long-term memory.",
        parameters_schema=closed_object({"query": _STRING}),
    ),
    ActionType.REMEMBER: ToolSpec(
        name="remember",
        description="Keep a fact in your long-term memory, only if the person wants it kept.",
        parameters_schema=closed_object({"key": _STRING, "value": _STRING}),
    ),
    ActionType.WAIT: ToolSpec(
        name="wait",
        description="Wait some seconds before going on.",
        parameters_schema=closed_object({"seconds": {"type": "number"}}),
    ),
}


def inner_tools(
    tools: Sequence[ToolSpec], words: Sequence[str], delegates: Sequence[AgentId]
) -> Iterable[ToolSpec]:
    """Yield the engine's own actions as tools, but for names that a real tool has."""
    taken = {tool.name for tool in tools}
    for word in words:
        if word in _INNER and word not in taken:
            yield _INNER[ActionType(word)]
    if delegates and ActionType.DELEGATE.value not in taken:
        yield _delegate_tool(delegates)


def _delegate_tool(delegates: Sequence[AgentId]) -> ToolSpec:
    agents = {"type": "string", "enum": list(delegates)}
    return ToolSpec(
        name=ActionType.DELEGATE.value,
        description="Give a sub-task to another agent and wait for its result.",
        parameters_schema=closed_object({"agent": agents, "task": _STRING}),
    )


def called(call: ToolRequest, limits: Bounds) -> AgentAction:
    """Return the call as an action. Raises UnfitError when it cannot be made."""
    try:
        arguments, _ = arguments_object(call.arguments)
    except UnfitError as error:
        raise UnfitError(f"the arguments of {call.name[:60]} are no JSON object") from error
    if call.name in limits.tools or call.name not in limits.actions:
        step = DraftStep(
            number=1, action="", tool=call.name, arguments=arguments, texts=frozenset()
        )
        return AgentAction(
            action_type=ActionType.USE_TOOL,
            tool_name=call.name,
            parameters=tool_arguments(step, limits.tools),
            description=_described(call.name, arguments),
        )
    kind = ActionType(call.name)
    parameters = inner_parameters(kind, arguments, "")
    if kind is ActionType.DELEGATE and parameters["agent"] not in limits.delegates:
        raise UnfitError(f"there is no agent {str(parameters['agent'])[:60]!r}")
    return AgentAction(
        action_type=kind, parameters=parameters, description=_described(call.name, parameters)
    )


def written_calls(reply: ModelReply, limits: Bounds) -> tuple[ToolRequest, ...]:
    """Return the calls of known tools that a model wrote as text instead of making them."""
    for value in json_candidates(reply):
        calls = tuple(_written(value if isinstance(value, list) else [value], limits))
        if calls:
            return calls
    return ()


def _described(name: str, arguments: dict[str, Any]) -> str:
    """Return a line for people: the call and the beginning of its first text."""
    first = next((value for value in arguments.values() if isinstance(value, str)), "")
    line = " ".join(first.split())
    shown = line if len(line) <= _LINE_CHARS else f"{line[:_LINE_CHARS]}…"
    return f"{name}: {shown}" if shown else name


def _written(values: Iterable[Any], limits: Bounds) -> Iterable[ToolRequest]:
    for value in values:
        if isinstance(value, dict) and value.get("name") in limits.tools:
            raw = value.get("arguments", value.get("parameters"))
            text = raw if isinstance(raw, str) else compact_json(raw or {})
            yield ToolRequest(name=str(value["name"]), arguments=text)


def calls_in_words(reply: ModelReply) -> str:
    """Return what the model called, or said, as text that can stand in a history."""
    calls = "; ".join(f"{call.name}({call.arguments})" for call in reply.tool_requests)
    return shorten(calls or reply.text or "(nothing)", 500)
