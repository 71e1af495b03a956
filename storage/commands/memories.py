"""Someone tells, confirms, corrects, pins or forgets memories; on record, without their words."""

from dataclasses import replace

from sqlalchemy.engine import Connection

from agent_engine.commands import Declined, Outcome
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
from agent_engine.memory_commands import (
    ConfirmMemory,
    CorrectMemory,
    ExportMemories,
    ForgetMemory,
    ForgetPerson,
    ForgetScope,
    MemoriesChanged,
    MemoryCommand,
    PinMemory,
    RememberFact,
    UsePersonal,
)
from agent_engine.safeguards import AuditAction, AuditEntry
from agent_engine.types import AgentId, ChannelId, Scope, new_id, now_utc
from storage.audit_rows import put_out
from storage.commands.on_record import Redact
from storage.lessons import mark_lessons
from storage.memory.changing import change, confirm, correct, history, one
from storage.memory.exports import ask_for
from storage.memory.forgetting import forget, forget_all, forget_from
from storage.memory.keeping import keep, note_origin
from storage.memory.listing import tally
from storage.memory.personal import end_all, set_use
from storage.memory.searching import Indexes
from storage.persons_tasks import erase_tasks_of
from storage.proposed import CONFIRMED_BY, mark_proposed
from storage.remarks import end_analyses, forget_remarks

_NOT_THERE = Declined(why="no_memory")


def change_memories(
    connection: Connection, command: MemoryCommand, indexes: Indexes, redact: Redact
) -> Outcome:
    """Do what the person asked for, and put on record that they did."""
    match command:
        case RememberFact():
            outcome = _remember(connection, command, indexes, redact)
        case ForgetScope(scope=scope):
            all_here = forget_all(connection, indexes, scope)
            end_analyses(connection, all_here.ids)
            outcome = MemoriesChanged(count=all_here.memories)
        case ForgetPerson(workspace_id=workspace_id, person=person):
            gone = forget_from(connection, indexes, workspace_id, OriginOf.PERSON, person)
            end_all(connection, workspace_id, person)
            remarks = forget_remarks(connection, workspace_id, person)
            outcome = MemoriesChanged(count=gone.memories, remarks=remarks)
            if command.with_tasks:
                erased, more = erase_tasks_of(connection, indexes, workspace_id, person)
                outcome = replace(outcome, count=gone.memories + more, erased=erased)
        case ExportMemories(scope=scope, by=by):
            ask_for(connection, scope, by, now=now_utc())
            outcome = MemoriesChanged(count=sum(tally(connection, scope).values()))
        case UsePersonal(scope=scope, by=person, use=use):
            set_use(connection, scope, person, use)
            outcome = MemoriesChanged(count=0)
        case _:
            outcome = _change_one(connection, command, indexes, redact)
    if isinstance(outcome, MemoriesChanged):
        _record(connection, command, outcome)
    return outcome


def _change_one(
    connection: Connection,
    command: ConfirmMemory | CorrectMemory | PinMemory | ForgetMemory,
    indexes: Indexes,
    redact: Redact,
) -> MemoriesChanged | Declined:
    memory = one(connection, command.scope, command.memory_id)
    if memory is None or memory.state is MemoryState.SUPERSEDED:
        return _NOT_THERE
    match command:
        case ConfirmMemory():
            return _confirm(connection, command, memory, indexes)
        case CorrectMemory():
            return _correct(connection, command, memory, indexes, redact)
        case PinMemory(pinned=pinned):
            change(connection, command.scope, memory.id, pinned=pinned)
            return MemoriesChanged(count=1, memory_id=memory.id)
        case ForgetMemory():
            gone = forget(connection, indexes, command.scope, [memory.id])
            end_analyses(connection, gone.ids)
            return MemoriesChanged(count=gone.memories)


def _remember(
    connection: Connection, command: RememberFact, indexes: Indexes, redact: Redact
) -> MemoriesChanged | Declined:
    text = redact(command.text).strip()[:LONGEST_TEXT]
    if not text:
        return _NOT_THERE
    told = NewMemory(
        kind=MemoryKind.FACT,
        text=text,
        content=text,
        trust=Trust.PERSON,
        origin=Origin(person=command.by),
    )
    kept = keep(connection, indexes, command.scope, told, now=now_utc())
    return MemoriesChanged(count=1, memory_id=kept.id)


