"""What agents remember, as values and Protocols: memories, where they are kept, how found.

``memory/`` works with them, ``storage`` keeps their rows. Nothing here does anything. Whose a
memory is, is an argument of every call: nobody can ask for one without saying for whom.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from agent_engine.past_plans import PastRun
from agent_engine.types import (
    AgentId,
    ChannelId,
    JsonObject,
    ModelCall,
    RunId,
    Scope,
    TaskId,
    UserId,
    WorkspaceId,
)

_NO_CHANNEL, _NO_AGENT, _NOBODY = ChannelId(""), AgentId(""), UserId("")

LONGEST_TEXT = 4_000
"""Characters of a memory's text that are kept, searched and shown."""


class MemoryKind(StrEnum):
    """What a memory is."""

    FACT = "fact"
    """A person said it, or confirmed it."""
    NOTE = "note"
    """The agent's own, stored under a key."""
    EPISODE = "episode"
    """What happened: a task and what came of it."""
    LESSON = "lesson"
    """What failure analysis found."""
    EXAMPLE = "example"
    """A plan that people thought well of."""


class Trust(StrEnum):
    """Who stands behind a memory."""

    PERSON = "person"
    AGENT = "agent"
    """Worked out by a model; right only as far as that goes."""
    UNTRUSTED = "untrusted"
    """Worked out by a model from what tools returned: a page or a file may speak in it."""


class MemoryState(StrEnum):
    """Whether a memory is found."""

    HELD = "held"
    PROPOSED = "proposed"
    """Waits for a person's word; nobody finds it before."""
    SUPERSEDED = "superseded"
    """A correction took its place; kept as its history."""
    RETIRED = "retired"
    """What it rested on was taken back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryScope:
    """Whose memories: an agent's in a channel, or a person's own in a workspace."""

    workspace_id: WorkspaceId
    channel_id: ChannelId = _NO_CHANNEL
    agent_id: AgentId = _NO_AGENT
    person: UserId = _NOBODY
    """Set for a person's own memories, which belong to no channel and no agent."""

    def __post_init__(self) -> None:
        """Refuse a scope that is neither the one nor the other: it could match too much."""
        is_channels = bool(self.channel_id and self.agent_id)
        if not self.workspace_id or is_channels == bool(self.person):
            raise ValueError("memories belong to an agent in a channel, or to a person")

    @classmethod
    def of_channel(cls, scope: Scope) -> "MemoryScope":
        """Return whose memories an agent has in a channel."""
        return cls(
            workspace_id=scope.workspace_id, channel_id=scope.channel_id, agent_id=scope.agent_id
        )

    @classmethod
    def of_person(cls, workspace_id: WorkspaceId, person: UserId) -> "MemoryScope":
        """Return where a person's own memories are."""
        return cls(workspace_id=workspace_id, person=person)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryRules:
    """What an operator wants of memories."""

    episodes: bool = True
    """Whether what came of a task is kept for later ones."""
    proposes_facts: bool = True
    """Whether people are asked about facts that they did not say themselves."""
    tokens_told: int = 2_000
    """About how many of memories and lessons a planner is told at once."""


class PersonalUse(StrEnum):
    """Whether a person's own memories are used in a channel, by that person's word."""

    OFF = "off"
    TOLD = "told"
    """The tasks that the person asks for there are told of them."""
    KEPT = "kept"
    """And what the person asks to remember there is one of them: nobody else is there."""


class OriginOf(StrEnum):
    """What a memory can come from."""

    TASK = "task"
    RUN = "run"
    PERSON = "person"
    MESSAGE = "message"
    MEMORY = "memory"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a memory comes from; what is forgotten there takes the memory with it."""

    task_id: TaskId | None = None
    run_id: RunId | None = None
    step: int | None = None
    person: UserId | None = None
    """Who said it, or whose task it was."""
    message: str | None = None
    """Id of the message it was said in."""
    memories: tuple[int, ...] = ()
    """Memories that it was derived from."""


@dataclass(frozen=True, slots=True)
class Embedding:
    """A text as a vector of one model. Vectors of different models are never compared."""

    model: str
    vector: bytes = field(repr=False)
    """float32, little-endian, of length 1."""

    @property
    def dimension(self) -> int:
        """How many numbers it has."""
        return len(self.vector) // 4


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMemory:
    """A memory to be kept."""

    kind: MemoryKind
    text: str
    """What is searched, and shown to people and models. Data, whoever wrote it."""
    content: Any = None
    """Any JSON value; what ``retrieve`` returns."""
    key: str | None = None
    """The newest memory of a key takes the place of the older ones of its kind."""
    heading: str = ""
    """Words that only the keyword search sees besides, such as what was said before."""
    trust: Trust = Trust.AGENT
    origin: Origin = field(default_factory=Origin)
    state: MemoryState = MemoryState.HELD
    expires_at: datetime | None = None
    pinned: bool = False
    details: JsonObject = field(default_factory=dict)
    """What else belongs to its kind, e.g. when a lesson applies."""
    embedding: Embedding | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMemory:
    """A memory as it is stored."""

    id: int
    scope: MemoryScope
    kind: MemoryKind
    text: str
    content: Any
    key: str | None
    trust: Trust
    origin: Origin
    state: MemoryState
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime
    access_count: int
    pinned: bool
    weight: float
    """1.0 at first; what people thought of its use raises and lowers it."""
    supersedes: int | None
    details: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What came of keeping a memory."""

    id: int
    merged: bool = False
    """It was there already; that one was confirmed instead."""
    evicted: int = 0
    """How many had to go, for its kind has only so many places."""


