"""A task folder holds so much and no more, whoever writes to it."""

import os
import threading

import pytest

from agent_engine.tools.call import ToolCaller
from agent_engine.tools.code_execution import code_execution
from agent_engine.tools.file_operations import file_operations
from agent_engine.tools.paths import Folder, PathError, QuotaError
from agent_engine.tools.quota import Quota
from agent_engine.tools.sandbox.choose import SandboxChooser
from agent_engine.tools.sandbox.copying import CopiedIn, File, copy_out
from agent_engine.tools.sandbox.driver import Language, ProbeResult, SandboxLimits, SandboxResult
from tests.fakes.sandbox import ToldDriver
from tests.fakes.tools import StoppedClock, tool_context

SMALL = Quota(size=10, files=4)


def written(root, *writes, quota=SMALL):
    with Folder(root, quota) as folder:
        for path, data in writes:
            folder.write(tuple(path.split("/")), data)


def names(root):
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*"))


@pytest.mark.parametrize(
    ("writes", "refused", "words"),
    [
        ([("a", b"12345")], ("b", b"123456"), "may hold 10 bytes and would hold 11 bytes"),
        ([], ("a", b"x" * 11), "delete some files first"),
        ([("a", b""), ("b", b""), ("c", b""), ("d", b"")], ("e", b""), "4 files and folders"),
        ([("a", b"")], ("x/y/z/f", b""), "4 files and folders"),
    ],
)
def test_what_does_not_fit_is_refused_and_leaves_nothing(tmp_path, writes, refused, words):
    written(tmp_path, *writes)
    before = names(tmp_path)

    with pytest.raises(QuotaError, match=words):
        written(tmp_path, refused)
    assert names(tmp_path) == before


def test_what_just_fits_is_written_in_one_go_or_in_several(tmp_path):
    written(tmp_path, ("a/b", b"12345"), ("a/c", b"67890"))
    written(tmp_path, ("a/c", b"09876"), ("d", b""))

    assert names(tmp_path) == ["a", "a/b", "a/c", "d"]


def test_a_full_folder_takes_what_makes_it_smaller_and_after_deleting_more(tmp_path):
    written(tmp_path, ("a", b"x" * 30), quota=Quota(size=100))

    written(tmp_path, ("a", b"x" * 20))
    with Folder(tmp_path, SMALL) as folder:
        with pytest.raises(QuotaError):
            folder.write(("b",), b"1")
        folder.delete(("a",))
        folder.write(("b",), b"1")

    assert names(tmp_path) == ["b"]


def test_the_sizes_of_sparse_files_count_and_links_do_not(tmp_path):
    (tmp_path / "link").symlink_to("/usr/bin/env")
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(9)

    written(tmp_path, ("a", b"1"))
    with pytest.raises(QuotaError):
        written(tmp_path, ("b", b"1"))


def test_writers_side_by_side_cannot_pass_the_quota_together(tmp_path):
    quota = Quota(size=1_000, files=1_000)
    refusals = []

    def write(writer):
        for number in range(20):
            try:
                written(tmp_path, (f"{writer}-{number}", b"x" * 25), quota=quota)
            except QuotaError as error:
                refusals.append(error)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert sum(path.stat().st_size for path in tmp_path.iterdir()) == 1_000
    assert len(refusals) == 40


def test_a_folder_that_cannot_be_looked_into_hides_no_other(tmp_path):
    (tmp_path / os.fsdecode(b"\xff\xfe")).mkdir()
    (tmp_path / "z").mkdir()
    (tmp_path / "z" / "good").write_text("x")
    missed = []

    with Folder(tmp_path) as folder:
        found = [entry.path for entry in folder.walk(missed=missed.append)]

    assert "z/good" in found
    assert [type(error) for error in missed] == [PathError]


async def test_writing_files_meets_the_quota_as_an_observation(tmp_path):
    calls = ToolCaller([file_operations(SMALL)], StoppedClock())
    arguments = {"operation": "write", "path": "a.txt", "content": "x" * 11}

    seen = await calls.call("file_operations", arguments, tool_context(tmp_path))

    assert "delete some files first" in (seen.error or "")
    assert names(tmp_path) == []


def test_files_of_a_program_that_do_not_fit_are_left_out_and_it_is_said(tmp_path):
    files = [File((f"f{number}",), b"1234") for number in range(4)]
    limits = SandboxLimits(folder_quota=SMALL)

    copied = copy_out(iter(files), tmp_path, CopiedIn(), limits)

    assert copied.files == ["f0", "f1"]
    assert "delete some files first" in copied.full
    assert names(tmp_path) == ["f0", "f1"]


async def test_a_program_whose_files_did_not_fit_has_not_succeeded(tmp_path):
    holds = ProbeResult(usable=True, languages=frozenset({Language.BASH}))
    result = SandboxResult(stdout="", stderr="", exit_code=0, folder_full="'f2': it is full")
    driver = ToldDriver(holds, result)
    tool = code_execution(SandboxChooser(drivers={"told": lambda: driver}), quota=SMALL)
    calls = ToolCaller([tool], StoppedClock())

    seen = await calls.call(
        "code_execution", {"language": "bash", "code": "x"}, tool_context(tmp_path)
    )

    assert not seen.success
    assert "not all of its files are kept: 'f2': it is full" in (seen.error or "")
    limits = driver.jobs[0].limits
    assert (limits.folder_quota, limits.copied_in_bytes, limits.copied_files) == (SMALL, 10, 4)
