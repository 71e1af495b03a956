import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_engine.excerpts import MAX_LINES, MORE, START_BYTES, excerpt, text_in
from tests.fakes.images import gif, jpeg, png

CSV = "région;größe\r\nnord;391\r\n"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252", "latin-1"]
)
def test_a_text_is_told_by_its_bytes_in_the_usual_encodings(encoding):
    assert text_in(CSV.encode(encoding)) == CSV


@pytest.mark.parametrize(
    "content",
    [
        png(640, 480),
        gif(640, 480),
        jpeg(640, 480),
        b"PK\x03\x04 a zip, an xlsx or a docx",
        b"%PDF-1.7\nlooks like a text at first",
        b"\x7fELF",
        b"\x1f\x8b\x08 gzip",
        b"SQLite format 3\0",
        "日本語のテキスト".encode("shift-jis"),
        bytes(range(0x80, 0x100)),
    ],
)
def test_what_is_no_text_is_none_whatever_it_is_called(content):
    assert text_in(content) is None


def test_a_character_that_is_cut_at_the_end_is_left_out():
    start = ("a" * (START_BYTES - 1) + "ü").encode()[:START_BYTES]
    assert text_in(start) == "a" * (START_BYTES - 1)


def test_a_log_may_have_colours():
    assert text_in(b"\x1b[32mok\x1b[0m\tdone\n") is not None


def test_a_short_file_is_shown_whole():
    assert excerpt("a,b\n1,2\n", is_all=True) == "a,b\n1,2"


def test_many_lines_are_cut_and_it_is_said():
    lines = excerpt("row\n" * 50, is_all=True).split("\n")
    assert lines == ["row"] * MAX_LINES + [MORE]


def test_one_long_line_is_cut_and_it_is_said():
    assert excerpt("x" * 5_000, is_all=True, max_chars=10) == f"{'x' * 10}\n{MORE}"


def test_more_of_the_file_than_was_looked_at_is_said():
    assert excerpt("a\nb", is_all=False) == f"a\nb\n{MORE}"


def test_nothing_is_shown_of_an_empty_file():
    assert excerpt("", is_all=True) == excerpt("\n\n", is_all=True) == ""


@given(text=st.text(), max_chars=st.integers(1, 50), is_all=st.booleans())
def test_an_excerpt_keeps_its_bounds(text, max_chars, is_all):
    shown = excerpt(text, is_all=is_all, max_chars=max_chars)
    assert len(shown) <= max_chars + len(f"\n{MORE}")
    assert len(shown.splitlines()) <= MAX_LINES + 1


@given(st.binary(max_size=300))
def test_any_bytes_are_a_text_or_none(content):
    assert text_in(content) is None or isinstance(text_in(content), str)
