"""Someone answers, by a button, what a run waits for."""

from sqlalchemy.engine import Connection

from agent_engine.commands import Decide, Declined, Outcome, Steered
from agent_engine.types import Resolution
from storage.endings import resolve
from storage.inbox import tell
from storage.snapshots import live_waits


def decide(connection: Connection, command: Decide) -> Outcome:
    """Resolve the wait if it is open; the first word counts."""
    is_open = any(
        wait.id == command.wait_id and wait.resolution is None
        for wait in live_waits(connection, command.run_id)
    )
    # Two who decide at once both tell the run: the second of them is tried again and finds it done.
    if not is_open or tell(connection, command.run_id) is None:
        return Declined(why="not_waiting")
    resolution = Resolution(value=command.value, by=command.by)
    resolve(connection, command.run_id, command.wait_id, resolution)
    return Steered(run_id=command.run_id)
