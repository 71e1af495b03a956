"""What comes out of a sandbox is not believed."""

import io
import os
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_engine.tools.sandbox.copying import (
    CopiedIn,
    File,
    archive_members,
    copy_out,
    folder_members,
    read_folder,
    write_archive,
)
from agent_engine.tools.sandbox.driver import SandboxLimits
from agent_engine.tools.sandbox.failures import SandboxError
from agent_engine.tools.sandbox.memory_files import memory_file

LIMITS = SandboxLimits()
NOTHING = CopiedIn()


def member(name: str, data: bytes = b"x", **facts) -> tuple[tarfile.TarInfo, bytes]:
    found = tarfile.TarInfo(name)
    for fact, value in facts.items():
        setattr(found, fact, value)
    found.size = len(data)
    return found, data


def archive(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as file:
        for found, data in members:
            file.addfile(found, io.BytesIO(data))
    return buffer.getvalue()


def unpacked(data: bytes, folder, given=NOTHING, limits=LIMITS):
    fd = memory_file("archive", data)
    try:
        return copy_out(archive_members(fd, len(data)), folder, given, limits)
    finally:
        os.close(fd)


def test_regular_files_come_out_with_their_folders_and_execute_bit(tmp_path):
    data = archive(
        member("./a.txt", b"one"),
        member("./sub", b"", type=tarfile.DIRTYPE),
        member("./sub/run.sh", b"two", mode=0o755),
    )

    copied = unpacked(data, tmp_path)

    assert copied.files == ["a.txt", "sub/run.sh"]
    assert copied.notes == []
    assert (tmp_path / "a.txt").read_bytes() == b"one"
    assert (tmp_path / "sub/run.sh").stat().st_mode & 0o777 == 0o700


def test_a_file_that_is_as_it_was_given_is_not_written(tmp_path):
    given = CopiedIn()
    for file in (File(("a.txt",), b"one"), File(("b.txt",), b"old")):
        given.note(file)

    copied = unpacked(archive(member("a.txt", b"one"), member("b.txt", b"new")), tmp_path, given)

    assert copied.files == ["b.txt"]
    assert not (tmp_path / "a.txt").exists()


@pytest.mark.parametrize(
    "bad",
    [
        member("../escaped"),
        member("/root/escaped"),
        member("a/../../escaped"),
        member("new\nline"),
        member(".treadle-0.part"),
        member("link", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        member("hard", b"", type=tarfile.LNKTYPE, linkname="/etc/passwd"),
        member("pipe", b"", type=tarfile.FIFOTYPE),
        member("null", b"", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
        member("pax", b"30 path=../escaped\n", type=b"x"),
    ],
)
def test_a_member_that_is_no_plain_file_is_left_behind_and_noted(tmp_path, bad):
    folder = tmp_path / "folder"
    folder.mkdir()

    copied = unpacked(archive(bad, member("good.txt")), folder)

    assert copied.files == ["good.txt"]
    assert len(copied.notes) == 1
    assert [item.name for item in folder.iterdir()] == ["good.txt"]
    assert [item.name for item in tmp_path.iterdir()] == ["folder"]


def packed(name: str, data: bytes = b"x", **facts) -> bytes:
    """An archive as GNU tar writes it, long names included."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as file:
        found, content = member(name, data, **facts)
        file.addfile(found, io.BytesIO(content))
        good, content = member("good.txt")
        file.addfile(good, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "name",
    ["y" * 150, "отчёт за третий квартал и всё, что к нему относится, в таблице.csv",
     "/".join(["d" * 60] * 12)],
)  # fmt: skip
def test_names_that_a_plain_header_cannot_hold_are_kept_whole(tmp_path, name):
    copied = unpacked(packed(name, b"long"), tmp_path)

    assert copied.files == [name, "good.txt"]
    assert (tmp_path / name).read_bytes() == b"long"


@pytest.mark.parametrize(
    "name", ["../" + "y" * 150, "z" * 201, "z" * 5_000, "/".join(["d" * 200] * 6), "d/" * 33 + "f"]
)
def test_a_long_name_that_may_not_be_is_left_behind_and_does_not_rub_off(tmp_path, name):
    folder = tmp_path / "folder"
    folder.mkdir()

    copied = unpacked(packed(name), folder)

    assert copied.files == ["good.txt"]
    assert len(copied.notes) == 1
    assert [item.name for item in tmp_path.iterdir()] == ["folder"]


def test_a_link_to_somewhere_long_is_left_behind_like_any_other(tmp_path):
    data = packed("y" * 150, b"", type=tarfile.SYMTYPE, linkname="z" * 150)

    copied = unpacked(data, tmp_path)

    assert copied.files == ["good.txt"]
    assert "is not a regular file" in copied.notes[0]


def test_a_folder_deeper_than_any_is_looked_into_is_noted_and_others_are_not(tmp_path):
    deep, flat = "/".join("d" * 33), "/".join("d" * 32)
    data = archive(member(deep, b"", type=tarfile.DIRTYPE), member(flat, b"", type=tarfile.DIRTYPE))

    assert unpacked(data, tmp_path).notes == ["not kept: what lies more than 32 folders deep"]


def test_a_link_first_and_a_file_through_it_second_does_not_get_out(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "planted").symlink_to(tmp_path)
    link = member("door", b"", type=tarfile.SYMTYPE, linkname="..")

    copied = unpacked(archive(link, member("door/a"), member("planted/b")), folder)

    assert copied.files == ["door/a"]
    assert sorted(item.name for item in tmp_path.iterdir()) == ["folder"]


def test_a_file_where_the_folder_has_a_folder_is_noted(tmp_path):
    (tmp_path / "sub").mkdir()

    copied = unpacked(archive(member("sub")), tmp_path)

    assert copied.files == []
    assert "there is a folder of this name" in copied.notes[0]


def test_files_that_are_too_large_or_too_many_are_noted(tmp_path):
    limits = SandboxLimits(file_bytes=10, copied_files=2)
    many = archive(*(member(f"{number}") for number in range(9)), member("z", b"x" * 11))

    copied = unpacked(many, tmp_path, limits=limits)
    large = unpacked(archive(member("z", b"x" * 11)), tmp_path, limits=limits)

    assert len(copied.files) == 4
    assert "more than 2 files" in copied.notes[0]
    assert "at most 10 bytes" in large.notes[0]


@pytest.mark.parametrize("size", [b"77777777777\0", b"\x80" + b"\xff" * 11, b"-0000000001\0"])
def test_a_lying_size_ends_the_reading(tmp_path, size):
    data = bytearray(archive(member("a")))
    data[124:136] = size

    copied = unpacked(bytes(data), tmp_path)

    assert copied.files == []
    assert "could not be read" in copied.notes[0]


@given(st.binary(max_size=3_000), st.integers(0, 1_500))
def test_garbage_in_an_archive_never_raises_and_never_gets_out(tmp_path_factory, garbage, at):
    folder = tmp_path_factory.mktemp("top") / "folder"
    folder.mkdir()
    data = bytearray(archive(member("a", b"one"), member("b", b"two")))
    data[at : at + len(garbage)] = garbage

    unpacked(bytes(data), folder)

    assert [item.name for item in folder.parent.iterdir()] == ["folder"]


def test_what_a_program_is_given_is_what_can_safely_be_opened(tmp_path):
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "a.txt").write_bytes(b"one")
    (tmp_path / "secret").write_bytes(b"secret")
    (folder / "link").symlink_to("../secret")
    os.link(tmp_path / "secret", folder / "twin")
    os.mkfifo(folder / "pipe")

    files = list(read_folder(folder, LIMITS))

    assert [(file.path, file.data) for file in files] == [("sub/a.txt", b"one")]


@pytest.mark.parametrize(
    "limits", [SandboxLimits(copied_files=1), SandboxLimits(copied_in_bytes=1)]
)
def test_too_full_a_folder_is_refused_with_what_to_do(tmp_path, limits):
    for name in "ab":
        (tmp_path / name).write_bytes(b"1")

    with pytest.raises(SandboxError, match="delete some files first"):
        list(read_folder(tmp_path, limits))


def test_long_names_survive_the_way_in():
    file = File(("d" * 150, "e" * 150, "naïve.txt"), b"one", executable=True)

    sink = io.BytesIO()

    given = write_archive([file], sink)
    with tarfile.open(fileobj=io.BytesIO(sink.getvalue())) as made:
        found = made.getmembers()[0]

    assert (list(given.digests), given.size) == ([file.path], 3)
    assert (found.name, found.mode) == (file.path, 0o755)


def test_a_programs_own_folder_is_read_without_following_its_links(tmp_path):
    (tmp_path / "secret").write_bytes(b"secret")
    work = tmp_path / "work"
    work.mkdir()
    (work / "good").write_bytes(b"one")
    (work / "link").symlink_to("../secret")
    (work / "up").symlink_to("..")
    os.link(tmp_path / "secret", work / "twin")

    members = list(folder_members(work, LIMITS))

    assert [item.path for item in members if isinstance(item, File)] == ["good"]
    notes = sorted(item for item in members if isinstance(item, str))
    assert [note.split(" ")[2] for note in notes] == ["'link'", "'twin':", "'up'"]


def test_a_given_file_larger_than_one_that_may_be_made_is_not_spoken_of(tmp_path):
    work, folder = tmp_path / "work", tmp_path / "folder"
    for place in (work, folder):
        place.mkdir()
        (place / "large").write_bytes(b"x" * 20)
    limits = SandboxLimits(file_bytes=10)
    given = CopiedIn()
    for file in read_folder(folder, limits):
        given.note(file)

    same = copy_out(folder_members(work, limits), folder, given, limits)
    (work / "large").write_bytes(b"y" * 20)
    changed = copy_out(folder_members(work, limits), folder, given, limits)

    assert (same.files, same.notes) == ([], [])
    assert "at most 10 bytes" in changed.notes[0]
