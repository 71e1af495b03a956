"""The bot deletes the files of tasks that are long over, and of no others."""

import os
from types import SimpleNamespace

import pytest

from agent_engine.tools.task_folders import TaskFolders
from agent_engine.types import LIBRARY_SCOPE, TaskId
from bot.app import _prune_folders
from bot.tables.kept import RetentionTable

YEAR_AGO = (1_000_000_000, 1_000_000_000)


class House:
    async def tasks_at_work(self):
        return [(LIBRARY_SCOPE, TaskId("waiting"))]


@pytest.mark.parametrize(
    ("days", "gone", "left"), [(30, 1, {"waiting", "new"}), (0, 0, {"waiting", "new", "old"})]
)
async def test_only_old_folders_of_tasks_that_are_over_go(tmp_path, days, gone, left):
    folders = TaskFolders(tmp_path)
    paths = {
        name: folders.folder(LIBRARY_SCOPE, TaskId(name)) for name in ("waiting", "new", "old")
    }
    for name in ("waiting", "old"):
        os.utime(paths[name], YEAR_AGO)
    file = SimpleNamespace(retention=RetentionTable(task_folders_days=days))
    works = SimpleNamespace(
        settings=SimpleNamespace(file=file), toolbox=SimpleNamespace(folders=folders)
    )

    assert await _prune_folders(works, House()) == gone
    assert {name for name, path in paths.items() if path.exists()} == left
