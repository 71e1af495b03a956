"""Cut a stream of bytes into lines of bounded length."""

from collections.abc import Iterator

from agent_engine.tools.mcp.links import LinkError


class LineCutter:
    """Gathers pieces of bytes and gives back whole lines."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._kept: list[bytes] = []
        self._size = 0

    def cut(self, piece: bytes) -> Iterator[bytes]:
        """Yield the lines that this piece completes, without their ends.

        Raises LinkError for a line that is longer than allowed, ended or not.
        """
        *whole, rest = piece.split(b"\n")
        for part in whole:
            self._keep(part)
            line = b"".join(self._kept)
            self._kept, self._size = [], 0
            yield line
        self._keep(rest)

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._max_bytes:
            raise LinkError(f"it sent a message of more than {self._max_bytes} bytes")
        if part:
            self._kept.append(part)
