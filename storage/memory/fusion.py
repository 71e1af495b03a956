"""One ranking out of two: what the words say and what the vectors say. Pure.

Score fusion: keyword scores over their maximum, cosines between their least and greatest in what is
searched. Both have equal weight where the question's words stand in the best that they find; the
fewer of them do, the less the words have to say. Measured in ``docs/benchmarks.md``: with equal
weights always, a question asked in other words is led astray by the few it shares by chance.
"""

import math
from collections.abc import Mapping, Sequence
from operator import itemgetter

from storage.memory.searching import Nearest

KEYWORD_SHARE = 0.5

Scores = Mapping[int, float]
"""By memory id."""


def fused(
    keyword: Scores, nearest: Nearest | None, *, most: int, coverage: float = 1.0
) -> dict[int, float]:
    """Return the best ``most`` memories with their scores from 0 to 1.

    Args:
        keyword: what the words found.
        nearest: what the vectors say, of what the words found too; None: the words decide alone.
        most: how many.
        coverage: how much of the question's words stands in the best that they found.
    """
    if nearest is None:
        return _best(_scaled(keyword, 1.0), most)
    share = 1.0 - KEYWORD_SHARE if keyword else 1.0
    least, factor = nearest.least, share / (nearest.greatest - nearest.least + 1e-9)
    combined = {at: (cosine - least) * factor for at, cosine in nearest.cosines.items()}
    for at, score in _scaled(keyword, KEYWORD_SHARE * coverage).items():
        combined[at] = combined.get(at, 0.0) + score
    return _best(combined, most)


def coverage_of(spread: Sequence[tuple[int, bool]]) -> float:
    """Return how much of a question's words a memory has, from 0 to 1; rare ones count more.

    ``spread`` says of each word how many memories have it, and whether this one does.
    """
    weights = [(1.0 / math.log2(2 + count), has) for count, has in spread]
    whole = sum(weight for weight, _ in weights)
    return sum(weight for weight, has in weights if has) / whole if whole else 0.0


def _scaled(keyword: Scores, share: float) -> dict[int, float]:
    greatest = max(keyword.values(), default=0.0) or 1.0
    return {at: share * score / greatest for at, score in keyword.items()}


def _best(scores: Scores, most: int) -> dict[int, float]:
    # A few hundred are sorted in half the time that a heap takes to find forty of them.
    return dict(sorted(scores.items(), key=itemgetter(1), reverse=True)[:most])
