"""A small unchanged Bolt app that the browser tests talk to; they register what they need."""

from types import TracebackType
from typing import Any, Self

from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.local_slack.server import LocalWorkspace

QUIET_EVENTS = (
    "app_home_opened",
    "app_mention",
    "agent_session_stopped",
    "file_shared",
    "member_joined_channel",
    "message",
    "reaction_added",
    "reaction_removed",
)


class AppOnPage:
    """Holds the Bolt app, its client, and what was seen by `note`."""

    def __init__(self, workspace: LocalWorkspace) -> None:
        self.client = AsyncWebClient(token=workspace.bot_token, base_url=workspace.api_url)
        self.bolt = AsyncApp(client=self.client)
        self.seen: list[dict[str, Any]] = []
        self._workspace = workspace
        self._handler = AsyncSocketModeHandler(self.bolt, workspace.app_token)

    async def __aenter__(self) -> Self:
        await self._handler.connect_async()
        await self._workspace.until_connected()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._handler.close_async()

    def stay_quiet(self) -> None:
        """Acknowledge all events; called after the test's own listeners, which come first."""

        async def ignore() -> None:
            """Nothing to do: an event without listener would be delivered again."""

        for name in QUIET_EVENTS:
            self.bolt.event(name)(ignore)

    async def say(self, channel: str, text: str, **more: Any) -> str:
        """Post as the app; gives the ts."""
        reply = await self.client.chat_postMessage(channel=channel, text=text, **more)
        return str(reply["ts"])
