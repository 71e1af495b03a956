"""No path leads out of a folder, whatever stands in it and whatever it is called."""

import ctypes
import errno
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_engine.tools import paths
from agent_engine.tools.paths import Folder, Kind, PathError, split_path

AT_FDCWD = -100
RENAME_EXCHANGE = 2
SECRET = b"the secret outside"


@pytest.fixture(params=["openat2", "walk"])
def inside(request, tmp_path, monkeypatch) -> Path:
    """A folder with a secret beside it, resolved both ways."""
    if request.param == "walk" or not paths._has_openat2():
        monkeypatch.setattr(paths, "_has_openat2", lambda: False)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_bytes(SECRET)
    (tmp_path / "inside" / "sub").mkdir(parents=True)
    (tmp_path / "inside" / "plain.txt").write_bytes(b"plain")
    return tmp_path / "inside"


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("a/b.txt", ("a", "b.txt")),
        ("./a//b/.", ("a", "b")),
        (".", ()),
        ("", ()),
        ("...", ("...",)),
        ("..a/b..", ("..a", "b..")),
        ("naïve ☕.md", ("naïve ☕.md",)),
    ],
)
def test_a_relative_path_is_its_names(path, names):
    assert split_path(path) == names


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "//etc",
        "..",
        "../x",
        "a/../../x",
        "a/..",
        "a\0b",
        "a\nb",
        "\x7f",
        "x" * 201,
        "/".join("a" * 33),
        "/".join(["y" * 100] * 12),
        "\udcff",
        ".treadle-00.part",
    ],
)
def test_a_path_that_could_lead_elsewhere_is_refused(path):
    with pytest.raises(PathError):
        split_path(path)


@given(st.text(max_size=80))
def test_any_text_is_refused_or_becomes_names_that_cannot_climb(path):
    try:
        names = split_path(path)
    except PathError:
        return
    assert all(name not in ("", ".", "..") and "/" not in name for name in names)
    assert split_path("/".join(names)) == names


NAMES = st.sampled_from(["..", ".", "sub", "link", "plain.txt", "secret", "outside", "/", "x", ""])


@given(st.lists(NAMES, max_size=6).map("/".join))
def test_no_path_reads_or_writes_outside(tmp_path_factory, path):
    top = tmp_path_factory.mktemp("top")
    (top / "outside").mkdir()
    (top / "outside" / "secret").write_bytes(SECRET)
    (top / "inside" / "sub").mkdir(parents=True)
    (top / "inside" / "link").symlink_to("../outside")
    with Folder(top / "inside") as folder:
        for act in (folder.read, lambda names: folder.write(names, b"mine")):
            try:
                assert act(split_path(path)) != SECRET
            except PathError:
                continue
    assert [item.name for item in (top / "outside").iterdir()] == ["secret"]
    assert (top / "outside" / "secret").read_bytes() == SECRET


def test_what_is_written_is_read_back_and_leaves_nothing_else(inside):
    with Folder(inside) as folder:
        folder.write(("new", "deep", "file.txt"), b"one")
        folder.write(("new", "deep", "file.txt"), b"two", executable=True)

        assert folder.read_with_mode(("new", "deep", "file.txt")) == (b"two", True)
        assert [entry.name for entry in folder.entries(("new", "deep"))] == ["file.txt"]
    assert (inside / "new").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("target", ["../outside/secret", "{top}/outside/secret", "plain.txt", "no"])
def test_a_link_is_not_read_not_replaced_and_said_to_be_neither_file_nor_folder(inside, target):
    link = inside / "link"
    link.symlink_to(target.format(top=inside.parent))

    with Folder(inside) as folder:
        with pytest.raises(PathError, match="link"):
            folder.read(("link",))
        with pytest.raises(PathError, match="link"):
            folder.write(("link",), b"mine")
        assert folder.kind(("link",)) is Kind.OTHER
        assert "link" not in [entry.name for entry in folder.walk()]
    assert (inside.parent / "outside" / "secret").read_bytes() == SECRET


def test_a_link_to_a_folder_is_not_gone_through(inside):
    (inside / "link").symlink_to(inside.parent / "outside")
    (inside / "sub" / "up").symlink_to("..")

    with Folder(inside) as folder:
        for act in (folder.read, folder.entries, folder.delete):
            with pytest.raises(PathError):
                act(("link", "secret"))
        with pytest.raises(PathError):
            folder.write(("link", "new"), b"mine")
        with pytest.raises(PathError):
            folder.read(("sub", "up", "plain.txt"))
        assert folder.kind(("link", "secret")) is Kind.MISSING
    assert [item.name for item in (inside.parent / "outside").iterdir()] == ["secret"]


