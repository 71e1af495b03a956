"""How a run ended, as it is said to people, and what can be done about it. Pure.

An unhappy end has to reach whoever asked, and an edit notifies nobody. So it is said, with its
buttons, in a message that is new: around what was done so far, else in a notice of its own.
"""

from agent_engine.types import EndReason, RunSnapshot, StepStatus
from bot.outbound.blocks import ids, wording
from bot.outbound.blocks.extend import extend_buttons
from bot.outbound.blocks.parts import button, person
from bot.outbound.text import escape


def is_unhappy(run: RunSnapshot) -> bool:
    """Say whether the run has ended without getting to its answer."""
    return run.end is not None and run.end.reason is not EndReason.ANSWERED


def needs_notice(run: RunSnapshot) -> bool:
    """Say whether the end needs a message of its own: no other new one says it.

    Not for those who stopped their task themselves: they know, and see it in the plan.
    """
    if run.end is None or not is_unhappy(run) or run.answer is not None:
        return False
    by_themselves = run.end.by is not None and run.end.by == run.requester
    return run.end.reason is not EndReason.STOPPED or not by_themselves


def is_said_by_plan(run: RunSnapshot) -> bool:
    """Say whether it is for the plan message to tell the unhappy end and to offer a new start."""
    return is_unhappy(run) and run.answer is None and not needs_notice(run)


def end_sentence(run: RunSnapshot) -> str:
    """Return safe mrkdwn that says how the run ended; empty while it has not."""
    end = run.end
    if end is not None and end.reason is EndReason.STOPPED and end.by is not None:
        return f"Stopped by {person(end.by)}."
    return escape(wording.ending(run))


def again_buttons(run: RunSnapshot) -> list[dict[str, object]]:
    """Return *Run again* and, where something was done, *Continue*; nothing after an answer."""
    if not is_unhappy(run):
        return []
    again = extend_buttons(run)
    again.append(button("Run again", ids.AgainRun(run_id=run.run_id, keep_work=False)))
    if any(step.status in {StepStatus.DONE, StepStatus.FAILED} for step in run.steps):
        again.append(button("Continue", ids.AgainRun(run_id=run.run_id, keep_work=True)))
    return again
