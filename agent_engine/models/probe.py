"""Finds out once, at start, whether a local model calls tools well enough to be trusted with them.

Small models often write the call as text instead. The result is kept in the model's dialect.
"""

import json
import logging

from agent_engine.errors import ModelError, ModelRefusedError
from agent_engine.ports import ModelClient, ModelReply, ModelRequest, Role, ToolSpec, Turn

logger = logging.getLogger(__name__)

PROBE_TIMEOUT_S = 60.0

_TOOL = ToolSpec(
    name="report_colour",
    description="Report the colour that was asked for.",
    parameters_schema={
        "type": "object",
        "properties": {"colour": {"type": "string"}},
        "required": ["colour"],
        "additionalProperties": False,
    },
)
_REQUEST = ModelRequest(
    turns=(Turn(role=Role.USER, text="Call the tool report_colour with the colour blue."),),
    purpose="probe",
    temperature=0.0,
    max_tokens=100,
    tools=(_TOOL,),
    timeout_s=PROBE_TIMEOUT_S,
)


async def learn_native_tools(model: ModelClient) -> bool | None:
    """Ask for one tool call and remember whether it came; None when the model did not answer.

    Does nothing when it is known already. Meant to run beside the start, not before it.
    """
    if model.dialect.native_tools is not None:
        return model.dialect.native_tools
    try:
        reply = await model.complete(_REQUEST)
    except ModelRefusedError:
        works = False
    except ModelError as error:
        facts = {"model": model.name, "error": type(error).__name__}
        logger.warning("native_tools_not_probed", extra=facts)
        return None
    else:
        works = _called_well(reply)
    model.dialect.native_tools = works
    logger.info("native_tools_probed", extra={"model": model.name, "works": works})
    return works


def _called_well(reply: ModelReply) -> bool:
    if len(reply.tool_requests) != 1 or reply.tool_requests[0].name != _TOOL.name:
        return False
    try:
        arguments = json.loads(reply.tool_requests[0].arguments)
    except ValueError:
        return False
    return isinstance(arguments, dict) and str(arguments.get("colour", "")).lower() == "blue"
