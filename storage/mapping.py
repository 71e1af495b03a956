"""Rows to values and values to rows, each mapped once.

Nothing here runs a statement. A row is what a statement found, or a dict of column values.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Protocol

from agent_engine.types import (
    ActionType,
    AgentAction,
    AgentId,
    AgentObservation,
    AgentProfile,
    Answer,
    ApprovedCall,
    Attachment,
    CancelRequest,
    ChannelId,
    Check,
    EndReason,
    FollowUps,
    Lesson,
    Limits,
    MemoryUse,
    PersonMessage,
    Plan,
    PlannerKind,
    ProposedCall,
    Resolution,
    RunEnd,
    RunId,
    RunSnapshot,
    Scope,
    Source,
    Step,
    StepStatus,
    Task,
    TaskId,
    TaskStatus,
    Thread,
    Usage,
    UserId,
    Wait,
    WaitKind,
    WorkspaceId,
)

Values = dict[str, Any]


class AnyRow(Protocol):
    """A row as it was found: its columns are attributes."""

    def __getattr__(self, name: str) -> Any: ...  # noqa: ANN401  # columns hold anything
    def __getitem__(self, index: int) -> Any: ...  # noqa: ANN401  # as above


_ACTION_TYPES: Mapping[str, ActionType] = {str(word): word for word in ActionType}
_SOURCES: Mapping[str, Source] = {str(word): word for word in Source}

# -- agents --------------------------------------------------------------------------------------


def agent_values(profile: AgentProfile) -> Values:
    """Return the column values of an agent."""
    return {
        "workspace_id": profile.workspace_id,
        "agent_id": profile.id,
        "name": profile.name,
        "instructions": profile.instructions,
        "model": profile.model,
        "planner": str(profile.planner),
        "tools": None if profile.tools is None else list(profile.tools),
        "delegates": list(profile.delegates),
        "limits": asdict(profile.limits),
        "follow_ups": str(profile.follow_ups),
        "max_concurrent": profile.max_concurrent,
        "icon_emoji": profile.icon_emoji,
        "allow_guests": profile.allow_guests,
        "allow_bots": profile.allow_bots,
    }


def agent_from(row: AnyRow, prefix: str = "") -> AgentProfile:
    """Return the agent in these columns, whose labels may start with a prefix."""
    column = _reader(row, prefix)
    tools = column("tools")
    return AgentProfile(
        id=AgentId(column("agent_id")),
        workspace_id=WorkspaceId(column("workspace_id")),
        name=column("name"),
        instructions=column("instructions"),
        model=column("model"),
        planner=PlannerKind(column("planner")),
        tools=None if tools is None else tuple(tools),
        delegates=tuple(AgentId(agent) for agent in column("delegates")),
        limits=Limits(**column("limits")),
        follow_ups=FollowUps(column("follow_ups")),
        max_concurrent=column("max_concurrent"),
        icon_emoji=column("icon_emoji"),
        allow_guests=column("allow_guests"),
        allow_bots=column("allow_bots"),
    )


# -- tasks and messages --------------------------------------------------------------------------


def message_values(task_id: str, seq: int, message: PersonMessage) -> Values:
    """Return the column values of a message of the task's thread."""
    return {
        "task_id": task_id,
        "seq": seq,
        "message_id": message.id,
        "author": message.author,
        "text": message.text,
        "sent_at": message.sent_at,
        "steers": message.steers,
        "files": [asdict(file) for file in message.files],
    }


def message_from(row: AnyRow) -> PersonMessage:
    """Return the message in this row."""
    return PersonMessage(
        id=row.message_id,
        author=UserId(row.author),
        text=row.text,
        sent_at=row.sent_at,
        steers=row.steers,
        files=tuple(Attachment(**file) for file in row.files),
    )


def task_from(row: AnyRow, dependencies: Iterable[str]) -> Task:
    """Return the task in the columns labelled ``task_…``."""
    return Task(
        id=TaskId(row.task_id),
        description=row.task_description,
        priority=row.task_priority,
        dependencies=tuple(TaskId(task_id) for task_id in dependencies),
        parameters=row.task_parameters,
        status=TaskStatus(row.task_status),
        assigned_agent=AgentId(row.task_agent_id),
        created_at=row.task_created_at,
        completed_at=row.task_completed_at,
        result=row.task_result,
        parent_id=None if row.task_parent_id is None else TaskId(row.task_parent_id),
    )


# -- plans and steps -----------------------------------------------------------------------------


def step_values(run_id: str, step: Step) -> Values:
    """Return the column values of a step; its full output lies in a table of its own."""
    return {
        "run_id": run_id,
        "number": step.number,
        "action": action_json(step.action),
        "depends_on": list(step.depends_on),
        "parent": step.parent,
        "depth": step.depth,
        "status": str(step.status),
        "attempt": step.attempt,
        "started_at": step.started_at,
        "ended_at": step.ended_at,
        "observation": None if step.observation is None else observation_json(step.observation),
        "surprise": step.surprise,
        "approved": None if step.approved is None else approved_json(step.approved),
    }


