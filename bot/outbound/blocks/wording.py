"""What steps, ends and usage are called in words for people. Pure; nothing in it is escaped."""

from agent_engine.commands import TaskLine
from agent_engine.types import (
    ActionType,
    AgentAction,
    EndReason,
    Limits,
    RunSnapshot,
    Step,
    StepStatus,
    TaskStatus,
    Usage,
    Wait,
    WaitKind,
)
from bot.outbound.text import count, duration, money, one_line

MAX_TITLE = 150
MAX_SENTENCE = 600
FOR_PEOPLE = frozenset({WaitKind.QUESTION, WaitKind.REPEAT, WaitKind.APPROVAL})
"""What only a person can end."""

_BY_TYPE: dict[str, str] = {
    ActionType.THINK: "Think it through",
    ActionType.REMEMBER: "Remember something",
    ActionType.RECALL: "Look into memory",
    ActionType.WAIT: "Wait",
    ActionType.ASK: "Ask",
    ActionType.DELEGATE: "Delegate",
    ActionType.SUB_GOAL: "Work on a part of it",
    ActionType.ANSWER: "Write the answer",
}
END_WORDS = {
    EndReason.ANSWERED: "Done",
    EndReason.STOPPED: "Stopped",
    EndReason.LIMIT: "Stopped at a limit",
    EndReason.FAILED: "Failed",
}
"""What an end is called wherever it is named in a word or two."""
_STATUS_WORDS: dict[str, str] = {
    TaskStatus.PENDING: "Starting",
    TaskStatus.RUNNING: "Working",
    TaskStatus.WAITING: "Waiting",
    TaskStatus.COMPLETED: END_WORDS[EndReason.ANSWERED],
    TaskStatus.ERROR: END_WORDS[EndReason.FAILED],
    TaskStatus.CANCELLED: END_WORDS[EndReason.STOPPED],
}
_ENDINGS = {
    EndReason.ANSWERED: "Done.",
    EndReason.STOPPED: "Stopped.",
    EndReason.LIMIT: "Stopped at a limit.",
    EndReason.FAILED: "This did not work out.",
}


def step_title(action: AgentAction) -> str:
    """Return one line that names what a step does."""
    if title := one_line(action.description, MAX_TITLE):
        return title
    if action.tool_name:
        return one_line(f"Use {action.tool_name}", MAX_TITLE)
    named = one_line(str(action.action_type), MAX_TITLE)
    return _BY_TYPE.get(str(action.action_type), named) or "A step"


def step_outcome(step: Step) -> str:
    """Return one line that says what came of a step; empty when there is nothing to say yet."""
    tries = f"{step.attempt} attempts: " if step.attempt > 1 and step.status.is_final else ""
    if step.status is StepStatus.STOPPED:
        return f"{tries}stopped"
    if step.observation is None:
        return ""
    said = step.observation.outcome
    if step.status is StepStatus.FAILED:
        said = said or step.observation.error or "failed"
    return f"{tries}{said}" if said else ""


def ending(run: RunSnapshot) -> str:
    """Return the sentence that says how a run ended; empty while it has not."""
    if run.end is None:
        return ""
    said = one_line(run.end.sentence, MAX_SENTENCE)
    if not said:
        return _ENDINGS[run.end.reason]
    return said[0].upper() + said[1:] + ("." if said[-1].isalnum() else "")


def task_state(line: TaskLine) -> str:
    """Return a word or two for how a task in a list stands."""
    if line.queue_place is not None:
        return in_line(line.queue_place)
    if line.end_reason is not None:
        return END_WORDS[line.end_reason]
    return _STATUS_WORDS.get(line.status) or one_line(line.status, 30)


def in_line(place: int) -> str:
    """Say that a task waits for its turn."""
    return f"In line, place {place}"


def waiting_for(wait: Wait) -> str:
    """Say what a run waits for."""
    match wait.kind:
        case WaitKind.QUESTION:
            return "Waiting for an answer to its question in this thread"
        case WaitKind.REPEAT:
            return "Waiting for a decision: a step may already have happened"
        case WaitKind.APPROVAL:
            return "Waiting for a person to approve a step: see the question in this thread"
        case WaitKind.TIMER:
            until = "" if wait.until is None else f" until {wait.until:%H:%M:%S} UTC"
            return f"Waiting for a timer{until}"
        case WaitKind.SUB_TASK:
            return "Waiting for another agent's part"


def used(usage: Usage) -> str:
    """Say what a run has used, in one line."""
    parts = [duration(usage.seconds)]
    if usage.iterations:
        parts.append(count(usage.iterations, "step"))
    if usage.tokens:
        parts.append(count(usage.tokens, "token"))
    return " · ".join([*parts, *_cost(usage, 0.0)])


def used_of(usage: Usage, limits: Limits) -> str:
    """Say what a run has used of what it may use, in one line."""
    parts = [
        duration(usage.seconds) + (f" of {duration(limits.seconds)}" if limits.seconds else ""),
        _begun(usage.iterations, limits.iterations),
        _tokens(usage.tokens, limits.tokens),
    ]
    return " · ".join([*filter(None, parts), *_cost(usage, limits.usd)])


def _begun(number: int, limit: int) -> str:
    # Never "2 of 10 steps": the plan above says how many of its own steps are done.
    return f"{count(number, 'step')} begun" + (f", at most {limit:,}" if limit else "")


def _tokens(number: int, limit: int) -> str:
    if not number:
        return ""
    return f"{number:,} of {limit:,} tokens" if limit else count(number, "token")


def _cost(usage: Usage, limit: float) -> list[str]:
    if not usage.usd and not limit:
        return []
    return [money(usage.usd) + (f" of {money(limit)}" if limit else "")]
