"""What a forked process does: it is a bot that tells of its commits and may be told to die at one.

The product knows nothing of this: here, in the test program, the one method through which storage
writes is wrapped. Not for use outside the zygote.
"""

import asyncio
import ctypes
import json
import os
import signal
import socket
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import bot.app
import bot.equipment
import bot.inbound.seen
import bot.outbound.posting
from agent_engine.ports import Tool
from bot.app import Role, run_bot
from bot.equipment import ModelSource
from bot.inbound.listeners import attach as _listeners  # noqa: F401 - what a start would import
from bot.logs import configure_logs
from bot.settings import Settings
from storage.database import Database

BEFORE = "before"
_PR_SET_PDEATHSIG = 1
_QUICK_LOOKUP_PAUSES_S = (0.0, 0.3, 0.6)
_QUICK_FLUSH_S = 0.2

Tell = Callable[[dict[str, object]], None]


def be_a_bot(request: dict[str, Any], connection: socket.socket) -> NoReturn:
    """Run one bot and end the process with it."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    _write_output_to(Path(request["log"]))
    code = 1
    try:
        asyncio.run(_run(request, connection))
        code = 0
    except BaseException:  # noqa: BLE001 - the process ends here, whatever it was
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


async def _run(request: dict[str, Any], connection: socket.socket) -> None:
    def tell(note: dict[str, object]) -> None:
        connection.sendall(json.dumps(note).encode() + b"\n")

    configure_logs(level="INFO", as_json=True)
    _tell_of_writes(tell, request.get("wish"))
    _make_harmful(frozenset(request.get("harmful", ())))
    bot.app.find_model = _no_model
    # Slack's index lags behind; the local workspace's does not.
    bot.outbound.posting.LOOKUP_PAUSES_S = _QUICK_LOOKUP_PAUSES_S
    bot.inbound.seen.FLUSH_EVERY_S = _QUICK_FLUSH_S
    settings = Settings.model_validate(request["settings"])
    ready = asyncio.get_running_loop().create_future()
    ready.add_done_callback(lambda _: tell({"ready": True}))
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        await run_bot(settings, role=Role(request.get("role", "all")), ready=ready)
    except asyncio.CancelledError:
        return


async def _no_model(_settings: Settings) -> ModelSource:
    """Tests must not depend on which model servers run on this machine."""
    return ModelSource(base_url=None, model="offline")


def _make_harmful(names: frozenset[str]) -> None:
    """Let these tools be such that nobody may repeat them unasked."""
    make_tools = bot.equipment.make_tools

    def made(settings: Settings) -> Sequence[Tool]:
        return [_harmful(t) if t.name in names else t for t in make_tools(settings)]

    bot.equipment.make_tools = made


def _harmful(tool: Any) -> Tool:
    return replace(tool, traits=replace(tool.traits, idempotent=False))


def _tell_of_writes(tell: Tell, wish: dict[str, Any] | None) -> None:
    """Name each write as ``SqlRunStore.commit#3``, and end at the one that was asked for."""
    write = Database.write
    counts: Counter[str] = Counter()

    def end(point: str) -> None:
        stalls = bool(wish and wish["stalls"])
        tell({"stalled" if stalls else "dying": point})
        os.kill(os.getpid(), signal.SIGSTOP if stalls else signal.SIGKILL)

    async def told(self: Database, work: Callable[[Any], Any]) -> Any:
        name = work.__qualname__.split(".<locals>")[0]
        counts[name] += 1
        point = f"{name}#{counts[name]}"
        tell({"write": point})
        if wish is None or wish["at"] != point:
            return await write(self, work)
        if wish["side"] == BEFORE:
            return await write(self, _and_then(work, lambda: end(point)))
        result = await write(self, work)
        end(point)
        return result

    Database.write = told


def _and_then(work: Callable[[Any], Any], end: Callable[[], None]) -> Callable[[Any], Any]:
    def work_and_end(connection: Any) -> Any:
        result = work(connection)
        end()
        return result

    return work_and_end


def _write_output_to(log: Path) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
