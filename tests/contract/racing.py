"""Lets two transactions meet at the worst moment, if nothing keeps them apart."""

from collections.abc import Callable
from contextlib import suppress
from threading import Barrier, BrokenBarrierError
from typing import Any

LET_GO_AFTER_S = 0.5
"""So long the first waits for a second that is rightly kept out."""


def meeting(act: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function, held up after its work until somebody else has done the same."""
    barrier = Barrier(2)

    def held_up(*args: Any, **kwargs: Any) -> Any:
        result = act(*args, **kwargs)
        with suppress(BrokenBarrierError):
            barrier.wait(LET_GO_AFTER_S)
        return result

    return held_up
