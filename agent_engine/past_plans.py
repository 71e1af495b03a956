"""What became of earlier plans: values, and the words that later planners are told of them. Pure.

All words in them are data of earlier tasks; whoever shows them puts them between fences.
"""

from dataclasses import dataclass
from datetime import datetime

from agent_engine.types import ActionType, AgentAction, EndReason, RunId, StepStatus

LONGEST_PLAN = 1_200
"""Characters of one plan that a model is told."""
LONGEST_WARNING = 400
MOST_STEPS = 12
_LONGEST_PROBLEM = 300
_LONGEST_PART = 120
_MINUTE_S = 60.0
_ENDS = {
    EndReason.ANSWERED: "answered",
    EndReason.STOPPED: "stopped by people",
    EndReason.LIMIT: "stopped at a limit",
    EndReason.FAILED: "failed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PastStep:
    """One step of an earlier run, and how it went."""

    number: int
    action: AgentAction
    status: StepStatus
    seconds: float | None = None
    """None for what was never done."""
    error: str = ""
    """Why it failed, in the words of the tool; empty for what did not."""
    rated_low: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRun:
    """The figures of an earlier run."""

    run_id: RunId
    end_reason: EndReason | None
    seconds: float
    """That were worked on it."""
    steps: tuple[PastStep, ...] = ()
    """In order; without what was dropped, and without the answer."""
    rated_well: int = 0
    """How many people think well of the whole; of each one the newest choice counts."""
    rated_low: int = 0
    example: int | None = None
    """The memory that holds its plan as an example; None: none does, or it was forgotten."""

    @property
    def is_good(self) -> bool:
        """Whether more people think well of it than not."""
        return self.rated_well > self.rated_low

    @property
    def is_bad(self) -> bool:
        """Whether people rated it low, and no more of them well."""
        return bool(self.rated_low) and not self.is_good

    @property
    def is_warning(self) -> bool:
        """Whether it is no plan to follow: rated low, or without an answer."""
        return self.is_bad or self.end_reason is not EndReason.ANSWERED


def plan_words(problem: str, run: PastRun) -> str:
    """Return what was asked, the steps and how long each took, a line each.

    Nothing in it is what a tool said: it may be kept.
    """
    steps = [_step(step) for step in run.steps[:MOST_STEPS]]
    left = len(run.steps) - MOST_STEPS
    more = [f"and {left} more steps"] if left > 0 else []
    end = f"{_ended(run)}, {_duration(run.seconds)} in all"
    return "\n".join([cut(problem, _LONGEST_PROBLEM), *steps, *more, end])


def told_plan(made_at: datetime, words: str, run: PastRun | None) -> str:
    """Return a plan as a planner is told of it; None where its run is no longer stored."""
    told = f"[{made_at:%Y-%m-%d}, {ratings(run)}] {words}{_failures(run)}"
    return told if len(told) <= LONGEST_PLAN else f"{told[: LONGEST_PLAN - 1]}…"


def told_warning(made_at: datetime, problem: str, run: PastRun) -> str:
    """Return, shortly, what is better not done again."""
    failed = [s for s in run.steps if s.status is StepStatus.FAILED or s.rated_low]
    what = "; ".join(_step(step) + _why(step) for step in (failed or run.steps)[:MOST_STEPS])
    steps = f" Steps: {what}" if what else ""
    said = f"{cut(problem, _LONGEST_PART)}: {_ended(run)}.{steps}"
    return cut(f"[{made_at:%Y-%m-%d}, do not repeat: {ratings(run)}] {said}", LONGEST_WARNING)


def ratings(run: PastRun | None) -> str:
    """Say how people rated a run."""
    if run is None or not (run.rated_well or run.rated_low):
        return "not rated"
    parts = (("well", run.rated_well), ("low", run.rated_low))
    return "rated " + ", ".join(f"{word} by {number}" for word, number in parts if number)


def is_step(action: AgentAction, status: StepStatus) -> bool:
    """Say whether a step is a part of the plan that later ones can learn from."""
    return action.action_type != ActionType.ANSWER and status is not StepStatus.DROPPED


def cut(text: str, limit: int) -> str:
    """Return the text in one line of at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


# ------------------------------------------------------------------------------------------------


def _step(step: PastStep) -> str:
    action = step.action
    took = "" if step.seconds is None else f", {_duration(step.seconds)}"
    low = ", rated low" if step.rated_low else ""
    what = " ".join(filter(None, (str(action.action_type), action.tool_name)))
    about = cut(action.description, _LONGEST_PART)
    arguments = " ".join(f"{name}={value}" for name, value in action.parameters.items())
    given = f" ({cut(arguments, _LONGEST_PART)})" if arguments else ""
    return f"{step.number}. {step.status}{took}{low}: {what}{given} {about}".rstrip()


def _why(step: PastStep) -> str:
    return f" -> {cut(step.error, _LONGEST_PART)}" if step.error else ""


def _failures(run: PastRun | None) -> str:
    failed = [step for step in run.steps if step.error] if run is not None else []
    return "".join(f"\nstep {step.number} failed:{_why(step)}" for step in failed[:MOST_STEPS])


def _ended(run: PastRun) -> str:
    return _ENDS[run.end_reason] if run.end_reason is not None else "not ended yet"


def _duration(seconds: float) -> str:
    """Say how long it took.

    >>> _duration(0.04), _duration(12.34), _duration(150)
    ('0.0 s', '12.3 s', '2.5 min')
    """
    return f"{seconds:.1f} s" if seconds < _MINUTE_S else f"{seconds / _MINUTE_S:.1f} min"
