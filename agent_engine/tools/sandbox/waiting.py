"""A process that is started before it is needed, and then told what to run and where to write.

Loading its libraries is most of the time some sandboxes take to start. It knows nothing of them.
"""

import contextlib
import socket
import subprocess
import time
from collections.abc import Sequence
from typing import Final

IDLE_S: Final = 300.0
"""How long such a process waits before it ends by itself."""
_SPARE_S: Final = 30.0


class WaitingProcess:
    """A started process that waits for one message with its standard streams.

    Args:
        argv: what to start; the number of the descriptor to read from is appended, and how many
            seconds to wait.
    """

    def __init__(self, argv: Sequence[str]) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._until_s = time.monotonic() + IDLE_S - _SPARE_S
        try:
            self.process: subprocess.Popen[bytes] = subprocess.Popen(  # noqa: S603  the driver's argv, no shell
                [*argv, str(theirs.fileno()), f"{IDLE_S:g}"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={},
                cwd="/",
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        except BaseException:
            self._ours.close()
            raise
        finally:
            theirs.close()

    @property
    def is_waiting(self) -> bool:
        """Whether it is still there, and will be for a while."""
        return self.process.poll() is None and time.monotonic() < self._until_s

    def tell(self, message: bytes, descriptors: Sequence[int]) -> "subprocess.Popen[bytes]":
        """Hand over what to run, standard streams first. Raises OSError when it has gone."""
        with self._ours:
            socket.send_fds(self._ours, [message], descriptors)
        return self.process

    def dismiss(self) -> None:
        """End it without a message; safe when it has ended, or was told."""
        self._ours.close()
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
