"""One ranking out of two: what the words say and what the vectors say. Pure.

Score fusion: keyword scores over their maximum, cosines between their least and greatest in what is
searched. Both have equal weight where the question's words stand in the best that they find; the
fewer of them do, the less the words have to say. Measured in ``docs/benchmarks.md``: with equal
weights always, a question asked in other words is led astray by the few it shares by chance.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

KEYWORD_SHARE = 0.5

Scores = Mapping[int, float]
"""By memory id."""


def fused(
    keyword: Scores,
    ids: Any,  # noqa: ANN401 - an array of numpy
    cosines: Any,  # noqa: ANN401 - as above
    *,
    most: int,
    coverage: float = 1.0,
) -> dict[int, float]:
    """Return the best ``most`` memories with their scores from 0 to 1.

    Args:
        keyword: what the words found.
        ids: of everything searched that has a vector, int64; none: the words decide alone.
        cosines: of those, float32.
        most: how many.
        coverage: how much of the question's words stands in the best that they found.
    """
    if not len(ids):
        return _best(_scaled(keyword, 1.0), most)
    least, greatest = float(cosines.min()), float(cosines.max())
    share = 1.0 - KEYWORD_SHARE if keyword else 1.0
    scores = (cosines - least) * (share / (greatest - least + 1e-9))
    words = _scaled(keyword, KEYWORD_SHARE * coverage)
    candidates = _top(ids, scores, most)
    if words:
        candidates |= _of(tuple(words), ids, scores)
    combined = {at: candidates.get(at, 0.0) + words.get(at, 0.0) for at in {*candidates, *words}}
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


def _top(ids: Any, scores: Any, most: int) -> dict[int, float]:  # noqa: ANN401 - arrays of numpy
    import numpy as np  # noqa: PLC0415  # only where there are vectors

    most = min(most, len(ids))
    best = np.argpartition(-scores, most - 1)[:most]
    return dict(zip(ids[best].tolist(), scores[best].tolist(), strict=True))


def _of(wanted: tuple[int, ...], ids: Any, scores: Any) -> dict[int, float]:  # noqa: ANN401 - arrays of numpy
    """Return the scores of these ids, where they have one."""
    import numpy as np  # noqa: PLC0415  # as above

    places = np.flatnonzero(np.isin(ids, wanted))
    return dict(zip(ids[places].tolist(), scores[places].tolist(), strict=True))


def _best(scores: dict[int, float], most: int) -> dict[int, float]:
    ranked = sorted(scores.items(), key=lambda pair: (-pair[1], -pair[0]))
    return dict(ranked[:most])
