"""Bots as processes of their own, seen from the test: started, listened to, killed, stopped."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

PATIENCE_S = 60.0
"""Long, because the machine may be busy; nothing waits for it when all is well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeathWish:
    """At which write or call a bot dies."""

    at: str
    """As ``SqlRunStore.commit#3`` or ``chat.postMessage#1``; ``any#12`` is the 12th write."""
    side: str
    """``before`` the transaction commits or ``after`` it, before its caller hears of it."""
    stalls: bool = False
    """It only stops, and may go on later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """What a bot is started with."""

    settings: Mapping[str, object]
    log: Path
    role: str = "all"
    wish: DeathWish | None = None
    harmful: Sequence[str] = ()
    """The names of tools that are not to be repeated unasked."""
    model_url: str | None = None
    """Where its language model is; None for the offline model."""
    approves: bool = False
    """It asks before it writes a file, and somebody approves with another name (``approving``)."""


@contextmanager
def running_zygote(address: Path) -> Iterator[Path]:
    """Run the process that forks bots; it ends with the block and takes them with it."""
    command = [sys.executable, "-m", "tests.recovery.zygote", str(address)]
    # A library that starts threads when imported would make forking unsafe.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # noqa: TID251 - for a child process
    with subprocess.Popen(  # noqa: S603 - our own program
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"ready\n"
            yield address
        finally:
            process.stdin.close()
            process.wait(PATIENCE_S)


@dataclass(slots=True, kw_only=True)
class BotProcess:
    """One bot that runs, or ran."""

    pid: int
    log: Path
    writes: list[str] = field(default_factory=list)
    is_ready: bool = False
    is_stalled: bool = False
    exit_code: int | None = None
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._send(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self._send(signal.SIGTERM)

    def go_on(self) -> None:
        """Let it go on where it was stalled."""
        self._send(signal.SIGCONT)

    async def until(self, predicate: Callable[[], bool]) -> None:
        """Wait for something that the bot tells of; fails when it ends instead."""
        await self._until(lambda: predicate() or self.exit_code is not None)
        assert predicate(), f"the bot ended with {self.exit_code}: {self.last_words()}"

    async def until_ready(self) -> None:
        """Wait until it has started."""
        await self.until(lambda: self.is_ready)

    async def until_ended(self) -> int:
        """Wait until it has ended and return its exit code: -9 when it was killed."""
        await self._until(lambda: self.exit_code is not None)
        assert self.exit_code is not None
        return self.exit_code

    async def holds_the_workspace(self) -> bool:
        """Say whether this is, or was, the gateway that posts."""
        return "workspace_taken" in self.log.read_text()

    def last_words(self) -> str:
        """Return the end of its log."""
        return self.log.read_text()[-3000:]

    async def _until(self, predicate: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S), self._news:
            await self._news.wait_for(predicate)

    async def _listen(self, notes: asyncio.StreamReader) -> None:
        while line := await notes.readline():
            async with self._news:
                self._hear(json.loads(line))
                self._news.notify_all()

    def _hear(self, note: Mapping[str, Any]) -> None:
        match note:
            case {"write": point}:
                self.writes.append(point)
            case {"ready": True}:
                self.is_ready = True
            case {"stalled": _}:
                self.is_stalled = True
            case {"exited": code}:
                self.exit_code = code

    def _send(self, what: signal.Signals) -> None:
        if self.exit_code is None:
            with suppress(ProcessLookupError):  # it has ended, and we have not heard of it yet
                os.kill(self.pid, what)


@asynccontextmanager
async def running_bot(zygote: Path, life: Life) -> AsyncIterator[BotProcess]:
    """Run a bot; it is killed at the end of the block if it still runs then."""
    notes, orders = await asyncio.open_unix_connection(str(zygote))
    orders.write(json.dumps(asdict(life), default=str).encode() + b"\n")
    started = json.loads(await notes.readline())
    async with asyncio.TaskGroup() as group:
        bot = BotProcess(pid=started["pid"], log=life.log)
        group.create_task(bot._listen(notes))
        try:
            yield bot
        finally:
            bot.go_on()
            bot.kill()
            await bot.until_ended()
            orders.close()
