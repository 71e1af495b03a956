"""Long texts a piece at a time, so that others have their turn in between.

``re`` and ``str`` let nothing else run while they look, whatever thread they are in: over ten
megabytes that would be a second. Between two pieces another thread, as the event loop's, goes on.
"""

import asyncio
import re
from collections.abc import Callable, Iterator
from typing import AnyStr, Final, TypeVar

PIECE: Final = 64 * 1024
"""So much is looked at in one go, for some milliseconds."""

_T = TypeVar("_T")


async def in_turn(chars: int, work: Callable[[], _T]) -> _T:
    """Do what takes long with long texts: at once where it is about few characters, or aside."""
    return await asyncio.to_thread(work) if chars > PIECE else work()


def pieces_of(text: str) -> Iterator[str]:
    """Yield the text in pieces, cut anywhere."""
    return (text[at : at + PIECE] for at in range(0, len(text), PIECE))


def each_match(
    pattern: re.Pattern[AnyStr], text: AnyStr, *, reach: int
) -> Iterator[re.Match[AnyStr]]:
    """Yield what ``pattern.finditer`` would, but for empty matches, of which it must have none.

    Args:
        pattern: what is looked for.
        text: where.
        reach: how many characters from a place on decide, at most, whether it matches there. How
            far it does is another matter: that may be to the end.
    """
    at = 0
    while at < len(text):
        stop = at + PIECE
        found = pattern.search(text, at, stop + reach)
        if found is None or found.start() >= stop:
            at = stop
        else:
            whole = pattern.match(text, found.start()) or found
            yield whole
            at = whole.end()


def replaced(
    pattern: re.Pattern[str], by: Callable[[re.Match[str]], str], text: str, *, reach: int
) -> str:
    """Return what ``pattern.sub`` would; see ``each_match``."""
    if len(text) <= PIECE:
        return pattern.sub(by, text)
    parts: list[str] = []
    done = 0
    for found in each_match(pattern, text, reach=reach):
        parts += (text[done : found.start()], by(found))
        done = found.end()
    return "".join((*parts, text[done:]))
