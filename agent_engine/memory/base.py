"""What all memories have in common: store under a key, retrieve, search."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from agent_engine.memories import Found, StoredMemory, Trust


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryResult:
    """One entry that a search found."""

    key: str | None
    content: Any
    """Any JSON value."""
    score: float
    """Comparable within one search."""
    created_at: datetime
    source: str
    """Where it was found: ``working``, or the kind of memory it is."""
    access_count: int = 0
    is_untrusted: bool = False
    """A page or a file may speak in it."""
    id: int | None = None
    """Of the stored memory; None for what lives in a task alone."""
    is_own: bool = False
    """A person's own memory, which belongs to no channel."""


class Memory(Protocol):
    """A memory of one scope, which it cannot leave."""

    async def store(self, key: str, value: Any, ttl: float | None = None) -> None:  # noqa: ANN401 - any JSON value
        """Keep the value; ``ttl`` in seconds, from 0. It takes the place of an older one."""
        ...

    async def retrieve(self, key: str) -> Any | None:  # noqa: ANN401 - any JSON value
        """Return the newest value of the key and count the access; None when there is none."""
        ...

    async def search(self, query: str, limit: int = 10) -> tuple[MemoryResult, ...]:
        """Return what fits best, best first."""
        ...


def result_from(found: Found) -> MemoryResult:
    """Return a stored memory as a search shows it."""
    memory = found.memory
    return MemoryResult(
        key=memory.key,
        content=content_of(memory),
        score=found.score,
        created_at=memory.created_at,
        source=str(memory.kind),
        access_count=memory.access_count,
        is_untrusted=memory.trust is Trust.UNTRUSTED,
        id=memory.id,
        is_own=bool(memory.scope.person),
    )


def content_of(memory: StoredMemory) -> Any:  # noqa: ANN401 - any JSON value
    """Return what was kept: the value of what has a key, else the words."""
    return memory.content if memory.key is not None else memory.text


def words_for(key: str, value: object) -> str:
    """Return a value as the words that it is searched and shown by."""
    told = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"{key}: {told}"
