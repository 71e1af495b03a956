"""What only the bot stores: channels, people, posts, threads to show. Storage satisfies these.

The values are plain; Slack's dicts never get this far and SQL's rows never come out.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from agent_engine.memories import (
    Export,
    Findings,
    MemoryKind,
    MemoryScope,
    PersonalUse,
    StoredMemory,
)
from agent_engine.places import (
    Channel,
    DirtyThread,
    NewPost,
    Person,
    Post,
    RatedWeek,
    Removal,
    Tally,
)
from agent_engine.retention import Retention
from agent_engine.types import (
    ChannelId,
    JsonObject,
    RunId,
    RunSnapshot,
    Scope,
    TaskId,
    Thread,
    UserId,
    WorkspaceId,
)


class ChannelStore(Protocol):
    """The rows of channels: which agent lives where, and up to where we have read."""

    async def channel(self, workspace_id: WorkspaceId, channel_id: ChannelId) -> Channel | None:
        """Return the channel; None when it was never seen."""
        ...

    async def channels(self, workspace_id: WorkspaceId) -> Sequence[Channel]:
        """Return all channels seen in the workspace."""
        ...

    async def save_channel(self, channel: Channel) -> Channel:
        """Create the channel or replace what is stored, but never lower ``last_seen_ts``."""
        ...

    async def saw(self, workspace_id: WorkspaceId, seen: Mapping[ChannelId, str]) -> None:
        """Raise ``last_seen_ts`` of these channels to these values; lower ones change nothing."""
        ...


class PersonStore(Protocol):
    """What is known of people, for authority and names; refreshed when old."""

    async def person(self, workspace_id: WorkspaceId, user_id: UserId) -> Person | None:
        """Return the person; None when never looked up."""
        ...

    async def save_person(self, person: Person) -> None:
        """Create or replace."""
        ...


class PostStore(Protocol):
    """Intents to post and the index of what was posted: (channel, ts) to run, step, kind."""

    async def intend(self, posts: Sequence[NewPost]) -> Sequence[Post]:
        """Store each intent unless its key exists; return the stored ones in the order given."""
        ...

    async def posted(self, key: str, *, ts: str, body_hash: str) -> None:
        """Note that Slack has it. Safe to repeat."""
        ...

    async def abandoned(self, key: str, *, reason: str) -> None:
        """Note that it will not be posted."""
        ...

    async def withdrawn(self, key: str) -> None:
        """Forget the post: it is not in Slack, or no more, and may be intended anew."""
        ...

    async def posts_of(self, run_ids: Sequence[RunId]) -> Sequence[Post]:
        """Return all posts of these runs, oldest first."""
        ...

    async def unsettled(self, workspace_id: WorkspaceId) -> Sequence[Post]:
        """Return intents that are neither posted nor abandoned: what a crash may have left."""
        ...

    async def find(self, workspace_id: WorkspaceId, channel_id: ChannelId, ts: str) -> Post | None:
        """Return our post with this Slack ``ts``; None when it is not ours."""
        ...


class ThreadStore(Protocol):
    """Which threads Slack does not show as they are."""

    async def dirty(self, *, limit: int) -> Sequence[DirtyThread]:
        """Return threads with something to show: those with an ended run first, then oldest."""
        ...

    async def shown(self, thread: Thread, *, seq: int, session_status: str | None) -> None:
        """Note what Slack shows now; a thread that moved on meanwhile stays dirty."""
        ...

    async def runs(self, thread: Thread) -> Sequence[RunSnapshot]:
        """Return the thread's runs that are not fully shown yet and its newest, oldest first."""
        ...

    async def waiting_since(self, before: datetime, *, limit: int) -> Sequence[Thread]:
        """Return threads in which people were asked before this and not yet reminded of it."""
        ...

    async def touch(self, thread: Thread) -> None:
        """Mark the thread as having something to show."""
        ...


class ToolFacts(Protocol):
    """What must be known of tools where people change and approve calls of them."""

    def schema(self, name: str) -> JsonObject | None:
        """Return the schema of the tool's arguments; None for a tool that is not known here."""
        ...

    def problem(self, name: str, arguments: JsonObject, *, requester: UserId | None) -> str | None:
        """Say why the call could not be made for this person; None when it could."""
        ...

    def approvers(
        self, name: str, arguments: JsonObject, *, requester: UserId | None
    ) -> tuple[UserId, ...] | None:
        """Return who may approve the call besides admins; None when that is not known here."""
        ...


