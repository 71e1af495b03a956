"""Stores in memory with the meaning of the real ones, and time that runs faster."""

import asyncio
import time
from dataclasses import replace

from agent_engine.places import DirtyThread, Post, PostState
from agent_engine.types import now_utc


class Hurry:
    """A clock on which seconds pass ``factor`` times as fast, with its own sleep."""

    def __init__(self, factor=1.0):
        self._factor = factor

    def now(self):
        return now_utc()

    def monotonic_s(self):
        return time.monotonic() * self._factor

    async def sleep(self, seconds):
        await asyncio.sleep(seconds / self._factor)


class FakeTime:
    """A clock that moves only by sleeping; many may sleep at once."""

    def __init__(self):
        self.now_s = 1_000.0

    def now(self):
        return now_utc()

    def monotonic_s(self):
        return self.now_s

    async def sleep(self, seconds):
        until_s = self.now_s + seconds
        await asyncio.sleep(0)
        self.now_s = max(self.now_s, until_s)


class FakeBell:
    """Rings within the process; waits are as fast as the clock."""

    def __init__(self, clock):
        self._clock = clock
        self._rung = asyncio.Event()

    def ring(self, _topic):
        self._rung.set()

    async def wait(self, _topic, *, timeout_s):
        try:
            async with asyncio.timeout(timeout_s / self._clock._factor):
                await self._rung.wait()
        except TimeoutError:
            return False
        self._rung.clear()
        return True


class FakeLeases:
    """One holder per name; ``taken`` simulates another process."""

    def __init__(self):
        self.taken = False

    async def hold(self, _name):
        return not self.taken

    async def let_go(self, name):
        pass


class FakeThreads:
    """What a worker and a reconciler see of threads; ``put`` is what a worker commits."""

    def __init__(self):
        self._runs = {}
        self._seqs = {}
        self._shown = {}
        self.statuses = {}
        self.news = asyncio.Event()

    def put(self, run, thread=None):
        thread = thread or run.thread
        self._seqs[thread] = self._seqs.get(thread, 0) + 1
        self._runs[run.run_id] = (run, self._seqs[thread])

    def is_shown(self, thread):
        return self._shown.get(thread, 0) >= self._seqs.get(thread, 0)

    async def dirty(self, *, limit):
        found = [
            DirtyThread(thread=thread, seq=seq, session_status=self.statuses.get(thread))
            for thread, seq in self._seqs.items()
            if seq > self._shown.get(thread, 0)
        ]
        ended = {run.thread for run, _ in self._runs.values() if run.end is not None}
        return sorted(found, key=lambda dirty: dirty.thread not in ended)[:limit]

    async def shown(self, thread, *, seq, session_status):
        if seq >= self._shown.get(thread, 0):
            self._shown[thread] = seq
            self.statuses[thread] = session_status
            self.news.set()

    async def runs(self, thread):
        own = [(run, seq) for run, seq in self._runs.values() if run.thread == thread]
        shown = self._shown.get(thread, 0)
        return [run for n, (run, seq) in enumerate(own) if seq > shown or n == len(own) - 1]

    async def touch(self, thread):
        self._seqs[thread] = self._seqs.get(thread, 0) + 1


class FakePosts:
    """Posts by key, oldest first."""

    def __init__(self):
        self.rows = {}
        self.reasons = {}

    async def intend(self, posts):
        for post in posts:
            if post.key not in self.rows:
                facts = {name: getattr(post, name) for name in post.__slots__}
                self.rows[post.key] = Post(**facts, state=PostState.INTENDED, created_at=now_utc())
        return [self.rows[post.key] for post in posts]

    async def posted(self, key, *, ts, body_hash):
        row = self.rows[key]
        self.rows[key] = replace(row, state=PostState.POSTED, ts=ts, body_hash=body_hash)

    async def abandoned(self, key, *, reason):
        self.reasons[key] = reason
        if self.rows[key].state is PostState.INTENDED:
            self.rows[key] = replace(self.rows[key], state=PostState.ABANDONED)

    async def withdrawn(self, key):
        self.rows.pop(key, None)

    async def posts_of(self, run_ids):
        return [post for post in self.rows.values() if post.run_id in run_ids]

    async def unsettled(self, _workspace_id):
        return [post for post in self.rows.values() if post.state is PostState.INTENDED]

    async def find(self, workspace_id, channel_id, ts):
        where = (workspace_id, channel_id, ts)
        found = [p for p in self.rows.values() if (*_place(p.thread), p.ts) == where]
        return found[0] if found else None


def _place(thread):
    return thread.workspace_id, thread.channel_id
