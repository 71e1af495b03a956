"""Where tasks keep their files: one folder per task, apart by scope.

Names that came from outside never become part of a path: they are hashed. It must not look into
the files; that is ``paths``.
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Final

from agent_engine.tools.paths import FOLDER_MODE, Folder
from agent_engine.types import Scope, TaskId

_HASH_CHARS: Final = 32


class TaskFolders:
    """The task folders of an installation, below one root."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def folder(self, scope: Scope, task_id: TaskId) -> Path:
        """Return a task's folder, made if need be; readable by the bot's user only."""
        path = self._path(scope, task_id)
        for folder in (self._root, path.parent, path):
            folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        return path

    def aside(self, scope: Scope, task_id: TaskId) -> Path:
        """Return a folder beside the task's that its tools cannot reach, made if need be.

        On the same file system, so that a file can be moved from here into the task's folder.
        """
        path = self._aside(scope, task_id)
        path.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        return path

    def remove(self, scope: Scope, task_id: TaskId) -> None:
        """Delete a task's folder and all in it; safe to call twice."""
        for path in (self._path(scope, task_id), self._aside(scope, task_id)):
            if not path.is_symlink() and path.exists():
                shutil.rmtree(path)

    def size(self, scope: Scope, task_id: TaskId) -> int:
        """Return the bytes of a task's files; 0 when it has no folder."""
        path = self._path(scope, task_id)
        if not path.is_dir():
            return 0
        with Folder(path) as folder:
            return sum(entry.size for entry in folder.walk())

    def _path(self, scope: Scope, task_id: TaskId) -> Path:
        who = _hashed(scope.workspace_id, scope.channel_id, scope.agent_id)
        return self._root / who / _hashed(task_id)

    def _aside(self, scope: Scope, task_id: TaskId) -> Path:
        path = self._path(scope, task_id)
        return path.with_name(f"{path.name}.in")


def _hashed(*parts: str) -> str:
    text = json.dumps(parts)  # unlike a plain join, it keeps the parts apart
    return hashlib.sha256(text.encode()).hexdigest()[:_HASH_CHARS]
