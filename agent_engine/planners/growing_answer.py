"""Reads the answer out of a plan's JSON while the model still writes it.

Tells nothing before it is certain that the reply is a direct answer, and nothing at all of a reply
that is not plainly the JSON object that was asked for: what such a reply means is known at its end.
"""

import json
import re
from collections.abc import Callable, Generator

from agent_engine.ports import OnText
from agent_engine.types import ActionType

_OPENING = re.compile(
    r"\s*(?:<(think(?:ing)?)>.*?</\1>\s*)?(?:```\w*\s*)?\{", re.DOTALL | re.IGNORECASE
)
_GAP = re.compile(r"[\s,:]*")
_PLAIN = re.compile(r'[^"\\]+')
_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})')
_HALF_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?")
_HIGH = re.compile(r"\\u[dD][89abAB]")
_LOW = re.compile(r"\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_HALF_LOW = re.compile(r"(?:\\(?:u(?:[dD](?:[c-fC-F][0-9a-fA-F]?)?)?)?)?")
_NEITHER_STRING_NOR_BRACKET = re.compile(r'[^"{}\[\],]+')

_Steps = Generator[None, None, None]
"""A reader that pauses where the text ends so far."""


class GrowingAnswer:
    """What a model request tells of its reply; tells on the answer in it.

    Args:
        tell: is told the answer so far, empty when the model begins anew.
        word: the key whose value says that the reply is an answer.
        text: the key whose value is the answer.
    """

    def __init__(self, tell: OnText, *, word: str, text: str) -> None:
        self._tell = tell
        self._word = word
        self._text = text
        self._told = ""
        self._object = GrowingObject()

    def __call__(self, so_far: str) -> None:
        """Take in the reply so far."""
        if not so_far:
            self._object = GrowingObject()
            self._say("")
            return
        self._object.grow(so_far)
        if self._is_answer():
            self._say(self._object.texts.get(self._text, "").strip())

    def _is_answer(self) -> bool:
        word = self._object.texts.get(self._word, "") if self._word in self._object.whole else ""
        return word.strip().lower() == ActionType.ANSWER

    def _say(self, text: str) -> None:
        if text != self._told:
            self._told = text
            self._tell(text)


class GrowingObject:
    """The texts at the top of a JSON object that grows; what follows a mistake is not read."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        """By key, as far as they have come."""
        self.whole: set[str] = set()
        """The keys whose text is complete."""
        self._json = ""
        self._at = 0
        self._steps: _Steps | None = self._read()

    def grow(self, json_so_far: str) -> None:
        """Read on; each call has the whole text so far, which only ever gets longer."""
        self._json = json_so_far
        if self._steps is None:
            return
        try:
            next(self._steps)
        except (StopIteration, _BrokenError):
            self._steps = None

    # -- reading, each until the text ends or the thing does -------------------------------------

    def _read(self) -> _Steps:
        while (opening := _OPENING.match(self._json)) is None:
            yield
        self._at = opening.end()
        while True:
            yield from self._gap()
            if self._here != '"':
                return
            key: list[str] = []
            yield from self._string(key.append)
            yield from self._gap()
            yield from self._value("".join(key))

    def _value(self, key: str) -> _Steps:
        if self._here != '"':
            yield from self._other_value()
            return
        self.texts[key] = ""
        self.whole.discard(key)

        def add(piece: str) -> None:
            self.texts[key] += piece

        yield from self._string(add)
        self.whole.add(key)

    def _string(self, add: Callable[[str], None]) -> _Steps:
        self._at += 1
        while True:
            while self._is_at_end:
                yield
            if self._here == '"':
                self._at += 1
                return
            plain = _PLAIN.match(self._json, self._at)
            if plain is not None:
                self._at = plain.end()
                add(plain[0])
            else:
                yield from self._escape(add)

    def _escape(self, add: Callable[[str], None]) -> _Steps:
        """Decode one escape; the first half of a pair waits for what may be the second."""
        while True:
            escape = _ESCAPE.match(self._json, self._at)
            if escape is None and _HALF_ESCAPE.fullmatch(self._json, self._at) is None:
                raise _BrokenError
            if escape is not None:
                end = escape.end()
                low = _LOW.match(self._json, end) if _HIGH.match(escape[0]) else None
                end = low.end() if low is not None else end
                waits = _HIGH.match(escape[0]) and low is None
                if not (waits and _HALF_LOW.fullmatch(self._json, end)):
                    add(json.loads(f'"{self._json[self._at : end]}"'))
                    self._at = end
                    return
            yield

    def _other_value(self) -> _Steps:
        """Pass over a number, a word, a list or an object."""
        depth = 0
        while True:
            while self._is_at_end:
                yield
            character = self._here
            if depth == 0 and character in ",}]":
                return
            if character == '"':
                yield from self._string(_ignore)
                continue
            depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(character, 0)
            other = _NEITHER_STRING_NOR_BRACKET.match(self._json, self._at)
            self._at = other.end() if other is not None else self._at + 1

    def _gap(self) -> _Steps:
        while True:
            gap = _GAP.match(self._json, self._at)
            self._at = gap.end() if gap is not None else self._at
            if not self._is_at_end:
                return
            yield

    @property
    def _is_at_end(self) -> bool:
        return self._at >= len(self._json)

    @property
    def _here(self) -> str:
        return self._json[self._at]


class _BrokenError(Exception):
    """This is no JSON."""


def _ignore(_piece: str) -> None:
    """Drop a text that nobody needs."""
