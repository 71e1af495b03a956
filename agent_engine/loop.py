"""The agent's loop: load what is stored, say the next move, carry it out, store what came of it.

START READING HERE. ``AgentLoop.advance`` may be called for a run at any time, by any worker, any
number of times: what was stored is not done twice. ``moves.next_move`` decides and is pure;
``beginning.py`` settles whether a step may start, ``actions.py`` knows how each type of action is
carried out, ``ending.py`` ends a run, ``session.py`` stores. ``agent.py`` has the same loop,
repeated in place, for use as a library.
"""

import asyncio
import logging
from collections.abc import Awaitable
from dataclasses import dataclass, replace
from datetime import datetime

from agent_engine import moves
from agent_engine.actions import (
    Doing,
    carry_out,
    failure,
    success,
)
from agent_engine.analysis import Analyst
from agent_engine.attached import Attached, SeeingModel
from agent_engine.beginning import Beginner, finished
from agent_engine.context import (
    answer_context,
    goal_of,
    planning_context,
    results,
    sub_goal_result,
)
from agent_engine.ending import end_early, end_with, planned_answer, sentence
from agent_engine.equipment import Equip, Equipment
from agent_engine.errors import (
    FencedError,
    LimitExceededError,
    ModelError,
    StorageError,
)
from agent_engine.events import (
    PlanMade,
    Slept,
)
from agent_engine.expectations import needs_judge
from agent_engine.feedback import analysis_of
from agent_engine.memory.long_term import Recollection
from agent_engine.metering import metered_model
from agent_engine.moves import PlanReason, next_move
from agent_engine.planners import plan as plans
from agent_engine.planners.judge import Expectation
from agent_engine.ports import (
    AnswerListener,
    AnswerWriter,
    Attachments,
    Clock,
    NotRunnable,
    OnText,
    Planner,
    PlanningContext,
    Queued,
    RunStore,
)
from agent_engine.recalling import Recalling
from agent_engine.session import Observe, RunSession
from agent_engine.states import AgentStates
from agent_engine.types import (
    ActionType,
    AgentObservation,
    AgentState,
    EndReason,
    Plan,
    Proposal,
    RunId,
    RunSnapshot,
    Source,
    Step,
    StepStatus,
    Wait,
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
        attachments: Attachments | None = None,
    ) -> None:
        self._attachments = attachments
        self._runs = runs
        self._listener = listener or _Nobody()
        self._observe = observe
        self._equip = equip
        self._watch = watch
        self._clock = clock
        self._states = states
        self._analyst = Analyst(runs, watch, clock)

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
            if (analysis := analysis_of(session.run.task)) is not None:
                await self._analyst.work(session, analysis, equipment)
                return Progress(done=True)
            return await _Worker(
                session,
                equipment,
                self._clock,
                self._states,
                self._watch,
                self._listener,
                self._attachments,
            ).work()
        except (FencedError, StorageError):
            raise
        except LimitExceededError as error:
            return await self._end(
                session, EndReason.LIMIT, sentence(error.message), limit=error.name
            )
        except ModelError as error:
            logger.warning("model_failed", extra={**_ids(session.run), "error": error.message})
            return await self._end(session, EndReason.FAILED, sentence(error.message))
        except Exception:
            logger.exception("run_failed", extra=_ids(session.run))
            what = f"Something went wrong on our side (task {session.run.task.id[:8]})."
            return await self._end(session, EndReason.FAILED, what)
        finally:
            self._listener.ended(session.run.run_id)

    async def _end(
        self, session: RunSession, reason: EndReason, why: str, *, limit: str = ""
    ) -> Progress:
        await end_early(session, reason, why, clock=self._clock, limit=limit)
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
        attachments: Attachments | None = None,
    ) -> None:
        self._session = session
        self._equipment = equipment
        self._clock = clock
        self._states = states
        self._watch = watch
        self._listener = listener
        run = session.run
        self._model = metered_model(equipment, session)
        self._folder = equipment.folders.folder(run.scope, run.task.id)
        self._attached = Attached(attachments, self._folder, redact=equipment.redact)
        seeing = SeeingModel(self._model, self._attached)
        self._planner: Planner = equipment.planner(seeing)
        self._writer: AnswerWriter = equipment.writer(seeing)
        self._judge = equipment.judge(self._model) if equipment.judge else None
        self._tools = equipment.tools.specs(run.agent.tools)
        memory, tools = equipment.memory, equipment.tools
        self._recalling = Recalling(session, memory, tools=tools, clock=clock)
        self._begins = Beginner(session, equipment, self._folder, clock)

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
                await self._stop(move)
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
        await self._attached.fetch(self._session.run)
        run = self._session.run
        recalled = await self._recalling.about(goal_of(run))
        context = replace(
            self._context(because=move.because, recalled=recalled),
            on_answer=self._listener.hear(run),
        )
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

    def _context(
        self, *, because: str = "", recalled: Recollection | None = None
    ) -> PlanningContext:
        return planning_context(
            self._attached.shown(self._session.run),
            tools=self._tools,
            folder=self._folder,
            clock=self._clock,
            because=because,
            recalled=recalled or Recollection(),
            remembers=self._equipment.memory is not None,
        )

    # -- acting ----------------------------------------------------------------------------------

    async def _act(self, steps: tuple[Step, ...]) -> None:
        ready = [doing for step in steps if (doing := await self._begin(step)) is not None]
        await self._session.flush()
        ready = [doing for doing in ready if self._now(doing.step).status is StepStatus.STARTED]
        if self._session.run.cancel is not None or not ready:
            return
        await self._attached.fetch(self._session.run)
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

    async def _begin(self, step: Step) -> Doing | None:
        """Note that the step starts; None when that already settles it, or when it has to wait."""
        plan = self._session.run.plan
        under_way = step.status is StepStatus.STARTED
        if under_way and plan is not None and plans.was_planned(plan, step.number):
            self._finish_sub_goal(step, plan)
            return None
        return await self._begins.begin(step)

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
        now = self._clock.now()
        self._session.note(finished(step, observation, seconds=seconds, judged=judged, at=now))

    # -- sub-goals -------------------------------------------------------------------------------

    async def _plan_sub_goal(self, step: Step, doing: Doing) -> None:
        goal = str(doing.parameters.get("goal") or step.action.description).strip()
        run = self._session.run
        if run.plan is None or not goal or step.depth >= MAX_SUB_GOAL_DEPTH:
            why = "a sub-goal needs a goal" if not goal else "sub-goals may not go this deep"
            self._finish(step, failure(why), seconds=0.0)
            return
        recalled = await self._recalling.about(goal)
        context = replace(self._context(recalled=recalled), goal=goal, depth=step.depth + 1)
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
        label = self._equipment.label
        if planned_answer(self._session.run, incomplete_because, label=label) is None:
            await self._session.flush()
        else:
            await self._session.hear()
        run = self._session.run
        if run.cancel is not None or run.unread:
            return
        answer = planned_answer(run, incomplete_because, label=label)
        if answer is None:
            await self._session.flush()  # nothing goes to a model before it is stored
            await self._attached.fetch(run)
            context = answer_context(
                self._attached.shown(run),
                folder=self._folder,
                incomplete_because=incomplete_because,
                recalled=await self._recalling.about(goal_of(run)),
            )
            heard = replace(context, on_answer=self._listener.hear(run))
            answer = await self._writer.write(heard)
        sees = self._model.dialect.sees is not False
        answer = self._attached.noted(answer, run, sees=sees)
        if not incomplete_because:
            self._recalling.note_episode(answer)
        await end_with(self._session, answer, incomplete_because, clock=self._clock)

    async def _stop(self, move: moves.Stop) -> None:
        run = self._session.run
        if move.limit:
            why = sentence(move.limit)
            await end_early(self._session, EndReason.LIMIT, why, clock=self._clock, limit=move.name)
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


def _answering(proposal: Proposal) -> Proposal:
    """An open-ended plan that proposes nothing more is not open-ended any longer."""
    return proposal if len(proposal) else replace(proposal, open_ended=False)


def _told(text: object) -> AgentObservation:
    words = str(text).strip()
    if not words:
        return failure("the planner proposed nothing for this sub-goal")
    return success("sub_goal", source=Source.AGENT, outcome=words, result=words)


def _ids(run: RunSnapshot) -> dict[str, str]:
    return {"run_id": run.run_id, "task_id": run.task.id}
