"""How sandboxes fail, in sentences for the model and for the operator."""

from agent_engine.errors import ToolError


class SandboxError(ToolError):
    """The sandbox could not be set up, so nothing was run."""


class SandboxUnavailableError(SandboxError):
    """Code cannot be run here, because no sandbox is available."""
