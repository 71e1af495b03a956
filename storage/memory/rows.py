"""Memories as rows, and back. Pure."""

from datetime import datetime

from agent_engine.memories import (
    LONGEST_TEXT,
    MemoryKind,
    MemoryScope,
    MemoryState,
    NewMemory,
    Origin,
    OriginOf,
    StoredMemory,
    Trust,
)
from agent_engine.types import AgentId, ChannelId, JsonObject, RunId, TaskId, UserId, WorkspaceId
from storage.mapping import AnyRow, Values
from storage.memory.words import likeness_of


def values_of(memory: NewMemory, *, shelf_id: int, now: datetime) -> Values:
    """Return the columns of a memory that is new."""
    return {
        "shelf_id": shelf_id,
        "text": memory.text[:LONGEST_TEXT],
        "heading": memory.heading[:LONGEST_TEXT],
        "content": memory.content,
        "key": memory.key,
        "trust": str(memory.trust),
        "origin": _origin_object(memory.origin),
        "state": str(memory.state),
        "likeness": likeness_of(memory.text),
        "model": memory.embedding.model if memory.embedding else None,
        "created_at": now,
        "expires_at": memory.expires_at,
        "used_at": now,
        "pinned": memory.pinned,
        "supersedes": None,
        "details": dict(memory.details),
    }


def memory_from(row: AnyRow) -> StoredMemory:
    """Return the memory in a row that was joined with its shelf's."""
    return memory_of(row, scope_from(row), MemoryKind(row.kind))


def memory_of(row: AnyRow, scope: MemoryScope, kind: MemoryKind) -> StoredMemory:
    """Return the memory in a row of a shelf of this scope and kind."""
    return StoredMemory(
        id=row.id,
        scope=scope,
        kind=kind,
        text=row.text,
        content=row.content,
        key=row.key,
        trust=Trust(row.trust),
        origin=_origin_from(row.origin),
        state=MemoryState(row.state),
        created_at=row.created_at,
        expires_at=row.expires_at,
        used_at=row.used_at,
        access_count=row.access_count,
        pinned=row.pinned,
        weight=row.weight,
        supersedes=row.supersedes,
        details=row.details,
    )


def scope_from(row: AnyRow) -> MemoryScope:
    """Return the scope in a row that has a shelf's columns."""
    return MemoryScope(
        workspace_id=WorkspaceId(row.workspace_id),
        channel_id=ChannelId(row.channel_id),
        agent_id=AgentId(row.agent_id),
        person=UserId(row.person),
    )


def origins_of(origin: Origin) -> list[tuple[OriginOf, str]]:
    """Return what of an origin can be forgotten, each with its id."""
    named = (
        (OriginOf.TASK, origin.task_id),
        (OriginOf.RUN, origin.run_id),
        (OriginOf.PERSON, origin.person),
        (OriginOf.MESSAGE, origin.message),
    )
    derived = [(OriginOf.MEMORY, str(memory_id)) for memory_id in origin.memories]
    return [*((what, str(ref)) for what, ref in named if ref), *derived]


def _origin_object(origin: Origin) -> JsonObject:
    told = {
        "task_id": origin.task_id,
        "run_id": origin.run_id,
        "step": origin.step,
        "person": origin.person,
        "message": origin.message,
        "memories": list(origin.memories),
    }
    return {name: value for name, value in told.items() if value not in (None, [])}


def _origin_from(told: JsonObject) -> Origin:
    return Origin(
        task_id=TaskId(told["task_id"]) if "task_id" in told else None,
        run_id=RunId(told["run_id"]) if "run_id" in told else None,
        step=told.get("step"),
        person=UserId(told["person"]) if "person" in told else None,
        message=told.get("message"),
        memories=tuple(told.get("memories", ())),
    )
