import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from yarl import URL

from agent_engine.tools.api_call.page_text import MAX_LINKS, read_page

HERE = URL("https://example.org/docs/page.html")


def text_of(source: str) -> str:
    return read_page(source, HERE).text


def test_a_page_becomes_title_text_and_links():
    page = read_page(
        """<!doctype html><html><head><title> Our
        weather </title><style>p { color: red }</style><script>if (a < b) alert("x")</script></head>
        <body><nav><a href="/">Home</a></nav><h1>Today</h1><p>Sun &amp; <em>wind</em>,
        12&nbsp;°C.</p><ul><li>one<li>two</ul><a href="more?x=1#y">More <b>here</b></a></body>""",
        HERE,
    )

    assert page.title == "Our weather"
    assert page.text == "Home\n\n# Today\n\nSun & wind, 12 °C.\n\n- one\n- two\n\nMore here"
    assert [tuple(link) for link in page.links] == [
        ("Home", "https://example.org/"),
        ("More here", "https://example.org/docs/more?x=1"),
    ]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("plain words", "plain words"),
        ("a < b and c > d", "a < b and c > d"),
        ("<p>one<p>two", "one\n\ntwo"),
        ("one<br>two<br/>three", "one\ntwo\nthree"),
        ("<table><tr><th>a<th>b<tr><td>1<td>2</table>", "a | b\n1 | 2"),
        ("<pre>  x = 1\n    y = 2</pre>", "x = 1\n    y = 2"),
        ("a<!-- <p>hidden</p> -->b", "ab"),
        ("a<!-- never closed", "a"),
        ("a<script>never closed", "a"),
        ("a<SCRIPT>hidden</Script >b", "ab"),
        ('a<b title="x > y">b</b>', "ab"),
        ("a<b title='never closed", "a"),
        ("&lt;script&gt;", "<script>"),
        ("a<![CDATA[x]]>b<?php y ?>c", "abc"),
        ("<noscript>hidden</noscript>shown", "shown"),
        ("<svg><title>icon</title></svg>shown", "shown"),
        ("", ""),
    ],
)
def test_text_is_what_a_reader_sees(source, text):
    assert text_of(source) == text


@pytest.mark.parametrize(
    "href", ["javascript:alert(1)", "mailto:a@b", "data:text/html,x", "#top", "", "http://["]
)
def test_only_links_that_can_be_called_are_kept(href):
    assert read_page(f'<a href="{href}">x</a>', HERE).links == ()


def test_links_are_bounded():
    source = "".join(f'<a href="/{n}">{n}</a>' for n in range(1_000))
    assert len(read_page(source, HERE).links) == MAX_LINKS


@pytest.mark.parametrize(
    "unit",
    [
        "<",
        "</",
        "<!--",
        "<!",
        "<a ",
        '<a "',
        "<a '",
        "<a href=",
        '<a href="',
        "<script>",
        "<script",
        "<title>",
        "<div>",
        "<a href=x>",
        "&",
        "&#",
        "&#x1",
        " \n",
        "<pre> ",
        '<a b="',
        "<b>>",
        "<svg><svg/>",
        "\n",
        "<li>",
    ],
)
def test_a_page_made_to_be_slow_is_read_in_little_time(unit):
    with cpu_seconds(10):
        read_page(unit * (300_000 // len(unit)), HERE)


@contextmanager
def cpu_seconds(limit: float) -> Iterator[None]:
    """Of this process, so that a busy machine changes nothing; quadratic work needs minutes."""

    def out_of_time(_number: int, _frame: object) -> None:
        raise AssertionError("it takes too long")

    before = signal.signal(signal.SIGVTALRM, out_of_time)
    signal.setitimer(signal.ITIMER_VIRTUAL, limit)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
