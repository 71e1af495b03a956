"""What people think of a run, as values, and the analysis that a low rating asks for.

An analysis is a task of the agent that was rated, shown in no thread: its parameters say what it is
about. Nothing here does anything.
"""

from dataclasses import dataclass
from typing import Any

from agent_engine.types import DEFAULT_PRIORITY, JsonObject, Limits, RunId, Task, UserId

ANALYSIS_LIMITS = Limits(iterations=1, seconds=180.0, tokens=40_000)
ANALYSIS_PRIORITY = DEFAULT_PRIORITY + 1
"""Behind the tasks that somebody waits for."""

_ANALYSIS = "analysis"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """One low rating that counts, and what was said with it."""

    rating: int
    step: int = 0
    """0 for the run as a whole."""
    text: str = ""
    """In the person's words; empty when they gave no reason. Data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What is to be found out: why a person rated a run low."""

    run_id: RunId
    """The run that was rated."""
    person: UserId
    remarks: tuple[Remark, ...]


def analysis_parameters(analysis: Analysis) -> JsonObject:
    """Return the parameters of the task that carries the analysis out."""
    remarks = [{"rating": r.rating, "step": r.step, "text": r.text} for r in analysis.remarks]
    told = {"run_id": analysis.run_id, "person": analysis.person, "remarks": remarks}
    return {_ANALYSIS: told}


def analysis_of(task: Task) -> Analysis | None:
    """Return the analysis that the task is; None for every other task."""
    told: Any = task.parameters.get(_ANALYSIS)
    if told is None:
        return None
    return Analysis(
        run_id=RunId(told["run_id"]),
        person=UserId(told["person"]),
        remarks=tuple(Remark(**remark) for remark in told["remarks"]),
    )


def without_words(parameters: JsonObject) -> JsonObject:
    """Return a task's parameters without what a person said in an analysis; others as they are."""
    told: Any = parameters.get(_ANALYSIS)
    if told is None:
        return parameters
    remarks = [{**remark, "text": ""} for remark in told["remarks"]]
    return {**parameters, _ANALYSIS: {**told, "remarks": remarks}}


def lesson_key(run_id: RunId, person: UserId) -> str:
    """Return the key of the lesson that this person's ratings of the run lead to."""
    return f"lesson_{run_id}_{person}"
