"""What is shown of a growing text stays as it was shown, and is safe at any time."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.outbound.growing_text import showable
from bot.outbound.markdown import MAX_PART_BYTES, safe_markdown, split_markdown
from tests.fakes.runs import UNHURRIED

ORDINARY = [
    "Mars has two moons. The larger one is Phobos.",
    "# Title\n\n- one\n- two **bold** and _other_\n\n1. first\n2. second\n\nThe end.",
    "See [the page](https://example.com/a_(b)) and [this](javascript:alert(1)) now.",
    "An ![image](https://example.com/i.png) and <https://example.com|a link> and a < b.",
    "Ask <@U123> or @channel or <!here> about it, please.",
    "Is `x < y`? With `[a](b)` it is.\n\n```python\nif x < y:\n    print('<@U1>')\n```\nDone.",
    "| a | b |\n| - | - |\n| 1 | 2 |\n\nAfter the table.",
    "```\ncode without an end\nand more",
]


def growing(text):
    return [showable(text[:end]) for end in range(len(text) + 1)]


@pytest.mark.parametrize("text", ORDINARY)
def test_what_is_shown_only_ever_grows_into_what_is_posted(text):
    shown = growing(text)
    for before, after in itertools.pairwise(shown):
        assert after.startswith(before)
    assert safe_markdown(text).strip().startswith(shown[-1])


def test_most_of_a_text_is_shown_before_its_end():
    text = ORDINARY[0]
    assert showable(text) == text.rsplit(" ", 1)[0]
    assert showable("One two") == "One"
    assert showable("word") == ""


@UNHURRIED
@given(
    text=st.text(
        st.sampled_from("ab \n`[]()<>!@|-~*_#&:/.") | st.characters(exclude_categories=["Cs"]),
        max_size=60,
    )
)
def test_whatever_is_shown_is_as_safe_as_an_answer(text):
    for shown in growing(text):
        assert safe_markdown(shown) == shown


def test_an_end_that_never_comes_does_not_hold_the_text_for_ever():
    text = "Press `Ctrl and then " + "go on and on " * 60
    assert len(showable(text)) > 500


def test_only_the_first_message_of_a_long_text_is_shown():
    text = "\n\n".join("word " * 60 for _ in range(60))
    shown = showable(text)
    assert shown == split_markdown(safe_markdown(text).strip())[0].text
    assert len(shown.encode()) <= MAX_PART_BYTES
