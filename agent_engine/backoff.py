"""How long to wait before trying again: exponential backoff with full jitter.

Pure. Whoever retries decides what may be repeated, how often, and how to sleep.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How patient to be."""

    first_s: float
    """The longest delay before the second attempt; it doubles with every further one."""
    longest_s: float
    longest_asked_s: float
    """A server's wish for a longer wait is not waited for."""


def delay_s(
    attempt: int,
    backoff: Backoff,
    *,
    asked_s: float | None = None,
    uniform: Callable[[float, float], float] = random.uniform,
) -> float | None:
    """Return how long to wait after this attempt, counted from 1.

    Never shorter than the server asked for; None when it asked for more than we are ready to wait.

    >>> patient = Backoff(first_s=1.0, longest_s=5.0, longest_asked_s=60.0)
    >>> [delay_s(n, patient, uniform=max) for n in (1, 2, 3, 4)]
    [1.0, 2.0, 4.0, 5.0]
    >>> delay_s(1, patient, asked_s=61.0) is None
    True
    """
    if asked_s is not None and asked_s > backoff.longest_asked_s:
        return None
    ceiling_s = min(backoff.longest_s, backoff.first_s * 2 ** (attempt - 1))
    return max(uniform(0.0, ceiling_s), asked_s or 0.0)
