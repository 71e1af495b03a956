"""Someone forgets what was learned from a run, or puts it in their own words."""

from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import bindparam, select
from sqlalchemy.engine import Connection

from agent_engine.commands import CorrectLesson, Declined, ForgetLesson, LessonChanged, Outcome
from agent_engine.memories import (
    LONGEST_TEXT,
    MemoryKind,
    MemoryScope,
    NewMemory,
    StoredMemory,
    Trust,
)
from agent_engine.safeguards import AuditAction, AuditEntry
from agent_engine.types import Scope
from storage.audit_rows import put_out
from storage.compiled import fetch_one
from storage.lessons import current_memory, mark_run
from storage.mapping import scope_from
from storage.memory.changing import correct, history, one
from storage.memory.forgetting import forget
from storage.memory.searching import Indexes
from storage.remarks import end_analyses
from storage.tables import lessons, runs

Redact = Callable[[str], str]

_LESSON = (
    select(
        lessons.c.memory_id,
        runs.c.workspace_id,
        runs.c.channel_id,
        runs.c.agent_id,
    )
    .join(runs, runs.c.id == lessons.c.run_id)
    .where(lessons.c.id == bindparam("lesson"), lessons.c.run_id == bindparam("run"))
)


def forget_lesson(connection: Connection, command: ForgetLesson, indexes: Indexes) -> Outcome:
    """Delete the lesson with all its versions."""
    found = _found(connection, command)
    if found is None:
        return Declined(why="no_lesson")
    scope, memory = found
    gone = forget(connection, indexes, memory.scope, [memory.id])
    end_analyses(connection, gone.ids)
    _record(connection, command, scope, memory)
    return LessonChanged(lesson_id=command.lesson_id)


def correct_lesson(
    connection: Connection, command: CorrectLesson, indexes: Indexes, redact: Redact
) -> Outcome:
    """Let the lesson say what the person said."""
    found = _found(connection, command)
    text = redact(command.text).strip()[:LONGEST_TEXT]
    if found is None or not text:
        return Declined(why="no_lesson")
    scope, memory = found
    told = {**memory.details, "next_time": text}
    corrected = NewMemory(
        kind=MemoryKind.LESSON,
        key=memory.key,
        text=text,
        content=told,
        trust=Trust.PERSON,
        origin=replace(memory.origin, memories=()),
        details=told,
    )
    kept = correct(connection, indexes, memory.scope, memory.id, corrected)
    if kept is None:
        return Declined(why="no_lesson")
    end_analyses(connection, [v.id for v in history(connection, memory.scope, kept.id)])
    mark_run(connection, command.run_id)
    _record(connection, command, scope, memory)
    return LessonChanged(lesson_id=command.lesson_id)


def _found(
    connection: Connection, command: ForgetLesson | CorrectLesson
) -> tuple[Scope, StoredMemory] | None:
    where = {"lesson": command.lesson_id, "run": command.run_id}
    row = fetch_one(connection, _LESSON, where)
    memory = None if row is None else current_memory(connection, row.memory_id)
    if row is None or memory is None:
        return None
    scope = scope_from(row)
    stored = one(connection, MemoryScope.of_channel(scope), memory.id)
    return None if stored is None else (scope, stored)


def _record(
    connection: Connection,
    command: ForgetLesson | CorrectLesson,
    scope: Scope,
    memory: StoredMemory,
) -> None:
    """Put out that it happened, without the lesson's words: an audit log is never emptied."""
    decision = "forgotten" if isinstance(command, ForgetLesson) else "corrected"
    entry = AuditEntry(
        key=f"lesson:{memory.id}:{decision}",
        action=AuditAction.LESSON,
        scope=scope,
        actor=command.by,
        run_id=command.run_id,
        subject=f"lesson {command.lesson_id}",
        decision=decision,
        decided_by=command.by,
    )
    put_out(connection, entry)