class SearchMode(StrEnum):
    """How memories were searched."""

    FUSED = "fused"
    KEYWORD = "keyword"
    VECTOR = "vector"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is looked for."""

    text: str
    embedding: Embedding | None = None
    """The text by the model whose vectors are to be compared; None: by keywords alone."""
    kinds: tuple[MemoryKind, ...] = tuple(MemoryKind)
    limit: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One memory that a search returned."""

    memory: StoredMemory
    score: float
    """0 to about 1.2; comparable within one search, whatever kind the memories are of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a search returned, best first, and how it was done."""

    found: tuple[Found, ...] = ()
    mode: SearchMode = SearchMode.KEYWORD
    without_vector: int = 0
    """Memories that the vector side could not see, for they have no vector of this model yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What forgetting took away, and what it had to leave."""

    memories: int = 0
    """Deleted, with their vectors, older versions and all that was derived from them."""
    ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """All memories of a scope, as somebody asked for them; kept until they have them."""

    id: str
    scope: MemoryScope
    by: UserId
    is_begun: bool
    """It may have been handed over already."""


class MemoryStore(Protocol):
    """The rows of memories. All raise StorageError when the database cannot be used."""

    async def keep(self, scope: MemoryScope, memory: NewMemory) -> Kept:
        """Keep it, unless the scope holds the same already; that one is confirmed then.

        The same: the same words, or nearly so by the vectors, with the same names and numbers.
        What no longer fits is evicted: expired ones, then those used least, then longest ago.
        """
        ...

    async def newest(self, scope: MemoryScope, key: str) -> StoredMemory | None:
        """Return the newest memory of the key and count the access; None when there is none."""
        ...

    async def get(self, scope: MemoryScope, memory_id: int) -> StoredMemory | None:
        """Return the memory if it is in this scope, in whatever state."""
        ...

    async def search(self, scopes: Sequence[MemoryScope], query: Query) -> Findings:
        """Return held memories of these scopes that fit best; those that expired never."""
        ...

    async def recent(
        self, scope: MemoryScope, *, kinds: Sequence[MemoryKind], since: datetime, limit: int
    ) -> Sequence[StoredMemory]:
        """Return held memories made since then, newest first."""
        ...

    async def listed(
        self, scope: MemoryScope, *, kinds: Sequence[MemoryKind], offset: int, limit: int
    ) -> Sequence[StoredMemory]:
        """Return what is proposed, then what is held: pinned ones first, then newest first."""
        ...

    async def tally(self, scope: MemoryScope) -> Mapping[MemoryKind, int]:
        """Return how many of each kind ``listed`` has; kinds without any are left out."""
        ...

    async def personal_use(self, scope: MemoryScope, person: UserId) -> PersonalUse:
        """Say whether this person's own memories are used in the channel of this scope."""
        ...

    async def history(self, scope: MemoryScope, memory_id: int) -> Sequence[StoredMemory]:
        """Return the memory and the ones it superseded, newest first."""
        ...

    async def correct(self, scope: MemoryScope, memory_id: int, memory: NewMemory) -> Kept | None:
        """Put a memory in the place of one that is held; None when that is not there.

        Repeating it changes nothing: what was superseded is not held any more.
        """
        ...

    async def pin(self, scope: MemoryScope, memory_id: int, *, pinned: bool) -> bool:
        """Pin or unpin it; False when it is not there. Pinned ones are never evicted."""
        ...

    async def forget(self, scope: MemoryScope, memory_ids: Sequence[int]) -> Forgotten:
        """Delete them, what they superseded, and all that was derived. Safe to repeat."""
        ...

    async def forget_from(self, workspace_id: WorkspaceId, what: OriginOf, ref: str) -> Forgotten:
        """Delete all memories of the workspace that come from there, in every scope."""
        ...

    async def past_runs(
        self, scope: MemoryScope, run_ids: Sequence[RunId]
    ) -> Mapping[RunId, PastRun]:
        """Return how these runs of the scope went; those that are not there are left out.

        At once for all that one planner is told of.
        """
        ...

    async def unembedded(self, model: str, *, limit: int, after: int = 0) -> Sequence[StoredMemory]:
        """Return memories of any scope without a vector of this model, oldest first.

        ``after`` is the id behind which to begin.
        """
        ...

    async def embed(self, vectors: Mapping[int, Embedding]) -> int:
        """Give memories their vectors instead of older ones; return how many were still there."""
        ...

    async def embedded(self, model: str) -> tuple[int, int]:
        """Return how many memories have a vector of this model, and how many there are."""
        ...

    async def account(self, workspace_id: WorkspaceId, calls: Sequence[ModelCall]) -> None:
        """Record what vectors cost that no run asked for; it counts in the workspace's day."""
        ...
