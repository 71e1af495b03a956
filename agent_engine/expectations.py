"""Whether what came is what was expected. Pure, but for the words that only a judge can compare."""

import json

from agent_engine.types import AgentAction, AgentObservation, Check

_PAYLOAD_FIELDS = ("result", "stdout", "content", "items", "results", "data", "answer", "value")


def surprise(action: AgentAction, observation: AgentObservation) -> str | None:
    """Say in one sentence how the observation differs from what was expected; None if it does not.

    A ``JUDGE`` check counts as met here: whether it is, a judge must say.
    """
    content = observation.content
    if not observation.success:
        return observation.error or "it failed"
    if content.get("unexpected"):
        return _said(content["unexpected"], "something unexpected came")
    if content.get("replan_requested"):
        return _said(content["replan_requested"], "the tool asks for another plan")
    match action.check:
        case Check.NOT_EMPTY if is_empty(observation):
            return "nothing came, though something was expected"
        case Check.CONTAINS if not contains(observation, action.check_value):
            return f"{action.check_value!r} was expected in the result and is not there"
        case _:
            return None


def needs_judge(action: AgentAction, observation: AgentObservation) -> bool:
    """Say whether only a judge can compare."""
    words = bool(action.expected_outcome.strip())
    return action.check is Check.JUDGE and words and observation.success


def is_empty(observation: AgentObservation) -> bool:
    """Say whether the observation carries nothing but its success."""
    payload = [observation.content.get(name) for name in _PAYLOAD_FIELDS]
    return not any(value not in (None, "", [], {}) for value in payload)


def contains(observation: AgentObservation, wanted: str) -> bool:
    """Say whether the observation's text, all of it, contains the words; case is ignored."""
    shown = json.dumps(dict(observation.content), ensure_ascii=False, default=str)
    whole = f"{shown}\n{observation.full_output or ''}"
    return wanted.casefold() in whole.casefold()


def _said(value: object, otherwise: str) -> str:
    return value if isinstance(value, str) else otherwise