def step_from(row: AnyRow, full_output: str | None) -> Step:
    """Return the step in this row."""
    observation = None
    if row.observation is not None:
        observation = observation_from(row.observation, full_output)
    return Step(
        number=row.number,
        action=action_from(row.action),
        depends_on=tuple(row.depends_on),
        parent=row.parent,
        depth=row.depth,
        status=StepStatus(row.status),
        attempt=row.attempt,
        started_at=row.started_at,
        ended_at=row.ended_at,
        observation=observation,
        surprise=row.surprise,
        approved=None if row.approved is None else approved_from(row.approved),
    )


def action_json(action: AgentAction) -> Values:
    """Return the action as a JSON object."""
    return {
        "action_type": str(action.action_type),
        "parameters": dict(action.parameters),
        "tool_name": action.tool_name,
        "expected_outcome": action.expected_outcome,
        "description": action.description,
        "depends_on": list(action.depends_on),
        "check": str(action.check),
        "check_value": action.check_value,
    }


def action_from(body: Mapping[str, Any]) -> AgentAction:
    """Return the action in this JSON object."""
    word = body["action_type"]
    return AgentAction(
        action_type=_ACTION_TYPES.get(word, word),
        parameters=body["parameters"],
        tool_name=body["tool_name"],
        expected_outcome=body["expected_outcome"],
        description=body["description"],
        depends_on=tuple(body["depends_on"]),
        check=Check(body["check"]),
        check_value=body["check_value"],
    )


def observation_json(observation: AgentObservation) -> Values:
    """Return the observation as a JSON object, without its full output."""
    return {
        "type": observation.observation_type,
        "content": dict(observation.content),
        "timestamp": observation.timestamp.isoformat(),
        "source": str(observation.source),
        "outcome": observation.outcome,
        "files": list(observation.files),
    }


def observation_from(body: Mapping[str, Any], full_output: str | None) -> AgentObservation:
    """Return the observation in this JSON object."""
    source = body["source"]
    return AgentObservation(
        observation_type=body["type"],
        content=body["content"],
        timestamp=datetime.fromisoformat(body["timestamp"]),
        source=_SOURCES.get(source, source),
        outcome=body["outcome"],
        full_output=full_output,
        files=tuple(body["files"]),
    )


# -- approvals -----------------------------------------------------------------------------------


def approved_json(approved: ApprovedCall) -> Values:
    """Return what a person approved as a JSON object."""
    return {
        "arguments": dict(approved.arguments),
        "digest": approved.digest,
        "by": approved.by,
    }


def approved_from(body: Mapping[str, Any]) -> ApprovedCall:
    """Return what a person approved, from this JSON object."""
    return ApprovedCall(
        arguments=body["arguments"], digest=body["digest"], by=user_from(body["by"])
    )


def _call_values(call: ProposedCall | None) -> Values:
    if call is None:
        return {"call": None, "tool": None, "digest": None}
    body = {
        "tool": call.tool,
        "arguments": dict(call.arguments),
        "digest": call.digest,
        "because": call.because,
        "approvers": list(call.approvers),
        "like": None if call.like is None else dict(call.like),
    }
    return {"call": body, "tool": call.tool, "digest": call.digest}


def _call_from(body: Mapping[str, Any] | None) -> ProposedCall | None:
    if body is None:
        return None
    return ProposedCall(
        tool=body["tool"],
        arguments=body["arguments"],
        digest=body["digest"],
        because=body["because"],
        approvers=tuple(UserId(user) for user in body["approvers"]),
        like=body["like"],
    )


# -- waits ---------------------------------------------------------------------------------------


def wait_values(run_id: str, position: int, wait: Wait) -> Values:
    """Return the column values of a wait."""
    return {
        "run_id": run_id,
        "wait_id": wait.id,
        "position": position,
        "step": wait.step,
        "kind": str(wait.kind),
        "opened_at": wait.opened_at,
        "until": wait.until,
        "question": wait.question,
        "choices": list(wait.choices),
        "asked_of": wait.asked_of,
        "sub_task_id": wait.sub_task_id,
        **_call_values(wait.call),
        **resolution_values(wait.resolution),
    }


def resolution_values(resolution: Resolution | None) -> Values:
    """Return the columns of a wait that say how it ended."""
    if resolution is None:
        names = ("value", "resolved_by", "resolved_at", "success", "arguments", "remark")
        return dict.fromkeys(names)
    arguments = resolution.arguments
    return {
        "value": resolution.value,
        "resolved_by": resolution.by,
        "resolved_at": resolution.at,
        "success": resolution.success,
        "arguments": None if arguments is None else dict(arguments),
        "remark": resolution.remark,
    }


