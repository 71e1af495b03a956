"""Keeping house: files of tasks that are long over, or deleted, go, and no others."""

import asyncio
import os

import pytest

from agent_engine.errors import StorageError
from agent_engine.tools.task_folders import TaskFolders
from agent_engine.types import LIBRARY_SCOPE, TaskId
from bot.housekeeping import HouseKeeper
from bot.tables.kept import RetentionTable

YEAR_AGO = (1_000_000_000, 1_000_000_000)


class House:
    def __init__(self, *left):
        self.left = [(LIBRARY_SCOPE, TaskId(name)) for name in left]

    async def keep(self, **_when):
        return {}

    async def tasks_at_work(self):
        return [(LIBRARY_SCOPE, TaskId("waiting"))]

    async def folders_left(self, *, limit):
        return self.left[:limit]

    async def folders_gone(self, folders):
        self.left = [place for place in self.left if place not in folders]


def keeper(house, folders, *, days):
    return HouseKeeper(
        house=house, folders=folders, retention=RetentionTable(task_folders_days=days)
    )


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

    assert await keeper(House(), folders, days=days).keep() == {"task_folders": gone}
    assert {name for name, path in paths.items() if path.exists()} == left


async def test_the_folder_of_a_deleted_task_goes_however_long_folders_are_kept(tmp_path):
    folders, house = TaskFolders(tmp_path), House("deleted", "had-none")
    deleted = folders.folder(LIBRARY_SCOPE, TaskId("deleted"))
    other = folders.folder(LIBRARY_SCOPE, TaskId("other"))
    (deleted / "notes.txt").write_text("what was found")

    assert await keeper(house, folders, days=0).keep() == {"task_folders": 1}
    assert (deleted.exists(), other.exists(), house.left) == (False, True, [])


async def test_house_is_kept_hourly_and_words_are_merged_every_minute(tmp_path, monkeypatch):
    monkeypatch.setattr("bot.housekeeping.MINUTE_S", 0)
    done, is_enough = [], asyncio.Event()

    class Busy(House):
        async def keep(self, **_when):
            done.append("kept")
            raise StorageError("The database is away.")

        async def merge_words(self, *, most_steps):
            done.append(most_steps)
            if len(done) == 62:
                is_enough.set()
            return 0

    async with asyncio.TaskGroup() as group:
        running = group.create_task(keeper(Busy(), TaskFolders(tmp_path), days=0).run())
        await is_enough.wait()
        running.cancel()
    assert done == ["kept", *[1] * 59, "kept", 1]


async def test_a_folder_that_cannot_be_deleted_is_tried_again(tmp_path, monkeypatch):
    folders, house = TaskFolders(tmp_path), House("stuck", "deleted")
    stuck = folders.folder(LIBRARY_SCOPE, TaskId("stuck"))
    folders.folder(LIBRARY_SCOPE, TaskId("deleted"))
    with monkeypatch.context() as patch:
        real = os.rmdir
        patch.setattr(os, "rmdir", lambda path, **how: _refuse(path, stuck, real, how))
        assert await keeper(house, folders, days=0).keep() == {"task_folders": 1}
    assert house.left == [(LIBRARY_SCOPE, TaskId("stuck"))]
    assert await keeper(house, folders, days=0).keep() == {"task_folders": 1}
    assert not stuck.exists()


def _refuse(path, stuck, real, how):
    if str(path) == str(stuck):
        raise PermissionError(path)
    real(path, **how)
