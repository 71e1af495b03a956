"""The rows of channels: which agent lives where, and up to where we have read."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy import bindparam, select, update
from sqlalchemy.engine import Connection

from agent_engine.places import Channel, ChannelKind
from agent_engine.types import AgentId, ChannelId, WorkspaceId
from storage.compiled import execute, fetch_one
from storage.database import Database
from storage.mapping import AnyRow, Values
from storage.tables import channels
from storage.upsert import insert_or_replace

_ONE = select(channels).where(
    channels.c.workspace_id == bindparam("workspace_id"),
    channels.c.channel_id == bindparam("channel_id"),
)
_ALL = (
    select(channels)
    .where(channels.c.workspace_id == bindparam("workspace_id"))
    .order_by(channels.c.channel_id)
)
_SAW = (
    update(channels)
    .where(
        channels.c.workspace_id == bindparam("workspace"),
        channels.c.channel_id == bindparam("channel"),
    )
    .values(last_seen_ts=bindparam("ts"))
)


class SqlChannelStore:
    """A ``ChannelStore`` on the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def channel(self, workspace_id: WorkspaceId, channel_id: ChannelId) -> Channel | None:
        """Return the channel; None when it was never seen."""
        return await self._database.read(lambda c: _channel(c, workspace_id, channel_id))

    async def channels(self, workspace_id: WorkspaceId) -> Sequence[Channel]:
        """Return all channels seen in the workspace."""
        where = {"workspace_id": workspace_id}
        return await self._database.read(
            lambda c: [_channel_from(row) for row in c.execute(_ALL, where)]
        )

    async def save_channel(self, channel: Channel) -> Channel:
        """Create the channel or replace what is stored, but never lower ``last_seen_ts``."""
        return await self._database.write(lambda c: _save(c, channel))

    async def saw(self, workspace_id: WorkspaceId, seen: Mapping[ChannelId, str]) -> None:
        """Raise ``last_seen_ts`` of these channels to these values; lower ones change nothing."""
        news = dict(seen)
        if news:
            await self._database.write(lambda c: _saw(c, workspace_id, news))


def later_ts(one: str | None, other: str | None) -> str | None:
    """Return the later of two Slack times, which are decimal numbers written as text."""
    return max(one, other, key=_ts_order)


def _ts_order(ts: str | None) -> tuple[int, str]:
    whole, _, fraction = (ts or "-1").partition(".")
    return int(whole), fraction


def _channel(
    connection: Connection, workspace_id: WorkspaceId, channel_id: ChannelId
) -> Channel | None:
    where = {"workspace_id": workspace_id, "channel_id": channel_id}
    row = fetch_one(connection, _ONE, where)
    return None if row is None else _channel_from(row)


def _save(connection: Connection, channel: Channel) -> Channel:
    stored = _channel(connection, channel.workspace_id, channel.channel_id)
    seen = later_ts(channel.last_seen_ts, stored.last_seen_ts if stored else None)
    saved = replace(channel, last_seen_ts=seen)
    insert_or_replace(connection, channels, _values(saved))
    return saved


def _saw(connection: Connection, workspace_id: WorkspaceId, seen: Mapping[ChannelId, str]) -> None:
    for channel_id, ts in seen.items():
        stored = _channel(connection, workspace_id, channel_id)
        if stored is not None and later_ts(ts, stored.last_seen_ts) != stored.last_seen_ts:
            where = {"workspace": workspace_id, "channel": channel_id, "ts": ts}
            execute(connection, _SAW, where)


def _values(channel: Channel) -> Values:
    return {
        "workspace_id": channel.workspace_id,
        "channel_id": channel.channel_id,
        "agent_id": channel.agent_id,
        "kind": str(channel.kind),
        "name": channel.name,
        "is_member": channel.is_member,
        "is_archived": channel.is_archived,
        "introduced": channel.introduced,
        "last_seen_ts": channel.last_seen_ts,
    }


def _channel_from(row: AnyRow) -> Channel:
    return Channel(
        workspace_id=WorkspaceId(row.workspace_id),
        channel_id=ChannelId(row.channel_id),
        agent_id=AgentId(row.agent_id),
        kind=ChannelKind(row.kind),
        name=row.name,
        is_member=row.is_member,
        is_archived=row.is_archived,
        introduced=row.introduced,
        last_seen_ts=row.last_seen_ts,
    )
