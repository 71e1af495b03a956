"""How each type of action is carried out: one function per word, in one table.

A function gets the session and the step, with its parameters resolved, and returns what it
observed; or it opens a wait and returns nothing. It stores nothing but through the session.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from agent_engine.equipment import Equipment
from agent_engine.errors import ToolError
from agent_engine.events import Recalled, Remembered, WaitOpened
from agent_engine.hearsay import TRUST, trust_of
from agent_engine.memories import MemoryState, Trust
from agent_engine.memory.base import MemoryResult
from agent_engine.memory.working import remembered
from agent_engine.planners.plan import main_text
from agent_engine.ports import Clock, ToolContext
from agent_engine.session import RunSession
from agent_engine.types import (
    APPROVE,
    DENY,
    REPEAT,
    SKIP,
    ActionType,
    AgentId,
    AgentObservation,
    ApprovedCall,
    JsonObject,
    MemoryUse,
    ProposedCall,
    Source,
    Step,
    Task,
    TaskId,
    Wait,
    WaitKind,
    new_id,
)

DEFAULT_WAIT_S = 1.0
LONGEST_WAIT_S = 30 * 24 * 3600.0
DEFAULT_RECALL = 10
MOST_CHOICES = 10


@dataclass(frozen=True, slots=True)
class Doing:
    """One step being carried out."""

    session: RunSession
    step: Step
    parameters: JsonObject
    equipment: Equipment
    folder: Path
    """The task folder; exists."""
    clock: Clock


Carry = Callable[[Doing], Awaitable[AgentObservation | None]]


async def carry_out(doing: Doing) -> AgentObservation | None:
    """Carry the step out; None when it waits now. What fails is an observation."""
    action_type = doing.step.action.action_type
    carry = _CARRIES.get(str(action_type))
    if carry is None:
        known = ", ".join(_CARRIES)
        return failure(f"there is no action type {str(action_type)!r}; there are: {known}")
    try:
        return await carry(doing)
    except ToolError as error:
        return failure(error.message)


def tool_context(doing: Doing, *, attempt: int | None = None) -> ToolContext:
    """Return for whom and where the step's tool is called; the step's own attempt by default."""
    run, step = doing.session.run, doing.step
    return ToolContext(
        scope=run.scope,
        run_id=run.run_id,
        task_id=run.task.id,
        step=step.number,
        requester=run.requester,
        task_folder=doing.folder,
        idempotency_key=f"{run.run_id}:{step.number}",
        attempt=attempt or max(step.attempt, 1),
        approved=step.approved,
        approved_tools=frozenset(s.approved_tool for s in run.steps if s.approved_tool),
    )


async def proposed_call(doing: Doing) -> ProposedCall | None:
    """Return what a person must be asked before the step; None when it can simply be done."""
    action = doing.step.action
    if action.action_type != ActionType.USE_TOOL or not action.tool_name:
        return None
    return await doing.equipment.tools.proposal(
        action.tool_name,
        doing.parameters,
        tool_context(doing),
        allowed=doing.session.run.agent.tools,
    )


def ask_for_approval(doing: Doing, proposed: ProposedCall) -> None:
    """Ask a person whether the tool may be called like this."""
    wait = Wait(
        id=_wait_id(doing),
        kind=WaitKind.APPROVAL,
        question=doing.step.action.description,
        choices=(APPROVE, DENY),
        asked_of=doing.session.run.requester,
        call=proposed,
        **_of(doing),
    )
    _open(doing, wait)


async def approved_call(doing: Doing, wait: Wait) -> ApprovedCall | None:
    """Return what a person approved, as they left it; None when they did not.

    Arguments that they changed are looked at anew, for an approval is bound to what is called.
    """
    resolution, proposed = wait.resolution, wait.call
    if resolution is None or proposed is None or resolution.value != APPROVE:
        return None
    if resolution.arguments is None:
        arguments, digest = proposed.arguments, proposed.digest
    else:
        changed = await proposed_call(replace(doing, parameters=resolution.arguments))
        # Nothing to ask about now: the call itself finds them harmless, or says what is wrong.
        arguments = changed.arguments if changed is not None else resolution.arguments
        digest = changed.digest if changed is not None else ""
    return ApprovedCall(arguments=arguments, digest=digest, by=resolution.by)


def failure(error: str, *, source: Source = Source.ENGINE) -> AgentObservation:
    """Return the observation of something that did not work."""
    return AgentObservation(
        observation_type="error",
        content={"success": False, "error": error},
        source=source,
        outcome=_one_line(error),
    )


def success(kind: str, *, source: Source, outcome: str, **content: object) -> AgentObservation:
    """Return the observation of something that worked."""
    return AgentObservation(
        observation_type=kind,
        content={"success": True, **content},
        source=source,
        outcome=_one_line(outcome),
    )


def observation_of(wait: Wait) -> AgentObservation:
    """Return what a step observes when its wait is over."""
    resolution = wait.resolution
    if resolution is None:
        raise ValueError("the wait is still open")
    match wait.kind:
        case WaitKind.QUESTION:
            return success(
                "reply",
                source=Source.PERSON,
                outcome=resolution.value,
                reply=resolution.value,
                question=wait.question,
            )
        case WaitKind.TIMER:
            return success("timer", source=Source.ENGINE, outcome="waited")
        case WaitKind.SUB_TASK if resolution.success:
            return success(
                "sub_task",
                source=Source.SUB_TASK,
                outcome=resolution.value,
                answer=resolution.value,
                sub_task=wait.sub_task_id,
            )
        case WaitKind.SUB_TASK:
            return failure(resolution.value, source=Source.SUB_TASK)
        case WaitKind.APPROVAL:
            why = f": {resolution.remark}" if resolution.remark else ""
            return failure(f"a person did not allow this call{why}", source=Source.PERSON)
        case WaitKind.REPEAT:
            return failure("it may already have happened and was not repeated, as a person decided")


async def _use_tool(doing: Doing) -> AgentObservation:
    run, name = doing.session.run, doing.step.action.tool_name
    if not name:
        raise ToolError("the action names no tool")
    return await doing.equipment.tools.call(
        name, doing.parameters, tool_context(doing), allowed=run.agent.tools
    )


async def _think(doing: Doing) -> AgentObservation:
    thought = _text(doing, "thought")
    at = doing.clock.now().strftime("%Y%m%dT%H%M%S.%f")
    return success(
        "thought",
        source=Source.AGENT,
        outcome=thought,
        key=f"thought_{at}",
        value=thought,
        thought=thought,
    )


async def _remember(doing: Doing) -> AgentObservation:
    key = _text(doing, "key")
    if "value" not in doing.parameters:
        raise ToolError("remember needs a value")
    value = doing.parameters["value"]
    memory, session, run = doing.equipment.memory, doing.session, doing.session.run
    outcome, is_proposed = "kept for this task", False
    if memory is not None:
        trust = trust_of(run, doing.equipment.tools)
        fact = await memory.fact(run, doing.step, key, value, trust=trust, settle=session.settle)
        if fact is not None:
            session.note(fact)
            is_proposed = fact.memory.state is MemoryState.PROPOSED
            outcome = _kept_for(fact)
    told: dict[str, object] = {"key": key, "value": value}
    if is_proposed:
        told["note"] = "kept for this task; for later tasks once a person confirms it"
    return success("memory", source=Source.AGENT, outcome=outcome, **told)


def _kept_for(fact: Remembered) -> str:
    if fact.memory.state is MemoryState.PROPOSED:
        return "noted, to be confirmed"
    return "kept for you" if fact.scope.person else "kept for later tasks here"


async def _recall(doing: Doing) -> AgentObservation:
    query = doing.parameters.get("query", "")
    if not isinstance(query, str):
        raise ToolError("recall needs a text 'query'")
    limit = doing.parameters.get("limit", DEFAULT_RECALL)
    if not isinstance(limit, int) or limit < 1:
        raise ToolError("limit must be a whole number from 1")
    run, memory = doing.session.run, doing.equipment.memory
    found = remembered(run.steps).find(query, limit)
    if memory is not None:
        in_mind = {entry.key for entry in found}
        stored = await memory.search(run, query, limit, settle=doing.session.settle)
        uses = tuple(
            MemoryUse(id=one.id, kind=one.source, is_own=one.is_own)
            for one in stored
            if one.id is not None
        )
        if uses:
            scopes = tuple(await memory.scopes_of(run))
            doing.session.note(Recalled(uses=uses, scopes=scopes, at=doing.clock.now()))
        found = (*found, *(one for one in stored if one.key not in in_mind))[:limit]
    entries = [_entry(one) for one in found]
    told: dict[str, object] = {"query": query, "entries": entries}
    told["result"] = "\n".join(main_text({"value": entry["content"]}) for entry in entries)
    return success("memory", source=Source.AGENT, outcome=f"{len(entries)} found", **told)


def _entry(found: MemoryResult) -> JsonObject:
    made = f"{found.created_at:%Y-%m-%d}"
    told = {"key": found.key, "content": found.content, "source": found.source, "made": made}
    return told | ({TRUST: str(Trust.UNTRUSTED)} if found.is_untrusted else {})


async def _wait(doing: Doing) -> None:
    seconds = doing.parameters.get("seconds", DEFAULT_WAIT_S)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds < 0:
        raise ToolError("seconds must be a number from 0")
    now = doing.clock.now()
    until = now + timedelta(seconds=min(float(seconds), LONGEST_WAIT_S))
    _open(doing, Wait(id=_wait_id(doing), kind=WaitKind.TIMER, until=until, **_of(doing)))


async def _ask(doing: Doing) -> None:
    choices = doing.parameters.get("choices") or ()
    if not isinstance(choices, list | tuple):
        raise ToolError("choices must be a list of texts")
    wait = Wait(
        id=_wait_id(doing),
        kind=WaitKind.QUESTION,
        question=_text(doing, "question"),
        choices=tuple(str(choice) for choice in choices[:MOST_CHOICES]),
        asked_of=doing.session.run.requester,
        **_of(doing),
    )
    _open(doing, wait)


async def _delegate(doing: Doing) -> None:
    run = doing.session.run
    agent = AgentId(_text(doing, "agent"))
    if agent not in run.agent.delegates:
        known = ", ".join(run.agent.delegates) or "none"
        raise ToolError(f"tasks cannot be given to {agent!r}; agents that can: {known}")
    task = Task(
        id=TaskId(new_id()),
        description=_text(doing, "task"),
        assigned_agent=agent,
        parent_id=run.task.id,
        created_at=doing.clock.now(),
    )
    wait = Wait(id=_wait_id(doing), kind=WaitKind.SUB_TASK, sub_task_id=task.id, **_of(doing))
    doing.session.note(WaitOpened(wait=wait, sub_task=task, at=doing.clock.now()))


async def ask_whether_to_repeat(doing: Doing) -> None:
    """Ask a person about a step that may already have happened before a crash.

    Those decide who may allow the call; about one that cannot be made any more, the requester.
    """
    what = doing.step.action.description or doing.step.action.tool_name or "this step"
    wait = Wait(
        id=_wait_id(doing),
        kind=WaitKind.REPEAT,
        question=f"I was interrupted during: {what}. It may already have happened.",
        choices=(REPEAT, SKIP),
        asked_of=doing.session.run.requester,
        call=await _call_in_doubt(doing),
        **_of(doing),
    )
    _open(doing, wait)


async def _call_in_doubt(doing: Doing) -> ProposedCall | None:
    return await doing.equipment.tools.in_doubt(
        doing.step.action.tool_name or "",
        doing.parameters,
        tool_context(doing),
        allowed=doing.session.run.agent.tools,
    )


def _open(doing: Doing, wait: Wait) -> None:
    doing.session.note(WaitOpened(wait=wait, at=doing.clock.now()))


def _of(doing: Doing) -> dict[str, Any]:
    return {"step": doing.step.number, "opened_at": doing.clock.now()}


def _wait_id(doing: Doing) -> str:
    return f"{doing.session.run.run_id}:{doing.step.number}:{doing.step.attempt}"


def _text(doing: Doing, name: str) -> str:
    value = doing.parameters.get(name)
    if not isinstance(value, str) or not value.strip():
        raise ToolError(f"{doing.step.action.action_type} needs a text {name!r}")
    return value.strip()


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 200 else f"{line[:199]}…"  # noqa: PLR2004 - what a plan's row holds


_CARRIES: dict[str, Carry] = {
    ActionType.USE_TOOL: _use_tool,
    ActionType.THINK: _think,
    ActionType.REMEMBER: _remember,
    ActionType.RECALL: _recall,
    ActionType.WAIT: _wait,
    ActionType.ASK: _ask,
    ActionType.DELEGATE: _delegate,
}
"""Sub-goals and answers are the loop's own moves: ``agent.py``."""