def test_deleting_a_link_deletes_the_link_only(inside):
    (inside / "link").symlink_to(inside.parent / "outside" / "secret")

    with Folder(inside) as folder:
        folder.delete(("link",))

    assert not (inside / "link").is_symlink()
    assert (inside.parent / "outside" / "secret").exists()


def test_a_hard_link_is_not_read_and_writing_leaves_the_other_name_alone(inside):
    os.link(inside.parent / "outside" / "secret", inside / "twin")

    with Folder(inside) as folder:
        with pytest.raises(PathError, match="more than one name"):
            folder.read(("twin",))
        folder.write(("twin",), b"mine")
        assert folder.read(("twin",)) == b"mine"
    assert (inside.parent / "outside" / "secret").read_bytes() == SECRET


def test_a_pipe_does_not_hang_the_reader(inside):
    os.mkfifo(inside / "pipe")

    with Folder(inside) as folder:
        with pytest.raises(PathError, match="not a regular file"):
            folder.read(("pipe",))
        with pytest.raises(PathError, match="special file"):
            folder.write(("pipe",), b"x")


def test_magic_links_of_proc_are_not_gone_through(inside):
    here = os.open(inside.parent / "outside", os.O_RDONLY)
    try:
        with Folder(Path(f"/proc/{os.getpid()}")) as folder:
            for names in (("fd", str(here), "secret"), ("cwd", "x"), ("root", "etc", "passwd")):
                with pytest.raises(PathError):
                    folder.read(names)
    finally:
        os.close(here)


def test_a_folder_that_is_itself_a_link_is_not_opened(inside):
    (inside.parent / "alias").symlink_to(inside)

    with pytest.raises(OSError, match=os.strerror(errno.ENOTDIR)), Folder(inside.parent / "alias"):
        pass


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda folder: folder.read(("no",)), "'no': there is no such file"),
        (lambda folder: folder.read(("sub",)), "is a folder"),
        (lambda folder: folder.read(()), "is a folder"),
        (lambda folder: folder.read(("plain.txt", "x")), "not a folder"),
        (lambda folder: folder.read(("plain.txt",), max_bytes=4), "at most 4"),
        (lambda folder: folder.entries(("plain.txt",)), "not a folder"),
        (lambda folder: folder.entries(("no",)), "no such"),
        (lambda folder: folder.write((), b""), "needs a name"),
        (lambda folder: folder.write(("sub",), b""), "there is a folder of this name"),
        (lambda folder: folder.write(("plain.txt", "x"), b""), "not a folder"),
        (lambda folder: folder.write(("big",), b"x" * (10 * 1024 * 1024 + 1)), "at most"),
        (lambda folder: folder.delete(()), "cannot be deleted"),
        (lambda folder: folder.delete(("no",)), "no such"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(inside, act, words):
    with Folder(inside) as folder, pytest.raises(PathError, match=words):
        act(folder)


def test_a_folder_is_deleted_only_when_empty(inside):
    (inside / "full").mkdir()
    (inside / "full" / "file").touch()

    with Folder(inside) as folder:
        folder.delete(("sub",))
        with pytest.raises(PathError, match="not empty"):
            folder.delete(("full",))
    assert not (inside / "sub").exists()


def test_a_failed_write_keeps_the_old_file_and_no_rest(inside, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "rename", refuse)
    with Folder(inside) as folder, pytest.raises(PathError, match="disk is full"):
        folder.write(("plain.txt",), b"new")

    assert (inside / "plain.txt").read_bytes() == b"plain"
    assert sorted(item.name for item in inside.iterdir()) == ["plain.txt", "sub"]


def test_a_folder_swapped_for_a_link_while_we_look_never_leads_outside(inside):
    """Another thread swaps ``door`` between a folder and a link to the outside."""
    (inside / "door").mkdir()
    (inside / "door" / "secret").write_bytes(b"harmless")
    (inside / "trap").symlink_to(inside.parent / "outside")
    over = threading.Event()
    door, trap = os.fsencode(inside / "door"), os.fsencode(inside / "trap")
    exchange = ctypes.CDLL(None).renameat2

    def swap() -> None:
        while not over.is_set():
            exchange(AT_FDCWD, door, AT_FDCWD, trap, RENAME_EXCHANGE)

    swapper = threading.Thread(target=swap)
    swapper.start()
    seen: set[bytes | str] = set()
    try:
        with Folder(inside) as folder:
            for _ in range(3_000):
                try:
                    seen.add(folder.read(("door", "secret")))
                    folder.write(("door", "mine"), b"x")
                except PathError:
                    seen.add("refused")
    finally:
        over.set()
        swapper.join()
    assert SECRET not in seen
    assert b"harmless" in seen
    assert [item.name for item in (inside.parent / "outside").iterdir()] == ["secret"]