def _confirm(
    connection: Connection, command: ConfirmMemory, memory: StoredMemory, indexes: Indexes
) -> MemoriesChanged | Declined:
    if memory.state is not MemoryState.PROPOSED:
        return _NOT_THERE
    details = {**memory.details, CONFIRMED_BY: command.by}
    confirm(connection, indexes, memory, details=details)
    mark_proposed(connection, [memory.id])
    return MemoriesChanged(count=1, memory_id=memory.id)


def _correct(
    connection: Connection,
    command: CorrectMemory,
    memory: StoredMemory,
    indexes: Indexes,
    redact: Redact,
) -> MemoriesChanged | Declined:
    """Keep the words as a new version; it comes from whoever said the old ones, and from this."""
    text = redact(command.text).strip()[:LONGEST_TEXT]
    if not text:
        return _NOT_THERE
    kept = correct(connection, indexes, command.scope, memory.id, _corrected(memory, command, text))
    if kept is None:
        return _NOT_THERE
    note_origin(connection, kept.id, Origin(person=command.by))
    versions = [version.id for version in history(connection, command.scope, kept.id)]
    mark_lessons(connection, versions)
    end_analyses(connection, versions)
    mark_proposed(connection, versions)
    return MemoriesChanged(count=1, memory_id=kept.id)


def _corrected(memory: StoredMemory, command: CorrectMemory, text: str) -> NewMemory:
    details = {name: value for name, value in memory.details.items() if name != CONFIRMED_BY}
    told = {**details, "corrected_by": command.by}
    is_lesson = memory.kind is MemoryKind.LESSON
    if is_lesson:
        told["next_time"] = text
    return NewMemory(
        kind=memory.kind,
        key=memory.key,
        text=text,
        content=told if is_lesson else text,
        trust=Trust.PERSON,
        origin=replace(memory.origin, memories=()),
        expires_at=memory.expires_at,
        pinned=memory.pinned,
        details=told,
    )


# -- the record ----------------------------------------------------------------------------------


def _record(connection: Connection, command: MemoryCommand, outcome: MemoriesChanged) -> None:
    """Say who did what to which memory; never its words, so that forgetting is complete."""
    subject, decision = _told(command, outcome)
    entry = AuditEntry(
        key=f"memory:{new_id()}",
        action=AuditAction.MEMORY,
        scope=_scope(command),
        actor=command.by,
        subject=subject,
        decision=decision,
        decided_by=command.by,
        result=_result(outcome),
    )
    put_out(connection, entry)


def _result(outcome: MemoriesChanged) -> str:
    told = [f"{outcome.count}"]
    if outcome.remarks:
        told.append(f"{outcome.remarks} remarks")
    if outcome.erased is not None:
        told.append(f"{outcome.erased.tasks} tasks")
    return " and ".join(told)


def _told(command: MemoryCommand, outcome: MemoriesChanged) -> tuple[str, str]:
    match command:
        case RememberFact():
            return f"memory {outcome.memory_id}", "told"
        case ConfirmMemory(memory_id=memory_id):
            return f"memory {memory_id}", "confirmed"
        case CorrectMemory(memory_id=memory_id):
            return f"memory {memory_id}", "corrected"
        case PinMemory(memory_id=memory_id, pinned=pinned):
            return f"memory {memory_id}", "pinned" if pinned else "unpinned"
        case ForgetMemory(memory_id=memory_id):
            return f"memory {memory_id}", "forgotten"
        case ForgetScope():
            return "all memories here", "forgotten"
        case ForgetPerson(person=person, with_tasks=with_tasks):
            what = "memories and tasks" if with_tasks else "memories"
            return f"{what} from {person}", "forgotten"
        case ExportMemories():
            return "all memories here", "exported"
        case UsePersonal(use=use):
            return "own memories here", str(use)


def _scope(command: MemoryCommand) -> Scope:
    if isinstance(command, ForgetPerson):
        return Scope(
            workspace_id=command.workspace_id, channel_id=ChannelId(""), agent_id=AgentId("")
        )
    return _scope_of(command.scope)


def _scope_of(scope: MemoryScope) -> Scope:
    return Scope(
        workspace_id=scope.workspace_id, channel_id=scope.channel_id, agent_id=scope.agent_id
    )
