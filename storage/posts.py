"""Intents to post, and the index of what was posted: (channel, ts) to run, step and kind."""

from collections.abc import Sequence

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.engine import Connection

from agent_engine.places import NewPost, Post, PostKind, PostState
from agent_engine.types import ChannelId, RunId, TaskId, Thread, WorkspaceId, now_utc
from storage.compiled import execute, fetch_all, fetch_one
from storage.database import Database
from storage.mapping import AnyRow, Values
from storage.tables import posts
from storage.upsert import insert_or_ignore

_BY_KEY = select(posts).where(posts.c.key == bindparam("of_key"))
_OF_RUN = select(posts).where(posts.c.run_id == bindparam("run"))
_UNSETTLED = (
    select(posts)
    .where(
        posts.c.workspace_id == bindparam("workspace_id"),
        posts.c.state == str(PostState.INTENDED),
    )
    .order_by(posts.c.seq)
)
_FIND = select(posts).where(
    posts.c.workspace_id == bindparam("workspace_id"),
    posts.c.channel_id == bindparam("channel_id"),
    posts.c.ts == bindparam("message_ts"),
)
_POSTED = (
    update(posts)
    .where(posts.c.key == bindparam("of_key"))
    .values(
        {
            "state": str(PostState.POSTED),
            "ts": bindparam("new_ts"),
            "body_hash": bindparam("new_hash"),
        }
    )
)
_ABANDONED = (
    update(posts)
    .where(posts.c.key == bindparam("of_key"), posts.c.state == str(PostState.INTENDED))
    .values(state=str(PostState.ABANDONED), reason=bindparam("why"))
)
_WITHDRAWN = delete(posts).where(posts.c.key == bindparam("of_key"))


class SqlPostStore:
    """A ``PostStore`` on the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def intend(self, posts: Sequence[NewPost]) -> Sequence[Post]:
        """Store each intent unless its key exists; return the stored ones in the order given."""
        if not posts:
            return []
        wanted = list(posts)
        return await self._database.write(lambda c: _intend(c, wanted))

    async def posted(self, key: str, *, ts: str, body_hash: str) -> None:
        """Note that Slack has it. Safe to repeat; a later call notes what an edit shows."""
        values = {"of_key": key, "new_ts": ts, "new_hash": body_hash}
        await self._database.write(lambda c: execute(c, _POSTED, values))

    async def abandoned(self, key: str, *, reason: str) -> None:
        """Note that it will not be posted; what was posted stays posted."""
        values = {"of_key": key, "why": reason}
        await self._database.write(lambda c: execute(c, _ABANDONED, values))

    async def withdrawn(self, key: str) -> None:
        """Forget the post: it is not in Slack, or no more, and may be intended anew."""
        await self._database.write(lambda c: c.execute(_WITHDRAWN, {"of_key": key}))

    async def posts_of(self, run_ids: Sequence[RunId]) -> Sequence[Post]:
        """Return all posts of these runs, oldest first."""
        ids = list(run_ids)
        if not ids:
            return []
        return await self._database.read(lambda c: _of_runs(c, ids))

    async def unsettled(self, workspace_id: WorkspaceId) -> Sequence[Post]:
        """Return intents that are neither posted nor abandoned, oldest first."""
        where = {"workspace_id": workspace_id}
        return await self._database.read(
            lambda c: [_post_from(row) for row in fetch_all(c, _UNSETTLED, where)]
        )

    async def find(self, workspace_id: WorkspaceId, channel_id: ChannelId, ts: str) -> Post | None:
        """Return our post with this Slack ``ts``; None when it is not ours."""
        where = {"workspace_id": workspace_id, "channel_id": channel_id, "message_ts": ts}
        row = await self._database.read(lambda c: fetch_one(c, _FIND, where))
        return None if row is None else _post_from(row)


def _intend(connection: Connection, wanted: Sequence[NewPost]) -> list[Post]:
    insert_or_ignore(connection, posts, [_values(post) for post in wanted])
    rows = [fetch_all(connection, _BY_KEY, {"of_key": post.key}) for post in wanted]
    return [_post_from(row) for [row] in rows]


def _of_runs(connection: Connection, run_ids: Sequence[RunId]) -> list[Post]:
    # A thread has a run or two at a time: a statement for each costs less than one for a list.
    rows = [row for run_id in run_ids for row in fetch_all(connection, _OF_RUN, {"run": run_id})]
    return [_post_from(row) for row in sorted(rows, key=lambda row: int(row.seq))]


def _values(post: NewPost) -> Values:
    return {
        "key": post.key,
        "workspace_id": post.thread.workspace_id,
        "channel_id": post.thread.channel_id,
        "thread_ts": post.thread.thread_ts,
        "kind": str(post.kind),
        "state": str(PostState.INTENDED),
        "run_id": post.run_id,
        "task_id": post.task_id,
        "step": post.step,
        "created_at": now_utc(),
    }


def _post_from(row: AnyRow) -> Post:
    return Post(
        key=row.key,
        thread=Thread(
            workspace_id=WorkspaceId(row.workspace_id),
            channel_id=ChannelId(row.channel_id),
            thread_ts=row.thread_ts,
        ),
        kind=PostKind(row.kind),
        state=PostState(row.state),
        run_id=None if row.run_id is None else RunId(row.run_id),
        task_id=None if row.task_id is None else TaskId(row.task_id),
        step=row.step,
        ts=row.ts,
        body_hash=row.body_hash,
        created_at=row.created_at,
    )
