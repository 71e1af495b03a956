"""Texts are made safe and short without breaking what is in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.outbound.content import Content, block_types
from bot.outbound.text import clean, count, cut, duration, escape, headline, money, one_line
from tests.fakes.runs import UNHURRIED


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (0.42, "0.4 s"),
        (9.99, "10 s"),
        (12.7, "12 s"),
        (60, "1 min"),
        (185, "3 min 5 s"),
        (3_600, "1 h"),
        (7_860, "2 h 11 min"),
    ],
)
def test_durations_are_said_as_people_do(seconds, said):
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("usd", "said"), [(0, "$0.00"), (0.0012, "$0.0012"), (0.01, "$0.01"), (12.345, "$12.35")]
)
def test_small_amounts_have_more_digits(usd, said):
    assert money(usd) == said


def test_counts_have_their_plural():
    assert (count(1, "step"), count(12_300, "token")) == ("1 step", "12,300 tokens")
    assert count(2, "reply", "replies") == "2 replies"


@pytest.mark.parametrize(
    ("mrkdwn", "limit", "shown"),
    [
        ("short", 10, "short"),
        ("a <https://a.b|link> b", 10, "a…"),
        ("see &amp; hear", 8, "see…"),
        ("words and words", 10, "words and…"),
    ],
)
def test_cutting_breaks_no_link_and_no_entity(mrkdwn, limit, shown):
    assert cut(mrkdwn, limit) == shown


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("run this\n```python\nprint(1)\n```", "run this …"),
        ("run this ```never closed", "run this …"),
        ("`ls`, then\n`cat a`", "'ls', then 'cat a'"),
        ("plain words", "plain words"),
    ],
)
def test_a_title_has_no_code_that_would_break_a_links_label(text, title):
    assert headline(text, 80) == title


@given(st.text(max_size=200), st.integers(2, 100))
@UNHURRIED
def test_every_text_gets_short_and_safe(text, limit):
    assert len(one_line(text, limit)) <= limit
    assert "\n" not in one_line(text, limit)
    assert len(cut(escape(text), limit)) <= limit
    assert "<" not in escape(text)
    assert clean(clean(text)) == clean(text)


def test_a_message_is_tried_from_the_richest_to_the_plainest():
    content = Content(text="t", blocks=({"type": "plan"},), plain_blocks=({"type": "section"},))
    assert content.variants() == (content.blocks, content.plain_blocks, ())
    assert Content(text="t").variants() == ((),)


def test_the_types_of_blocks_are_found_at_any_depth():
    element = {"type": "feedback_buttons"}
    blocks = ({"type": "context_actions", "elements": [element]},)
    assert block_types(blocks) == {"context_actions", "feedback_buttons"}
