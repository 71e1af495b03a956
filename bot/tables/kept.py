"""What is kept, how much of it and how long: files, folders of tasks, memories."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated

from pydantic import Field
from typing_extensions import override

from agent_engine.memories import MemoryRules
from agent_engine.retention import Retention
from bot.tables.table import Names, Table


class FilesTable(Table):
    """How much of what people attach is taken in."""

    max_mb: Annotated[int, Field(ge=0, le=1_000)] = 50
    """The largest file; 0 takes none."""
    task_mb: Annotated[int, Field(ge=0, le=10_000)] = 200
    """All files of one task together."""


class TaskFolderTable(Table):
    """How much one task may keep in files, beside what people attach."""

    mib: Annotated[int, Field(ge=1, le=1_024)] = 128
    files: Annotated[int, Field(ge=1, le=20_000)] = 2_000


class MemoryTable(Table):
    """What agents keep beyond a task, and what searching it may cost."""

    episodes: bool = True
    """Whether a task's problem and what came of it are kept for later ones."""
    propose_facts: bool = True
    """Whether people are asked about facts that they did not say themselves."""
    tokens_told: Annotated[int, Field(ge=0, le=20_000)] = 2_000
    """About how much of memories and lessons a planner is told."""
    cache_mb: Annotated[int, Field(ge=0, le=65_536)] = 64
    """Vectors that are kept in memory between searches."""

    @property
    def cache_bytes(self) -> int:
        """How much the vectors may take that are kept between searches."""
        return self.cache_mb * 1_000_000

    def kept(self) -> MemoryRules:
        """Return what the engine is to keep to."""
        return MemoryRules(
            episodes=self.episodes,
            proposes_facts=self.propose_facts,
            tokens_told=self.tokens_told,
        )


_Days = Annotated[int, Field(ge=0, le=36_500)]
_LEAST_USAGE_DAYS = 2
"""A budget of the day is summed up from what this day has used."""


class RetentionTable(Table):
    """How many days what is stored is kept; 0 for ever."""

    task_folders_days: _Days = 30
    """After a task used its files for the last time. Tasks that are not over keep theirs."""
    tasks_days: _Days = 365
    """After a task, and all that it delegated, has ended."""
    episodes_days: _Days = 365
    """What came of tasks, and plans that are examples, after they were used last."""
    memory_history_days: _Days = 90
    """What memories said before, what is not applied any more, what nobody confirmed."""
    audit_texts_days: _Days = 0
    """The words of the audit log; its entries stay."""
    usage_days: _Days = 0
    ratings_days: _Days = 0
    """Of runs that are gone."""

    @override
    def problems(self, where: str, names: Names) -> Iterator[str]:
        if 0 < self.usage_days < _LEAST_USAGE_DAYS:
            yield f"{where}.usage_days: use at least {_LEAST_USAGE_DAYS}, or 0 for ever"

    def kept(self) -> Retention:
        """Return what storage is to keep to."""
        return Retention(
            tasks=_age(self.tasks_days),
            episodes=_age(self.episodes_days),
            memory_history=_age(self.memory_history_days),
            audit_texts=_age(self.audit_texts_days),
            usage=_age(self.usage_days),
            ratings=_age(self.ratings_days),
        )


def _age(days: int) -> timedelta | None:
    return timedelta(days=days) if days else None
