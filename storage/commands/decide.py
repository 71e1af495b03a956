"""Someone answers, by a button, what a run waits for; an approval may become a standing rule."""

from sqlalchemy import bindparam, select
from sqlalchemy.engine import Connection

from agent_engine.commands import Decide, Declined, Outcome, Steered
from agent_engine.safeguards import StandingRule
from agent_engine.types import APPROVE, Resolution, Wait, new_id, now_utc
from storage.approvals import add_rule
from storage.commands.on_record import Decided, Redact, record_decision, record_rule
from storage.compiled import fetch_all
from storage.endings import resolve
from storage.inbox import tell
from storage.mapping import scope_from
from storage.snapshots import live_waits
from storage.tables import runs

_RUN = select(runs.c.workspace_id, runs.c.channel_id, runs.c.agent_id, runs.c.cancel_reason).where(
    runs.c.id == bindparam("run")
)


def decide(connection: Connection, command: Decide, redact: Redact) -> Outcome:
    """Resolve the wait if it is open; the first word counts, and none after a stop."""
    wait = _open_wait(connection, command)
    if wait is None:
        return Declined(why="not_waiting")
    [run] = fetch_all(connection, _RUN, {"run": command.run_id})
    if run.cancel_reason is not None:
        return Declined(why="already_ended")
    # Two who decide at once both tell the run: the second of them is tried again and finds it done.
    if tell(connection, command.run_id) is None:
        return Declined(why="not_waiting")
    resolution = Resolution(
        value=command.value, by=command.by, arguments=command.arguments, remark=command.remark
    )
    resolve(connection, command.run_id, command.wait_id, resolution)
    if wait.call is not None:
        decided = Decided(command=command, scope=scope_from(run), step=wait.step, call=wait.call)
        record_decision(connection, decided, redact)
        _make_rule(connection, decided, redact)
    return Steered(run_id=command.run_id)


def _open_wait(connection: Connection, command: Decide) -> Wait | None:
    for wait in live_waits(connection, command.run_id):
        if wait.id == command.wait_id and wait.resolution is None:
            return wait
    return None


def _make_rule(connection: Connection, decided: Decided, redact: Redact) -> None:
    """Let such calls be allowed here from now on, if that was offered and is wanted."""
    command, call = decided.command, decided.call
    if not command.always or command.value != APPROVE or call.like is None:
        return
    rule = StandingRule(
        id=new_id(),
        scope=decided.scope,
        tool=call.tool,
        like=call.like,
        created_by=command.by,
        created_at=now_utc(),
    )
    if add_rule(connection, rule):
        record_rule(connection, rule, by=command.by, decision="made", redact=redact)
