"""Notices an agent that makes the same tool call again and again, or two in turn.

Pure. The same call is the same tool with the same arguments, references resolved. The counts follow
what users of agents reported: a step cap alone burns the whole budget before it helps.
"""

import json
from dataclasses import dataclass
from enum import StrEnum

from agent_engine.errors import ToolError
from agent_engine.planners.plan import resolve
from agent_engine.types import ActionType, RunSnapshot, Step, StepStatus

WARN_AT_CALLS = 3
STOP_AT_CALLS = 4
WARN_AT_TURNS = 4
"""A-B-A-B: this many calls that take turns."""
STOP_AT_TURNS = 6


class Repetition(StrEnum):
    """How bad it is."""

    NONE = "none"
    WARN = "warn"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a call about to be made repeats."""

    repetition: Repetition
    key: str
    times: int


def repetition(run: RunSnapshot, step: Step) -> Finding:
    """Say whether carrying out this step would repeat what was done before."""
    key = call_key(run, step)
    if key is None:
        return Finding(Repetition.NONE, "", 0)
    calls = [*_calls_before(run, step), key]
    same = calls.count(key)
    turns = _taking_turns(calls)
    if same >= STOP_AT_CALLS or turns >= STOP_AT_TURNS:
        return Finding(Repetition.STOP, key, same)
    if same >= WARN_AT_CALLS or turns >= WARN_AT_TURNS:
        return Finding(Repetition.WARN, key, same)
    return Finding(Repetition.NONE, key, same)


def call_key(run: RunSnapshot, step: Step) -> str | None:
    """Return what makes a tool call the same call; None for what is no tool call."""
    if step.action.action_type != ActionType.USE_TOOL:
        return None
    try:
        arguments = resolve(step.action.parameters, run.steps)
    except ToolError:
        arguments = dict(step.action.parameters)
    canonical = json.dumps(arguments, sort_keys=True, separators=(",", ":"), default=str)
    return f"{step.action.tool_name} {canonical}"


def _calls_before(run: RunSnapshot, step: Step) -> list[str]:
    started = (s for s in run.steps if s.attempt and s.number != step.number)
    keys = (call_key(run, s) for s in started if s.status is not StepStatus.DROPPED)
    return [key for key in keys if key is not None]


def _taking_turns(calls: list[str]) -> int:
    """Count how many calls at the end take turns between two different ones; 0 for none."""
    if len(calls) < WARN_AT_TURNS or calls[-1] == calls[-2]:
        return 0
    pair = (calls[-1], calls[-2])
    count = 0
    for position, key in enumerate(reversed(calls)):
        if key != pair[position % 2]:
            break
        count += 1
    return count
