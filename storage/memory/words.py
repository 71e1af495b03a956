"""Texts as the words that keyword search compares. Pure.

A word carries its shelf, so that a search walks only the entries of the shelves it asks for: it is
fast whatever other scopes hold, and no scope can be reached by the words of another.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator

MOST_QUERY_WORDS = 40
_WORD = re.compile(r"[^\W_]+")
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e00-\u0eff]+")
"""Scripts that put no spaces between words: kana, Han, Thai, Lao."""
STOP_WORDS = frozenset(
    [
        "a",
        "an",
        "the",
        "of",
        "to",
        "in",
        "on",
        "at",
        "is",
        "are",
        "was",
        "were",
        "be",
        "been",
        "do",
        "does",
        "did",
        "have",
        "has",
        "had",
        "i",
        "you",
        "he",
        "she",
        "it",
        "they",
        "we",
        "what",
        "when",
        "where",
        "who",
        "whom",
        "which",
        "why",
        "how",
        "and",
        "or",
        "for",
        "with",
        "from",
        "by",
        "about",
        "as",
        "that",
        "this",
        "these",
        "those",
        "there",
        "their",
        "his",
        "her",
        "its",
        "my",
        "your",
        "our",
        "would",
        "could",
        "should",
        "will",
        "can",
        "may",
        "might",
    ]
)
_NEGATIONS = frozenset(
    [
        "no",
        "not",
        "never",
        "none",
        "nobody",
        "nothing",
        "neither",
        "nor",
        "without",
        "cannot",
        "isn",
        "t",
    ]
)


def words_of(text: str) -> Iterator[str]:
    """Yield the words of a text in order, folded; unspaced scripts as pairs of characters."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    if not _UNSPACED.search(folded):
        yield from _WORD.findall(folded)
        return
    for match in _WORD.finditer(folded):
        word, start = match.group(), 0
        for run in _UNSPACED.finditer(word):
            if run.start() > start:
                yield word[start : run.start()]
            yield from _pairs(run.group())
            start = run.end()
        if start < len(word):
            yield word[start:]


def query_words(text: str) -> tuple[str, ...]:
    """Return the words to look for, each once; common ones only where there are no others."""
    words = tuple(dict.fromkeys(words_of(text)))
    telling = tuple(word for word in words if word not in STOP_WORDS)
    return (telling or words)[:MOST_QUERY_WORDS]


def shelved(shelf_id: int, words: Iterable[str]) -> Iterator[str]:
    """Yield the words as they stand in the index. No shelf's words begin like another's."""
    prefix = f"s{shelf_id}q"
    return (prefix + word for word in words)


def likeness_of(text: str) -> str:
    """Return a hash that is equal for texts of the same words, whatever their case and marks."""
    return hashlib.sha256(" ".join(words_of(text)).encode()).hexdigest()[:32]


def telling_marks(text: str) -> frozenset[str]:
    """Return what makes texts differ that sound alike: numbers, names, negations."""
    found = _WORD.findall(unicodedata.normalize("NFKC", text))
    marks = {word.casefold() for word in found if any(c.isdigit() or c.isupper() for c in word)}
    return frozenset(marks | (_NEGATIONS & {word.casefold() for word in found}))


def _pairs(run: str) -> Iterable[str]:
    return [run] if len(run) == 1 else [run[n : n + 2] for n in range(len(run) - 1)]
