"""Trouble that a test causes on our own side."""

from agent_engine.errors import StorageError
from storage.commands import store


def refuse_to_save(monkeypatch, *, times):
    """Have the database fail for the next messages of people; gives the failures still to come."""
    left, real = [StorageError("The database is away.")] * times, store.say

    def say(connection, command):
        outcome = real(connection, command)
        if left:
            raise left.pop()
        return outcome

    monkeypatch.setattr(store, "say", say)
    return left
