"""Secrets that go out with requests, and the means to take them out of whatever comes back.

Holds values; never logs, prints or stores them. Where redaction is applied is decided by those who
show, log or post (``ToolCaller``, the bot's log, what goes to Slack).
"""

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote, quote_plus

from typing_extensions import override

from agent_engine.long_texts import each_match, pieces_of, replaced

REDACTED: Final = "[secret]"
MIN_SECRET_CHARS: Final = 6
"""A shorter one would be found in ordinary words, and is no secret."""
MAX_PATTERN_CHARS: Final = 256
"""A pattern for any mixture of escapes takes long to make; a longer secret has none."""
_ESCAPES: Final = re.compile(
    r"%[0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4}|\\[^\w\s]|&(?:#|amp;|lt;|gt;|quot;)|=[0-9A-Fa-f]{2}|\+"
)
"""Something that may stand for another character; a backslash before a letter stands for none."""
_LONGEST_ESCAPE: Final = 6
_BACKSLASHES: Final = r"\\{1,8}"
"""JSON in JSON in JSON; bounded, so that no run of them takes quadratic time."""
_OFTEN: Final = "{0,8}"
"""How often what may be repeated in an escape is: bounded, so that each has a longest spelling."""
_LONGEST_CHARACTER: Final = 80
"""Four bytes that are percent-encoded nine times."""
_LINE_END: Final = r"\r?\n[ \t]{0,64}"
_LONGEST_LINE_END: Final = 66
_WIDE: Final = ("utf-16-le", "utf-16-be")
"""How some files that are no texts hold texts."""
_DOUBLED_BACKSLASH: Final = r"(?:\\{8}|\\{4}|\\{2})"


class Secrets:
    """Values that nobody may see, in the forms in which an echo can carry them.

    Plain, base64 (also inside longer values), hex, each also broken over lines, percent-encoded,
    and escaped as in JSON or HTML. Of a long one (a key file) every usual spelling as a whole is
    known, but not one that is escaped here and there. An echo that is cut, compressed, encrypted or
    spelt backwards is not recognised.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        known = sorted({v for v in values if len(v) >= MIN_SECRET_CHARS}, key=len, reverse=True)
        self._forms = sorted({form for v in known for form in _forms(v)}, key=len, reverse=True)
        short = [value for value in known if len(value) <= MAX_PATTERN_CHARS]
        self._escaped = _any_of(map(_escaped_pattern, short), begins=_beginnings(short))
        self._reach = _LONGEST_CHARACTER * max(map(len, short), default=0)
        self._known = tuple(known)

    @override
    def __repr__(self) -> str:
        return f"Secrets({len(self._known)})"

    def redact(self, text: str) -> str:
        """Return the text with every secret in it blotted out; safe to call twice.

        >>> secrets = Secrets(["hunter2-hunter2"])
        >>> secrets.redact("key=hunter2-hunter2, Basic aHVudGVyMi1odW50ZXIy")
        'key=[secret], Basic [secret]'
        """
        # Looking for each form alone is a hundred times faster than for a pattern of all.
        for form in self._forms:
            text = text.replace(form, REDACTED)
        if "\n" in text:
            text = self._without_broken(text)
        if self._escaped is not None and any(each_match(_ESCAPES, text, reach=_LONGEST_ESCAPE)):
            text = replaced(self._escaped, _blotted, text, reach=self._reach)
        return text

    def redact_bytes(self, data: bytes) -> bytes:
        """Return the bytes with every plain secret in them blotted out."""
        for value in self._known:
            data = data.replace(value.encode(), REDACTED.encode())
        return data

    def mask_bytes(self, data: bytes) -> bytes:
        """Return bytes that are no text, as many, with asterisks in place of every secret."""
        narrow = (form.encode() for form in self._forms)
        wide = (value.encode(encoding) for value in self._known for encoding in _WIDE)
        for found in (*narrow, *wide):
            data = data.replace(found, b"*" * len(found))
        return data

    def could_begin(self, text: str) -> int:
        """Return how many of the text's last characters may be the beginning of a plain secret."""
        return max((_overlap(text, value) for value in self._known), default=0)

    def _without_broken(self, text: str) -> str:
        """Blot out secrets that go on in the next line, as base64 and hex tools print them."""
        joined = _squeezed(text)  # a look for any blank is faster than one for line ends
        for form in self._forms:
            if _squeezed(form) in joined:
                reach = len(form) * (1 + _LONGEST_LINE_END)
                text = replaced(_broken_pattern(form), _blotted, text, reach=reach)
        return text


