"""Where tasks keep their files: one folder per task, apart by scope.

Names that came from outside never become part of a path: they are hashed. It must not look into
the files; that is ``paths``.
"""

import hashlib
import json
import logging
import os
import secrets
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from agent_engine.tools.paths import FOLDER_MODE, Folder
from agent_engine.types import Scope, TaskId

logger = logging.getLogger(__name__)

_HASH_CHARS: Final = 32
_GOING: Final = ".going-"
"""Begins the name of a folder on its way out, where no task finds it any more."""
_ASIDE: Final = ".in"
"""Ends the name of the folder beside a task's."""


class TaskFolders:
    """The task folders of an installation, below one root."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def folder(self, scope: Scope, task_id: TaskId) -> Path:
        """Return a task's folder, made if need be; readable by the bot's user only."""
        path = self._path(scope, task_id)
        for folder in (self._root, path.parent, path):
            folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        os.utime(path)  # what ``prune`` goes by: files below do not touch it
        return path

    def aside(self, scope: Scope, task_id: TaskId) -> Path:
        """Return a folder beside the task's that its tools cannot reach, made if need be.

        On the same file system, so that a file can be moved from here into the task's folder.
        """
        path = self._aside(scope, task_id)
        path.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        return path

    def remove(self, scope: Scope, task_id: TaskId) -> bool:
        """Delete a task's folder and all in it; False when there was none."""
        paths = (self._path(scope, task_id), self._aside(scope, task_id))
        found = [path for path in paths if not path.is_symlink() and path.exists()]
        for path in found:
            shutil.rmtree(path)
        return bool(found)

    def prune(self, *, before_s: float, keep: Collection[tuple[Scope, TaskId]]) -> int:
        """Delete the folders of tasks that have not used them for long; return how many.

        Links are neither followed nor removed, and one folder that cannot be deleted does not
        keep the others. May be called by several processes at once.

        Args:
            before_s: folders last used before this, in seconds since 1970, go.
            keep: tasks that are not over: theirs stay however old they are.
        """
        kept = {way(*task) for task in keep for way in (self._path, self._aside)}
        return sum(
            self._removed(path, before_s)
            for path in list(self._found())
            if path not in kept and not path.is_symlink() and path.is_dir()
        )

    def _found(self) -> Iterator[Path]:
        if not self._root.is_dir():
            return
        for who in self._root.iterdir():
            if who.is_dir() and not who.is_symlink():
                yield from who.iterdir()

    def _removed(self, path: Path, before_s: float) -> bool:
        try:
            if _last_used_s(path) >= before_s:
                return False
            # Out of the way at once: a task that comes back finds all of its files or none.
            going = path.with_name(f"{_GOING}{secrets.token_hex(8)}")
            path.rename(going)
            shutil.rmtree(going)
        except FileNotFoundError:  # another process was faster
            return False
        except OSError as error:
            logger.warning("task_folder_left", extra={"error": type(error).__name__})
            return False
        return True

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
        return path.with_name(path.name + _ASIDE)


def _last_used_s(path: Path) -> float:
    """Return when a folder was last used; one beside a task's goes no sooner than the task's."""
    own_s = path.stat(follow_symlinks=False).st_mtime
    try:
        tasks = path.with_name(path.name.removesuffix(_ASIDE))
        return max(own_s, tasks.stat(follow_symlinks=False).st_mtime)
    except FileNotFoundError:
        return own_s


def _hashed(*parts: str) -> str:
    text = json.dumps(parts)  # unlike a plain join, it keeps the parts apart
    return hashlib.sha256(text.encode()).hexdigest()[:_HASH_CHARS]
