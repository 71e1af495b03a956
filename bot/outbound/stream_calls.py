"""Slack's messages that are written bit by bit: begun, continued, brought to an end.

With ``slack_client`` the only caller of the Web API; paces and translates by way of ``web_calls``.
"""

from collections.abc import Sequence

from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from agent_engine.redaction import Redaction
from agent_engine.types import ChannelId, Thread
from bot.outbound.blocks import ids
from bot.outbound.content import Block, Persona
from bot.outbound.pacing import Urgency
from bot.outbound.personas import Personas
from bot.outbound.slack_values import SessionStatus
from bot.outbound.web_calls import Call, WebCalls

_METHODS = ("chat.startStream", "chat.appendStream", "chat.stopStream")


class StreamCalls:
    """Raises SlackUnavailable- and SlackRefusedError, as the client does."""

    def __init__(
        self, *, web: AsyncWebClient, calls: WebCalls, personas: Personas, redaction: Redaction
    ) -> None:
        self._redaction = redaction
        self._web = web
        self._calls = calls
        self._personas = personas

    @property
    def are_offered(self) -> bool:
        """Whether this Slack can stream, as far as is known."""
        return not any(self._calls.is_refused(method) for method in _METHODS)

    def sendable(self, text: str) -> str:
        """Return what may be sent of a growing text: what is sent in pieces is redacted as a whole.

        In a single piece, which is all that the client sees, a secret may stand in part only.
        """
        return self._redaction.redact_growing(text)

    async def start(self, thread: Thread, text: str, *, persona: Persona | None = None) -> str:
        """Begin a message in a thread with this Markdown, if that is possible at once."""
        call = Call(
            method="chat.startStream", urgency=Urgency.ANSWER, patience_s=0.0, repeatable=False
        )

        # A refusal would be taken for one of streams, so only what is known to be allowed is used.
        look = self._personas.allowed(persona) if self._personas.are_granted else None

        async def send() -> AsyncSlackResponse:
            return await self._web.chat_startStream(
                channel=thread.channel_id,
                thread_ts=thread.thread_ts,
                markdown_text=text,
                username=look.name if look else None,
                icon_emoji=look.icon_emoji if look else None,
            )

        return str((await self._calls.make(call, send))["ts"])

    async def append(self, channel_id: ChannelId, ts: str, text: str) -> None:
        """Write on, if that is possible at once; never repeated once it may have been done."""
        call = Call(
            method="chat.appendStream",
            urgency=Urgency.BACKGROUND,
            patience_s=0.0,
            repeatable=False,
        )
        await self._calls.make(
            call,
            lambda: self._web.chat_appendStream(channel=channel_id, ts=ts, markdown_text=text),
        )

    async def stop(  # noqa: PLR0913  # all that the end of a message may carry
        self,
        channel_id: ChannelId,
        ts: str,
        *,
        text: str = "",
        blocks: Sequence[Block] = (),
        key: str | None = None,
        status: SessionStatus = SessionStatus.ACTIVE,
    ) -> None:
        """End the message with the rest of its text and what stands below it.

        Repeating it does no harm: the second time Slack says that nothing is being written.
        """

        async def send() -> AsyncSlackResponse:
            return await self._web.chat_stopStream(
                channel=channel_id,
                ts=ts,
                markdown_text=text or None,
                blocks=[dict(block) for block in blocks] or None,
                metadata=None if key is None else ids.metadata(key),
                session_status=status.value,
            )

        await self._calls.make(Call(method="chat.stopStream", urgency=Urgency.ANSWER), send)
