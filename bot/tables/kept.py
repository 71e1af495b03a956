"""``[files]``, ``[tools.task_folder]`` and ``[retention]``: how much is kept, and how long."""

from typing import Annotated

from pydantic import Field

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


class RetentionTable(Table):
    """How many days what is stored is kept; 0 for ever."""

    task_folders_days: Annotated[int, Field(ge=0, le=36_500)] = 30
    """After a task used its files for the last time. Tasks that are not over keep theirs."""
