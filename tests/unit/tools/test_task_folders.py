"""Every task has a folder of its own."""

import os
from dataclasses import replace

from agent_engine.tools.task_folders import TaskFolders
from agent_engine.types import LIBRARY_SCOPE, AgentId, ChannelId, TaskId


def test_a_folder_is_made_once_and_is_for_the_bots_user_only(tmp_path):
    folders = TaskFolders(tmp_path / "new" / "tasks")

    path = folders.folder(LIBRARY_SCOPE, TaskId("t"))
    (path / "kept.txt").write_text("x")

    assert folders.folder(LIBRARY_SCOPE, TaskId("t")) == path
    assert (path / "kept.txt").exists()
    assert path.stat().st_mode & 0o777 == 0o700
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_tasks_and_scopes_never_share_a_folder(tmp_path):
    folders = TaskFolders(tmp_path)
    other = replace(LIBRARY_SCOPE, channel_id=ChannelId("c"))
    joined = replace(LIBRARY_SCOPE, channel_id=ChannelId("c\0a"), agent_id=AgentId("b"))
    split = replace(LIBRARY_SCOPE, channel_id=ChannelId("c"), agent_id=AgentId("a\0b"))
    pairs = [
        (LIBRARY_SCOPE, "t"), (LIBRARY_SCOPE, "u"), (other, "t"), (joined, "t"), (split, "t")
    ]  # fmt: skip

    made = {folders.folder(scope, TaskId(task)) for scope, task in pairs}

    assert len(made) == 5


def test_a_task_id_cannot_climb(tmp_path):
    folders = TaskFolders(tmp_path / "root")

    for name in ("../../x", "/etc", "..", "", "a\nb", "x" * 500):
        path = folders.folder(LIBRARY_SCOPE, TaskId(name))
        assert path.is_relative_to(tmp_path / "root")
        assert len(path.relative_to(tmp_path / "root").parts) == 2


def test_size_counts_files_and_not_what_links_lead_to(tmp_path):
    folders = TaskFolders(tmp_path)
    path = folders.folder(LIBRARY_SCOPE, TaskId("t"))
    (path / "sub").mkdir()
    (path / "sub" / "a").write_bytes(b"123")
    (path / "b").write_bytes(b"4567")
    (path / "link").symlink_to("/usr")

    assert folders.size(LIBRARY_SCOPE, TaskId("t")) == 7
    assert folders.size(LIBRARY_SCOPE, TaskId("none")) == 0


def test_removing_twice_is_the_same_as_once_and_spares_what_links_lead_to(tmp_path):
    folders = TaskFolders(tmp_path / "root")
    (tmp_path / "spared").write_text("x")
    path = folders.folder(LIBRARY_SCOPE, TaskId("t"))
    (path / "link").symlink_to(tmp_path)

    folders.remove(LIBRARY_SCOPE, TaskId("t"))
    folders.remove(LIBRARY_SCOPE, TaskId("t"))

    assert not path.exists()
    assert (tmp_path / "spared").exists()


DAY_S = 24 * 3600.0
NOW_S = 1_700_000_000.0


def aged(folders, task, days, scope=LIBRARY_SCOPE):
    path = folders.folder(scope, TaskId(task))
    (path / "sub").mkdir(exist_ok=True)
    (path / "sub" / "file").write_text("x")
    os.utime(path, (NOW_S, NOW_S - days * DAY_S))
    return path


def test_pruning_deletes_what_was_last_used_long_ago_and_counts_it(tmp_path):
    folders = TaskFolders(tmp_path)
    old, new = aged(folders, "old", 31), aged(folders, "new", 29)

    assert folders.prune(before_s=NOW_S - 30 * DAY_S, keep=()) == 1
    assert (old.exists(), new.exists()) == (False, True)
    assert folders.prune(before_s=NOW_S - 30 * DAY_S, keep=()) == 0


def test_pruning_keeps_the_files_of_tasks_that_are_not_over(tmp_path):
    folders = TaskFolders(tmp_path)
    other = replace(LIBRARY_SCOPE, channel_id=ChannelId("c"))
    mine, theirs = aged(folders, "t", 400), aged(folders, "t", 400, other)

    assert folders.prune(before_s=NOW_S, keep=[(LIBRARY_SCOPE, TaskId("t"))]) == 1
    assert (mine.exists(), theirs.exists()) == (True, False)


def test_using_a_folder_makes_it_young_again(tmp_path):
    folders = TaskFolders(tmp_path)
    path = aged(folders, "t", 400)
    began_s = path.stat().st_mtime

    folders.folder(LIBRARY_SCOPE, TaskId("t"))

    assert path.stat().st_mtime > began_s
    assert folders.prune(before_s=began_s + DAY_S, keep=()) == 0


def test_pruning_follows_no_link_and_spares_what_it_leads_to(tmp_path):
    folders = TaskFolders(tmp_path / "root")
    outside = tmp_path / "outside"
    (outside / "inner").mkdir(parents=True)
    (outside / "inner" / "kept").write_text("x")
    path = aged(folders, "t", 400)
    (path / "door").symlink_to(outside)
    os.utime(path, (0, 0))
    (path.parent / "planted").symlink_to(outside / "inner")
    (tmp_path / "root" / "door").symlink_to(outside)
    os.utime(outside / "inner", (0, 0))

    assert folders.prune(before_s=NOW_S, keep=()) == 1
    assert (outside / "inner" / "kept").read_text() == "x"


def test_pruning_finishes_what_a_crash_interrupted(tmp_path):
    folders = TaskFolders(tmp_path)
    half_gone = aged(folders, "t", 400).rename(tmp_path / "who-going")
    above = folders.folder(LIBRARY_SCOPE, TaskId("u")).parent
    half_gone.rename(above / ".going-0123456789abcdef")

    assert folders.prune(before_s=NOW_S - DAY_S, keep=()) == 1
    assert [p.name for p in above.iterdir() if p.name.startswith(".")] == []


def test_pruning_where_nothing_was_ever_kept_is_nothing(tmp_path):
    assert TaskFolders(tmp_path / "none").prune(before_s=NOW_S, keep=()) == 0


def test_what_lies_beside_a_task_folder_goes_with_it_and_no_sooner(tmp_path):
    folders = TaskFolders(tmp_path)
    for name, days in (("old", 400), ("used", 1), ("waiting", 400)):
        aged(folders, name, days)
        os.utime(folders.aside(LIBRARY_SCOPE, TaskId(name)), (0, 0))

    folders.prune(before_s=NOW_S - 30 * DAY_S, keep=[(LIBRARY_SCOPE, TaskId("waiting"))])
    folders.prune(before_s=NOW_S - 30 * DAY_S, keep=[(LIBRARY_SCOPE, TaskId("waiting"))])

    left = {path.name for who in tmp_path.iterdir() for path in who.iterdir()}
    names = [folders.folder(LIBRARY_SCOPE, TaskId(name)).name for name in ("used", "waiting")]
    assert left == {*names, *(name + ".in" for name in names)}