class MemoryReader(Protocol):
    """What people read of an agent's memories. All raise StorageError."""

    @property
    def by_meaning(self) -> bool:
        """Whether memories are searched by meaning too, not by words alone."""
        ...

    async def page(
        self, scope: MemoryScope, *, kinds: Sequence[MemoryKind], offset: int, limit: int
    ) -> Sequence[StoredMemory]:
        """Return what is proposed, then what is held: pinned ones first, then newest first."""
        ...

    async def tally(self, scope: MemoryScope) -> Mapping[MemoryKind, int]:
        """Return how many there are of each kind."""
        ...

    async def search(
        self,
        scope: MemoryScope,
        words: str,
        *,
        limit: int,
        kinds: Sequence[MemoryKind] = tuple(MemoryKind),
    ) -> Findings:
        """Return the held memories that fit the words best, of any kind or of these."""
        ...

    async def personal_use(self, scope: MemoryScope, person: UserId) -> PersonalUse:
        """Say whether this person's own memories are used in the channel of this scope."""
        ...

    async def history(self, scope: MemoryScope, memory_id: int) -> Sequence[StoredMemory]:
        """Return the memory and the ones it took the place of, newest first; none: not there."""
        ...


class ExportStore(Protocol):
    """What people asked for as a file and do not have yet. All raise StorageError."""

    async def asked_for(self, workspace_id: WorkspaceId) -> Sequence[Export]:
        """Return what is to be handed over, oldest first."""
        ...

    async def begun(self, export_id: str) -> None:
        """Note that it may have been handed over from now on."""
        ...

    async def settled(self, export_id: str) -> None:
        """Note that the person has it, or cannot get it. Safe to repeat."""
        ...


class RemovalStore(Protocol):
    """What is still to be removed. All raise StorageError."""

    async def pending(self, workspace_id: WorkspaceId, *, limit: int) -> Sequence[Removal]:
        """Return what is to be removed: first what needs no Slack, then oldest first."""
        ...

    async def done(self, removal_ids: Sequence[int]) -> None:
        """Note that these are removed, or cannot be. Safe to repeat."""
        ...


class PersonsTasks(Protocol):
    """The tasks that people asked for."""

    async def erase_more(
        self, workspace_id: WorkspaceId, person: UserId, *, before: datetime
    ) -> bool:
        """Delete some more of the person's tasks from before then; say whether that was all."""
        ...


class AuditTexts(Protocol):
    """The words of the audit log, which may be forgotten."""

    async def forget_texts(self, workspace_id: WorkspaceId, *, actor: UserId) -> int:
        """Empty the texts of what this person did or asked for; return how many."""
        ...


class Leases(Protocol):
    """Who alone may do something, among all processes on this database."""

    async def hold(self, name: str) -> bool:
        """Take or keep the lease; False while another process has it. Freed when we die."""
        ...

    async def let_go(self, name: str) -> None:
        """Give the lease back."""
        ...


class Housekeeping(Protocol):
    """Deleting what has served its time."""

    async def keep(self, *, now: datetime, kept: Retention) -> dict[str, int]:
        """Do all of the below that needs no files; return how many of what, by name."""
        ...

    async def delete_old(self, *, now: datetime, kept: Retention) -> dict[str, int]:
        """Delete what is older than it is kept; return how many of each kind that is not for ever.

        May be killed at any moment, and done by several processes at once.
        """
        ...

    async def folders_left(self, *, limit: int) -> Sequence[tuple[Scope, TaskId]]:
        """Return tasks that are deleted and whose folders may still be there."""
        ...

    async def folders_gone(self, folders: Sequence[tuple[Scope, TaskId]]) -> None:
        """Note that these folders are deleted. Safe to repeat."""
        ...

    async def prune_deliveries(self, *, before: datetime) -> int:
        """Forget deliveries older than this; return how many."""
        ...

    async def tasks_at_work(self) -> Sequence[tuple[Scope, TaskId]]:
        """Return the tasks that are not over or have a run that is not; in whose scope each ran."""
        ...

    async def prune_cache(self, *, now: datetime) -> int:
        """Delete results of tools that are not fresh any more; return how many."""
        ...

    async def merge_words(self, *, most_steps: int) -> int:
        """Keep searches of memories by their words quick; return how many steps it took."""
        ...

    async def sweep_reservations(self, *, now: datetime) -> int:
        """Delete what calls that nobody will settle had set aside; return how many."""
        ...

    async def settle_audit(self) -> int:
        """Append to the audit log what commands have put out; return how many entries."""
        ...


class FigureStore(Protocol):
    """Sums over what was done and how it was rated."""

    async def figures(self, workspace_id: WorkspaceId, *, days: int) -> Tally:
        """Sum up the last days of a workspace."""
        ...

    async def ratings(
        self, workspace_id: WorkspaceId, *, channel_id: ChannelId | None = None
    ) -> Sequence[RatedWeek]:
        """Sum up how people rated each agent, by week: in a channel, or in all public ones."""
        ...
