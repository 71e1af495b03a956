"""Wakes waiting loops: in this process, and on PostgreSQL in the others on the same database.

A ring carries no facts, only "look". One may get lost between processes; a slow poll makes up.
"""

import asyncio
import logging
import queue
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from weakref import WeakKeyDictionary

import psycopg

from agent_engine.ports import Bell, Topic
from agent_engine.types import new_id
from storage.database import CONNECT_TIMEOUT_S, Database, Dialect, psycopg_address

logger = logging.getLogger(__name__)

_CHANNEL = "treadle_bell"
_LISTEN_FOR_S = 0.5
_RECONNECT_AFTER_S = 2.0


@asynccontextmanager
async def open_bell(database: Database) -> AsyncIterator[Bell]:
    """Make the bell that fits the database; on PostgreSQL it is heard by other processes."""
    local = LocalBell()
    if database.dialect is Dialect.SQLITE:
        yield local
        return
    shared = _SharedBell(local, psycopg_address(database), asyncio.get_running_loop())
    shared.open()
    try:
        yield shared
    finally:
        await asyncio.to_thread(shared.close)


class LocalBell:
    """A ``Bell`` inside one process; to be used on its event loop's thread only."""

    def __init__(self) -> None:
        self._rung: dict[Topic, int] = defaultdict(int)
        self._events: dict[Topic, asyncio.Event] = defaultdict(asyncio.Event)
        self._heard: WeakKeyDictionary[asyncio.Task[object], dict[Topic, int]] = WeakKeyDictionary()

    def ring(self, topic: Topic) -> None:
        """Wake all who wait for the topic."""
        self._rung[topic] += 1
        if event := self._events.pop(topic, None):
            event.set()

    async def wait(self, topic: Topic, *, timeout_s: float) -> bool:
        """Sleep until the topic rings or the time is over; say whether it rang.

        Waiters are told apart by their asyncio task: none misses a ring between two of its waits.
        """
        heard = self._heard_by_me()
        if heard.get(topic, 0) == self._rung[topic]:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._events[topic].wait()
            except TimeoutError:
                return False
        heard[topic] = self._rung[topic]
        return True

    def _heard_by_me(self) -> dict[Topic, int]:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a bell is waited for inside a task")
        return self._heard.setdefault(task, {})


class _SharedBell:
    """A local bell that also rings, and hears, through PostgreSQL's NOTIFY."""

    def __init__(self, local: LocalBell, address: str, loop: asyncio.AbstractEventLoop) -> None:
        self._local = local
        self._address = address
        self._loop = loop
        self._me = new_id()
        self._closing = threading.Event()
        self._to_send: queue.SimpleQueue[Topic | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._keep(self._listen), name="bell-listen", daemon=True),
            threading.Thread(target=self._keep(self._send), name="bell-send", daemon=True),
        ]

    def open(self) -> None:
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._closing.set()
        self._to_send.put(None)
        for thread in self._threads:
            thread.join()

    def ring(self, topic: Topic) -> None:
        """Wake all who wait for the topic, here and in other processes."""
        self._local.ring(topic)
        self._to_send.put(topic)

    async def wait(self, topic: Topic, *, timeout_s: float) -> bool:
        """Sleep until the topic rings anywhere or the time is over; say whether it rang."""
        return await self._local.wait(topic, timeout_s=timeout_s)

    def _keep(self, work: Callable[[psycopg.Connection], None]) -> Callable[[], None]:
        """Return a function that does the work on a connection until the bell is closed."""

        def run() -> None:
            while not self._closing.is_set():
                try:
                    with self._connect() as connection:
                        work(connection)
                except psycopg.Error:
                    logger.warning("bell_connection_lost", exc_info=True)
                    self._closing.wait(_RECONNECT_AFTER_S)

        return run

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(self._address, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S)

    def _listen(self, connection: psycopg.Connection) -> None:
        connection.execute(f"LISTEN {_CHANNEL}")
        # What was rung while nobody listened here is made up for by ringing everything once.
        for topic in Topic:
            self._ring_here(topic)
        while not self._closing.is_set():
            for notice in connection.notifies(timeout=_LISTEN_FOR_S):
                self._heard_elsewhere(notice.payload)

    def _send(self, connection: psycopg.Connection) -> None:
        while not self._closing.is_set():
            topics = {self._to_send.get()}
            while not self._to_send.empty():
                topics.add(self._to_send.get())
            for topic in topics - {None}:
                payload = f"{self._me} {topic}"
                connection.execute("SELECT pg_notify(%s, %s)", (_CHANNEL, payload))

    def _heard_elsewhere(self, payload: str) -> None:
        sender, _, word = payload.partition(" ")
        if sender != self._me and word in set(Topic):
            self._ring_here(Topic(word))

    def _ring_here(self, topic: Topic) -> None:
        try:
            self._loop.call_soon_threadsafe(self._local.ring, topic)
        except RuntimeError:  # the loop is gone: nobody waits any more
            self._closing.set()
