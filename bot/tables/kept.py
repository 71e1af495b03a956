"""What is kept, how much of it and how long: files, folders of tasks, memories."""

from typing import Annotated

from pydantic import Field

from agent_engine.memories import MemoryRules
from bot.tables.table import Table


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


class RetentionTable(Table):
    """How many days what is stored is kept; 0 for ever."""

    task_folders_days: Annotated[int, Field(ge=0, le=36_500)] = 30
    """After a task used its files for the last time. Tasks that are not over keep theirs."""
