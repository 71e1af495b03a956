"""Failure analysis: what a run does that is to learn from another one which a person rated low.

Instead of planning and acting it asks its model once. What was learned and the end of the run are
one commit; it never touches the run that was rated.
"""

import logging
from datetime import datetime

from agent_engine.ending import end_early
from agent_engine.equipment import Equipment
from agent_engine.events import Ended, Remembered
from agent_engine.feedback import Analysis, lesson_key
from agent_engine.hearsay import trust_of
from agent_engine.memories import MemoryKind, MemoryScope, NewMemory, Origin, Trust
from agent_engine.metering import metered_model
from agent_engine.planners.lessons import Finding, find_lesson, lesson_of_words
from agent_engine.ports import Clock, RunStore
from agent_engine.session import RunSession
from agent_engine.types import (
    Answer,
    EndReason,
    PlannerKind,
    RunEnd,
    RunSnapshot,
    TaskStatus,
    UserId,
)
from agent_engine.watch import Interrupted, SignalWatch

logger = logging.getLogger(__name__)

LEARNED = "A lesson was learned."
"""Not the lesson: it is to be nowhere but in memory, where it can be forgotten."""
NOTHING_LEARNED = "Nothing was learned."


class Analyst:
    """Carries analyses out, each in a run of its own."""

    def __init__(self, runs: RunStore, watch: SignalWatch, clock: Clock) -> None:
        self._runs = runs
        self._watch = watch
        self._clock = clock

    async def work(self, session: RunSession, analysis: Analysis, equipment: Equipment) -> None:
        """Learn from the run and end this one; stopped meanwhile, it ends without a lesson.

        Raises what a run of the loop raises.
        """
        run = session.run
        try:
            async with self._watch.guard(run.run_id, epoch=run.epoch):
                if run.cancel is None and run.end is None:
                    await self._learn(session, analysis, equipment)
        except Interrupted:
            await session.refresh()
        if session.run.end is None:
            cancel = session.run.cancel
            reason = cancel.reason if cancel else ""
            await end_early(session, EndReason.STOPPED, reason, clock=self._clock)

    async def _learn(self, session: RunSession, analysis: Analysis, equipment: Equipment) -> None:
        rated = await self._runs.load(analysis.run_id)
        if rated.scope != session.run.scope:
            raise ValueError("an analysis is about a run of its own scope")
        is_offline = equipment.planner_name == PlannerKind.OFFLINE
        if is_offline:
            found = lesson_of_words(analysis.remarks)
        else:
            found = await find_lesson(metered_model(equipment, session), rated, analysis.remarks)
        now = self._clock.now()
        facts = {"run_id": session.run.run_id, "rated_run_id": rated.run_id}
        if found is not None:
            trust = Trust.PERSON if is_offline else trust_of(rated, equipment.tools)
            lesson = lesson_memory(rated, analysis.person, found, trust=trust)
            scope = MemoryScope.of_channel(rated.scope)
            session.note(Remembered(scope=scope, memory=lesson, at=now))
        logger.info("lesson_learned" if found else "nothing_learned", extra=facts)
        session.note(_end(found, now))
        await session.flush()


def lesson_memory(
    run: RunSnapshot, person: UserId, found: Finding, *, trust: Trust = Trust.AGENT
) -> NewMemory:
    """Return what was learned from the run as the memory that later tasks are told of."""
    parts = {
        "wrong": found.wrong,
        "next_time": found.next_time,
        "applies_when": found.applies_when,
    }
    about = f" (for: {found.applies_when})" if found.applies_when else ""
    return NewMemory(
        kind=MemoryKind.LESSON,
        key=lesson_key(run.run_id, person),
        text=found.next_time + about,
        content=parts,
        heading=run.subject,
        trust=trust,
        origin=Origin(task_id=run.task.id, run_id=run.run_id, person=person),
        details=parts,
    )


def _end(found: Finding | None, now: datetime) -> Ended:
    text = LEARNED if found is not None else NOTHING_LEARNED
    end = RunEnd(reason=EndReason.ANSWERED, at=now)
    return Ended(end=end, status=TaskStatus.COMPLETED, answer=Answer(text=text), at=now)
