"""Writing usage rows: what each call of a model took, and for whom."""

from datetime import datetime

from sqlalchemy import insert
from sqlalchemy.engine import Connection

from agent_engine.types import ModelCall
from storage.compiled import execute
from storage.mapping import Values
from storage.tables import usage

_INSERT = insert(usage)


def write_usage(connection: Connection, whose: Values, call: ModelCall, *, at: datetime) -> None:
    """Record the call; ``whose`` are the columns that say so, only the workspace's for no run's."""
    nobody = {"run_id": None, "channel_id": None, "agent_id": None, "requester": None}
    values = {
        **nobody,
        **whose,
        "model": call.model,
        "purpose": call.purpose,
        "prompt_tokens": call.prompt_tokens,
        "completion_tokens": call.completion_tokens,
        "usd": call.usd,
        "duration_s": call.duration_s,
        "estimated": call.estimated,
        "at": at,
    }
    execute(connection, _INSERT, values)
