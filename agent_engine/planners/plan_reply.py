"""Brings what a model wrote into the one shape of a plan, whichever near miss it wrote.

Repairs form only: it invents no steps and judges no sense.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent_engine.planners.plan_schema import ACCEPTED
from agent_engine.planners.reply_parsing import parsed
from agent_engine.planners.structured import ShapeError, UnfitError, check_schema
from agent_engine.types import ActionType


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftStep:
    """A step as the model wrote it, in shape but not judged."""

    number: int
    """As the model numbers it."""
    action: str
    tool: str
    arguments: dict[str, Any]
    texts: frozenset[str]
    """Names of arguments that came as text whatever they are: they may have to be converted."""
    description: str = ""
    depends_on: tuple[int, ...] = ()
    expected_outcome: str = ""
    check: str = ""
    check_value: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubGoalDraft:
    """A part of a goal as the model wrote it."""

    goal: str
    depends_on: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A plan's reply in shape."""

    mode: str
    answer: str = ""
    question: str = ""
    choices: tuple[str, ...] = ()
    steps: tuple[DraftStep, ...] = ()
    sub_goals: tuple[SubGoalDraft, ...] = ()


def read_draft(value: Any) -> Draft:  # noqa: ANN401  # any JSON value
    """Return a parsed reply as a draft. Raises UnfitError when it has no shape of a plan."""
    texts: list[frozenset[str]] = []
    shaped = _shaped(value, texts)
    check_schema(ACCEPTED, shaped)
    return Draft(
        mode=shaped["mode"],
        answer=shaped["answer"].strip(),
        question=shaped["question"].strip(),
        choices=tuple(choice for choice in shaped["choices"] if choice.strip()),
        steps=tuple(
            _draft_step(step, index, texts[index]) for index, step in enumerate(shaped["steps"])
        ),
        sub_goals=tuple(
            SubGoalDraft(goal=part["goal"].strip(), depends_on=tuple(part.get("depends_on", ())))
            for part in shaped["sub_goals"]
            if part["goal"].strip()
        ),
    )


def _draft_step(step: Mapping[str, Any], index: int, texts: frozenset[str]) -> DraftStep:
    return DraftStep(
        number=step.get("step", index + 1),
        action=step["action"].strip(),
        tool=step["tool"].strip(),
        arguments=step["arguments"],
        texts=texts,
        description=step.get("description", "").strip(),
        depends_on=tuple(step.get("depends_on", ())),
        expected_outcome=step.get("expected_outcome", "").strip(),
        check=step.get("check", ""),
        check_value=step.get("check_value", ""),
    )


# -- the outer shape -----------------------------------------------------------------------------

_WRAPPERS = ("plan", "reply", "response", "result", "output")
_STEP_KEYS = frozenset({"action", "tool", "tool_name", "name", "function"})


def _shaped(value: Any, texts: list[frozenset[str]]) -> dict[str, Any]:  # noqa: ANN401  # any JSON
    if isinstance(value, list):
        value = {"steps": value}
    if not isinstance(value, dict):
        raise ShapeError("the reply is no JSON object")
    value = _unwrapped(value)
    steps = _listed(value.get("steps", value.get("actions", value.get("tool_calls"))))
    if not steps and not _has_mode(value) and _STEP_KEYS & value.keys():
        steps = [value]
        value = {}
    shaped_steps = [_shaped_step(step, texts) for step in steps]
    if len(shaped_steps) == 1 and shaped_steps[0]["action"] == ActionType.ANSWER:
        return _only_answer(shaped_steps[0], texts)
    fields = {
        "answer": _text(value.get("answer")),
        "question": _text(value.get("question")),
        "choices": [_text(choice) for choice in _listed(value.get("choices"))],
        "steps": shaped_steps,
        "sub_goals": [_shaped_goal(part) for part in _listed(value.get("sub_goals"))],
    }
    return {"mode": _mode(value, fields), **fields}


def _unwrapped(value: dict[str, Any]) -> dict[str, Any]:
    """Return the object inside ``{"plan": {…}}``; a list there becomes the steps."""
    for name in _WRAPPERS:
        inner = value.get(name)
        if len(value) == 1 and isinstance(inner, dict):
            return inner
        if name == "plan" and isinstance(inner, list) and "steps" not in value:
            return {**value, "steps": inner}
    return value


def _has_mode(value: Mapping[str, Any]) -> bool:
    return "mode" in value or "steps" in value


def _mode(value: Mapping[str, Any], fields: Mapping[str, Any]) -> str:
    """Return the stated mode, or the one that the filled fields speak of."""
    stated = _text(value.get("mode")).strip().lower()
    if stated:
        return stated
    filled = (("steps", "plan"), ("sub_goals", "split"), ("question", "ask"), ("answer", "answer"))
    for name, mode in filled:
        if fields[name]:
            return mode
    if "steps" in value:
        return "plan"
    raise ShapeError('"mode" is missing')


