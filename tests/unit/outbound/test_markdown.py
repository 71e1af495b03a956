"""Model Markdown is made safe and cut without loss."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.outbound.markdown import is_safe_url, safe_markdown, split_markdown
from bot.outbound.mrkdwn import mrkdwn_sections, to_mrkdwn
from tests.fakes.runs import UNHURRIED

PIECES = st.sampled_from(
    [
        "<!channel>",
        "<@U123>",
        "<#C1|x>",
        "@here",
        "[a](javascript:alert(1))",
        "[a](http://x.y/z)",
        "![i](http://x.y/z.png)",
        "[[a](b)](https://c)",
        "<https://a.b|c>",
        "`",
        "```",
        "```python\n",
        "~~~\n",
        "> ",
        "- ",
        "    ",
        "| a | b |\n|---|---|\n",
        "| 1 | 2 |\n",
        "\n",
        "\n\n",
        "# ",
        "word ",
        "é漢🎉",
        "&amp;",
        "&",
        "\\",
        "![",
        "](",
        ")",
        "[",
        "]",
        "x" * 200,
    ]
)
TEXTS = st.one_of(
    st.lists(PIECES, max_size=80).map("".join),
    st.text(max_size=300),
    st.text("[]()`!<a:\n", max_size=80),
)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("hi <!channel>", "hi &lt;!channel>"),
        ("<@U1> and <#C1>", "&lt;@U1> and &lt;#C1>"),
        ("`<!here>`", "`<\u2060!here>`"),
        ("```\n<@U1> a < b\n```", "```\n<\u2060@U1> a < b\n```"),
        ("@channel look", "@\u2060channel look"),
        ("[x](javascript:alert(1))", "x"),
        ("[x](data:text/html,1)", "x"),
        ("[x](/etc/passwd)", "x"),
        ("[x](https://a.b/c)", "[x](https://a.b/c)"),
        ("[x](HTTPS://a.b)", "[x](HTTPS://a.b)"),
        ("[mail](mailto:a@b.c)", "[mail](mailto:a@b.c)"),
        ("![chart](https://a.b/c.png)", "[chart](https://a.b/c.png)"),
        ("![](https://a.b/c.png)", "[image](https://a.b/c.png)"),
        ("![chart](file:///x)", "chart"),
        ("<https://a.b>", "https://a.b"),
        ("<https://a.b|label>", "[label](https://a.b)"),
        ("[t]: javascript:x", "\\[t]: javascript:x"),
        ("[t]: https://a.b", "[t]: https://a.b"),
        ("a < b & c > d", "a &lt; b & c > d"),
        (r"\<x\> and \\< y", r"&lt;x\> and \\&lt; y"),
        ("a\x00b\u202ec", "abc"),
    ],
)
def test_what_is_dangerous_is_neutralised_and_the_rest_stays(written, shown):
    assert safe_markdown(written) == shown


@given(TEXTS)
@UNHURRIED
def test_making_safe_twice_changes_nothing_more(text):
    once = safe_markdown(text)
    assert safe_markdown(once) == once


@given(TEXTS)
@UNHURRIED
def test_no_text_can_mention_anybody(text):
    safe = safe_markdown(text)
    assert not re.search(r"<[!@#]", safe)
    is_prose = "`" not in text and "~" not in text
    assert not is_prose or not re.search(r"@(channel|here|everyone)\b", safe)
    assert not re.search(r"<[!@#]", to_mrkdwn(text))


@given(TEXTS, st.integers(300, 3_000))
@settings(UNHURRIED, max_examples=200)
def test_the_parts_hold_the_whole_text_and_fit(text, limit):
    parts = split_markdown(text, max_chars=limit, max_bytes=limit)
    assert "".join(part.content for part in parts) == text
    assert all(len(part.text.encode()) <= limit for part in parts)
    assert all(part.content for part in parts)


def test_a_short_text_is_one_part_as_it_is():
    [part] = split_markdown("# Hi\n\nthere")
    assert part.text == part.content == "# Hi\n\nthere"


def test_a_code_block_that_is_cut_is_opened_again_with_its_language():
    code = "".join(f"line_{n} = {n}\n" for n in range(100))
    text = f"Look:\n\n```python title\n{code}```\nDone.\n"
    parts = split_markdown(text, max_chars=500, max_bytes=500)
    assert len(parts) == 3
    for part in parts:
        assert part.text.count("```") % 2 == 0
    assert parts[1].text.startswith("```python\nline_")
    assert parts[1].text.endswith("\n```\n")


def test_a_table_that_is_cut_repeats_its_head():
    rows = "".join(f"| {n} | value {n} |\n" for n in range(100))
    head = "| n | v |\n|---|---|\n"
    parts = split_markdown(head + rows, max_chars=400, max_bytes=400)
    assert all(part.text.startswith(head) for part in parts)


def test_parts_end_with_paragraphs_where_possible():
    text = "\n\n".join(f"Paragraph {n}. " + "word " * 20 for n in range(30))
    parts = split_markdown(text, max_chars=1_000, max_bytes=1_000)
    assert all(part.text.startswith("Paragraph") for part in parts)


def test_a_line_longer_than_any_part_is_cut_at_a_space():
    parts = split_markdown("word " * 1_000, max_chars=500, max_bytes=500)
    assert all(part.content.endswith("word ") for part in parts)


def test_hostile_brackets_take_no_time():
    for text in ("[" * 50_000, "![" * 20_000, "`" * 50_000, "](" * 20_000, "<http://" * 9_000):
        assert safe_markdown(text) is not None


@pytest.mark.parametrize(
    ("markdown", "mrkdwn"),
    [
        ("**b** _i_ ~~s~~ `c`", "*b* _i_ ~s~ `c`"),
        ("# Title", "*Title*"),
        ("- a\n- b\n  1. c", "• a\n• b\n    1. c"),
        ("> q", "> q"),
        ("[x](https://a.b?c=1&d=2)", "<https://a.b?c=1&amp;d=2|x>"),
        ("[x|y](https://a.b)", "<https://a.b|x¦y>"),
        ("[x](javascript:1)", "[x](javascript:1)"),
        ("<!channel> & <@U1>", "&lt;!channel&gt; &amp; &lt;@U1&gt;"),
        ("```py\na<b\n```", "```\na&lt;b\n```"),
        ("| a | b |\n|---|---|\n| 1 | 22 |", "```\na | b\n--+---\n1 | 22\n```"),
        ("![i](https://a.b/c.png)", "<https://a.b/c.png|i>"),
    ],
)
def test_markdown_becomes_mrkdwn(markdown, mrkdwn):
    assert to_mrkdwn(markdown) == mrkdwn


@given(TEXTS)
@UNHURRIED
def test_mrkdwn_sections_fit_a_section_block(text):
    assert all(0 < len(section) <= 3_000 for section in mrkdwn_sections(to_mrkdwn(text * 5)))


def test_only_web_and_mail_links_are_safe():
    assert is_safe_url("https://a.b/c?d#e")
    assert not is_safe_url("javascript:https://a.b")
    assert not is_safe_url("https://a.b/ c")
