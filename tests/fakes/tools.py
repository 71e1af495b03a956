"""Tools, clocks and contexts for tests of whatever calls tools."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from agent_engine.ports import ToolContext, ToolTraits
from agent_engine.types import LIBRARY_SCOPE, JsonObject, RunId, TaskId

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
ANY_OBJECT: JsonObject = {"type": "object"}


class StoppedClock:
    """Shows noon for ever."""

    def now(self) -> datetime:
        return NOON

    def monotonic_s(self) -> float:
        return 0.0


@dataclass
class FakeTool:
    """Does what the test says, and remembers what it was given."""

    act: Callable[[JsonObject], Awaitable[object]]
    name: str = "fake"
    description: str = "A fake."
    parameters_schema: JsonObject = field(default_factory=lambda: ANY_OBJECT)
    traits: ToolTraits = field(default_factory=ToolTraits)
    given: list[JsonObject] = field(default_factory=list)
    contexts: list[ToolContext] = field(default_factory=list)

    async def execute(self, arguments: JsonObject, context: ToolContext) -> JsonObject:
        self.given.append(arguments)
        self.contexts.append(context)
        return await self.act(arguments)  # type: ignore[return-value]  # tests return nonsense too


def returning(value: object) -> Callable[[JsonObject], Awaitable[object]]:
    async def act(_arguments: JsonObject) -> object:
        return value

    return act


def tool_context(task_folder: Path) -> ToolContext:
    return ToolContext(
        scope=LIBRARY_SCOPE,
        run_id=RunId("run"),
        task_id=TaskId("task"),
        step=1,
        requester=None,
        task_folder=task_folder,
        idempotency_key="run-1",
    )
