"""What a terminal gets, and what a pipe gets."""

from io import StringIO

import pytest
from rich.console import Console

from bot.lines import Lines

LONG = "write the result to a-file-with-a-long-name.txt"
HOSTILE = "\x1b[31mred\x1b[0m [bold]hi[/bold] \x07\x9b2J"


def printed(act, *, width=30, terminal, indent=0):
    out = StringIO()
    colors = "standard" if terminal else "auto"
    console = Console(file=out, width=width, force_terminal=terminal, color_system=colors)
    act(Lines(console, indent=indent))
    return out.getvalue()


def test_a_pipe_gets_every_line_whole_and_without_escape_codes():
    said = printed(lambda x: x.marked("✓", LONG, style="green", note="done"), terminal=False)
    assert said == f"✓ {LONG} — done\n"


def test_a_pipe_gets_markdown_as_it_is():
    text = "**391**\n\n```\n" + "x " * 100 + "\n```"
    said = printed(lambda x: x.markdown(text), terminal=False, indent=2)
    assert said.splitlines() == [f"  {line}" if line else "" for line in text.split("\n")]


def test_a_terminal_gets_wrapped_lines_that_hang_below_their_beginning():
    said = printed(lambda x: x.marked("✓", LONG), terminal=True, indent=2).splitlines()
    assert said[0].startswith("  ✓ write")
    assert len(said) > 1
    assert all(line.startswith("    ") for line in said[1:])
    assert all(len(line.rstrip()) <= 30 for line in said)


@pytest.mark.parametrize("width", [80, 200])
def test_a_line_that_fits_is_not_wrapped(width):
    said = printed(lambda x: x.marked("✓", LONG, note="done"), width=width, terminal=True)
    assert len(said.splitlines()) == 1


def test_what_is_to_be_copied_stays_in_one_piece():
    said = printed(lambda x: x.address("/home/" + "x" * 100), terminal=True)
    assert said.splitlines() == ["/home/" + "x" * 100]


@pytest.mark.parametrize("way", ["text", "markdown", "address"])
@pytest.mark.parametrize("terminal", [True, False])
def test_texts_cannot_steer_the_terminal(way, terminal):
    said = printed(lambda x: getattr(x, way)(HOSTILE), width=200, terminal=terminal)
    assert "\x1b[31m" not in said
    assert "\x07" not in said
    assert "\x9b" not in said
    assert "[bold]hi[/bold]" in said


def test_marks_notes_and_titles_cannot_either():
    said = printed(lambda x: x.marked("✓", HOSTILE, note=HOSTILE), width=200, terminal=True)
    assert "\x1b[31m" not in said
    assert said.count("[bold]hi[/bold]") == 2
