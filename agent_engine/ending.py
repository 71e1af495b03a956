"""How a run ends: with its answer, or early, with what was done so far.

Notes events with the session and stores them. Which end it is was decided before.
"""

from contextlib import suppress

from agent_engine.actions import failure, success
from agent_engine.errors import ToolError
from agent_engine.events import Ended, StepFinished
from agent_engine.planners import plan as plans
from agent_engine.ports import Clock
from agent_engine.session import RunSession
from agent_engine.summary import summary
from agent_engine.types import (
    Answer,
    EndReason,
    RunEnd,
    RunSnapshot,
    Source,
    Step,
    StepStatus,
    TaskStatus,
)


def planned_answer(run: RunSnapshot, incomplete_because: str, *, label: str) -> Answer | None:
    """Return a tool's final result, or the words of the plan's own answer step; None for none.

    Args:
        run: as it stands.
        incomplete_because: why the work is not all done; then the plan's own words do not fit.
        label: shown with words of the plan's own, when a degraded mode made it.
    """
    final = next((s for s in run.steps if _final_result(s) is not None), None)
    if final is not None:
        return Answer(text=_final_result(final) or "", files=_made_files(run))
    step = plans.answer_step(run.plan) if run.plan else None
    if run.plan is None or step is None or incomplete_because:
        return None
    failed = any(s.status is StepStatus.FAILED for s in run.steps)
    return None if failed and not run.plan.open_ended else _answer_of(step, run, label)


async def end_with(
    session: RunSession, answer: Answer, incomplete_because: str, *, clock: Clock
) -> None:
    """End the run with its answer; what is incomplete has failed, for all its words."""
    run, now = session.run, clock.now()
    step = plans.answer_step(run.plan) if run.plan else None
    if step is not None:
        written = success("answer", source=Source.AGENT, outcome="answered")
        session.note(StepFinished(step=step.number, observation=written, at=now))
    reason = EndReason.FAILED if incomplete_because else EndReason.ANSWERED
    status = TaskStatus.ERROR if incomplete_because else TaskStatus.COMPLETED
    end = RunEnd(reason=reason, sentence=incomplete_because, at=now)
    session.note(Ended(end=end, status=status, answer=answer, at=now))
    await session.flush()


async def end_early(
    session: RunSession, reason: EndReason, why: str, *, clock: Clock, limit: str = ""
) -> None:
    """End the run before it is done: what was under way is stopped, what is done is kept and said.

    Needs no model: the summary is made from the observations.
    """
    now = clock.now()
    for step in session.run.steps:
        if step.status in (StepStatus.STARTED, StepStatus.WAITING):
            stopped = failure("stopped before it was done")
            session.note(StepFinished(step=step.number, observation=stopped, stopped=True, at=now))
    run = session.run
    by = run.cancel.by if run.cancel and reason is EndReason.STOPPED else None
    status = TaskStatus.CANCELLED if reason is EndReason.STOPPED else TaskStatus.ERROR
    text = summary(run)
    answer = Answer(text=text, files=_made_files(run)) if text else None
    end = RunEnd(reason=reason, sentence=why, limit=limit, by=by, at=now)
    session.note(Ended(end=end, status=status, answer=answer, at=now))
    await session.flush()


def sentence(message: str) -> str:
    """Return the message as a sentence: with a capital, and an end."""
    text = message.strip()
    capital = text[:1].upper() + text[1:]
    return capital if capital.endswith((".", "!", "?", "…")) else f"{capital}."


# ------------------------------------------------------------------------------------------------


def _answer_of(step: Step, run: RunSnapshot, label: str) -> Answer | None:
    with suppress(ToolError):
        text = plans.resolve(step.action.parameters, run.steps).get("text")
        if isinstance(text, str) and text.strip():
            return Answer(text=text, files=_made_files(run), label=label)
    return None


def _final_result(step: Step) -> str | None:
    observation = step.observation
    if observation is None or not observation.success:
        return None
    final = observation.content.get("final_result")
    if final is None:
        return None
    return final if isinstance(final, str) else plans.main_text({"value": final})


def _made_files(run: RunSnapshot) -> tuple[str, ...]:
    made = [path for s in run.steps if s.observation is not None for path in s.observation.files]
    return tuple(dict.fromkeys(made))
