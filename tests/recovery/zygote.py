"""Imports the bot once, then forks one process per request: a bot is up in milliseconds.

Run as ``python -m tests.recovery.zygote <socket>``. Each connection is one bot: the first line it
gets is the request, the lines it gives are the bot's notes, the last one says how the bot ended.
The zygote itself never runs the bot, starts no thread and opens no database.
"""

import json
import os
import selectors
import signal
import socket
import sys
from pathlib import Path
from typing import NoReturn

from tests.recovery.child import be_a_bot

_THREADS = Path("/proc/self/task")


def main(address: str) -> None:
    _Zygote(address).serve()


class _Zygote:
    def __init__(self, address: str) -> None:
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(address)
        self._listener.listen(64)
        self._woken, self._wake = socket.socketpair()
        for end in (self._woken, self._wake):
            end.settimeout(0)
        self._children: dict[int, socket.socket] = {}

    def serve(self) -> None:
        """Fork until standard input is closed, which it is when the tests end, however they end."""
        signal.signal(signal.SIGCHLD, lambda _signal, _frame: None)
        signal.set_wakeup_fd(self._wake.fileno())
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        with selectors.DefaultSelector() as selector:
            for source in (self._listener, self._woken, sys.stdin):
                selector.register(source, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select()}
                if sys.stdin in ready:
                    break
                if self._woken in ready:
                    self._woken.recv(4096)
                    self._report_ends()
                if self._listener in ready:
                    self._fork(selector)
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)

    def _fork(self, selector: selectors.BaseSelector) -> None:
        connection, _ = self._listener.accept()
        request = json.loads(connection.makefile("rb").readline())
        if len(list(_THREADS.iterdir())) != 1:
            raise RuntimeError("there are threads: a fork would copy their locks")
        told, tell = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(tell)
            os.read(told, 1)  # its number goes first, whatever the child has to say
            os.close(told)
            self._become(request, connection, selector)
        connection.sendall(json.dumps({"pid": pid}).encode() + b"\n")
        self._children[pid] = connection
        os.close(tell)
        os.close(told)

    def _become(
        self,
        request: dict[str, object],
        connection: socket.socket,
        selector: selectors.BaseSelector,
    ) -> NoReturn:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        selector.close()
        for other in (self._listener, self._woken, self._wake, *self._children.values()):
            other.close()
        be_a_bot(request, connection)

    def _report_ends(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            connection = self._children.pop(pid)
            code = os.waitstatus_to_exitcode(status)
            try:
                connection.sendall(json.dumps({"exited": code}).encode() + b"\n")
            except OSError:
                sys.stderr.write(f"nobody asks how process {pid} ended ({code})\n")
            connection.close()


if __name__ == "__main__":
    main(sys.argv[1])
