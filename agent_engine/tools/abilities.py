"""What a tool may be able to do besides being called: the call path and its owner ask for it."""

from typing import Protocol, runtime_checkable

from agent_engine.types import JsonObject


@runtime_checkable
class Repeatable(Protocol):
    """A tool of which some calls can be repeated without harm and others cannot."""

    def is_repeatable(self, arguments: JsonObject) -> bool:
        """Say whether a call with these arguments that may already have happened can be repeated.

        The arguments need not have been validated.
        """
        ...


@runtime_checkable
class Closes(Protocol):
    """A tool that holds something open while it is used."""

    async def aclose(self) -> None:
        """Let it go; safe to call twice."""
        ...
