"""What the tables say at the end, without what differs between two runs of the same task."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, select

from storage.database import Database
from storage.tables import (
    audit_entries,
    audit_outbox,
    events,
    feedback,
    lessons,
    memories,
    memory_exports,
    plans,
    posts,
    reservations,
    runs,
    standing_rules,
    steps,
    tasks,
    threads,
    waits,
    wakeups,
)

Rows = Mapping[str, Sequence[Mapping[str, Any]]]

_DATE = re.compile(r"<!date\^[^>]*>")
_SECONDS = re.compile(r"(\bunder )?\b\d+(\.\d+)? (s|min)\b")
_TRIES = re.compile(r"\A\d+ attempts: ")
"""A step in which the process died is tried again, and the plan says so."""
_ID = re.compile(r"[0-9a-f]{32}")
_KEPT = {
    tasks: ("description", "status", "priority", "result"),
    runs: (
        "number",
        "status",
        "answer",
        "end_reason",
        "end_sentence",
        "end_by",
        "iterations",
        "model_calls",
        "replans",
        "messages_read",
        "plan_version",
        "has_slot",
        "queued",
    ),
    plans: ("version", "open_ended", "because", "planner"),
    steps: ("number", "action", "depends_on", "status", "observation", "surprise", "approved"),
    waits: (
        "step",
        "kind",
        "question",
        "choices",
        "call",
        "value",
        "success",
        "arguments",
        "remark",
        "over",
    ),
    standing_rules: ("tool", "created_by", "revoked_by"),
    reservations: ("tokens",),
    posts: ("kind", "state", "step"),
    lessons: ("analysed",),
    memories: ("text", "state", "trust"),
    feedback: ("choice", "rating", "retracted_at"),
    wakeups: ("kind",),
}
_TIMED = frozenset({"seconds", "duration_s", "duration_ms", "timestamp"})
_HOW_MANY_TASKS = select(func.count()).select_from(tasks)


async def final_rows(database: Database) -> Rows:
    """Read the rows of all tasks, in an order that does not depend on when they were written."""

    def read(connection: Any) -> Rows:
        found = {}
        for table, names in _KEPT.items():
            columns = [table.c[name] for name in names if name in table.c]
            rows = [dict(row) for row in connection.execute(select(*columns)).mappings()]
            found[table.name] = sorted((without_times(r) for r in rows), key=json_of)
        return found

    return await database.read(read)


async def is_settled(database: Database, *, tasks_at_least: int) -> bool:
    """Say whether all runs have ended, Slack shows all of them, and nothing is left to deliver."""

    def read(connection: Any) -> bool:
        def none(statement: Any) -> bool:
            return connection.execute(statement.limit(1)).first() is None

        return (
            connection.execute(_HOW_MANY_TASKS).scalar_one() >= tasks_at_least
            and none(select(runs.c.id).where(runs.c.end_reason.is_(None)))
            and none(select(wakeups.c.id))
            and none(select(audit_outbox.c.id))
            and none(select(memory_exports.c.id))
            and none(select(posts.c.seq).where(posts.c.state == "intended"))
            and none(select(threads.c.id).where(threads.c.dirty_seq > threads.c.shown_seq))
        )

    return await database.read(read)


async def repeated_steps(database: Database) -> Sequence[str]:
    """Name every step that was finished twice, or started again after it was finished."""

    def read(connection: Any) -> Sequence[str]:
        found = connection.execute(
            select(events.c.run_id, events.c.step, events.c.kind).order_by(
                events.c.run_id, events.c.seq
            )
        )
        finished, wrong = set(), []
        for run_id, step, kind in found:
            if (run_id, step) in finished and step is not None:
                wrong.append(f"step {step}: {kind} after it was finished")
            if kind == "StepFinished":
                finished.add((run_id, step))
        return wrong

    return await database.read(read)


async def unrecorded(database: Database) -> Sequence[str]:
    """Name what is wrong with the record: one entry per attempt of a tool call, no other."""

    def read(connection: Any) -> Sequence[str]:
        attempts = connection.execute(
            select(events.c.run_id, events.c.step, events.c.attempt, steps.c.action)
            .join(steps, (steps.c.run_id == events.c.run_id) & (steps.c.number == events.c.step))
            .where(events.c.kind == "StepStarted")
        )
        expected = Counter(
            f"{run_id}:{step}:{attempt}"
            for run_id, step, attempt, action in attempts
            if action["action_type"] == "use_tool"
        )
        calls = select(audit_entries.c.key).where(audit_entries.c.action == "tool_call")
        found = Counter(key for (key,) in connection.execute(calls))
        return [
            *(f"{key} is not on record" for key in expected - found),
            *(f"{key} is on record and never happened" for key in found - expected),
        ]

    return await database.read(read)


async def starts(database: Database) -> Mapping[str, int]:
    """Count the starts of each step."""

    def read(connection: Any) -> Mapping[str, int]:
        started = connection.execute(select(events.c.step).where(events.c.kind == "StepStarted"))
        return Counter(f"step {step}" for (step,) in started)

    return await database.read(read)


def without_times(value: Any) -> Any:
    """Return plain data without durations and ids."""
    match value:
        case dict():
            return {k: without_times(v) for k, v in value.items() if k not in _TIMED}
        case list() | tuple():
            return [without_times(v) for v in value]
        case str():
            plain = _DATE.sub("<date>", _TRIES.sub("", value))
            return _ID.sub("<id>", _SECONDS.sub("<time>", plain))
        case _:
            return value


def json_of(value: Any) -> str:
    """Return what sorts rows and shows differences."""
    return json.dumps(value, sort_keys=True, default=str)
