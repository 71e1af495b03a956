"""How much of a Markdown text that still grows can be shown already. Pure.

What is shown cannot be taken back, so a link, a mention or a code span that is not complete waits.
"""

import re

from bot.outbound.fences import lines_of
from bot.outbound.markdown import safe_markdown, split_markdown

MAX_HELD = 400
"""Characters that may wait for the end of something that may never end."""

_LAST_WORD = re.compile(r"\S+\Z")
_OPEN_LINK = re.compile(r"!?\[[^\]\n]*(?:\](?:\([^)\n]*)?)?\Z")
_OPEN_ANGLE = re.compile(r"<(?:[a-z!@#/][^>\n]*)?\Z", re.IGNORECASE)
_CODE = re.compile(r"`[^`]+`")


def showable(text: str) -> str:
    """Return the beginning of the answer's first message as it can be shown now.

    The same as the whole text will show there, but for what is rendered otherwise once more of it
    is known: whoever shows it compares it with the whole in the end.
    """
    safe = safe_markdown(_settled(text)).strip()
    return split_markdown(safe)[0].text if safe else ""


def _settled(text: str) -> str:
    """Cut off the last word, and what in the last line is not complete."""
    line = text.rfind("\n") + 1
    last = text[line:]
    if _is_in_code(text) or last.lstrip().startswith(("|", "`", "~")):
        return text[:line]
    words = last[: _begins(_LAST_WORD, last)]
    whole = _complete(words)
    return text[:line] + (whole if len(words) - len(whole) <= MAX_HELD else words)


def _complete(words: str) -> str:
    """Cut off the link, the mention and the code span that the words end in the middle of."""
    while True:
        ends = (_begins(_OPEN_LINK, words), _begins(_OPEN_ANGLE, words), _code_begins(words))
        if min(ends) == len(words):
            return words
        words = words[: min(ends)]


def _begins(pattern: re.Pattern[str], line: str) -> int:
    found = pattern.search(line)
    return len(line) if found is None else found.start()


def _code_begins(line: str) -> int:
    """Return where a code span begins that does not end on the line."""
    without = _CODE.sub(lambda span: " " * len(span[0]), line)
    tick = without.find("`")
    return len(line) if tick < 0 else tick


def _is_in_code(text: str) -> bool:
    lines = lines_of(text)
    return bool(lines) and lines[-1].fence is not None
