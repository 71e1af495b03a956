"""What planners and writers are told: a snapshot turned into their contexts; writes nothing."""

import os
from pathlib import Path

from agent_engine.memory.long_term import Recollection, line
from agent_engine.memory.working import remembered
from agent_engine.planners.plan import main_text
from agent_engine.ports import AnswerContext, Clock, PlanningContext, StepResult, ToolSpec
from agent_engine.types import ActionType, RunSnapshot, Step

MOST_FILES = 50
MOST_MEMORIES = 5
_NOTHING = Recollection()


def goal_of(run: RunSnapshot) -> str:
    """Return what is wanted now: the newest words for a follow-up, else the task's description."""
    told = "\n\n".join(message.text for message in run.unread)
    return told if told and run.earlier_answers else run.task.description


def planning_context(  # noqa: PLR0913  # all that a planner is told
    run: RunSnapshot,
    *,
    tools: tuple[ToolSpec, ...],
    folder: Path,
    clock: Clock,
    because: str = "",
    recalled: Recollection = _NOTHING,
    remembers: bool = False,
) -> PlanningContext:
    """Return what the planner of this run is told."""
    names = tuple(tool.name for tool in tools)
    return PlanningContext(
        goal=goal_of(run),
        agent_name=run.agent.name,
        instructions=run.agent.instructions,
        capabilities=("planning", "execution", "memory", "learning", *names),
        conversation=run.messages,
        memories=_remembered(run, recalled),
        lessons=tuple(line(lesson) for lesson in recalled.lessons),
        past_plans=tuple(plan.words for plan in recalled.plans),
        remembers=remembers,
        steps=tuple(step for step in run.steps if step.observation is not None),
        earlier_answers=run.earlier_answers,
        files=files_in(folder),
        delegates=run.agent.delegates,
        next_step=run.plan.next_number if run.plan else 1,
        because=because,
        warning=_warning(run),
        now=clock.now(),
    )


def answer_context(
    run: RunSnapshot,
    *,
    folder: Path,
    incomplete_because: str,
    recalled: Recollection = _NOTHING,
) -> AnswerContext:
    """Return what the answer of this run is written from."""
    return AnswerContext(
        goal=run.subject,
        agent_name=run.agent.name,
        instructions=run.agent.instructions,
        conversation=run.messages,
        steps=tuple(s for s in run.steps if s.action.action_type != ActionType.ANSWER),
        earlier_answers=run.earlier_answers,
        memories=_remembered(run, recalled),
        files=files_in(folder),
        incomplete_because=incomplete_because,
    )


def results(run: RunSnapshot) -> tuple[StepResult, ...]:
    """Return the finished steps with what they returned, oldest first."""
    return tuple(
        StepResult(step=step, result=step.observation.content)
        for step in run.steps
        if step.observation is not None
    )


def sub_goal_result(steps: tuple[Step, ...]) -> dict[str, object]:
    """Return what a sub-goal came to, from what its steps returned."""
    seen = [step for step in steps if step.observation is not None]
    failed = [step for step in seen if step.observation and not step.observation.success]
    texts = [main_text(s.observation.content) for s in seen if s.observation]
    content: dict[str, object] = {"success": not failed and bool(seen)}
    content["result"] = texts[-1] if texts else ""
    content["steps"] = [step.number for step in seen]
    if failed or not seen:
        content["error"] = _why_failed(failed)
    return content


def files_in(folder: Path) -> tuple[str, ...]:
    """Return the files of a task folder, relative to it, a bounded number of them."""
    found: list[str] = []
    for place, folders, names in os.walk(folder):
        folders.sort()
        paths = (Path(place, name) for name in sorted(names))
        found += [p.relative_to(folder).as_posix() for p in paths if not p.is_symlink()]
        if len(found) >= MOST_FILES:
            break
    return tuple(found[:MOST_FILES])


def _why_failed(failed: list[Step]) -> str:
    if not failed:
        return "none of its steps could be carried out"
    observation = failed[-1].observation
    return (observation.error if observation else None) or "a step of it failed"


def _remembered(run: RunSnapshot, recalled: Recollection) -> tuple[str, ...]:
    """Return what is remembered, the task's own last: the first are missed first."""
    return (*(line(memory) for memory in recalled.memories), *_in_mind(run))


def _in_mind(run: RunSnapshot) -> tuple[str, ...]:
    items = remembered(run.steps).get_all_items()
    return tuple(f"{item.key}: {item.content}" for item in items[-MOST_MEMORIES:])


def _warning(run: RunSnapshot) -> str:
    if not run.warned_of:
        return ""
    return (
        "You are repeating the same tool call with the same arguments; it will be refused next "
        f"time. Do something else, or answer with what you have. Repeated: {run.warned_of[-1]}"
    )
