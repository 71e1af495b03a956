"""The page's own Markdown and mrkdwn renderers, as tables of cases in a real DOM."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from bot.local_slack.config import LocalWorkspaceConfig
from bot.local_slack.server import LocalWorkspace
from tests.browser.open_page import OpenPage

RENDER = """async ([module, name, text]) => {
  const holder = document.createElement("div");
  holder.append((await import(`/page/${module}.js`))[name](text));
  for (const node of holder.querySelectorAll("*"))
    for (const { name } of [...node.attributes])
      if (!["href", "start"].includes(name)) node.removeAttribute(name);
  for (const node of holder.querySelectorAll("svg, button")) node.remove();
  return holder.innerHTML.replace(/^<div>|<\\/div>$/g, "");
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def renderer(browser: Browser) -> AsyncIterator[OpenPage]:
    """One open page for all cases."""
    async with LocalWorkspace(LocalWorkspaceConfig()) as workspace:
        page = await OpenPage.open(browser, workspace)
        await page.go("general")
        yield page
        await page.close()


CODE = "<div><div><span>{}</span></div><pre><code>{}</code></pre></div>"

TABLE = "<div><table><thead><tr><th>a</th><th>b</th></tr></thead><tbody>{}</tbody></table></div>"

MARKDOWN = {
    "paragraphs": ("one\n\ntwo", "<p>one</p><p>two</p>"),
    "line break": ("one\ntwo", "<p>one<br>two</p>"),
    "headings below the page's own": ("# A\n### B #", "<h2>A</h2><h4>B</h4>"),
    "emphasis": (
        "*a* **b** ***c*** _d_ ~~e~~",
        "<p><em>a</em> <strong>b</strong> <strong><em>c</em></strong> <em>d</em> <s>e</s></p>",
    ),
    "names with underscores": ("snake_case_name 2*3*4", "<p>snake_case_name 2<em>3</em>4</p>"),
    "nested emphasis": ("**a *b* c**", "<p><strong>a <em>b</em> c</strong></p>"),
    "code protects": ("`**a** <b>`", "<p><code>**a** &lt;b&gt;</code></p>"),
    "escapes": (r"\*a\* \_b\_", "<p>*a* _b_</p>"),
    "raw html is text": ("<b>x</b>", "<p>&lt;b&gt;x&lt;/b&gt;</p>"),
    "fence": ("```text\na < b\n\n  c\n```", CODE.format("text", "a &lt; b\n\n  c")),
    "a fence without a language is plain": (
        "```\nif 1: 'x' # y\n```",
        CODE.format("", "if 1: 'x' # y"),
    ),
    "a fence with one is tinted": (
        "```python\nx = 1\n```",
        CODE.format("python", "x = <span>1</span>"),
    ),
    "open fence while streaming": ("```text\na", CODE.format("text", "a")),
    "nested list": (
        "- a\n  - b\n    1. c\n- d",
        "<ul><li>a<ul><li>b<ol><li>c</li></ol></li></ul></li><li>d</li></ul>",
    ),
    "list with a start": ("3. c\n4. d", '<ol start="3"><li>c</li><li>d</li></ol>'),
    "loose list": (
        "- a\n\n  more\n- b",
        "<ul><li><p>a</p><p>more</p></li><li>b</li></ul>",
    ),
    "task list": (
        "- [x] done\n- [ ] open",
        "<ul><li><input><div>done</div></li><li><input><div>open</div></li></ul>",
    ),
    "list after text": ("Steps:\n- a", "<p>Steps:</p><ul><li>a</li></ul>"),
    "a year does not begin a list": ("It was\n1984. Then", "<p>It was<br>1984. Then</p>"),
    "quote": (
        "> a\n> > b\n\nc",
        "<blockquote><p>a</p><blockquote><p>b</p></blockquote></blockquote><p>c</p>",
    ),
    "rule": ("a\n\n---\n\nb", "<p>a</p><hr><p>b</p>"),
    "table": (
        "| a | b |\n|---|--:|\n| 1 \\| 2 | `x` |\n| 3 |",
        TABLE.format("<tr><td>1 | 2</td><td><code>x</code></td></tr><tr><td>3</td><td></td></tr>"),
    ),
    "a pipe alone is no table": ("a | b\nc", "<p>a | b<br>c</p>"),
    "link": (
        '[a (b)](https://x.org/a_(b)?q=1#c "t")',
        '<p><a href="https://x.org/a_(b)?q=1#c">a (b)</a></p>',
    ),
    "autolink without its full stop": (
        "see https://x.org/a.",
        '<p>see <a href="https://x.org/a">https://x.org/a</a>.</p>',
    ),
    "scripts are no links": ("[a](javascript:b)", "<p><span>a</span></p>"),
    "scripts with tricks are no links": (
        "[a](JaVaScRiPt:b) [c](//x.org)",
        "<p><span>a</span> <span>c</span></p>",
    ),
    "pictures are links": (
        "![a](https://x.org/p.png)",
        '<p><span>🖼 <a href="https://x.org/p.png">a</a></span></p>',
    ),
    "emoji": (":tada: 10:30:00", "<p><span>🎉</span> 10:30:00</p>"),
}  # fmt: skip

MRKDWN = {
    "styles": (
        "*a* _b_ ~c~ `d`",
        "<strong>a</strong> <em>b</em> <s>c</s> <code>d</code>",
    ),
    "marks inside words stay": ("a*b*c 2*3 snake_case_x", "a*b*c 2*3 snake_case_x"),
    "style around a link": (
        "*see <https://x.org|this> now*",
        '<strong>see <a href="https://x.org">this</a> now</strong>',
    ),
    "entities": ("a &lt;b&gt; &amp;amp;", "a &lt;b&gt; &amp;amp;"),
    "quote": ("a\n&gt; b\nc", "a<blockquote>b</blockquote>c"),
    "code block": ("a\n```b *c*```\nd", "a" + CODE.format("", "b *c*") + "d"),
    "broadcast": ("<!here> hi", "<span>@here</span> hi"),
    "scripts are no links": ("<javascript:a|b>", "<span>b</span>"),
    "date falls back": ("<!date^x^{date}|soon>", "<time>soon</time>"),
}


@pytest.mark.parametrize("case", MARKDOWN)
async def test_markdown_is_rendered_safely(renderer: OpenPage, case: str) -> None:
    text, expected = MARKDOWN[case]
    assert await renderer.tab.evaluate(RENDER, ["markdown", "markdown", text]) == expected


@pytest.mark.parametrize("case", MRKDWN)
async def test_mrkdwn_is_rendered_safely(renderer: OpenPage, case: str) -> None:
    text, expected = MRKDWN[case]
    assert await renderer.tab.evaluate(RENDER, ["mrkdwn", "mrkdwn", text]) == expected


async def test_hard_markdown_is_rendered_in_reasonable_time(renderer: OpenPage) -> None:
    hard = [
        "*" * 6000,
        "[" * 6000,
        "`" * 3001,
        "> " * 3000,
        "- " * 3000,
        "**a " * 3000,
        "_a " * 3000,
    ]
    timed = """async (texts) => {
      const { markdown } = await import("/page/markdown.js");
      const started = performance.now();
      for (const text of texts) markdown(text);
      return performance.now() - started;
    }"""
    assert await renderer.tab.evaluate(timed, hard) < 4_000
