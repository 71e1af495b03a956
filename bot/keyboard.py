"""Reads what a person types without holding up the event loop.

A thread of its own waits for each line, and nobody waits for that thread: whoever is cancelled here
leaves it behind, and the process can end. It never writes anything but the prompt.
"""

import asyncio
import os
from contextlib import suppress
from threading import Thread

from rich.console import Console

STANDARD_INPUT = 0
_PIECE_BYTES = 65_536


class Keyboard:
    """One terminal's lines."""

    def __init__(self, console: Console, *, fd: int = STANDARD_INPUT) -> None:
        self._console = console
        self._fd = fd
        self._left = b""
        """What was typed behind the last line; only the reading thread touches it."""
        self._waiter: asyncio.Future[str] | None = None
        self._is_reading = False

    async def read(self, prompt: str) -> str:
        """Print the prompt and return the next line. Raises EOFError when nothing more comes.

        A line that is still being waited for, for somebody who was cancelled, goes to whoever asks
        next: two threads would take each other's lines.
        """
        self._console.print(prompt, end="", markup=False, highlight=False, soft_wrap=True)
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        if not self._is_reading:
            self._is_reading = True
            Thread(target=self._read_line, args=(loop,), name="keyboard", daemon=True).start()
        try:
            return await self._waiter
        except asyncio.CancelledError:
            self._console.print()
            raise

    def _read_line(self, loop: asyncio.AbstractEventLoop) -> None:
        # Not by way of sys.stdin: its lock would be held for ever when the process ends.
        while b"\n" not in self._left and (piece := self._piece()):
            self._left += piece
        line, end, self._left = self._left.partition(b"\n")
        typed = line.decode(errors="replace").removesuffix("\r") if line or end else None
        with suppress(RuntimeError):  # the loop is closed: nobody asks any more
            loop.call_soon_threadsafe(self._give, typed)

    def _piece(self) -> bytes:
        try:
            return os.read(self._fd, _PIECE_BYTES)
        except OSError:  # the terminal is gone
            return b""

    def _give(self, typed: str | None) -> None:
        self._is_reading = False
        if self._waiter is None or self._waiter.done():
            return
        if typed is None:
            self._waiter.set_exception(EOFError())
        else:
            self._waiter.set_result(typed)
