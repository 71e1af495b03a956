"""The files of tasks: reads what agents made, for uploading, and keeps what people attached."""

import asyncio
import logging
from pathlib import Path

from agent_engine.errors import ToolError
from agent_engine.tools.paths import Folder, split_path
from agent_engine.tools.received import Kept, Received
from agent_engine.tools.task_folders import TaskFolders
from agent_engine.types import RunSnapshot

__all__ = ["MAX_FILES", "MOST_BYTES", "FolderFiles", "Kept", "Received", "TaskFolders"]

logger = logging.getLogger(__name__)

MOST_BYTES = 50_000_000
MAX_FILES = 50
"""Of what people attach to one task."""


class FolderFiles:
    """Files of task folders, by run."""

    def __init__(self, folders: TaskFolders) -> None:
        self._folders = folders

    async def read(self, run: RunSnapshot, path: str) -> bytes | None:
        """Return the content; None when it is gone, too big, or no plain file of the folder."""
        folder = self._folders.folder(run.scope, run.task.id)
        try:
            return await asyncio.to_thread(_read, folder, path)
        except (OSError, ToolError) as error:
            facts = {"run_id": run.run_id, "error": type(error).__name__}
            logger.warning("file_not_read", extra=facts)
            return None


def _read(root: Path, path: str) -> bytes:
    with Folder(root) as folder:
        return folder.read(split_path(path), max_bytes=MOST_BYTES)
