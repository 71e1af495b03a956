"""Whether a run worked with text that neither a person nor the agent wrote. Pure.

Such a run's own words may repeat what a page or a file says, so what is remembered of it says so.
It judges no text: one tool whose results others write is enough.
"""

from collections.abc import Iterable
from typing import Protocol

from agent_engine.memories import StoredMemory, Trust
from agent_engine.ports import ToolTraits
from agent_engine.types import ActionType, RunSnapshot, Step

TRUST = "trust"
"""In an entry that was recalled: whether it is untrusted."""


class Tools(Protocol):
    """Those that the run could call."""

    def traits(self, name: str) -> ToolTraits | None:
        """Return what is known of a tool; None for an unknown one."""
        ...


def trust_of(run: RunSnapshot, tools: Tools, told: Iterable[StoredMemory] = ()) -> Trust:
    """Say who stands behind what the run worked out, given what it was told from memory."""
    from_memory = any(memory.trust is Trust.UNTRUSTED for memory in told)
    if from_memory or any(_is_hearsay(step, tools) for step in run.steps):
        return Trust.UNTRUSTED
    return Trust.AGENT


def _is_hearsay(step: Step, tools: Tools) -> bool:
    """Of a tool that is unknown by now, the worst is assumed."""
    if step.observation is None:
        return False
    if step.action.action_type == ActionType.RECALL:
        entries = step.observation.content.get("entries") or ()
        return any(entry.get(TRUST) == Trust.UNTRUSTED for entry in entries)
    name = step.action.tool_name
    known = tools.traits(name) if name else None
    return name is not None and (known is None or known.untrusted)
