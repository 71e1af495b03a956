"""What a forked process does: it is a bot that tells of its commits and may be told to die at one.

The product knows nothing of this: here, in the test program, the one method through which storage
writes is wrapped. Not for use outside the zygote.
"""

import asyncio
import ctypes
import json
import os
import re
import signal
import socket
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import sqlalchemy

import bot.app
import bot.inbound.seen
import bot.models
import bot.outbound.posting
import bot.outbound.streaming
import bot.toolbox
import storage.persons_tasks
import storage.retention
from agent_engine.models import openai_compatible as _client  # noqa: F401 - what a model would import
from agent_engine.models import retry as _retry  # noqa: F401 - goes with it
from agent_engine.ports import Tool
from bot.app import Role, run_bot
from bot.inbound.listeners import attach as _listeners  # noqa: F401 - what a start would import
from bot.logs import configure_logs
from bot.model_source import ModelSource
from bot.settings import Settings
from storage.database import Database
from tests.recovery.approving import guard_tools, with_approver

BEFORE, AFTER, ANY = "before", "after", "any"
_WRITE = re.compile(r"\s*(INSERT|UPDATE|DELETE)\s+(?:INTO\s+|FROM\s+)?(\S+)", re.IGNORECASE)
_OURS = ("db-write", "db-read", "db_")
"""How the names of storage's own threads begin."""
_WROTE, _COMMITTED = "treadle_wrote", "treadle_committed"
_PR_SET_PDEATHSIG = 1
_QUICK_LOOKUP_PAUSES_S = (0.0, 0.3, 0.6)
_QUICK_FLUSH_S = 0.2
_QUICK_PAUSE_S = 0.05

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
    fate = _Fate(tell, request.get("wish"))
    _watch_our_writes(fate)
    _watch_writes_of_dbos(fate)
    _make_harmful(frozenset(request.get("harmful", ())))
    bot.models.find_model = partial(_found_model, request.get("model_url"))
    bot.models.learn_native_tools = _nothing_to_learn
    bot.outbound.streaming.PAUSE_S = _QUICK_PAUSE_S
    if request.get("approves"):
        guard_tools()
    # Slack's index lags behind; the local workspace's does not.
    bot.outbound.posting.LOOKUP_PAUSES_S = _QUICK_LOOKUP_PAUSES_S
    bot.inbound.seen.FLUSH_EVERY_S = _QUICK_FLUSH_S
    # So that there is something between the deletion of two tasks.
    storage.retention._ROOTS = storage.retention._ROOTS.limit(1)
    storage.persons_tasks.MOST_TASKS = 1
    settings = Settings.model_validate(request["settings"])
    ready = asyncio.get_running_loop().create_future()
    ready.add_done_callback(lambda _: tell({"ready": True}))
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)

    async def run() -> None:
        await run_bot(settings, role=Role(request.get("role", "all")), ready=ready)

    try:
        await (with_approver(run, ready) if request.get("approves") else run())
    except asyncio.CancelledError:
        return


async def _found_model(url: str | None, _settings: Settings) -> ModelSource:
    """Tests must not depend on which model servers run on this machine."""
    return ModelSource(base_url=url, model="offline" if url is None else "fake-model")


async def _nothing_to_learn(_model: object) -> None:
    """The fake model's script knows no probe."""


def _make_harmful(names: frozenset[str]) -> None:
    """Let these tools be such that nobody may repeat them unasked."""
    make_tools = bot.toolbox.make_tools

    def made(settings: Settings) -> Sequence[Tool]:
        return [_harmful(t) if t.name in names else t for t in make_tools(settings)]

    bot.toolbox.make_tools = made


def _harmful(tool: Any) -> Tool:
    return replace(tool, traits=replace(tool.traits, idempotent=False))


class _Fate:
    """Counts what happens and ends the process, or stalls it, where that was asked for."""

    def __init__(self, tell: Tell, wish: dict[str, Any] | None) -> None:
        self._tell = tell
        self._wish = wish or {}
        self._counts: Counter[str] = Counter()

    def next_point(self, name: str) -> str:
        """Return the name of this occurrence, as ``SqlRunStore.commit#3``."""
        self._counts[name] += 1
        point = f"{name}#{self._counts[name]}"
        self._tell({"write": point})
        if f"{ANY}#{self._counts.total()}" == self._wish.get("at"):
            self._wish = self._wish | {"at": point}
        return point

    def is_at(self, point: str | None, side: str) -> bool:
        return point == self._wish.get("at") and side == self._wish.get("side")

    def meet(self, point: str | None, side: str) -> None:
        """End here if this is the point."""
        if self.is_at(point, side):
            stalls = self._wish["stalls"]
            self._tell({"stalled" if stalls else "dying": point})
            os.kill(os.getpid(), signal.SIGSTOP if stalls else signal.SIGKILL)


def _watch_our_writes(fate: _Fate) -> None:
    """Every write of ours goes through one method; units of work tell whose they are."""
    write = Database.write

    async def watched(self: Database, work: Callable[[Any], Any]) -> Any:
        point = fate.next_point(work.__qualname__.split(".<locals>")[0])

        def work_and_die(connection: Any) -> Any:
            result = work(connection)
            fate.meet(point, BEFORE)
            return result

        result = await write(self, work_and_die if fate.is_at(point, BEFORE) else work)
        fate.meet(point, AFTER)
        return result

    Database.write = watched


def _watch_writes_of_dbos(fate: _Fate) -> None:
    """Those on connections that are not ours: before their commit, and when it is done."""

    def executes(connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        found = _WRITE.match(statement)
        if found and not threading.current_thread().name.startswith(_OURS):
            verb, table = found[1].lower(), found[2].split(".")[-1].strip('"')
            connection.info[_WROTE] = f"dbos.{verb}.{table}"

    def commits(connection: Any) -> None:
        name = connection.info.pop(_WROTE, None)
        if name is not None:
            connection.info[_COMMITTED] = point = fate.next_point(name)
            fate.meet(point, BEFORE)

    def is_given_back(_dbapi_connection: Any, record: Any) -> None:
        fate.meet(record.info.pop(_COMMITTED, None), AFTER)

    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", executes)
    sqlalchemy.event.listen(sqlalchemy.Engine, "commit", commits)
    sqlalchemy.event.listen(sqlalchemy.Pool, "checkin", is_given_back)


def _write_output_to(log: Path) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
