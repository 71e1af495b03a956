"""Words cut into the pieces that a BERT model knows, by its vocabulary. Pure, without a library.

Written from the description of WordPiece in Devlin et al. 2018 (arXiv:1810.04805) and checked
against another implementation. Marks of the model's own that stand in a text, such as ``[SEP]``,
are letters and brackets here: no text can speak as the model.
"""

import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache

BEGIN, END, UNKNOWN = "[CLS]", "[SEP]", "[UNK]"
LONGEST_WORD = 100
"""Characters; what is longer is unknown."""
_CHARS_PER_TOKEN = 100
"""A text is read no further than so many characters for each token that is wanted."""
_IDEOGRAPHS = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)
"""Each of these characters is a word."""
_KEPT_AS_SPACE = "\t\n\r"
_REPLACEMENT = "\ufffd"


class WordPiece:
    """Cuts texts by one vocabulary: a piece per line, its number is that of the line."""

    def __init__(self, pieces: Iterable[str]) -> None:
        self._ids = {piece: at for at, piece in enumerate(pieces)}
        self._begin, self._end = self._ids[BEGIN], self._ids[END]
        self._unknown = self._ids[UNKNOWN]

    def tokens(self, text: str, *, most: int) -> list[int]:
        """Return the numbers of the text's pieces between the marks of its begin and end.

        What is beyond ``most``, the two marks included, is left out.
        """
        found = [self._begin]
        for word in _words(text[: most * _CHARS_PER_TOKEN]):
            found += self._pieces(word)
            if len(found) >= most:
                break
        return [*found[: most - 1], self._end]

    def _pieces(self, word: str) -> list[int]:
        """Cut a word from its left, each time the longest piece there is."""
        if len(word) > LONGEST_WORD:
            return [self._unknown]
        found: list[int] = []
        start = 0
        while start < len(word):
            end, piece = self._longest(word, start)
            if piece is None:
                return [self._unknown]
            found.append(piece)
            start = end
        return found

    def _longest(self, word: str, start: int) -> tuple[int, int | None]:
        mark = "##" if start else ""
        for end in range(len(word), start, -1):
            piece = self._ids.get(f"{mark}{word[start:end]}")
            if piece is not None:
                return end, piece
        return start, None


def _words(text: str) -> Iterator[str]:
    """Return the words in small letters without accents; each sign is a word of its own."""
    spaced = "".join(map(_spaced, text))
    plain = (c for c in unicodedata.normalize("NFD", spaced) if unicodedata.category(c) != "Mn")
    small = "".join(c.lower() for c in plain)
    for chunk in small.split():
        yield from "".join(f" {c} " if _is_sign(c) else c for c in chunk).split()


@lru_cache(maxsize=4_096)
def _spaced(character: str) -> str:
    """Return the character as it is read: control characters not at all, ideographs apart."""
    if character in _KEPT_AS_SPACE:
        return " "
    if character == _REPLACEMENT or unicodedata.category(character) in ("Cc", "Cf", "Cn", "Co"):
        return ""
    if character.isspace():
        return " "
    code = ord(character)
    if any(first <= code <= last for first, last in _IDEOGRAPHS):
        return f" {character} "
    return character


@lru_cache(maxsize=4_096)
def _is_sign(character: str) -> bool:
    """Whether it is punctuation, or one of ASCII's other signs."""
    is_ascii_sign = character.isascii() and character.isprintable() and not character.isalnum()
    return is_ascii_sign or unicodedata.category(character).startswith("P")
