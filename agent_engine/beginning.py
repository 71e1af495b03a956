"""What is settled before a step is carried out: may it be, was it asked about, was it begun before.

Approvals, repeated calls, steps that a crash interrupted, and waits that are over. It notes that a
step starts; carrying it out is ``actions``.
"""

from datetime import datetime
from pathlib import Path

from agent_engine.actions import (
    Doing,
    approved_call,
    ask_for_approval,
    ask_whether_to_repeat,
    failure,
    observation_of,
    proposed_call,
    tool_context,
)
from agent_engine.equipment import Equipment
from agent_engine.errors import RepetitionError, ToolError
from agent_engine.events import RepetitionWarned, StepFinished, StepStarted
from agent_engine.expectations import surprise
from agent_engine.planners import plan as plans
from agent_engine.ports import Clock
from agent_engine.repetition import Repetition, repetition
from agent_engine.session import RunSession
from agent_engine.types import (
    REPEAT,
    ActionType,
    AgentObservation,
    ApprovedCall,
    JsonObject,
    Step,
    StepStatus,
    Wait,
    WaitKind,
)


class Beginner:
    """Begins the steps of one run."""

    def __init__(
        self, session: RunSession, equipment: Equipment, folder: Path, clock: Clock
    ) -> None:
        self._session = session
        self._equipment = equipment
        self._folder = folder
        self._clock = clock

    async def begin(self, step: Step) -> Doing | None:
        """Note that the step starts; None when that already settles it, or when it has to wait.

        Raises:
            RepetitionError: the same call was made too often.
            StorageError: rules or records could not be read.
        """
        wait = self._session.run.open_wait(step.number)
        if step.status is StepStatus.WAITING and wait is not None:
            return await self._resolved(step, wait)
        if step.status is StepStatus.STARTED:
            return await self._interrupted(step)
        finding = repetition(self._session.run, step)
        if finding.repetition is Repetition.STOP:
            raise RepetitionError(finding.times)
        if finding.repetition is Repetition.WARN:
            self._session.note(RepetitionWarned(key=finding.key, at=self._clock.now()))
        return await self._started(step)

    async def _started(self, step: Step, approved: ApprovedCall | None = None) -> Doing | None:
        """Note that the step starts, or that a person is asked before it may."""
        approved = approved or step.approved
        if approved is not None:
            return self._start(step, dict(approved.arguments), approved)
        try:
            parameters = plans.resolve(step.action.parameters, self._session.run.steps)
        except ToolError as error:
            self._session.note(self._start_of(step, {}))
            self._finish(step, failure(error.message))
            return None
        proposed = await proposed_call(self._doing(step, parameters))
        if proposed is None:
            return self._start(step, parameters)
        ask_for_approval(self._doing(step, parameters), proposed)
        return None

    def _start(
        self, step: Step, parameters: dict[str, object], approved: ApprovedCall | None = None
    ) -> Doing:
        self._session.start(self._start_of(step, parameters, approved))
        plan = self._session.run.plan
        return self._doing(plan.step(step.number) if plan is not None else step, parameters)

    def _start_of(
        self, step: Step, parameters: dict[str, object], approved: ApprovedCall | None = None
    ) -> StepStarted:
        return StepStarted(
            step=step.number,
            attempt=step.attempt + 1,
            parameters=parameters,
            approved=approved,
            at=self._clock.now(),
        )

    async def _resolved(self, step: Step, wait: Wait) -> Doing | None:
        resolution = wait.resolution
        if wait.kind is WaitKind.REPEAT and resolution and resolution.value == REPEAT:
            return await self._started(step)
        if wait.kind is WaitKind.APPROVAL:
            approved = await approved_call(self._doing(step, {}), wait)
            if approved is not None:
                return await self._started(step, approved)
            await self._denied(step, wait)
        self._finish(step, observation_of(wait))
        return None

    async def _denied(self, step: Step, wait: Wait) -> None:
        """Count a call that a person did not allow as a step, and put it on record."""
        event = self._start_of(step, {})
        self._session.note(event)
        if wait.call is not None and wait.resolution is not None:
            context = tool_context(self._doing(step, {}), attempt=event.attempt)
            await self._equipment.tools.denied(wait.call, context, by=wait.resolution.by)

    async def _interrupted(self, step: Step) -> Doing | None:
        """A worker died in this step: repeat it if that does no harm, else ask."""
        parameters = self._parameters_of(step)
        await self._record_interruption(step, parameters)
        if self._may_repeat(step, parameters):
            return await self._started(step)
        await ask_whether_to_repeat(self._doing(step, parameters))
        return None

    async def _record_interruption(self, step: Step, parameters: JsonObject) -> None:
        name = step.action.tool_name
        if step.action.action_type == ActionType.USE_TOOL and name:
            context = tool_context(self._doing(step, parameters))
            await self._equipment.tools.interrupted(name, parameters, context)

    def _may_repeat(self, step: Step, parameters: JsonObject) -> bool:
        if step.action.action_type != ActionType.USE_TOOL:
            return True
        return self._equipment.tools.may_repeat(step.action.tool_name or "", parameters)

    def _parameters_of(self, step: Step) -> JsonObject:
        """Return what the step was begun with."""
        if step.approved is not None:
            return step.approved.arguments
        try:
            return plans.resolve(step.action.parameters, self._session.run.steps)
        except ToolError:
            return step.action.parameters

    def _finish(self, step: Step, observation: AgentObservation) -> None:
        self._session.note(finished(step, observation, seconds=0.0, at=self._clock.now()))

    def _doing(self, step: Step, parameters: JsonObject) -> Doing:
        return Doing(self._session, step, parameters, self._equipment, self._folder, self._clock)


def finished(
    step: Step,
    observation: AgentObservation,
    *,
    seconds: float,
    at: datetime,
    judged: str | None = None,
) -> StepFinished:
    """Return that the step ended so, and how that differs from what was expected."""
    return StepFinished(
        step=step.number,
        observation=observation,
        surprise=surprise(step.action, observation) or judged,
        seconds=seconds,
        at=at,
    )
