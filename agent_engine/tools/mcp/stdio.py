"""The protocol over a process's standard input and output: a message per line.

The library's own transport keeps a line of any length, logs what it cannot read with a traceback
and leaves children of a program that ended by itself; so the bytes are moved here. It gives the
library its two streams and does not know what the messages mean.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCMessage, JSONRPCResponse, jsonrpc_message_adapter

from agent_engine.tools.mcp.lines import LineCutter
from agent_engine.tools.mcp.links import Ending, LinkError
from agent_engine.tools.mcp.processes import ServerProcess, running
from agent_engine.tools.mcp.servers import McpServer, StdioServer

logger = logging.getLogger(__name__)

MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
MAX_JUNK_LINES: Final = 5_000
"""In a row, without a message between them."""
MAX_JUNK_BYTES: Final = 1024 * 1024
MAX_UNASKED: Final = 5_000
"""Messages that answer nothing, within ``UNASKED_S``; an answer begins the count anew."""
UNASKED_S: Final = 10.0


class Streams(NamedTuple):
    """What the library reads messages from and writes them to."""

    read: MemoryObjectReceiveStream[SessionMessage | Exception]
    write: MemoryObjectSendStream[SessionMessage]


@asynccontextmanager
async def stdio_streams(
    server: McpServer, program: StdioServer, ending: Ending
) -> AsyncIterator[Streams]:
    """Start the program and yield its streams; it is gone when this is left.

    ``ending`` is ended when the program ends or does not keep to the protocol.
    """
    incoming, read = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    write, outgoing = anyio.create_memory_object_stream[SessionMessage](0)
    with incoming, read, write, outgoing:
        async with running(server, program) as process, asyncio.TaskGroup() as group:
            reading = group.create_task(_read(process, incoming, ending))
            writing = group.create_task(_write(process, outgoing, ending))
            try:
                yield Streams(read, write)
            finally:
                reading.cancel()
                writing.cancel()


async def _read(
    process: ServerProcess,
    into: MemoryObjectSendStream[SessionMessage | Exception],
    ending: Ending,
) -> None:
    reader = _Reader()
    async with into:
        try:
            async for piece in process.pieces():
                for message in reader.messages(piece):
                    await into.send(message)
            ending.end(await process.last())
        except LinkError as error:
            ending.end(error.message)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            ending.end("the connection was closed")
        finally:
            reader.tell()


async def _write(
    process: ServerProcess, outgoing: MemoryObjectReceiveStream[SessionMessage], ending: Ending
) -> None:
    async with outgoing:
        try:
            async for item in outgoing:
                text = item.message.model_dump_json(by_alias=True, exclude_unset=True)
                await process.write(text.encode(errors="replace") + b"\n")
        except LinkError as error:
            ending.end(error.message)


class _Reader:
    """Makes messages of bytes; what is no message is counted and left out."""

    def __init__(self) -> None:
        self._lines = LineCutter(MAX_MESSAGE_BYTES)
        self._junk_lines = self._junk_bytes = self._junk_in_all = 0
        self._unasked = 0
        self._unasked_since_s = 0.0

    def messages(self, piece: bytes) -> list[SessionMessage]:
        """Return the messages that this piece completes. Raises LinkError when it is a flood."""
        found = (self._message(line) for line in self._lines.cut(piece))
        return [message for message in found if message is not None]

    def tell(self) -> None:
        """Log how much was left out."""
        if self._junk_in_all:
            logger.warning("mcp_output_left_out", extra={"lines": self._junk_in_all})

    def _message(self, line: bytes) -> SessionMessage | None:
        if line.lstrip().startswith(b"{"):
            try:
                message = jsonrpc_message_adapter.validate_json(line, by_name=False)
            except ValueError:
                pass  # told of below: a line that is no message
            else:
                self._junk_lines = self._junk_bytes = 0
                self._count_unasked(message)
                return SessionMessage(message)
        self._count_junk(line)
        return None

    def _count_unasked(self, message: JSONRPCMessage) -> None:
        now_s = time.monotonic()
        is_answer = isinstance(message, JSONRPCResponse | JSONRPCError)
        if is_answer or now_s - self._unasked_since_s > UNASKED_S:
            self._unasked, self._unasked_since_s = 0, now_s
        self._unasked += 1
        if self._unasked > MAX_UNASKED:
            raise LinkError("it floods us with messages that nobody asked for")

    def _count_junk(self, line: bytes) -> None:
        self._junk_in_all += 1
        self._junk_lines += 1
        self._junk_bytes += len(line)
        if self._junk_lines > MAX_JUNK_LINES or self._junk_bytes > MAX_JUNK_BYTES:
            raise LinkError("it floods its output with what is no message")