def wait_from(row: AnyRow) -> Wait:
    """Return the wait in this row."""
    resolution = None
    if row.resolved_at is not None:
        resolution = Resolution(
            value=row.value,
            by=user_from(row.resolved_by),
            at=row.resolved_at,
            success=row.success,
            arguments=row.arguments,
            remark=row.remark,
        )
    return Wait(
        id=row.wait_id,
        kind=WaitKind(row.kind),
        step=row.step,
        opened_at=row.opened_at,
        until=row.until,
        question=row.question,
        choices=tuple(row.choices),
        asked_of=user_from(row.asked_of),
        sub_task_id=None if row.sub_task_id is None else TaskId(row.sub_task_id),
        call=_call_from(row.call),
        resolution=resolution,
    )


# -- runs ----------------------------------------------------------------------------------------


def answer_json(answer: Answer) -> Values:
    """Return the answer as a JSON object."""
    return {"text": answer.text, "files": list(answer.files), "label": answer.label}


def answer_from(body: Mapping[str, Any] | None) -> Answer | None:
    """Return the answer in this JSON object; None for none."""
    if body is None:
        return None
    return Answer(text=body["text"], files=tuple(body["files"]), label=body["label"])


def end_values(end: RunEnd) -> Values:
    """Return the columns of a run that say how it ended."""
    return {
        "end_reason": str(end.reason),
        "end_sentence": end.sentence,
        "end_limit": end.limit,
        "end_by": end.by,
        "ended_at": end.at,
    }


def snapshot_from(  # noqa: PLR0913  # one argument for each table that a run lies in
    row: AnyRow,
    *,
    task: Task,
    messages: Sequence[PersonMessage],
    steps: Sequence[Step],
    waits: Sequence[Wait],
    queue_place: int | None,
    earlier_answers: Sequence[str],
    lessons: Sequence[Lesson] = (),
) -> RunSnapshot:
    """Return the run in the row of ``run_queries.RUN`` together with what lies in other tables."""
    return RunSnapshot(
        run_id=RunId(row.id),
        task=task,
        agent=agent_from(row, "profile_"),
        scope=scope_from(row),
        thread=thread_from(row),
        requester=user_from(row.requester),
        epoch=row.epoch,
        status=TaskStatus(row.status),
        created_at=row.created_at,
        attempts=row.attempts,
        inbox_seq=row.inbox_seq,
        messages=tuple(messages),
        messages_read=row.messages_read,
        plan=_plan_from(row, steps),
        waits=tuple(waits),
        limits=Limits(**row.limits),
        usage=_usage_from(row),
        cancel=cancel_from(row),
        answer=answer_from(row.answer),
        end=_end_from(row),
        warned_of=tuple(row.warned_of),
        memories_used=tuple(
            MemoryUse(id=at, kind=kind, is_own=own) for at, kind, own in row.memories_used
        ),
        queue_place=queue_place,
        earlier_answers=tuple(earlier_answers),
        lessons=tuple(lessons),
    )


def scope_from(row: AnyRow) -> Scope:
    """Return the scope in the row's columns."""
    return Scope(
        workspace_id=WorkspaceId(row.workspace_id),
        channel_id=ChannelId(row.channel_id),
        agent_id=AgentId(row.agent_id),
    )


def thread_from(row: AnyRow) -> Thread | None:
    """Return the thread in the row's columns; None when it has no ``thread_ts``."""
    if row.thread_ts is None:
        return None
    return Thread(
        workspace_id=WorkspaceId(row.workspace_id),
        channel_id=ChannelId(row.channel_id),
        thread_ts=row.thread_ts,
    )


def cancel_from(row: AnyRow) -> CancelRequest | None:
    """Return who wants the run stopped and why; None when nobody does."""
    if row.cancel_reason is None:
        return None
    return CancelRequest(reason=row.cancel_reason, by=user_from(row.cancel_by))


def _plan_from(row: AnyRow, steps: Sequence[Step]) -> Plan | None:
    if row.plan_version is None:
        return None
    return Plan(
        version=row.plan_version,
        steps=tuple(steps),
        open_ended=row.open_ended,
        because=row.because,
        planner=row.planner,
    )


def _usage_from(row: AnyRow) -> Usage:
    return Usage(
        iterations=row.iterations,
        model_calls=row.model_calls,
        prompt_tokens=row.prompt_tokens,
        completion_tokens=row.completion_tokens,
        usd=row.usd,
        unpriced_tokens=row.unpriced_tokens,
        seconds=row.seconds,
        replans=row.replans,
    )


def _end_from(row: AnyRow) -> RunEnd | None:
    if row.end_reason is None:
        return None
    return RunEnd(
        reason=EndReason(row.end_reason),
        sentence=row.end_sentence,
        limit=row.end_limit or "",
        by=user_from(row.end_by),
        at=row.ended_at,
    )


def user_from(value: str | None) -> UserId | None:
    """Return the person in a column; None for nobody."""
    return None if value is None else UserId(value)


def _reader(row: AnyRow, prefix: str) -> Any:  # noqa: ANN401  # columns hold anything
    return lambda name: getattr(row, prefix + name)
