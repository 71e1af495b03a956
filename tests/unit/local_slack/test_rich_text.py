"""How typed text becomes Slack's wire text and rich text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.local_slack.rich_text import escape, rich_text_block, typed, unescape

IDS = {"ada": "U0ADA", "treadle": "U0BOT"}
CHANNELS = {"general": "C0GENERAL"}


def wire(text: str) -> str:
    return typed(text, user_id=IDS.get, channel_id=CHANNELS.get)


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        ("@treadle hi", "<@U0BOT> hi"),
        ("@Ada, @nobody", "<@U0ADA>, @nobody"),
        ("mail ada@treadle.example", "mail ada@treadle.example"),
        ("see #general and #nowhere", "see <#C0GENERAL|general> and #nowhere"),
        ("@here look", "<!here> look"),
        ("`@treadle <b>` and ```@ada```", "`@treadle &lt;b&gt;` and ```@ada```"),
        ("a < b && c > d", "a &lt; b &amp;&amp; c &gt; d"),
        ("see https://x.example/a?b=1&c=2.", "see <https://x.example/a?b=1&amp;c=2>."),
        ("(https://x.example/a)", "(<https://x.example/a>)"),
        ("<@U0ADA> is kept", "<@U0ADA> is kept"),
        ("<!subteam^S1> is not", "&lt;!subteam^S1&gt; is not"),
    ],
)
def test_typed_text_is_marked_and_escaped(said: str, sent: str) -> None:
    assert wire(said) == sent


@given(st.text(max_size=200))
def test_escaping_can_be_undone(text: str) -> None:
    assert unescape(escape(text)) == text


@given(st.text(alphabet="ab<>&@#!|: /hereU0", max_size=80))
def test_no_typed_text_forges_a_mark(text: str) -> None:
    sent = wire(text)
    for mark in ("<!", "<@", "<#"):
        assert sent.count(mark) <= text.count(mark) + text.count(mark[1:])


def test_rich_text_names_what_is_marked() -> None:
    block = rich_text_block("<@U0BOT> go &lt;b&gt; :eyes: <https://x.example>", block_id="b")
    [section] = block["elements"]
    assert section["elements"] == [
        {"type": "user", "user_id": "U0BOT"},
        {"type": "text", "text": " go <b> "},
        {"type": "emoji", "name": "eyes"},
        {"type": "text", "text": " "},
        {"type": "link", "url": "https://x.example"},
    ]
