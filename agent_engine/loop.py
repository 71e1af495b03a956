"""The agent's loop: load what is stored, say the next move, carry it out, store what came of it.

START READING HERE. ``AgentLoop.advance`` may be called for a run at any time, by any worker, any
number of times: what was stored is not done twice. ``moves.next_move`` decides and is pure;
``actions.py`` knows how each type of action is carried out; ``session.py`` stores. ``agent.py`` has
the same loop, repeated in place, for use as a library.
"""

import asyncio
import logging
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from agent_engine import moves
from agent_engine.actions import (
    Doing,
    approved_call,
    ask_for_approval,
    ask_whether_to_repeat,
    carry_out,
    failure,
    observation_of,
    proposed_call,
    success,
    tool_context,
)
from agent_engine.budgets import RunBudgets
from agent_engine.context import (
    answer_context,
    goal_of,
    planning_context,
    results,
    sub_goal_result,
)
from agent_engine.equipment import Equip, Equipment
from agent_engine.errors import (
    FencedError,
    LimitExceededError,
    ModelError,
    RepetitionError,
    StorageError,
    ToolError,
)
from agent_engine.events import (
    Ended,
    PlanMade,
    RepetitionWarned,
    Slept,
    StepFinished,
    StepStarted,
)
from agent_engine.expectations import needs_judge, surprise
from agent_engine.limits import MeteredModel
from agent_engine.moves import PlanReason, next_move
from agent_engine.planners import plan as plans
from agent_engine.planners.judge import Expectation
from agent_engine.ports import (
    AnswerListener,
    AnswerWriter,
    Clock,
    NotRunnable,
    OnText,
    Planner,
    PlanningContext,
    Queued,
    RunStore,
)
from agent_engine.repetition import Repetition, repetition
from agent_engine.session import Observe, RunSession
from agent_engine.states import AgentStates
from agent_engine.summary import summary
from agent_engine.types import (
    ActionType,
    AgentObservation,
    AgentState,
    Answer,
    ApprovedCall,
    EndReason,
    Plan,
    Proposal,
    RunEnd,
    RunId,
    RunSnapshot,
    Source,
    Step,
    StepStatus,
    TaskStatus,
    Wait,
    WaitKind,
)
from agent_engine.watch import Interrupted, SignalWatch

logger = logging.getLogger(__name__)

MAX_SUB_GOAL_DEPTH = 3
"""Sub-goals of sub-goals of sub-goals; deeper ones are refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where ``advance`` left the run."""

    done: bool
    until: datetime | None = None
    """Call again then at the latest; None: only when something comes."""


class AgentLoop:
    """Advances runs. Holds nothing of them between two calls."""

    def __init__(  # noqa: PLR0913 - the composition root hands over each part
        self,
        *,
        runs: RunStore,
        equip: Equip,
        watch: SignalWatch,
        clock: Clock,
        states: AgentStates,
        observe: Observe | None = None,
        listener: AnswerListener | None = None,
    ) -> None:
        self._runs = runs
        self._listener = listener or _Nobody()
        self._observe = observe
        self._equip = equip
        self._watch = watch
        self._clock = clock
        self._states = states

    async def advance(self, run_id: RunId, *, worker: str) -> Progress:
        """Work on the run until it is done or waits.

        Raises:
            FencedError: another worker took the run over.
            StorageError: the database cannot be used; call again later.
            KeyError: there is no such run.
        """
        begun = await self._runs.begin(run_id, worker=worker)
        match begun:
            case NotRunnable():
                return Progress(done=begun.reason == "already_ended")
            case Queued():
                return Progress(done=False)
            case RunSnapshot():
                session = RunSession(self._runs, begun, clock=self._clock, observe=self._observe)
                return await self._work(session)

    async def _work(self, session: RunSession) -> Progress:
        """Carry out moves until one ends the work; nothing leaves but what ``advance`` names."""
        equipment = self._equip(session.run.agent)
        try:
            return await _Worker(
                session, equipment, self._clock, self._states, self._watch, self._listener
            ).work()
        except (FencedError, StorageError):
            raise
        except LimitExceededError as error:
            return await self._end(session, EndReason.LIMIT, _sentence(error.message))
        except ModelError as error:
            logger.warning("model_failed", extra={**_ids(session.run), "error": error.message})
            return await self._end(session, EndReason.FAILED, _sentence(error.message))
        except Exception:
            logger.exception("run_failed", extra=_ids(session.run))
            sentence = f"Something went wrong on our side (task {session.run.task.id[:8]})."
            return await self._end(session, EndReason.FAILED, sentence)
        finally:
            self._listener.ended(session.run.run_id)

    async def _end(self, session: RunSession, reason: EndReason, sentence: str) -> Progress:
        await end_early(session, reason, sentence, clock=self._clock)
        await self._states.ended(session.run)
        return Progress(done=True)


