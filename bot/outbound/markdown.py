"""A model's Markdown made safe and cut to Slack's sizes without losing a character. Pure.

It renders nothing: what Slack's ``markdown`` block understands stays Markdown. For servers without
that block see ``mrkdwn``.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bot.outbound.fences import Line, lines_of
from bot.outbound.text import clean

MAX_PART_CHARS = 11_000
MAX_PART_BYTES = 8_400
"""UTF-8. With the lines around an answer a message stays under 9,000, where Slack's own limit is
about 10,600: https://github.com/paradigmxyz/centaur/issues/563."""
MAX_PARTS = 4
"""More become a file with the beginning as message."""
_GOOD_FILL = 0.4
"""A part may end early, at the end of a paragraph, once it is this full."""
_MAX_REPEATED_HEAD = 1_000

_WORD_JOINER = "\u2060"
_SAFE_URL = re.compile(r"(?:https?://|mailto:)[^\s<>\"`|]+", re.IGNORECASE)
_CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`)(?:(?!\n[ \t]*\n).)+?(?<!`)\1(?!`)", re.DOTALL)
_LINK = re.compile(
    r"(?P<bang>!?)\[(?P<label>(?>[^\[\]\\\n]|\\.|\[[^\[\]\n]{0,300}\]){0,600})\]"
    r"\([ \t]*(?P<url>[^()\s]{0,2000}(?:\([^()\s]{0,500}\)[^()\s]{0,500}){0,5})"
    r"(?:[ \t]+(?:\"[^\"\n]{0,300}\"|'[^'\n]{0,300}'))?[ \t]*\)"
)
_SLACK_LINK = re.compile(
    r"<(?P<url>(?:https?://|mailto:)[^\s<>|]{1,2000})(?:\|(?P<label>[^<>\n]{0,600}))?>"
)
_DEFINITION = re.compile(
    r"(?m)^(?P<before>[ \t>]*)\[(?P<label>[^\]\n]{1,300})\]:[ \t]*(?P<url>\S*)"
)
_IMAGE_REFERENCE = re.compile(r"!(?=\[)")
_BRACKET = re.compile(r"(?P<marks>\\*)<")
_MENTION = re.compile(r"<(?=[!@#])")
_CALL_ALL = re.compile(r"@(?=(?:channel|here|everyone|group)\b)", re.IGNORECASE)
_MAX_ROUNDS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One message's share of a long text."""

    text: str
    """What is shown: ``content``, with a code block or table opened and closed again around it."""
    content: str
    """The contents of all parts joined are the whole text."""


def safe_markdown(text: str) -> str:
    """Neutralise mentions, HTML, images and links that are neither web nor mail. Idempotent."""
    text = clean(text)
    for _ in range(_MAX_ROUNDS):
        safer = _safer(text)
        if safer == text:
            return safer
        text = safer
    return _safer(text.replace("](", "]\\("))


def split_markdown(
    text: str, *, max_chars: int = MAX_PART_CHARS, max_bytes: int = MAX_PART_BYTES
) -> list[Part]:
    """Cut a text into parts that fit, at the ends of paragraphs where possible.

    A code block that is cut is closed and opened again with its language, a table repeats its head.
    """
    room = _Room(max_chars=max_chars, max_bytes=max_bytes)
    lines = lines_of(text)
    parts: list[Part] = []
    while lines:
        part, lines = _next_part(lines, room)
        parts.append(part)
    return parts


def is_safe_url(url: str) -> bool:
    """Say whether a link may lead there: web or mail only."""
    return _SAFE_URL.fullmatch(url) is not None


# -- safety --------------------------------------------------------------------------------------


def _safer(text: str) -> str:
    """Neutralise once, outside code as inside it, but without changing code that harms nobody."""
    done: list[str] = []
    prose: list[str] = []
    for line in lines_of(text):
        if line.is_code:
            done += [_safer_prose("".join(prose)), _safer_code(line.text)]
            prose = []
        else:
            prose.append(line.text)
    return "".join([*done, _safer_prose("".join(prose))])


def _safer_prose(prose: str) -> str:
    done: list[str] = []
    at = 0
    for span in _CODE_SPAN.finditer(prose):
        done += [_safer_text(prose[at : span.start()]), _safer_code(span[0])]
        at = span.end()
    return "".join([*done, _safer_text(prose[at:])])


def _safer_code(code: str) -> str:
    return _MENTION.sub("<" + _WORD_JOINER, code)


def _safer_text(text: str) -> str:
    text = _SLACK_LINK.sub(_from_slack_link, text)
    text = _BRACKET.sub(_as_entity, text)
    text = _LINK.sub(_safe_link, text)
    text = _DEFINITION.sub(_safe_definition, text)
    text = _IMAGE_REFERENCE.sub("", text)
    return _CALL_ALL.sub("@" + _WORD_JOINER, text)


def _as_entity(found: re.Match[str]) -> str:
    """An escaped bracket loses its backslash, which would escape the entity and show it."""
    marks = found["marks"]
    return marks[: len(marks) // 2 * 2] + "&lt;"


def _from_slack_link(found: re.Match[str]) -> str:
    label = (found["label"] or "").replace("[", "(").replace("]", ")").strip()
    return f"[{label}]({found['url']})" if label and "(" not in found["url"] else found["url"]


def _safe_link(found: re.Match[str]) -> str:
    label = _LINK.sub(_label_only, found["label"])
    url = found["url"]
    if not is_safe_url(url):
        return label or url.replace("](", "] (")
    return f"[{label.strip() or ('image' if found['bang'] else url)}]({url})"


def _label_only(found: re.Match[str]) -> str:
    return found["label"]


def _safe_definition(found: re.Match[str]) -> str:
    if is_safe_url(found["url"]) or found["label"].startswith("^"):
        return found[0]
    return f"{found['before']}\\[{found['label']}]: {found['url']}"


# -- splitting -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Room:
    max_chars: int
    max_bytes: int

    def left(self, *texts: str) -> "_Room":
        return _Room(
            max_chars=self.max_chars - sum(len(text) for text in texts),
            max_bytes=self.max_bytes - sum(_bytes(text) for text in texts),
        )

    def holds(self, text: str) -> bool:
        return len(text) <= self.max_chars and _bytes(text) <= self.max_bytes


def _next_part(lines: list[Line], room: _Room) -> tuple[Part, list[Line]]:
    before = _before(lines[0], room)
    end = _lines_that_fit(lines, room.left(before))
    if end == 0:
        return _piece_of_line(lines, room, before=before)
    if end < len(lines):
        end = _good_end(lines, end)
    content = "".join(line.text for line in lines[:end])
    after = _after(content, lines[end]) if end < len(lines) else ""
    return Part(text=before + content + after, content=content), lines[end:]


def _before(line: Line, room: _Room) -> str:
    """Return what opens again the block that goes on at this line."""
    if line.fence is not None:
        return line.fence.reopening
    is_short = len(line.table) <= min(_MAX_REPEATED_HEAD, room.max_chars // 3)
    return line.table if is_short and room.left(line.table).max_bytes > room.max_bytes // 3 else ""


def _after(content: str, following: Line) -> str:
    """Return what closes the block that goes on behind the content."""
    if following.fence is None:
        return ""
    return following.fence.closing if content.endswith("\n") else "\n" + following.fence.closing


def _lines_that_fit(lines: Sequence[Line], room: _Room) -> int:
    """Return how many lines fit, the closing of a code block that is cut included."""
    for index, line in enumerate(lines):
        if not room.left(line.text).holds(_closing_after(lines, index)):
            return index
        room = room.left(line.text)
    return len(lines)


def _closing_after(lines: Sequence[Line], index: int) -> str:
    following = lines[index + 1] if index + 1 < len(lines) else None
    return "\n" + following.fence.closing if following and following.fence else ""


def _good_end(lines: Sequence[Line], end: int) -> int:
    """Return where to end the part: behind a paragraph rather than within one."""
    enough = _GOOD_FILL * sum(len(line.text) for line in lines[:end])
    sizes = [len(line.text) for line in lines[:end]]
    for is_good in (_ends_paragraph, _cuts_no_block, _opens_nothing):
        size = sum(sizes)
        for index in range(end, 0, -1):
            if size >= enough and is_good(lines, index):
                return index
            size -= sizes[index - 1]
    return end


def _ends_paragraph(lines: Sequence[Line], index: int) -> bool:
    return lines[index - 1].is_blank and lines[index].fence is None


def _cuts_no_block(lines: Sequence[Line], index: int) -> bool:
    return not lines[index].table and lines[index].fence is None


def _opens_nothing(lines: Sequence[Line], index: int) -> bool:
    return not lines[index - 1].opens


def _piece_of_line(lines: list[Line], room: _Room, *, before: str) -> tuple[Part, list[Line]]:
    """Cut a line that is too long for any part, at a space where there is one."""
    line = lines[0]
    after = "" if line.fence is None else "\n" + line.fence.closing
    size = _chars_that_fit(line.text, room.left(before, after))
    space = line.text.rfind(" ", size // 2, size)
    size = space + 1 if space > 0 else size
    content, rest = line.text[:size], line.text[size:]
    following = Line(text=rest, fence=line.fence, closes=line.closes, table=line.table)
    return Part(text=before + content + after, content=content), [following, *lines[1:]]


def _chars_that_fit(text: str, room: _Room) -> int:
    head = text[: max(1, room.max_chars)]
    fitting = head.encode(errors="surrogatepass")[: max(4, room.max_bytes)]
    return max(1, len(fitting.decode(errors="ignore")))


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))
