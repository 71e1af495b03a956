"""What a Web API method is: a plain function of a call, with the scopes and token it needs."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from bot.local_slack.arguments import Arguments
from bot.local_slack.core import Core
from bot.local_slack.errors import RefusedError
from bot.local_slack.records import Channel, ChannelKind, Json
from bot.local_slack.state import Workspace


class TokenKind(StrEnum):
    """Which token a method takes."""

    BOT = "xoxb"
    APP = "xapp"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiCall:
    """One call as a method sees it: who asks is always the installed bot."""

    core: Core
    method: str
    args: Arguments
    scopes: tuple[str, ...]
    """What the token may do."""

    @property
    def state(self) -> Workspace:
        """Shorthand for the workspace."""
        return self.core.state

    @property
    def bot_id(self) -> str:
        """The user id of the bot that calls."""
        return self.core.state.bot.id

    def channel(self, name: str = "channel") -> Channel:
        """Find the channel an argument names by its id; others' private places do not exist."""
        channel = self.state.channels.get(self.args.need(name))
        if channel is None:
            raise RefusedError("channel_not_found")
        is_hidden = channel.kind is not ChannelKind.CHANNEL
        if is_hidden and self.bot_id not in channel.members:
            raise RefusedError("channel_not_found")
        return channel

    def member_channel(self, name: str = "channel") -> Channel:
        """Find a channel that the bot is a member of."""
        channel = self.channel(name)
        if self.bot_id not in channel.members:
            raise RefusedError("not_in_channel")
        return channel

    def require_scope(self, *any_of: str) -> None:
        """Refuse unless the token has one of these scopes."""
        if not any_of or any(scope in self.scopes for scope in any_of):
            return
        facts = {"needed": any_of[0], "provided": ",".join(self.scopes)}
        raise RefusedError("missing_scope", facts)

    def require_kind_scope(self, channel: Channel, verb: str) -> None:
        """Refuse unless the token has `channels:read` and so on, by the channel's kind."""
        self.require_scope(f"{_SCOPE_FAMILIES[channel.kind]}:{verb}")


Run: TypeAlias = Callable[[ApiCall], Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One entry of a family's table."""

    run: Run
    scopes: tuple[str, ...] = ()
    """The token needs one of these; none means any token does."""
    token: TokenKind = TokenKind.BOT


_SCOPE_FAMILIES = {
    ChannelKind.CHANNEL: "channels",
    ChannelKind.PRIVATE: "groups",
    ChannelKind.IM: "im",
    ChannelKind.MPIM: "mpim",
}


def page_of(call: ApiCall, items: list[Json], *, limit: int) -> tuple[list[Json], str]:
    """Cut one page out of a list; gives the page and the next cursor, empty at the end."""
    cursor = call.args.text("cursor") or "offset:0"
    prefix, _, offset = cursor.partition(":")
    if prefix != "offset" or not offset.isdigit():
        raise RefusedError("invalid_cursor")
    asked = call.args.number("limit", default=limit)
    if asked < 1:
        raise RefusedError("invalid_limit")
    start, end = int(offset), int(offset) + min(asked, 1000)
    return items[start:end], f"offset:{end}" if end < len(items) else ""
