"""Takes out of an HTML page what a reader would read: title, text, links.

A scanner of its own that looks at each character a bounded number of times, whatever is in the
page: the library's parsers take quadratic time on pages made for it. No page is ever refused; what
it cannot make sense of, it takes for text. It must not fetch anything.
"""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from yarl import URL

MAX_LINKS: Final = 60
MAX_LINK_CHARS: Final = 500
_MAX_LABEL_CHARS: Final = 120
_MAX_TITLE_CHARS: Final = 300
_MAX_TAG_SEARCHES: Final = 4
"""How many ``>`` may stand inside the quotes of one tag."""

_NAME: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9:-]{0,40}")
_HREF: Final = re.compile(r"""\bhref\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_SPACES: Final = re.compile(r"[\s\u200b\ufeff]+")
_EMPTY_LINES: Final = re.compile(r"\n{3,}")
_MAX_ATTRIBUTE_CHARS: Final = 4_000

_UNREAD: Final = {
    name: re.compile(f"</{name}", re.IGNORECASE)
    for name in (
        *("script", "style", "noscript", "template", "svg", "iframe", "object"),
        *("textarea", "select"),
    )
}
"""Elements whose content no reader sees, and where each ends."""
_LINES: Final = re.compile(
    "address|article|aside|blockquote|br|dd|div|dl|dt|fieldset|figcaption|figure|footer|form|header"
    "|hr|main|nav|option|section|tbody|tfoot|thead|tr"
)
"""Elements that stand on lines of their own."""
_PARAGRAPHS: Final = frozenset({"ol", "p", "pre", "table", "ul"})
_BEGINNINGS: Final = {
    "h1": "# ",
    "h2": "## ",
    "h3": "### ",
    "h4": "#### ",
    "h5": "##### ",
    "h6": "###### ",
    "li": "- ",
}
_CELLS: Final = frozenset({"td", "th"})


class Link(NamedTuple):
    """Where a page leads."""

    text: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a reader sees of a page."""

    title: str
    text: str
    links: tuple[Link, ...]


def read_page(source: str, address: URL) -> Page:
    r"""Read a page.

    Args:
        source: the page's HTML, however broken.
        address: where it came from; links are relative to it.

    >>> read_page("<title>T</title><h1>Hi</h1><p>a &amp; <b>b</b>", URL("http://h/")).text
    '# Hi\n\na & b'
    """
    reader = _Reader(address=address)
    for part in _parts(source):
        match part:
            case str():
                reader.take_text(html.unescape(part))
            case _Tag():
                reader.take_tag(part)
    return reader.page()


# -- scanning ------------------------------------------------------------------------------------


class _Tag(NamedTuple):
    name: str
    is_end: bool
    attributes: str


def _parts(source: str) -> Iterator[str | _Tag]:
    """Yield texts and tags in order; comments, declarations and what nobody reads left out."""
    place = 0
    while place < len(source):
        start = source.find("<", place)
        if start < 0:
            yield source[place:]
            return
        if start > place:
            yield source[place:start]
        part, place = _markup(source, start)
        if part is not None:
            yield part
        if isinstance(part, _Tag) and not part.is_end and part.name in _UNREAD:
            end = _UNREAD[part.name].search(source, place)
            place = end.start() if end else len(source)


def _markup(source: str, start: int) -> tuple[str | _Tag | None, int]:
    """Read what begins with ``<`` and say where it ends; None for what is not shown."""
    if source.startswith("<!--", start):
        return None, _behind(source, "-->", start + 4)
    if source.startswith(("<!", "<?"), start):
        return None, _behind(source, ">", start)
    is_end = source.startswith("</", start)
    name = _NAME.match(source, start + 1 + is_end)
    if name is None:
        return "<", start + 1
    end = _end_of_tag(source, name.end())
    if end < 0:
        return None, len(source)
    attributes = source[name.end() : min(end, name.end() + _MAX_ATTRIBUTE_CHARS)]
    return _Tag(name[0].lower(), is_end, attributes), end + 1


def _end_of_tag(source: str, start: int) -> int:
    """Return where the tag's ``>`` is, not counting those in quotes; negative for nowhere."""
    first = end = source.find(">", start)
    for _ in range(_MAX_TAG_SEARCHES):
        if end < 0 or source.count('"', start, end) % 2 == 0:
            break
        end = source.find(">", end + 1)
    else:
        return first
    return end if end >= 0 else first


def _behind(source: str, mark: str, start: int) -> int:
    place = source.find(mark, start)
    return len(source) if place < 0 else place + len(mark)


# -- reading -------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class _Reader:
    """Puts a page's text together, part by part."""

    address: URL
    pieces: list[str] = field(default_factory=lambda: ["\n"])
    titles: list[str] = field(default_factory=list)
    links: dict[str, str] = field(default_factory=dict)
    in_title: bool = False
    in_pre: bool = False
    link: str = ""
    label_from: int = 0

    def take_text(self, text: str) -> None:
        if self.in_title:
            self.titles.append(text)
            return
        shown = text if self.in_pre else _SPACES.sub(" ", text)
        if self.pieces[-1].endswith(("\n", " ")) and not self.in_pre:
            shown = shown.lstrip(" ")
        if shown:
            self.pieces.append(shown)

    def take_tag(self, tag: _Tag) -> None:
        match tag.name:
            case "title":
                self.in_title = not tag.is_end and not self.titles
            case "a":
                self._end_link()
                if not tag.is_end:
                    self._begin_link(tag)
            case _ if tag.name in _BEGINNINGS:
                self._break(1 if tag.name == "li" else 2)
                if not tag.is_end:
                    self.pieces.append(_BEGINNINGS[tag.name])
            case _ if tag.name in _CELLS and not tag.is_end:
                self.pieces.append("" if self.pieces[-1].endswith("\n") else " | ")
            case _ if tag.name in _PARAGRAPHS:
                self.in_pre = tag.name == "pre" and not tag.is_end
                self._break(2)
            case _ if _LINES.fullmatch(tag.name):
                self._break(1)
            case _:
                pass  # it changes how the text looks, not where it stands

    def page(self) -> Page:
        self._end_link()
        lines = (line.rstrip() for line in "".join(self.pieces).split("\n"))
        return Page(
            title=_SPACES.sub(" ", "".join(self.titles)).strip()[:_MAX_TITLE_CHARS],
            text=_EMPTY_LINES.sub("\n\n", "\n".join(lines)).strip(),
            links=tuple(Link(text, url) for url, text in self.links.items()),
        )

    def _break(self, lines: int) -> None:
        self.pieces.append("\n" * lines)

    def _begin_link(self, tag: _Tag) -> None:
        found = _HREF.search(tag.attributes)
        if found and len(self.links) < MAX_LINKS:
            self.link = html.unescape(next(filter(None, found.groups()), ""))
            self.label_from = len(self.pieces)

    def _end_link(self) -> None:
        href, self.link = self.link, ""
        url = _absolute(href, self.address)
        label = _SPACES.sub(" ", "".join(self.pieces[self.label_from :])).strip() if url else ""
        if url and label:
            self.links.setdefault(url, label[:_MAX_LABEL_CHARS])


def _absolute(href: str, address: URL) -> str:
    """Return where a link leads, empty for nowhere that can be called."""
    if not href or href.startswith("#") or len(href) > MAX_LINK_CHARS:
        return ""
    try:
        url = address.join(URL(href)).with_fragment(None)
    except ValueError:
        return ""
    return str(url) if url.scheme in ("http", "https") and url.host else ""
