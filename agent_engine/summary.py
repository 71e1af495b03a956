"""What was done so far, in words, without a model: for runs that end before they are done. Pure."""

from agent_engine.planners.plan import main_text
from agent_engine.types import ActionType, RunSnapshot, Step, StepStatus

MOST_CHARS_PER_STEP = 400


def summary(run: RunSnapshot) -> str:
    """Return Markdown that says which steps were done and what came of them; empty for none."""
    done = [step for step in run.steps if _is_worth_saying(step)]
    if not done:
        return ""
    all_steps = [s for s in run.steps if s.status is not StepStatus.DROPPED and _is_work(s)]
    lines = [_line(step) for step in done]
    return f"Done so far, {len(done)} of {len(all_steps)} steps:\n\n" + "\n".join(lines)


def _is_work(step: Step) -> bool:
    """Whether a step does something: a thought alone is no result."""
    return step.action.action_type not in {ActionType.ANSWER, ActionType.THINK}


def _is_worth_saying(step: Step) -> bool:
    return step.status is StepStatus.DONE and _is_work(step) and step.observation is not None


def _line(step: Step) -> str:
    title = step.action.description or step.action.tool_name or str(step.action.action_type)
    text = main_text(step.observation.content) if step.observation else ""
    shown = " ".join(text.split())
    if len(shown) > MOST_CHARS_PER_STEP:
        shown = f"{shown[:MOST_CHARS_PER_STEP]} …"
    return f"{step.number}. {title}: {shown}" if shown else f"{step.number}. {title}"
