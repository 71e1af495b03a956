"""Markdown rendered as Slack's older mrkdwn: for fallback texts and servers without the new blocks.

Pure. Everything that is not our own markup is escaped, links lead to web and mail only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from markdown_it import MarkdownIt
from markdown_it.token import Token

from bot.outbound.markdown import is_safe_url, split_markdown
from bot.outbound.text import clean, escape

MAX_SECTION = 2_900
_BREAK_FENCE = "`\u2060``"
_MARKS = {"strong": "*", "em": "_", "s": "~"}
_BULLET = "•"
_MAX_WIDTH = 40
"""Characters to which a table's cells are filled up; longer ones stand out."""


def to_mrkdwn(markdown: str) -> str:
    """Render Markdown as mrkdwn; tables become aligned code, images links."""
    writer = _Writer()
    for token in _parser().parse(clean(markdown)):
        writer.block(token)
    return "\n".join(writer.lines).strip("\n")


def mrkdwn_sections(mrkdwn: str) -> tuple[str, ...]:
    """Cut mrkdwn into pieces that fit a section block each, code blocks closed and opened again."""
    parts = split_markdown(mrkdwn, max_chars=MAX_SECTION, max_bytes=MAX_SECTION * 3)
    return tuple(part.text.strip("\n") or " " for part in parts)


# ------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False, "maxNesting": 20}).enable(
        ["table", "strikethrough"]
    )


@dataclass(slots=True)
class _List:
    number: int | None
    """The next number; None for bullets."""


@dataclass(slots=True)
class _Writer:
    lines: list[str] = field(default_factory=list)
    quotes: int = 0
    lists: list[_List] = field(default_factory=list)
    marker: str = ""
    bold: bool = False
    rows: list[list[str]] = field(default_factory=list)
    in_table: bool = False

    def block(self, token: Token) -> None:
        match token.type:
            case "inline":
                self._inline(token)
            case "fence" | "code_block":
                self._put(_code_block(token.content))
                self._gap()
            case "hr":
                self._put("———")
                self._gap()
            case "blockquote_open" | "blockquote_close":
                self.quotes += token.nesting
            case "heading_open" | "heading_close":
                self.bold = token.nesting > 0
                self._gap(after=token.nesting < 0)
            case "paragraph_close":
                self._gap(after=not self.lists)
            case _:
                self._structure(token)

    def _structure(self, token: Token) -> None:
        match token.type:
            case "bullet_list_open":
                self.lists.append(_List(number=None))
            case "ordered_list_open":
                self.lists.append(_List(number=int(token.attrGet("start") or 1)))
            case "bullet_list_close" | "ordered_list_close":
                self.lists.pop()
                self._gap(after=not self.lists)
            case "list_item_open":
                self.marker = self._next_marker()
            case "table_open" | "table_close":
                self._table(token)
            case "tr_open":
                self.rows.append([])
            case _:
                pass

    def _next_marker(self) -> str:
        this = self.lists[-1]
        if this.number is None:
            return f"{_BULLET} "
        this.number += 1
        return f"{this.number - 1}. "

    def _inline(self, token: Token) -> None:
        text = _inline(token.children or [])
        if self.in_table:
            self.rows[-1].append(_inline_plain(token.children or []))
        elif self.bold and text and "*" not in text:
            self._put("\n".join(f"*{line}*" if line else "" for line in text.split("\n")))
        else:
            self._put(text)

    def _table(self, token: Token) -> None:
        self.in_table = token.nesting > 0
        if self.rows and not self.in_table:
            self._put(_code_block(_aligned(self.rows)))
            self.rows = []
            self._gap()

    def _put(self, text: str) -> None:
        quote = "> " * min(self.quotes, 1)
        indent = "    " * max(0, len(self.lists) - 1)
        hanging = "  " if self.lists else ""
        for line in text.split("\n"):
            lead = self.marker or (hanging if self.lists else "")
            self.lines.append(f"{quote}{indent}{lead}{line}".rstrip())
            self.marker = ""

    def _gap(self, *, after: bool = True) -> None:
        if after and self.lines and self.lines[-1]:
            self.lines.append("")


def _inline(tokens: Sequence[Token]) -> str:
    done: list[str] = []
    links: list[str] = []
    for token in tokens:
        name = token.type.removesuffix("_open").removesuffix("_close")
        if name in _MARKS:
            done.append(_MARKS[name])
        elif token.type == "link_open":
            url = str(token.attrGet("href") or "")
            links.append(url if is_safe_url(url) else "")
            done.append(f"<{escape(url)}|" if links[-1] else "")
        elif token.type == "link_close":
            done.append(">" if links.pop() else "")
        else:
            done.append(_leaf(token, in_link=bool(links and links[-1])))
    return "".join(done)


def _leaf(token: Token, *, in_link: bool) -> str:
    match token.type:
        case "softbreak" | "hardbreak":
            return " " if in_link else "\n"
        case "code_inline":
            return f"`{escape(token.content).replace('`', _quote_mark())}`"
        case "image":
            return _image(token, in_link=in_link)
        case _:
            text = escape(token.content)
            return text.replace("|", "¦") if in_link else text


def _image(token: Token, *, in_link: bool) -> str:
    url = str(token.attrGet("src") or "")
    label = escape(token.content).replace("|", "¦") or "image"
    return f"<{escape(url)}|{label}>" if is_safe_url(url) and not in_link else label


def _quote_mark() -> str:
    return "\u02cb"


def _inline_plain(tokens: Sequence[Token]) -> str:
    return " ".join("".join(token.content for token in tokens).split())


def _code_block(content: str) -> str:
    return f"```\n{escape(content).rstrip(chr(10)).replace('```', _BREAK_FENCE)}\n```"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    columns = max((len(row) for row in rows), default=0)
    widths = [_width([row[i] for row in rows if i < len(row)]) for i in range(columns)]
    lines = [" | ".join(c.ljust(w) for c, w in zip(row, widths, strict=False)) for row in rows]
    rule = "-+-".join("-" * width for width in widths)
    return "\n".join([lines[0].rstrip(), rule, *(line.rstrip() for line in lines[1:])])


def _width(column: Sequence[str]) -> int:
    return min(_MAX_WIDTH, max((len(cell) for cell in column), default=0))
