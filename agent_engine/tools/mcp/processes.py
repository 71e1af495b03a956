"""One server's process: started in a group of its own with nothing inherited, and ended with it.

It moves bytes and knows no protocol. Whatever happens, nothing of the group is left when it closes.
"""

import asyncio
import contextlib
import logging
import os
import signal
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from typing_extensions import override

from agent_engine.tools.mcp.lines import LineCutter
from agent_engine.tools.mcp.links import LinkError, LinkLostError
from agent_engine.tools.mcp.servers import McpServer, StdioServer
from agent_engine.tools.mcp.words import clean_text

logger = logging.getLogger(__name__)

GRACE_S: Final = 1.0
"""To end by itself once its input is closed, and again once it is asked to."""
REAP_S: Final = 2.0
PIPE_GRACE_S: Final = 0.3
"""For what was written before it ended and is still on its way."""
_MOST_WAITING_BYTES: Final = 256 * 1024
_MAX_SAID_CHARS: Final = 300
_MAX_SAID_LINES: Final = 200
"""Of one process; what it writes to its standard error beyond is dropped."""
_MAX_ERROR_LINE_BYTES: Final = 64 * 1024


class ServerProcess(asyncio.SubprocessProtocol):
    """A running process and what it writes."""

    def __init__(self, said: Callable[[str], None]) -> None:
        self._said = said
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._news = asyncio.Event()
        self._exited = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._at_end = False
        self._transport: asyncio.SubprocessTransport | None = None
        self._errors: LineCutter | None = LineCutter(_MAX_ERROR_LINE_BYTES)

    # -- what the loop tells ---------------------------------------------------------------------

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.SubprocessTransport):
            self._transport = transport

    @override
    def pipe_data_received(self, fd: int, data: bytes | str) -> None:
        piece = data.encode() if isinstance(data, str) else bytes(data)
        if fd == 2:  # noqa: PLR2004  standard error
            self._hear_error(piece)
            return
        self._waiting.append(piece)
        self._waiting_bytes += len(piece)
        if self._waiting_bytes > _MOST_WAITING_BYTES:
            self._output().pause_reading()
        self._news.set()

    @override
    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 1:
            self._at_end = True
            self._news.set()
        if fd == 0:
            self._writable.set()

    @override
    def process_exited(self) -> None:
        self._exited.set()
        self._news.set()
        self._writable.set()

    @override
    def pause_writing(self) -> None:
        self._writable.clear()

    @override
    def resume_writing(self) -> None:
        self._writable.set()

    # -- for the owner ---------------------------------------------------------------------------

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield what it writes until it ends or closes its output."""
        while True:
            while self._waiting:
                piece = self._waiting.popleft()
                self._waiting_bytes -= len(piece)
                yield piece
            if self._at_end:
                return
            self._output().resume_reading()
            self._news.clear()
            # Something that it started may hold the pipe when it is gone itself.
            limit_s = PIPE_GRACE_S if self._exited.is_set() else None
            if not await _happens(self._news, limit_s):
                return

    async def write(self, data: bytes) -> None:
        """Write to its input; waits while it does not read. Raises LinkLostError when gone."""
        pipe = self._running().get_pipe_transport(0)
        if not isinstance(pipe, asyncio.WriteTransport) or pipe.is_closing():
            raise LinkLostError("its input is closed")
        pipe.write(data)
        await self._writable.wait()

    async def end(self) -> None:
        """Close its input, wait a moment, and see to it that its whole group is gone."""
        transport = self._running()
        try:
            if pipe := transport.get_pipe_transport(0):
                pipe.close()
            if not await _happens(self._exited, GRACE_S):
                _signal_group(transport.get_pid(), signal.SIGTERM)
                await _happens(self._exited, GRACE_S)
        finally:
            self.kill()
        if not await _happens(self._exited, REAP_S):
            logger.error("mcp_process_not_reaped", extra={"pid": transport.get_pid()})

    def kill(self) -> None:
        """Kill the whole group now. Safe to call twice."""
        transport = self._running()
        _signal_group(transport.get_pid(), signal.SIGKILL)
        transport.close()

    @property
    def has_exited(self) -> bool:
        """Whether the process is gone; what it started may not be."""
        return self._exited.is_set()

    async def last(self) -> str:
        """Say in words how it ended, once there is nothing more to read."""
        await _happens(self._exited, PIPE_GRACE_S)
        return self.how_it_ended

    @property
    def how_it_ended(self) -> str:
        """In words, as far as it is known."""
        code = self._running().get_returncode()
        if code is None:
            return "it closed its output"
        if code < 0:
            return f"its process was ended by {signal.Signals(-code).name}"
        return f"its process ended with code {code}"

    def _running(self) -> asyncio.SubprocessTransport:
        if self._transport is None:
            raise LinkError("its process was never started")
        return self._transport

    def _output(self) -> asyncio.ReadTransport:
        pipe = self._running().get_pipe_transport(1)
        if not isinstance(pipe, asyncio.ReadTransport):
            raise LinkLostError("its output is closed")
        return pipe

    def _hear_error(self, piece: bytes) -> None:
        if self._errors is None:
            return
        try:
            for line in self._errors.cut(piece):
                self._said(line.decode(errors="replace"))
        except LinkError:
            self._errors = None


@asynccontextmanager
async def running(server: McpServer, program: StdioServer) -> AsyncIterator[ServerProcess]:
    """Start a server's program; its whole group is gone when this is left.

    Raises LinkError when it cannot be started.
    """
    hearsay = _Hearsay(server)
    process = await _started(program, hearsay)
    try:
        yield process
    finally:
        if process.has_exited:
            hearsay.tell_end(process.how_it_ended)
        await process.end()


async def _started(program: StdioServer, hearsay: "_Hearsay") -> ServerProcess:
    try:
        _, process = await asyncio.get_running_loop().subprocess_exec(
            lambda: ServerProcess(hearsay.hear),
            program.command,
            *program.args,
            env=dict(program.env),
            cwd=program.cwd,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no valid command"
        raise LinkError(f"its command {program.command!r} cannot be started ({why})") from error
    return process


class _Hearsay:
    """What a process says on its standard error: for the log, bounded, never for a model."""

    def __init__(self, server: McpServer) -> None:
        self._server = server
        self._lines = 0
        self._last: deque[str] = deque(maxlen=3)

    def hear(self, line: str) -> None:
        self._last.append(line)
        self._lines += 1
        if self._lines <= _MAX_SAID_LINES:
            facts = {"server": self._server.name, "line": self._clean(line)}
            logger.debug("mcp_server_said", extra=facts)

    def tell_end(self, how: str) -> None:
        facts = {
            "server": self._server.name,
            "how": how,
            "last_words": list(map(self._clean, self._last)),
        }
        logger.warning("mcp_process_ended", extra=facts)

    def _clean(self, line: str) -> str:
        return clean_text(self._server.blot(line), _MAX_SAID_CHARS)


async def _happens(event: asyncio.Event, limit_s: float | None) -> bool:
    """Wait for the event; say whether it came within the time."""
    try:
        async with asyncio.timeout(limit_s):
            await event.wait()
    except TimeoutError:
        return False
    return True


def _signal_group(leader: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)
