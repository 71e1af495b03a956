"""How many tokens a text has, roughly, and how texts are shortened to fit a budget.

An estimate from the length in bytes, good to about a quarter for English, code and CJK: enough to
keep a prompt inside a window without loading a vocabulary. It must not be used to charge anyone.
"""

from collections.abc import Sequence

BYTES_PER_TOKEN = 3.5
"""English has about 4.2 bytes per token, code 3.2, Chinese and Japanese 3 to 4."""

FLOOR_TOKENS = 40
"""To this many tokens an older text is shortened before any text is left out."""

_HEAD_SHARE = 0.6
"""The rest of a shortened text is its tail, where errors usually stand."""


def estimate_tokens(text: str) -> int:
    """Return about how many tokens the text has; 0 for an empty one, never an error."""
    if not text:
        return 0
    return int(len(text.encode("utf-8", "surrogatepass")) / BYTES_PER_TOKEN) + 1


def shorten(text: str, max_tokens: int) -> str:
    """Return the text with its middle left out, so that it has at most ``max_tokens``.

    >>> shorten("short", 10)
    'short'
    >>> estimate_tokens(shorten("long " * 1000, 50)) <= 50
    True
    """
    if estimate_tokens(text) <= max_tokens:
        return text
    room = int(max(max_tokens - 1, 0) * BYTES_PER_TOKEN)
    raw = text.encode("utf-8", "surrogatepass")
    mark = f"\n[… {len(text):,} characters, middle left out …]\n".encode()
    if room <= 2 * len(mark):
        return _decoded(raw[:room])
    head = int((room - len(mark)) * _HEAD_SHARE)
    tail = room - len(mark) - head
    return _decoded(raw[:head]) + mark.decode() + _decoded(raw[len(raw) - tail :])


def fit_to_budget(texts: Sequence[str], budget_tokens: int) -> tuple[str, ...]:
    """Return the texts, oldest first, shortened until they fit together.

    Older ones are shortened first, down to ``FLOOR_TOKENS``; when that is not enough older ones
    become empty; the newest is shortened last. The order and the number of texts stay.
    """
    sizes = [estimate_tokens(text) for text in texts]
    excess = sum(sizes) - budget_tokens
    for floor in (FLOOR_TOKENS, 0):
        for index, size in enumerate(sizes[:-1]):
            if excess <= 0:
                break
            sizes[index] = max(min(floor, size), size - excess)
            excess -= size - sizes[index]
    if excess > 0 and sizes:
        sizes[-1] = max(0, sizes[-1] - excess)
    return tuple(shorten(text, size) for text, size in zip(texts, sizes, strict=True))


def _decoded(raw: bytes) -> str:
    """Decode what a cut may have left with half a character at either end."""
    return raw.decode("utf-8", "ignore")
