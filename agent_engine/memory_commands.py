"""What people ask to be done with memories: commands like those of ``commands``, and the outcome.

Who may give them is decided before they are made. Whose memories are meant is part of each; an id
of another scope is the id of nothing.
"""

from dataclasses import dataclass

from agent_engine.memories import MemoryScope, PersonalUse
from agent_engine.types import UserId, WorkspaceId


@dataclass(frozen=True, slots=True, kw_only=True)
class RememberFact:
    """A person says something that is to be remembered."""

    scope: MemoryScope
    text: str
    by: UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmMemory:
    """A person lets a proposed memory be held."""

    scope: MemoryScope
    memory_id: int
    by: UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectMemory:
    """A person puts a memory in their own words; what it said before is kept as its history."""

    scope: MemoryScope
    memory_id: int
    text: str
    by: UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class PinMemory:
    """A person pins or unpins a memory: pinned ones are found first and never evicted."""

    scope: MemoryScope
    memory_id: int
    pinned: bool
    by: UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetMemory:
    """A person wants a memory gone, with its history and all that was derived from it."""

    scope: MemoryScope
    memory_id: int
    by: UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetScope:
    """A person wants all memories of the scope gone."""

    scope: MemoryScope
    by: UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetPerson:
    """Somebody wants all memories gone that come from a person, in the whole workspace."""

    workspace_id: WorkspaceId
    person: UserId
    by: UserId
    with_tasks: bool = False
    """The tasks that the person asked for go, too, with our messages about them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportMemories:
    """A person wants all memories of the scope as a file; it is handed over afterwards."""

    scope: MemoryScope
    by: UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class UsePersonal:
    """A person says whether their own memories are used in the channel of this scope."""

    scope: MemoryScope
    use: PersonalUse
    by: UserId


MemoryCommand = (
    RememberFact
    | ConfirmMemory
    | CorrectMemory
    | PinMemory
    | ForgetMemory
    | ForgetScope
    | ForgetPerson
    | ExportMemories
    | UsePersonal
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TasksErased:
    """What became of a person's tasks."""

    tasks: int
    messages: int
    """Of ours in Slack, with files: deleted from now on."""
    under_way: int
    """Stay, for they are not over or not all shown."""
    later: int = 0
    """More than are deleted at once: they go one after the other from now on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoriesChanged:
    """It was done, to so many memories."""

    count: int
    memory_id: int | None = None
    """The one that holds now what the person said."""
    remarks: int = 0
    """Ratings whose words went, too."""
    erased: TasksErased | None = None
    """Where tasks were to go, too."""
