"""Every task has a folder of its own."""

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