# ------------------------------------------------------------------------------------------------


def _any_of(patterns: Iterable[str], *, begins: str = "") -> re.Pattern[str] | None:
    joined = "|".join(patterns)
    return re.compile(f"{begins}(?:{joined})") if joined else None


def _beginnings(known: Iterable[str]) -> str:
    """Match, without taking it, a character with which a secret may begin, escaped or not."""
    first = {re.escape(value[0]) for value in known} | {re.escape(mark) for mark in "%\\&=+"}
    return f"(?=[{''.join(sorted(first))}])"


def _forms(value: str) -> Iterator[str]:
    data = value.encode()
    yield value
    yield data.hex()
    yield data.hex().upper()
    if len(value) > MAX_PATTERN_CHARS:
        yield from _spellings(value)
    for altchars in (b"+/", b"-_"):
        yield base64.b64encode(data, altchars).decode().rstrip("=")
        yield from (_inside_base64(data, start, altchars) for start in range(3))


def _spellings(value: str) -> Iterator[str]:
    """Yield a value as JSON, JSON in JSON, HTML and addresses spell it."""
    as_json = json.dumps(value)[1:-1]
    yield from (as_json, json.dumps(as_json)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1])
    yield from (html.escape(value), quote(value, safe=""), quote(value), quote_plus(value))


def _blotted(_: re.Match[str]) -> str:
    return REDACTED


def _squeezed(text: str) -> str:
    return "".join("".join(piece.split()) for piece in pieces_of(text))


def _broken_pattern(form: str) -> re.Pattern[str]:
    return re.compile(f"(?:{_LINE_END})?".join(map(re.escape, form)))


def _overlap(text: str, value: str) -> int:
    """Return how long an end of the text is that the value begins with, short of all of it."""
    longest = min(len(text), len(value) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(value[:n])), 0)


def _inside_base64(data: bytes, start: int, altchars: bytes) -> str:
    """Return what base64 of anything shows of the data when it begins at this place of three.

    The characters that also depend on what stands before or behind are left out.
    """
    encoded = base64.b64encode(bytes(start) + data, altchars).decode().rstrip("=")
    first = (0, 2, 3)[start]
    whole = (start + len(data)) * 8 // 6
    return encoded[first:whole]


def _escaped_pattern(value: str) -> str:
    return "".join(map(_character_pattern, value))


def _character_pattern(character: str) -> str:
    """Match one character plain or escaped, so that a secret escaped here and there is found."""
    code = ord(character)
    utf16 = character.encode("utf-16-be", "surrogatepass").hex()
    units = [utf16[place : place + 4] for place in range(0, len(utf16), 4)]
    forms = [
        re.escape(character),
        _BACKSLASHES + re.escape(character) if character != "\\" else _DOUBLED_BACKSLASH,
        "".join(_percent_pattern(byte) for byte in character.encode(errors="surrogatepass")),
        "".join(f"{_BACKSLASHES}u{_any_case(unit)}" for unit in units),
        f"&#0{_OFTEN}{code};",
        f"&#[xX]0{_OFTEN}{_any_case(f'{code:x}')};",
    ]
    if (named := html.escape(character)) != character:
        forms.append(re.escape(named))
    if character == " ":
        forms.append(r"\+")
    if code < 256:  # noqa: PLR2004  two hexadecimal digits
        forms.append(_any_case(f"={code:02x}"))
    # Longest first and without going back, so that no text takes exponential time.
    return f"(?>{'|'.join(sorted(forms, key=len, reverse=True))})"


def _percent_pattern(byte: int) -> str:
    """Match a byte that is percent-encoded, once or up to nine times."""
    return f"%(?:25){_OFTEN}{_any_case(f'{byte:02x}')}"


def _any_case(text: str) -> str:
    return f"(?i:{re.escape(text)})"