class _Worker:
    """The moves of one ``advance`` of one run."""

    def __init__(  # noqa: PLR0913, PLR0917 - the parts of the loop, and the run
        self,
        session: RunSession,
        equipment: Equipment,
        clock: Clock,
        states: AgentStates,
        watch: SignalWatch,
        listener: AnswerListener,
    ) -> None:
        self._session = session
        self._equipment = equipment
        self._clock = clock
        self._states = states
        self._watch = watch
        self._listener = listener
        run = session.run
        self._model = MeteredModel(
            equipment.model,
            limits=run.limits,
            used=lambda: session.usage,
            prices=equipment.prices,
            settle=session.settle,
            reserve=RunBudgets(equipment.budgets, run.run_id) if equipment.budgets else None,
        )
        self._planner: Planner = equipment.planner(self._model)
        self._writer: AnswerWriter = equipment.writer(self._model)
        self._judge = equipment.judge(self._model) if equipment.judge else None
        self._tools = equipment.tools.specs(run.agent.tools)
        self._folder = equipment.folders.folder(run.scope, run.task.id)

    async def work(self) -> Progress:
        """Repeat: next move, carry it out."""
        while True:
            move = self._or_complete(next_move(self._session.run))
            progress = await self._carry_out(move)
            if progress is not None:
                return progress

    def _or_complete(self, move: moves.Move) -> moves.Move:
        """The next move, or the answer where the agent's own check says that the task is done."""
        complete, run = self._equipment.is_complete, self._session.run
        if complete is None or not isinstance(move, moves.Plan | moves.Act) or not run.steps:
            return move
        return moves.Answer() if complete(run) else move

    async def _carry_out(self, move: moves.Move) -> Progress | None:
        run = self._session.run
        if not isinstance(move, moves.Answer | moves.Stop | moves.Done):
            self._listener.dropped(run.run_id)
        match move:
            case moves.Plan():
                await self._states.change(run, AgentState.PLANNING)
                await self._interruptible(self._plan(move))
            case moves.Act():
                await self._states.change(run, AgentState.EXECUTING)
                await self._interruptible(self._act(move.steps))
            case moves.Answer():
                await self._interruptible(self._answer(move.incomplete_because))
            case moves.Stop():
                await self._stop(move.limit)
            case moves.Wait():
                return await self._sleep(move.waits)
            case moves.Done():
                await self._session.flush()
                await self._states.ended(run)
                return Progress(done=True)
        return None

    async def _interruptible(self, work: Awaitable[None]) -> None:
        """Do the work unless the run is stopped meanwhile; then take in why."""
        run = self._session.run
        try:
            async with self._watch.guard(run.run_id, epoch=run.epoch):
                await work
        except Interrupted:
            await self._session.flush()
            await self._session.refresh()

    # -- planning --------------------------------------------------------------------------------

    async def _plan(self, move: moves.Plan) -> None:
        await self._session.flush()
        run = self._session.run
        context = replace(self._context(because=move.because), on_answer=self._listener.hear(run))
        if run.plan is None:
            proposal = await self._planner.create_plan(goal_of(run), context, self._tools)
            if proposal.degraded == "one_step":
                logger.warning("plan_not_understood", extra=_ids(run))
            plan = plans.first_plan(proposal, planner=self._equipment.planner_name)
        else:
            plan = await self._next_plan(run.plan, move, context)
        counts = move.reason is PlanReason.SURPRISE
        self._note_plan(plan, read=len(context.conversation), counts_as_replan=counts)

    async def _next_plan(self, plan: Plan, move: moves.Plan, context: PlanningContext) -> Plan:
        try:
            proposal = await self._planner.replan(
                plan, results(self._session.run), context, self._tools
            )
        except ModelError as error:
            if plan.open_ended:
                raise
            facts = {**_ids(self._session.run), "error": error.message}
            logger.warning("replan_failed", extra=facts)
            return plans.kept(plan, because=f"I could not make another plan: {error.message}")
        if move.reason is PlanReason.EXTEND:
            return plans.extended(plan, _answering(proposal))
        return plans.replanned(plan, proposal, because=move.because)

    def _note_plan(self, plan: Plan, *, read: int, counts_as_replan: bool = False) -> None:
        self._session.note(
            PlanMade(
                plan=plan,
                messages_read=max(read, self._session.run.messages_read),
                counts_as_replan=counts_as_replan,
                changed=plans.changed_steps(self._session.run.plan, plan),
                at=self._clock.now(),
            )
        )

    def _context(self, *, because: str = "") -> PlanningContext:
        return planning_context(
            self._session.run,
            tools=self._tools,
            folder=self._folder,
            clock=self._clock,
            because=because,
        )

    # -- acting ----------------------------------------------------------------------------------

    async def _act(self, steps: tuple[Step, ...]) -> None:
        ready = [doing for step in steps if (doing := await self._begun(step)) is not None]
        await self._session.flush()
        ready = [doing for doing in ready if self._now(doing.step).status is StepStatus.STARTED]
        if self._session.run.cancel is not None or not ready:
            return
        if len(ready) == 1:
            await self._do(ready[0])
            return
        await self._do_all(ready)

    async def _do_all(self, ready: list[Doing]) -> None:
        """Do the steps at the same time; the first error that is no observation ends them all."""
        try:
            async with asyncio.TaskGroup() as group:
                for doing in ready:
                    group.create_task(self._do_and_store(doing))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from errors

    async def _do_and_store(self, doing: Doing) -> None:
        await self._do(doing)
        await self._session.flush()

    async def _begun(self, step: Step) -> Doing | None:
        """Note that the step starts; None when that already settles it."""
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
        attempt = step.attempt + 1
        approved = approved or step.approved
        if approved is None:
            try:
                parameters = plans.resolve(step.action.parameters, self._session.run.steps)
            except ToolError as error:
                self._session.note(self._start(step, attempt, {}))
                self._finish(step, failure(error.message), seconds=0.0)
                return None
            proposed = await proposed_call(self._doing(step, parameters))
            if proposed is not None:
                ask_for_approval(self._doing(step, parameters), proposed)
                return None
        else:
            parameters = dict(approved.arguments)
        self._session.start(self._start(step, attempt, parameters, approved))
        return self._doing(self._now(step), parameters)

    def _start(
        self,
        step: Step,
        attempt: int,
        parameters: dict[str, object],
        approved: ApprovedCall | None = None,
    ) -> StepStarted:
        return StepStarted(
            step=step.number,
            attempt=attempt,
            parameters=parameters,
            approved=approved,
            at=self._clock.now(),
        )

    async def _resolved(self, step: Step, wait: Wait) -> Doing | None:
        resolution = wait.resolution
        if wait.kind is WaitKind.REPEAT and resolution and resolution.value == "repeat":
            return await self._started(step)
        if wait.kind is WaitKind.APPROVAL:
            approved = await approved_call(self._doing(step, {}), wait)
            if approved is not None:
                return await self._started(step, approved)
            await self._denied(step, wait)
        self._finish(step, observation_of(wait), seconds=0.0)
        return None

    async def _denied(self, step: Step, wait: Wait) -> None:
        """Count a call that a person did not allow as a step, and put it on record."""
        self._session.note(self._start(step, step.attempt + 1, {}))
        if wait.call is not None and wait.resolution is not None:
            context = tool_context(self._doing(self._now(step), {}))
            await self._equipment.tools.denied(wait.call, context, by=wait.resolution.by)

    async def _interrupted(self, step: Step) -> Doing | None:
        """A worker died in this step: repeat it if that does no harm, else ask."""
        plan = self._session.run.plan
        if plan is not None and plans.was_planned(plan, step.number):
            self._finish_sub_goal(step, plan)
            return None
        await self._record_interruption(step)
        if self._may_repeat(step):
            return await self._started(step)
        ask_whether_to_repeat(self._doing(step, step.action.parameters))
        return None

    async def _record_interruption(self, step: Step) -> None:
        name = step.action.tool_name
        if step.action.action_type == ActionType.USE_TOOL and name:
            arguments = step.approved.arguments if step.approved else step.action.parameters
            context = tool_context(self._doing(step, arguments))
            await self._equipment.tools.interrupted(name, arguments, context)

    def _may_repeat(self, step: Step) -> bool:
        if step.action.action_type != ActionType.USE_TOOL:
            return True
        traits = self._equipment.tools.traits(step.action.tool_name or "")
        return traits is None or traits.idempotent

    async def _do(self, doing: Doing) -> None:
        began_s = self._clock.monotonic_s()
        step = doing.step
        if step.action.action_type == ActionType.SUB_GOAL:
            await self._plan_sub_goal(step, doing)
            return
        observation = await carry_out(doing)
        if observation is None:
            return
        difference = await self._judged(step, observation)
        seconds = self._clock.monotonic_s() - began_s
        self._finish(step, observation, seconds=seconds, judged=difference)

    async def _judged(self, step: Step, observation: AgentObservation) -> str | None:
        if self._judge is None or not needs_judge(step.action, observation):
            return None
        case = Expectation(expected=step.action.expected_outcome, result=observation.content)
        (verdict,) = await self._judge.judge((case,))
        return verdict.sentence if verdict is not None and not verdict.met else None

    def _finish(
        self,
        step: Step,
        observation: AgentObservation,
        *,
        seconds: float,
        judged: str | None = None,
    ) -> None:
        self._session.note(
            StepFinished(
                step=step.number,
                observation=observation,
                surprise=surprise(step.action, observation) or judged,
                seconds=seconds,
                at=self._clock.now(),
            )
        )

    # -- sub-goals -------------------------------------------------------------------------------

    async def _plan_sub_goal(self, step: Step, doing: Doing) -> None:
        goal = str(doing.parameters.get("goal") or step.action.description).strip()
        run = self._session.run
        if run.plan is None or not goal or step.depth >= MAX_SUB_GOAL_DEPTH:
            why = "a sub-goal needs a goal" if not goal else "sub-goals may not go this deep"
            self._finish(step, failure(why), seconds=0.0)
            return
        context = replace(self._context(), goal=goal, depth=step.depth + 1)
        try:
            proposal = await self._planner.create_plan(goal, context, self._tools)
        except ModelError as error:
            self._finish(step, failure(error.message), seconds=0.0)
            return
        actions = tuple(a for a in proposal if a.action_type != ActionType.ANSWER)
        answers = [a for a in proposal if a.action_type == ActionType.ANSWER]
        if not actions:
            self._finish(step, _told(answers[0].parameters.get("text", "")), seconds=0.0)
            return
        plan = plans.with_sub_steps(
            self._session.run.plan or run.plan, step, Proposal(actions=actions)
        )
        self._note_plan(plan, read=self._session.run.messages_read)

    def _finish_sub_goal(self, step: Step, plan: Plan) -> None:
        content = sub_goal_result(plans.children(plan, step.number))
        observation = AgentObservation(
            observation_type="sub_goal",
            content=content,
            source=Source.ENGINE,
            outcome=str(content.get("error") or content.get("result") or "done")[:200],
        )
        self._finish(step, observation, seconds=0.0)

    # -- ending ----------------------------------------------------------------------------------

    async def _answer(self, incomplete_because: str) -> None:
        if self._planned_answer(self._session.run, incomplete_because) is None:
            await self._session.flush()
        else:
            await self._session.hear()
        run = self._session.run
        if run.cancel is not None or run.unread:
            return
        answer = self._planned_answer(run, incomplete_because)
        if answer is None:
            await self._session.flush()  # nothing goes to a model before it is stored
            context = answer_context(
                run, folder=self._folder, incomplete_because=incomplete_because
            )
            heard = replace(context, on_answer=self._listener.hear(run))
            answer = await self._writer.write(heard)
        if incomplete_because:
            self._note_end(EndReason.FAILED, TaskStatus.ERROR, incomplete_because, answer)
        else:
            self._note_end(EndReason.ANSWERED, TaskStatus.COMPLETED, "", answer)
        await self._session.flush()

    def _planned_answer(self, run: RunSnapshot, incomplete_because: str) -> Answer | None:
        """The words of the plan's own answer step, or a tool's final result; None for none."""
        final = next((s for s in run.steps if _final_result(s) is not None), None)
        if final is not None:
            return Answer(text=_final_result(final) or "", files=_made_files(run))
        step = plans.answer_step(run.plan) if run.plan else None
        if run.plan is None or step is None or incomplete_because:
            return None
        failed = any(s.status is StepStatus.FAILED for s in run.steps)
        return None if failed and not run.plan.open_ended else self._answer_of(step, run)

    def _answer_of(self, step: Step, run: RunSnapshot) -> Answer | None:
        with suppress(ToolError):
            text = plans.resolve(step.action.parameters, run.steps).get("text")
            if isinstance(text, str) and text.strip():
                return Answer(text=text, files=_made_files(run), label=self._equipment.label)
        return None

    def _note_end(
        self, reason: EndReason, status: TaskStatus, sentence: str, answer: Answer | None
    ) -> None:
        run, now = self._session.run, self._clock.now()
        step = plans.answer_step(run.plan) if run.plan else None
        if step is not None:
            written = success("answer", source=Source.AGENT, outcome="answered")
            self._session.note(StepFinished(step=step.number, observation=written, at=now))
        end = RunEnd(reason=reason, sentence=sentence, at=now)
        self._session.note(Ended(end=end, status=status, answer=answer, at=now))

    async def _stop(self, limit: str) -> None:
        run = self._session.run
        if limit:
            await end_early(self._session, EndReason.LIMIT, _sentence(limit), clock=self._clock)
            return
        reason = run.cancel.reason if run.cancel else ""
        await end_early(self._session, EndReason.STOPPED, reason, clock=self._clock)

    async def _sleep(self, waits: tuple[Wait, ...]) -> Progress | None:
        self._session.note(Slept(at=self._clock.now()))
        before = self._session.run.inbox_seq
        await self._session.flush()
        if self._session.run.inbox_seq != before:
            return Progress(done=False, until=self._clock.now())
        await self._states.change(self._session.run, AgentState.WAITING)
        timers = [wait.until for wait in waits if wait.until is not None]
        return Progress(done=False, until=min(timers, default=None))

    # -- small things ----------------------------------------------------------------------------

    def _doing(self, step: Step, parameters: object) -> Doing:
        checked = parameters if isinstance(parameters, dict) else {}
        return Doing(self._session, step, checked, self._equipment, self._folder, self._clock)

    def _now(self, step: Step) -> Step:
        plan = self._session.run.plan
        return plan.step(step.number) if plan is not None else step


class _Nobody:
    """Listens to no answer."""

    def hear(self, _run: RunSnapshot) -> OnText | None:
        return None

    def dropped(self, _run_id: RunId) -> None:
        return

    def ended(self, _run_id: RunId) -> None:
        return


async def end_early(session: RunSession, reason: EndReason, sentence: str, *, clock: Clock) -> None:
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
    end = RunEnd(reason=reason, sentence=sentence, by=by, at=now)
    session.note(Ended(end=end, status=status, answer=answer, at=now))
    await session.flush()


def _answering(proposal: Proposal) -> Proposal:
    """An open-ended plan that proposes nothing more is not open-ended any longer."""
    return proposal if len(proposal) else replace(proposal, open_ended=False)


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


def _told(text: object) -> AgentObservation:
    words = str(text).strip()
    if not words:
        return failure("the planner proposed nothing for this sub-goal")
    return success("sub_goal", source=Source.AGENT, outcome=words, result=words)


def _ids(run: RunSnapshot) -> dict[str, str]:
    return {"run_id": run.run_id, "task_id": run.task.id}


def _sentence(message: str) -> str:
    text = message.strip()
    capital = text[:1].upper() + text[1:]
    return capital if capital.endswith((".", "!", "?", "…")) else f"{capital}."
