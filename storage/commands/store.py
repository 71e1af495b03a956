"""Carries out commands once each, and lists tasks."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, select
from sqlalchemy.engine import Connection

from agent_engine.commands import (
    Amend,
    BudgetExtended,
    Cancel,
    CancelChannel,
    CancelThread,
    Command,
    CorrectLesson,
    Decide,
    ExtendBudget,
    ForgetLesson,
    LessonChanged,
    Outcome,
    Rate,
    Repeated,
    Revoked,
    RevokeRule,
    RunAgain,
    Say,
    Steered,
    TaskLine,
    Unrate,
)
from agent_engine.memory_commands import MemoriesChanged
from agent_engine.types import ChannelId, RunId, Thread, WorkspaceId, now_utc
from storage.commands.decide import decide
from storage.commands.lessons import correct_lesson, forget_lesson
from storage.commands.memories import change_memories
from storage.commands.on_record import Redact, settle_audit
from storage.commands.rate import rate, unrate
from storage.commands.run_again import run_again
from storage.commands.safeguards import extend_budget, revoke_rule
from storage.commands.say import amend, say
from storage.commands.stop import stop_channel, stop_run, stop_thread
from storage.compiled import fetch_values
from storage.database import Database
from storage.memory.indexes import indexes_of
from storage.memory.searching import Indexes
from storage.tables import deliveries
from storage.task_lines import newest_run, task_lines
from storage.upsert import insert_or_ignore

_SEEN = select(deliveries.c.key).where(deliveries.c.key == bindparam("of_key"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _With:
    """What commands are carried out with, besides the database."""

    redact: Redact
    indexes: Indexes


class SqlCommandStore:
    """A ``CommandStore`` on the database."""

    def __init__(
        self, database: Database, *, redact: Redact = str, indexes: Indexes | None = None
    ) -> None:
        """Carry commands out on the database.

        Args:
            database: where everything is stored.
            redact: takes out of people's words what may not stand in the audit log.
            indexes: find what is remembered.
        """
        self._database = database
        self._with = _With(redact=redact, indexes=indexes or indexes_of(database))

    async def carry_out(self, command: Command, *, keys: Sequence[str]) -> Outcome:
        """Carry the command out once; see the port.

        Raises:
            UnknownAgentError: a task would have to be started for an agent that does not exist;
                nothing is stored then, not even the keys.
        """
        known_by = list(dict.fromkeys(keys))
        outcome = await self._database.write(lambda c: _once(c, command, known_by, self._with))
        if _is_on_record(command, outcome):
            await settle_audit(self._database)
        return outcome

    async def tasks(
        self, workspace_id: WorkspaceId, *, channel_id: ChannelId | None, limit: int
    ) -> Sequence[TaskLine]:
        """List the newest run of each task: those under way first, then recent ones."""
        return await self._database.read(
            lambda c: task_lines(c, workspace_id, channel_id=channel_id, limit=limit)
        )

    async def latest_run(self, thread: Thread) -> RunId | None:
        """Return the newest run of the thread's task; None when it has none."""
        return await self._database.read(lambda c: newest_run(c, thread))


def _is_on_record(command: Command, outcome: Outcome) -> bool:
    """Say whether the command may have put something into the audit log's outbox."""
    decided = isinstance(command, Decide) and isinstance(outcome, Steered)
    return decided or isinstance(
        outcome, Revoked | BudgetExtended | LessonChanged | MemoriesChanged
    )


def _once(connection: Connection, command: Command, keys: Sequence[str], kit: _With) -> Outcome:
    if keys:
        if any(fetch_values(connection, _SEEN, {"of_key": key}) for key in keys):
            return Repeated()
        now = now_utc()
        rows = [{"key": key, "received_at": now} for key in keys]
        insert_or_ignore(connection, deliveries, rows)
    return _carry_out(connection, command, kit)


def _carry_out(connection: Connection, command: Command, kit: _With) -> Outcome:
    match command:
        case Say():
            return say(connection, command)
        case Amend():
            return amend(connection, command)
        case Decide() | RevokeRule() | ExtendBudget():
            return _carry_out_on_record(connection, command, kit.redact)
        case Cancel():
            return stop_run(connection, command)
        case CancelThread():
            return stop_thread(connection, command)
        case CancelChannel():
            return stop_channel(connection, command)
        case RunAgain():
            return run_again(connection, command)
        case Rate() | Unrate() | ForgetLesson() | CorrectLesson():
            return _learn_from(connection, command, kit)
        case _:
            return change_memories(connection, command, kit.indexes, kit.redact)


def _carry_out_on_record(
    connection: Connection, command: Decide | RevokeRule | ExtendBudget, redact: Redact
) -> Outcome:
    match command:
        case Decide():
            return decide(connection, command, redact)
        case RevokeRule():
            return revoke_rule(connection, command, redact)
        case ExtendBudget():
            return extend_budget(connection, command)


def _learn_from(
    connection: Connection,
    command: Rate | Unrate | ForgetLesson | CorrectLesson,
    kit: _With,
) -> Outcome:
    match command:
        case Rate():
            return rate(connection, command, kit.indexes)
        case Unrate():
            return unrate(connection, command, kit.indexes)
        case ForgetLesson():
            return forget_lesson(connection, command, kit.indexes)
        case CorrectLesson():
            return correct_lesson(connection, command, kit.indexes, kit.redact)
