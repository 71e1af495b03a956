"""How much memory and time the bot's own process takes for keeping memory.

A bot is one process for years: its objects are many, live long and are rarely garbage. What Python
and the C library do by default suits short programs with few threads.
"""

import ctypes
import gc

_M_ARENA_MAX = -8
"""https://man7.org/linux/man-pages/man3/mallopt.3.html"""
_ARENAS = 2
"""Memory pools that threads share; by default there may be eight per processor, none ever full."""
_GARBAGE = (10_000, 20, 50)
"""Looked for less often than by default (700, 10, 10): each look walks through live objects."""


def settle_in() -> None:
    """Set this process up for a long life. To be called early; safe to repeat.

    A C library that knows no ``mallopt``, as musl, is left as it is.
    """
    gc.set_threshold(*_GARBAGE)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _ARENAS)
