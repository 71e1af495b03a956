"""How a text file begins, for whoever plans what to do with it: a table's columns, a log's form.

Pure, and careful: a file's name and type are its sender's choice, so what is text is told by its
bytes alone. It redacts nothing and fences nothing; that is done where the excerpt is shown.
"""

import codecs
import re
from typing import Final

from agent_engine.long_texts import each_match

START_BYTES: Final = 16_384
"""What is looked at of a file."""
MAX_CHARS: Final = 1_000
MAX_LINES: Final = 20
MORE: Final = "…"
"""The last line of an excerpt behind which the file goes on."""

_BYTE_ORDER_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # it begins like the next one
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_NO_TEXT: Final = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")
"""Characters that only other files hold; an escape may be a colour in a log."""
_NOT_SHOWN: Final = (b"%PDF-", b"%!PS", b"{\\rtf")
"""How files begin that are no texts although they look like some at first."""
_MOST_FOREIGN: Final = 0.3
"""Of the bytes of a text in an old encoding of Western languages, those that are no ASCII."""


def text_in(start: bytes) -> str | None:
    r"""Decode the beginning of a file, which may end within a character; None where it is no text.

    >>> text_in("größe;preis".encode("cp1252")), text_in(b"PK\x03\x04")
    ('größe;preis', None)
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if start.startswith(mark):
            return codecs.getincrementaldecoder(encoding)("replace").decode(start[len(mark) :])
    if start.startswith(_NOT_SHOWN) or is_no_text(start):
        return None
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        foreign = sum(byte >= 0x80 for byte in start)  # noqa: PLR2004  where ASCII ends
        is_old = foreign <= _MOST_FOREIGN * len(start)
        return start.decode("cp1252", "replace") if is_old else None


def is_no_text(content: bytes) -> bool:
    """Say whether there is something in a file that no text in any old encoding holds."""
    return any(each_match(_NO_TEXT, content, reach=1))


def excerpt(text: str, *, is_all: bool, max_chars: int = MAX_CHARS) -> str:
    r"""Return the first lines of a text; a last line says so where more would follow.

    Args:
        text: how the file begins.
        is_all: whether that is the whole file.
        max_chars: so many at most, the last line aside.

    >>> excerpt("a\r\nb\nc", is_all=True, max_chars=3)
    'a\nb\n…'
    """
    lines = text.splitlines()
    shown = "\n".join(lines[:MAX_LINES])[:max_chars].rstrip()
    is_whole = is_all and len(shown) >= len("\n".join(lines).rstrip())
    return shown if is_whole or not shown else f"{shown}\n{MORE}"
