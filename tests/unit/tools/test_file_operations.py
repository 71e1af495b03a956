"""Files of the task folder, as an agent sees them."""

import os

import pytest

from agent_engine.tools.call import ToolCaller
from agent_engine.tools.file_operations import file_operations
from tests.fakes.tools import StoppedClock, tool_context


@pytest.fixture
def do(tmp_path):
    calls = ToolCaller([file_operations()], StoppedClock())

    async def act(operation, path, **more):
        arguments = {"operation": operation, "path": path, **more}
        return await calls.call("file_operations", arguments, tool_context(tmp_path))

    return act


async def test_write_creates_parent_folders_and_says_the_bytes(do, tmp_path):
    seen = await do("write", "notes/deep/answer.txt", content="naïve")

    assert seen.content["bytes_written"] == 6
    assert seen.outcome == "wrote notes/deep/answer.txt (6 bytes)"
    assert seen.files == ("notes/deep/answer.txt",)
    assert (tmp_path / "notes/deep/answer.txt").read_text() == "naïve"


async def test_read_gives_the_content_and_its_size_in_bytes(do):
    await do("write", "a.txt", content="é\n")
    seen = await do("read", "a.txt")

    assert (seen.content["content"], seen.content["size"]) == ("é\n", 3)
    assert seen.outcome == "read a.txt (3 bytes)"


async def test_list_names_files_and_folders_and_does_not_follow_links(do, tmp_path):
    await do("write", "sub/inner.txt", content="xy")
    await do("write", "a.txt", content="x")
    (tmp_path / "link").symlink_to("/etc")
    os.mkfifo(tmp_path / "pipe")

    seen = await do("list", ".")
    below = await do("list", "sub")

    rows = {item["name"]: item for item in seen.content["items"]}
    assert seen.content["count"] == 4
    assert rows["a.txt"] == {
        "name": "a.txt", "path": "a.txt", "is_file": True, "is_directory": False, "size": 1
    }  # fmt: skip
    assert (rows["sub"]["is_file"], rows["sub"]["is_directory"]) == (False, True)
    assert (rows["link"]["is_file"], rows["link"]["is_directory"]) == (False, False)
    assert below.content["items"][0]["path"] == "sub/inner.txt"


@pytest.mark.parametrize(
    ("path", "exists", "is_file", "is_directory"),
    [
        ("a.txt", True, True, False),
        ("sub", True, False, True),
        (".", True, False, True),
        ("no/thing", False, False, False),
        ("a.txt/x", False, False, False),
    ],
)
async def test_exists_says_what_is_there(do, path, exists, is_file, is_directory):
    await do("write", "sub/inner.txt", content="")
    await do("write", "a.txt", content="")

    content = (await do("exists", path)).content

    assert content == {
        "success": True, "exists": exists, "is_file": is_file, "is_directory": is_directory
    }  # fmt: skip


async def test_delete_removes_a_file_and_an_empty_folder_only(do, tmp_path):
    await do("write", "sub/inner.txt", content="")

    assert "not empty" in ((await do("delete", "sub")).error or "")
    assert (await do("delete", "sub/inner.txt")).success
    assert (await do("delete", "sub")).success
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("operation", ["read", "write", "list", "delete"])
@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "sub/../../x", "link/passwd"])
async def test_no_operation_leaves_the_task_folder(do, tmp_path, operation, path):
    (tmp_path / "link").symlink_to("/etc")

    seen = await do(operation, path, content="x")

    assert not seen.success
    assert not (tmp_path.parent / "x").exists()


async def test_exists_tells_nothing_of_what_is_outside(do, tmp_path):
    (tmp_path / "link").symlink_to("/etc")

    assert not (await do("exists", "../" + tmp_path.name)).success
    assert (await do("exists", "link/passwd")).content["exists"] is False


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"operation": "write", "path": "a"}, "needs 'content'"),
        ({"operation": "read", "path": "bytes"}, "not text in utf-8"),
        ({"operation": "read", "path": "bytes", "encoding": "rot13"}, "no encoding 'rot13'"),
        ({"operation": "read", "path": "bytes", "encoding": "klingon"}, "no encoding 'klingon'"),
        ({"operation": "write", "path": "a", "content": "é", "encoding": "ascii"}, "in ascii"),
        ({"operation": "read", "path": "bytes", "encoding": "PunyCode"}, "no encoding of files"),
        ({"operation": "read", "path": "bytes", "encoding": "IDNA"}, "no encoding of files"),
        ({"operation": "read", "path": "big"}, "at most 10485760"),
        ({"operation": "move", "path": "a"}, "operation must be one of 'read'"),
        ({"operation": "read"}, "missing: 'path'"),
    ],
)
async def test_a_bad_request_is_told_so_that_it_can_be_mended(tmp_path, arguments, words):
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00x")
    with (tmp_path / "big").open("wb") as file:
        file.truncate(10 * 1024 * 1024 + 1)
    calls = ToolCaller([file_operations()], StoppedClock())

    seen = await calls.call("file_operations", arguments, tool_context(tmp_path))

    assert words in (seen.error or "")


async def test_another_encoding_is_written_and_read(do, tmp_path):
    await do("write", "a.txt", content="é", encoding="latin-1")

    assert (tmp_path / "a.txt").read_bytes() == b"\xe9"
    assert (await do("read", "a.txt", encoding="latin-1")).content["content"] == "é"


async def test_a_long_file_is_shortened_for_the_model_and_kept_whole(do):
    await do("write", "long.txt", content="x" * 100_000)
    seen = await do("read", "long.txt")

    assert "characters left out" in seen.content["content"]
    assert len(seen.full_output or "") > 100_000
