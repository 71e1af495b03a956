"""What an agent keeps in mind about one task: a few entries, the least recently used go first.

Rebuilt from the run's steps whenever it is needed: it survives a restart without rows of its own.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from agent_engine.memory.base import MemoryResult
from agent_engine.types import ActionType, Step, now_utc

CAPACITY = 7
"""Entries; after Miller 1956, as the vocabulary of the field has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing kept in mind."""

    key: str
    content: Any
    created_at: datetime
    expires_at: datetime | None = None
    access_count: int = 0


class WorkingMemory:
    """A small store of JSON values by key."""

    def __init__(self, *, capacity: int = CAPACITY, now: Callable[[], datetime] = now_utc) -> None:
        self._capacity = capacity
        self._now = now
        self._entries: OrderedDict[str, Entry] = OrderedDict()

    async def store(self, key: str, value: Any, ttl: float | None = None) -> None:  # noqa: ANN401 - any JSON value
        """Keep the value; ``ttl`` in seconds. The newest value of a key replaces older ones."""
        expires = None if ttl is None else self._now() + timedelta(seconds=ttl)
        self.put(key, value, expires_at=expires)

    async def retrieve(self, key: str) -> Any | None:  # noqa: ANN401 - any JSON value
        """Return the value and count it as used; None when there is none or it has expired."""
        return self.get(key)

    async def search(self, query: str, limit: int = 10) -> tuple[MemoryResult, ...]:
        """Return entries that share words with the query, best first."""
        return self.find(query, limit)

    def put(self, key: str, value: Any, *, expires_at: datetime | None = None) -> None:  # noqa: ANN401 - any JSON value
        """Keep the value at once."""
        self._entries.pop(key, None)
        self._entries[key] = Entry(
            key=key, content=value, created_at=self._now(), expires_at=expires_at
        )
        while len(self._entries) > self._capacity:
            self._entries.popitem(last=False)

    def get(self, key: str) -> Any | None:  # noqa: ANN401 - any JSON value
        """Return the value at once and count it as used; None when there is none."""
        entry = self._entries.get(key)
        if entry is None or self._is_over(entry):
            self._entries.pop(key, None)
            return None
        entry = replace(entry, access_count=entry.access_count + 1)
        self._entries[key] = entry
        self._entries.move_to_end(key)
        return entry.content

    def drop(self, key: str) -> None:
        """Keep it no more. Safe to repeat."""
        self._entries.pop(key, None)

    def find(self, query: str, limit: int = 10) -> tuple[MemoryResult, ...]:
        """Return at once the entries that share words with the query, best first."""
        words = _words(query)
        scored = [(self._score(entry, words), entry) for entry in self.get_all_items()]
        found = [(score, entry) for score, entry in scored if score or not words]
        best = sorted(found, key=lambda pair: -pair[0])[:limit]
        most = max((score for score, _ in best), default=0) or 1
        return tuple(_result(entry, score / most) for score, entry in best)

    def get_all_items(self) -> tuple[Entry, ...]:
        """Return all entries that have not expired, least recently used first."""
        return tuple(entry for entry in self._entries.values() if not self._is_over(entry))

    def _is_over(self, entry: Entry) -> bool:
        return entry.expires_at is not None and entry.expires_at <= self._now()

    def _score(self, entry: Entry, words: frozenset[str]) -> int:
        return len(words & _words(f"{entry.key} {entry.content}"))


def remembered(steps: Iterable[Step]) -> WorkingMemory:
    """Return the working memory that a run's finished steps have filled."""
    memory = WorkingMemory()
    for step in steps:
        if step.observation is not None and step.observation.success:
            _take_in(memory, step.action.action_type, step.observation.content)
    return memory


def _result(entry: Entry, score: float) -> MemoryResult:
    return MemoryResult(
        key=entry.key,
        content=entry.content,
        score=score,
        created_at=entry.created_at,
        source="working",
        access_count=entry.access_count,
    )


def _take_in(memory: WorkingMemory, action_type: str, content: Any) -> None:  # noqa: ANN401 - any JSON value
    if action_type in (ActionType.REMEMBER, ActionType.THINK):
        memory.put(str(content["key"]), content["value"])
    elif action_type == ActionType.RECALL:
        for entry in content.get("entries", []):
            memory.get(str(entry["key"]))


def _words(text: str) -> frozenset[str]:
    return frozenset("".join(c if c.isalnum() else " " for c in text.casefold()).split())
