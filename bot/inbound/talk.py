"""What the incoming side needs of Slack's Web API, as a Protocol; ``slack_client`` satisfies it."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from agent_engine.types import ChannelId, JsonObject, UserId
from bot.outbound.content import Content
from bot.outbound.slack_values import Identity, Page, Upload


class SlackTalk(Protocol):
    """Says and asks. Every method raises SlackUnavailableError and SlackRefusedError."""

    async def auth_test(self) -> Identity:
        """Ask Slack who we are."""
        ...

    async def post_message(
        self,
        channel_id: ChannelId,
        content: Content,
        *,
        thread_ts: str | None = None,
        key: str | None = None,
    ) -> str:
        """Post a message and return its ``ts``; the key travels in its metadata."""
        ...

    async def post_ephemeral(
        self,
        channel_id: ChannelId,
        user_id: UserId,
        content: Content,
        *,
        thread_ts: str | None = None,
    ) -> None:
        """Show a message to one person."""
        ...

    async def permalink(self, channel_id: ChannelId, ts: str) -> str:
        """Return the address of a message."""
        ...

    async def replies(
        self,
        channel_id: ChannelId,
        thread_ts: str,
        *,
        oldest: str | None = None,
        cursor: str | None = None,
        limit: int = 200,
    ) -> Page:
        """Read a page of a thread, root first, oldest first."""
        ...

    async def history(
        self,
        channel_id: ChannelId,
        *,
        oldest: str | None = None,
        latest: str | None = None,
        cursor: str | None = None,
        limit: int = 200,
    ) -> Page:
        """Read a page of a channel, newest first, replies left out."""
        ...

    async def users_info(self, user_id: UserId) -> JsonObject:
        """Return Slack's user object."""
        ...

    async def conversations_info(self, channel_id: ChannelId) -> JsonObject:
        """Return Slack's channel object."""
        ...

    async def member_channels(
        self, *, cursor: str | None = None
    ) -> tuple[Sequence[JsonObject], str]:
        """Return a page of the channels we are in, and the cursor of the next, empty at the end."""
        ...

    async def members(
        self, channel_id: ChannelId, *, cursor: str | None = None
    ) -> tuple[Sequence[UserId], str]:
        """Return a page of a channel's members, and the cursor of the next, empty at the end."""
        ...

    async def open_dm(self, user_id: UserId) -> ChannelId:
        """Return the channel of the conversation with one person."""
        ...

    async def upload_file(self, channel_id: ChannelId, upload: Upload) -> str:
        """Post a file and return its id."""
        ...

    async def open_view(self, trigger_id: str, view: JsonObject) -> str:
        """Open a modal and return its id. The trigger lives for three seconds."""
        ...

    async def push_view(self, trigger_id: str, view: JsonObject) -> None:
        """Open a modal above the one that was clicked in."""
        ...

    async def update_view(self, view_id: str, view: JsonObject) -> None:
        """Replace what an open modal shows."""
        ...

    async def publish_home(self, user_id: UserId, view: JsonObject) -> None:
        """Show this as the person's Home tab."""
        ...

    async def set_suggested_prompts(
        self, channel_id: ChannelId, prompts: Sequence[Mapping[str, str]], *, title: str
    ) -> None:
        """Pin up to four prompts ({title, message}) to a Messages tab."""
        ...
