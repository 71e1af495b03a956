"""Looks up the addresses of names, on threads of its own.

The system's look-up blocks a thread for as long as a name server keeps silent. On the threads that
everybody shares, a few names of somebody's silent server would stop all work with files.
"""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

from aiohttp.abc import AbstractResolver, ResolveResult
from typing_extensions import override

THREADS: Final = 16


class SystemNames(AbstractResolver):
    """Asks the system; may be used again after it was closed."""

    def __init__(self) -> None:
        self._threads: ThreadPoolExecutor | None = None

    @override
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a name. Raises OSError when there are none."""
        look_up = partial(
            socket.getaddrinfo,
            host,
            port,
            type=socket.SOCK_STREAM,
            family=family,
            flags=socket.AI_ADDRCONFIG,
        )
        found = await asyncio.get_running_loop().run_in_executor(self._opened(), look_up)
        return [_result(host, entry) for entry in found]

    @override
    async def close(self) -> None:
        """Let go of the threads; look-ups that are under way end by themselves."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None

    def _opened(self) -> ThreadPoolExecutor:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="names")
        return self._threads


def _result(name: str, entry: tuple[Any, ...]) -> ResolveResult:
    family, _kind, protocol, _canonical, where = entry
    numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return ResolveResult(
        hostname=name, host=where[0], port=where[1], family=family, proto=protocol, flags=numeric
    )