def _only_answer(step: Mapping[str, Any], texts: list[frozenset[str]]) -> dict[str, Any]:
    texts.clear()
    said = step["arguments"].get("text") or step["arguments"].get("answer")
    empty: dict[str, Any] = {"question": "", "choices": [], "steps": [], "sub_goals": []}
    return {"mode": "answer", "answer": _text(said), **empty}


def _shaped_goal(part: Any) -> dict[str, Any]:  # noqa: ANN401  # any JSON value
    if isinstance(part, str):
        return {"goal": part, "depends_on": []}
    if not isinstance(part, dict):
        raise ShapeError("a sub-goal is neither text nor object")
    goal = _text(part.get("goal") or part.get("description"))
    return {"goal": goal, "depends_on": _numbers(part.get("depends_on"))}


# -- a step --------------------------------------------------------------------------------------

_SYNONYMS = {
    "tool": ActionType.USE_TOOL, "tool_call": ActionType.USE_TOOL, "call_tool": ActionType.USE_TOOL,
    "respond": ActionType.ANSWER, "finish": ActionType.ANSWER, "final_answer": ActionType.ANSWER,
    "ask_user": ActionType.ASK, "store": ActionType.REMEMBER, "search_memory": ActionType.RECALL,
}  # fmt: skip
MAIN_PARAMETER: Mapping[str, str] = {
    ActionType.THINK: "thought",
    ActionType.RECALL: "query",
    ActionType.ASK: "question",
    ActionType.SUB_GOAL: "goal",
    ActionType.ANSWER: "text",
}
"""The one argument without which the action means nothing."""

_KNOWN_WORDS = frozenset(word.value for word in ActionType)


def _shaped_step(step: Any, texts: list[frozenset[str]]) -> dict[str, Any]:  # noqa: ANN401  # any JSON
    if isinstance(step, str):
        step = {"action": ActionType.THINK.value, "description": step}
    if not isinstance(step, dict):
        raise ShapeError("a step is no object")
    if isinstance(step.get("function"), dict):
        step = {**step, **step["function"]}
    action, tool = _action_and_tool(step)
    raw = step.get("arguments", step.get("parameters", step.get("args")))
    arguments, as_text = arguments_object(raw)
    if step.get("text") and (main := MAIN_PARAMETER.get(action)):
        arguments.setdefault(main, _text(step["text"]))
    texts.append(as_text)
    shaped: dict[str, Any] = {"action": action, "tool": tool, "arguments": arguments}
    number = _number(step.get("step", step.get("number", step.get("id"))))
    if number is not None:
        shaped["step"] = number
    shaped["depends_on"] = _numbers(step.get("depends_on", step.get("dependencies")))
    for name in ("description", "expected_outcome", "check", "check_value"):
        shaped[name] = _text(step.get(name))
    return shaped


def _action_and_tool(step: Mapping[str, Any]) -> tuple[str, str]:
    tool = _text(step.get("tool") or step.get("tool_name") or step.get("name")).strip()
    word = _text(step.get("action", step.get("action_type"))).strip()
    action = str(_SYNONYMS.get(word.lower(), word.lower()))
    if not action:
        return (ActionType.USE_TOOL.value, tool)
    if action not in _KNOWN_WORDS and not tool:
        return (ActionType.USE_TOOL.value, word)  # {"action": "web_search", …}
    return (action, tool)


def arguments_object(raw: Any) -> tuple[dict[str, Any], frozenset[str]]:  # noqa: ANN401  # any JSON
    """Return arguments as an object, and the names of those that came as text in pairs.

    Raises UnfitError when they are neither an object, nor JSON text of one, nor pairs.
    """
    if raw is None or raw == "":
        return {}, frozenset()
    if isinstance(raw, str):
        raw = parsed(raw)
    if isinstance(raw, list) and all(isinstance(pair, dict) and "name" in pair for pair in raw):
        pairs = {str(pair["name"]): pair.get("value") for pair in raw}
        return pairs, frozenset(name for name, value in pairs.items() if isinstance(value, str))
    if not isinstance(raw, dict):
        raise UnfitError("arguments must be a list of objects with name and value")
    return {str(name): value for name, value in raw.items()}, frozenset()


# -- small coercions -----------------------------------------------------------------------------


def _text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _listed(value: object) -> list[Any]:
    if value is None or value == "":
        return []
    return value if isinstance(value, list) else [value]


def _number(value: object) -> int | None:
    """Return 3 for 3, 3.0, "3" and "step3"; None for everything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    match = (
        re.fullmatch(r"(?:step\s*_?)?(\d{1,6})", value.strip(), re.IGNORECASE)
        if isinstance(value, str)
        else None
    )
    return int(match.group(1)) if match else None


def _numbers(value: object) -> list[int]:
    found = (_number(item) for item in _listed(value))
    return [number for number in found if number is not None]
