import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_engine.tools import received as module
from agent_engine.tools.paths import split_path
from agent_engine.tools.received import MAX_NAME_BYTES, Received, safe_name


@pytest.fixture
def places(tmp_path):
    folder, aside = tmp_path / "task", tmp_path / "task.in"
    folder.mkdir()
    aside.mkdir()
    return folder, aside


def take(received, file_id, name, content):
    with received.staging() as (staged, file):
        file.write(content)
        file.flush()
        return received.take(file_id, staged, name=name)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("sales.csv", "sales.csv"),
        ("/etc/passwd", "etc_passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("a\u202egpj.exe", "agpj.exe"),
        ("a\x00b\nc.txt", "abc.txt"),
        ("e\u0301te\u0301.txt", "\u00e9t\u00e9.txt"),
        ("...", "file"),
        ("", "file"),
        (".treadle-1.part", "treadle-1.part"),
        ("x" * 300 + ".csv", "x" * (MAX_NAME_BYTES - 4) + ".csv"),
        ("two   spaces.txt", "two spaces.txt"),
    ],
)
def test_names_are_made_safe(name, safe):
    assert safe_name(name) == safe


@given(st.text(max_size=400))
def test_every_name_becomes_one_that_a_folder_takes(name):
    safe = safe_name(name)
    assert split_path(safe) == (safe,)
    assert len(safe.encode()) <= MAX_NAME_BYTES + 1


def test_a_file_is_kept_once_under_its_name_and_nothing_is_left_beside(places):
    folder, aside = places
    received = Received.open(*places)
    assert take(received, "F1", "a.txt", b"one").path == "a.txt"
    assert take(received, "F2", "a.txt", b"two").path == "a-2.txt"
    assert (folder / "a.txt").read_bytes() == b"one"
    again = Received.open(*places)
    assert [kept.path for kept in again.kept.values()] == ["a.txt", "a-2.txt"]
    assert again.size == 6
    assert names_in(aside) == ["list.json"]


def test_what_the_agent_made_under_that_name_is_not_overwritten(places):
    folder, _ = places
    (folder / "a.txt").write_bytes(b"the agent's")
    assert take(Received.open(*places), "F1", "a.txt", b"theirs").path == "a-2.txt"
    assert (folder / "a.txt").read_bytes() == b"the agent's"


def test_a_file_that_the_agent_moved_is_not_brought_back(places):
    folder, _ = places
    take(Received.open(*places), "F1", "a.txt", b"one")
    (folder / "a.txt").rename(folder / "b.txt")
    assert "F1" in Received.open(*places).kept
    assert names_in(folder) == ["b.txt"]


def test_a_refusal_is_remembered(places):
    Received.open(*places).refuse("F1", "it is too large")
    assert Received.open(*places).kept["F1"].problem == "it is too large"


class Killed(BaseException):
    """The process is gone: nothing after this runs."""


@pytest.mark.parametrize("place", ["_note", "_move_in"])
def test_killed_while_a_file_is_taken_it_is_there_once_or_asked_for_again(
    places, place, monkeypatch
):
    folder, aside = places
    received = Received.open(*places)
    monkeypatch.setattr(Received, place, kill)
    monkeypatch.setattr(module.Path, "unlink", lambda *_args, **_more: None)
    with pytest.raises(Killed):
        take(received, "F1", "a.txt", b"whole")
    monkeypatch.undo()
    assert len(names_in(aside)) >= 1
    again = Received.open(*places)
    if "F1" not in again.kept:
        take(again, "F1", "a.txt", b"whole")
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == {"a.txt": b"whole"}
    assert names_in(aside) == ["list.json"]


def test_killed_while_it_is_written_nothing_of_it_is_seen(places, monkeypatch):
    folder, aside = places
    received = Received.open(*places)
    monkeypatch.setattr(module.Path, "unlink", lambda *_args, **_more: None)
    with pytest.raises(Killed):
        write_half(received)
    monkeypatch.undo()
    assert names_in(folder) == []
    assert Received.open(*places).kept == {}
    assert names_in(aside) == []


def write_half(received):
    with received.staging() as (_, file):
        file.write(b"half")
        raise Killed


def take_smaller(received, file_id, content):
    with received.staging() as (staged, file):
        file.write(content)
        file.flush()
        return received.take_smaller(file_id, staged)


def test_a_smaller_version_stays_beside_the_folder(places):
    folder, aside = places
    received = Received.open(*places)
    assert received.smaller("F1") is None
    assert take_smaller(received, "F1", b"small") == b"small"
    again = Received.open(*places)
    assert (again.smaller("F1"), again.smaller("F2")) == (b"small", None)
    assert names_in(folder) == []
    assert (again.size, len(names_in(aside))) == (0, 1)


def test_a_smaller_version_that_was_not_taken_is_gone(places):
    _, aside = places
    received = Received.open(*places)
    with received.staging() as (_, file):
        file.write(b"half")
    assert names_in(aside) == []
    assert received.smaller("F1") is None


def test_killed_while_a_smaller_version_is_taken_there_is_none_of_it(places, monkeypatch):
    _, aside = places
    received = Received.open(*places)
    monkeypatch.setattr(module.Path, "replace", kill)
    monkeypatch.setattr(module.Path, "unlink", lambda *_args, **_more: None)
    with pytest.raises(Killed):
        take_smaller(received, "F1", b"small")
    monkeypatch.undo()
    assert len(names_in(aside)) == 1
    again = Received.open(*places)
    assert (names_in(aside), again.smaller("F1")) == ([], None)
    assert take_smaller(again, "F1", b"small") == b"small"


@pytest.mark.parametrize("spoilt", ["", "{", "[]", '{"F1": 7}', '{"F1": {"colour": "red"}}'])
def test_a_list_that_a_crash_has_spoilt_is_begun_anew(places, spoilt):
    folder, aside = places
    take(Received.open(*places), "F1", "a.txt", b"1")
    (aside / "list.json").write_text(spoilt)
    received = Received.open(*places)
    assert received.kept == {}
    take(received, "F1", "a.txt", b"1")
    assert names_in(folder) == ["a-2.txt", "a.txt"]


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def kill(*_args):
    raise Killed
