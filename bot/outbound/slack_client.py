"""The only caller of Slack's Web API: one typed method per thing the bot does in Slack.

Paces, retries and translates errors by way of ``web_calls``; chooses the plainer variant of a
message where a server refuses the newer blocks. Knows no Bolt and decides nothing. Raw objects that
come back (people, channels, messages) are parsed by the caller.
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from agent_engine.ports import Clock
from agent_engine.redaction import Redaction
from agent_engine.types import ChannelId, JsonObject, Thread, UserId, WorkspaceId
from bot.errors import SlackRefusedError
from bot.outbound.blocks import ids
from bot.outbound.content import Block, Content, block_types
from bot.outbound.downloads import Downloads, Source
from bot.outbound.pacing import Pacer, Sleep, Urgency
from bot.outbound.personas import Personas
from bot.outbound.proxies import reach_directly
from bot.outbound.redacting_web import RedactingWebClient
from bot.outbound.slack_values import (
    AT_ONCE,
    Identity,
    Pace,
    Page,
    SessionStatus,
    Upload,
)
from bot.outbound.stream_calls import StreamCalls
from bot.outbound.web_calls import NOT_OFFERED, REFUSAL_MEMORY_S, Call, WebCalls

logger = logging.getLogger(__name__)

SLACK_API_URL = "https://slack.com/api/"
UPLOAD_TIMEOUT_S = 120.0
CONNECTIONS = 50
PAGE = 200
"""Messages per page of a history; Slack allows up to 1,000."""
MAX_TITLE = 200
VARIANT_PATIENCE_S = 5.0
"""How long a plainer variant may wait where Slack did not take the one before."""
SESSION_STATUS = "agents.sessions.setStatus"
STATUS_LINE = "assistant.threads.setStatus"
POST = "chat.postMessage"
EDIT = "chat.update"
UPLOAD = "files.getUploadURLExternal"
UPLOAD_SCOPE = "files:write"

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_STATUS_WORDS = {"processing": "is working…", "suspended": "waits for an answer…"}
_OPTIONAL_TYPES = frozenset(
    {"plan", "task_card", "markdown", "table", "context_actions", "feedback_buttons"}
)
FILE_IS_GONE = frozenset({"file_not_found", "file_deleted"})
_NO_SUCH_REACTION = frozenset({"already_reacted", "no_reaction"})

_Send = Callable[[], Awaitable[AsyncSlackResponse]]
_SendBlocks = Callable[[Sequence[Block]], Awaitable[AsyncSlackResponse]]


@asynccontextmanager
async def open_slack(
    *,
    token: str,
    clock: Clock,
    base_url: str = SLACK_API_URL,
    sleep: Sleep = asyncio.sleep,
    redaction: Redaction | None = None,
) -> AsyncIterator["SlackClient"]:
    """Open a client with a connection pool of its own; closed on the way out.

    Nothing is sent that ``redaction`` would take out; None for one that knows the usual kinds.
    """
    redaction = redaction or Redaction()
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    timeout = aiohttp.ClientTimeout(total=UPLOAD_TIMEOUT_S)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        web = reach_directly(
            RedactingWebClient(
                redaction,
                token=token,
                base_url=base_url,
                session=session,
                retry_handlers=[],
                logger=_quiet_logger(),
            )
        )
        if urlsplit(base_url).hostname in _LOOPBACK:
            web.proxy = None  # the SDK takes it from the environment, even for this machine
        calls = WebCalls(clock=clock, pacer=Pacer(clock=clock, sleep=sleep), sleep=sleep)
        yield SlackClient(web=web, session=session, calls=calls, clock=clock, redaction=redaction)


class SlackClient:
    """What the bot can do in Slack. Every method raises SlackUnavailable- and SlackRefusedError."""

    def __init__(
        self,
        *,
        web: AsyncWebClient,
        session: aiohttp.ClientSession,
        calls: WebCalls,
        clock: Clock,
        redaction: Redaction | None = None,
    ) -> None:
        self._redaction = redaction or Redaction()
        self._web = web
        self._session = session
        self._calls = calls
        self._clock = clock
        self._refused_blocks: dict[str, float] = {}
        self._personas = Personas(clock.monotonic_s)
        self.streams = StreamCalls(
            web=web, calls=calls, personas=self._personas, redaction=self._redaction
        )
        self._scopes: tuple[str, ...] = ()

    # -- ourselves -------------------------------------------------------------------------------

    async def auth_test(self) -> Identity:
        """Ask Slack who we are."""
        scopes: list[str] = []

        async def send() -> AsyncSlackResponse:
            response = await self._web.auth_test()
            headers = {name.lower(): value for name, value in response.headers.items()}
            scopes[:] = [s.strip() for s in headers.get("x-oauth-scopes", "").split(",") if s]
            return response

        said = await self._calls.make(Call(method="auth.test"), send)
        self._personas.know(scopes)
        self._scopes = tuple(scopes)
        return Identity(
            workspace_id=WorkspaceId(str(said.get("team_id", ""))),
            workspace_name=str(said.get("team", "")),
            workspace_url=str(said.get("url", "")),
            user_id=UserId(str(said.get("user_id", ""))),
            bot_id=str(said.get("bot_id", "")),
            scopes=tuple(scopes),
        )

    @property
    def shows_status(self) -> bool:
        """Whether this Slack can show what the agent does, as far as is known."""
        return not all(self._calls.is_refused(method) for method in (SESSION_STATUS, STATUS_LINE))

    @property
    def takes_files(self) -> bool:
        """Whether this Slack lets us upload files, as far as is known."""
        known = not self._scopes or UPLOAD_SCOPE in self._scopes
        return known and not self._calls.is_refused(UPLOAD)

    def refuses(self, method: str) -> bool:
        """Say whether Slack has refused the method for good within the last hour."""
        return self._calls.is_refused(method)

    # -- messages --------------------------------------------------------------------------------

    async def post_message(
        self,
        channel_id: ChannelId,
        content: Content,
        *,
        thread_ts: str | None = None,
        key: str | None = None,
        pace: Pace = AT_ONCE,
    ) -> str:
        """Post a message and return its ``ts``; ``key`` travels in its metadata.

        Never repeated by itself once it may have been posted: see ``maybe_done`` of the error.
        """
        call = Call(
            method=POST,
            channel_id=channel_id,
            urgency=pace.urgency,
            patience_s=pace.patience_s,
            repeatable=False,
        )

        async def send(blocks: Sequence[Block]) -> AsyncSlackResponse:
            look = self._personas.allowed(content.persona)
            return await self._web.chat_postMessage(
                channel=channel_id,
                thread_ts=thread_ts,
                text=content.text,
                blocks=_dicts(blocks),
                metadata=None if key is None else ids.metadata(key),
                unfurl_links=False,
                unfurl_media=False,
                link_names=False,
                parse="none",
                username=look.name if look else None,
                icon_emoji=look.icon_emoji if look else None,
            )

        try:
            said = await self._with_content(call, content, send)
        except SlackRefusedError as refused:
            if not self._personas.learn(refused, content.persona):
                raise
            logger.warning("personas_refused", extra={"error": refused.error})
            said = await self._with_content(call, content, send)
        return str(said["ts"])

    async def update_message(
        self,
        channel_id: ChannelId,
        ts: str,
        content: Content,
        *,
        key: str | None = None,
        pace: Pace = AT_ONCE,
    ) -> None:
        """Replace what our message says; safe to repeat."""
        call = Call(method=EDIT, urgency=pace.urgency, patience_s=pace.patience_s)

        async def send(blocks: Sequence[Block]) -> AsyncSlackResponse:
            return await self._web.chat_update(
                channel=channel_id,
                ts=ts,
                text=content.text,
                blocks=_dicts(blocks),
                metadata=None if key is None else ids.metadata(key),
                link_names=False,
                parse="none",
            )

        await self._with_content(call, content, send)

    async def post_ephemeral(
        self,
        channel_id: ChannelId,
        user_id: UserId,
        content: Content,
        *,
        thread_ts: str | None = None,
    ) -> None:
        """Show a message to one person; it may repeat after trouble, and be gone on reload."""
        call = Call(method="chat.postEphemeral", channel_id=channel_id)

        async def send(blocks: Sequence[Block]) -> AsyncSlackResponse:
            return await self._web.chat_postEphemeral(
                channel=channel_id,
                user=user_id,
                thread_ts=thread_ts,
                text=content.text,
                blocks=_dicts(blocks),
                link_names=False,
                parse="none",
            )

        await self._with_content(call, content, send)

    async def delete_message(self, channel_id: ChannelId, ts: str) -> None:
        """Delete our message; one that is gone is fine."""
        call = Call(method="chat.delete")
        try:
            await self._calls.make(call, lambda: self._web.chat_delete(channel=channel_id, ts=ts))
        except SlackRefusedError as refused:
            if refused.error != "message_not_found":
                raise

    async def delete_file(self, file_id: str) -> None:
        """Delete a file of ours; one that is gone is fine."""
        call = Call(method="files.delete")
        try:
            await self._calls.make(call, lambda: self._web.files_delete(file=file_id))
        except SlackRefusedError as refused:
            if refused.error not in FILE_IS_GONE:
                raise

    async def permalink(self, channel_id: ChannelId, ts: str) -> str:
        """Return the address of a message."""
        said = await self._calls.make(
            Call(method="chat.getPermalink"),
            lambda: self._web.chat_getPermalink(channel=channel_id, message_ts=ts),
        )
        return str(said.get("permalink", ""))

    async def add_reaction(self, channel_id: ChannelId, ts: str, name: str) -> None:
        """React to a message; doing it twice is fine."""
        await self._react(
            "reactions.add",
            lambda: self._web.reactions_add(channel=channel_id, timestamp=ts, name=name),
        )

    async def remove_reaction(self, channel_id: ChannelId, ts: str, name: str) -> None:
        """Take our reaction back; doing it twice is fine."""
        await self._react(
            "reactions.remove",
            lambda: self._web.reactions_remove(channel=channel_id, timestamp=ts, name=name),
        )

    # -- reading ---------------------------------------------------------------------------------

    async def replies(
        self,
        channel_id: ChannelId,
        thread_ts: str,
        *,
        oldest: str | None = None,
        cursor: str | None = None,
        limit: int = PAGE,
    ) -> Page:
        """Read a page of a thread, root first, oldest first, with all metadata."""
        said = await self._calls.make(
            Call(method="conversations.replies"),
            lambda: self._web.conversations_replies(
                channel=channel_id,
                ts=thread_ts,
                oldest=oldest,
                cursor=cursor,
                limit=limit,
                include_all_metadata=True,
            ),
        )
        return _page(said)

    async def history(
        self,
        channel_id: ChannelId,
        *,
        oldest: str | None = None,
        latest: str | None = None,
        cursor: str | None = None,
        limit: int = PAGE,
    ) -> Page:
        """Read a page of a channel, newest first, replies left out."""
        said = await self._calls.make(
            Call(method="conversations.history", urgency=Urgency.BACKGROUND),
            lambda: self._web.conversations_history(
                channel=channel_id,
                oldest=oldest,
                latest=latest,
                cursor=cursor,
                limit=limit,
                include_all_metadata=True,
            ),
        )
        return _page(said)

    async def users_info(self, user_id: UserId) -> JsonObject:
        """Return Slack's user object."""
        said = await self._calls.make(
            Call(method="users.info"), lambda: self._web.users_info(user=user_id)
        )
        return _object(said, "user")

    async def conversations_info(self, channel_id: ChannelId) -> JsonObject:
        """Return Slack's channel object."""
        said = await self._calls.make(
            Call(method="conversations.info"),
            lambda: self._web.conversations_info(channel=channel_id),
        )
        return _object(said, "channel")

    async def member_channels(
        self, *, cursor: str | None = None
    ) -> tuple[Sequence[JsonObject], str]:
        """Return a page of the channels we are in, and the cursor of the next, empty at the end."""
        said = await self._calls.make(
            Call(method="users.conversations", urgency=Urgency.BACKGROUND),
            lambda: self._web.users_conversations(
                types="public_channel,private_channel,im,mpim",
                exclude_archived=True,
                limit=PAGE,
                cursor=cursor,
            ),
        )
        return _objects(said, "channels"), _cursor(said) or ""

    async def members(
        self, channel_id: ChannelId, *, cursor: str | None = None
    ) -> tuple[Sequence[UserId], str]:
        """Return a page of a channel's members, and the cursor of the next, empty at the end."""
        said = await self._calls.make(
            Call(method="conversations.members"),
            lambda: self._web.conversations_members(channel=channel_id, limit=PAGE, cursor=cursor),
        )
        found = said.get("members")
        people = [UserId(str(m)) for m in found] if isinstance(found, list) else []
        return people, _cursor(said) or ""

    async def open_dm(self, user_id: UserId) -> ChannelId:
        """Return the channel of the conversation with one person, made if need be."""
        said = await self._calls.make(
            Call(method="conversations.open"), lambda: self._web.conversations_open(users=user_id)
        )
        return ChannelId(str(_object(said, "channel").get("id", "")))

    # -- views, prompts, sessions ----------------------------------------------------------------

    async def open_view(self, trigger_id: str, view: JsonObject) -> str:
        """Open a modal and return its id. The trigger lives for three seconds."""
        call = Call(method="views.open", patience_s=2.0, repeatable=False)
        said = await self._calls.make(
            call, lambda: self._web.views_open(trigger_id=trigger_id, view=dict(view))
        )
        return str(_object(said, "view").get("id", ""))

    async def push_view(self, trigger_id: str, view: JsonObject) -> None:
        """Open a modal above the one that was clicked in."""
        await self._calls.make(
            Call(method="views.push", patience_s=2.0, repeatable=False),
            lambda: self._web.views_push(trigger_id=trigger_id, view=dict(view)),
        )

    async def update_view(self, view_id: str, view: JsonObject) -> None:
        """Replace what an open modal shows."""
        await self._calls.make(
            Call(method="views.update"),
            lambda: self._web.views_update(view_id=view_id, view=dict(view)),
        )

    async def publish_home(self, user_id: UserId, view: JsonObject) -> None:
        """Show this as the person's Home tab."""
        await self._calls.make(
            Call(method="views.publish", urgency=Urgency.NOTICE),
            lambda: self._web.views_publish(user_id=user_id, view=dict(view)),
        )

    async def set_suggested_prompts(
        self, channel_id: ChannelId, prompts: Sequence[Mapping[str, str]], *, title: str
    ) -> None:
        """Pin up to four prompts ({title, message}) to a Messages tab."""
        await self._calls.make(
            Call(method="assistant.threads.setSuggestedPrompts"),
            lambda: self._web.assistant_threads_setSuggestedPrompts(
                channel_id=channel_id, prompts=[dict(p) for p in prompts[:4]], title=title
            ),
        )

    async def set_session_status(
        self, thread: Thread, status: SessionStatus, *, title: str = "", pace: Pace = AT_ONCE
    ) -> bool:
        """Show what the agent does in this thread; False when this Slack has no sessions for us."""
        call = Call(method=SESSION_STATUS, urgency=pace.urgency, patience_s=pace.patience_s)
        return await self._optional(
            call,
            lambda: self._web.agents_sessions_setStatus(
                channel_id=thread.channel_id,
                thread_ts=thread.thread_ts,
                status=status.value,
                title=title[:MAX_TITLE] or None,
            ),
        )

    async def set_status_line(
        self, thread: Thread, status: SessionStatus, *, pace: Pace = AT_ONCE
    ) -> bool:
        """Show the same as a line of text, or take it away; False when Slack has none for us."""
        call = Call(
            method=STATUS_LINE,
            channel_id=thread.channel_id,
            urgency=pace.urgency,
            patience_s=pace.patience_s,
        )
        return await self._optional(
            call,
            lambda: self._web.assistant_threads_setStatus(
                channel_id=thread.channel_id,
                thread_ts=thread.thread_ts,
                status=_STATUS_WORDS.get(status.value, ""),
            ),
        )

    def wait_s(
        self, method: str, channel_id: ChannelId | None, urgency: Urgency, *, ahead: int = 0
    ) -> float:
        """Return how long until Slack takes so many calls more and then this one; 0 for now."""
        return self._calls.wait_s(method, channel_id=channel_id, urgency=urgency, ahead=ahead)

    # -- files -----------------------------------------------------------------------------------

    async def file_info(self, file_id: str) -> JsonObject:
        """Return Slack's file object."""
        said = await self._calls.make(
            Call(method="files.info"), lambda: self._web.files_info(file=file_id)
        )
        return _object(said, "file")

    async def download(self, source: Source, file: BinaryIO) -> int:
        """Write a file's content and return its size. Raises DownloadError alone."""
        web = self._web
        downloads = Downloads(
            self._session, token=web.token or "", base_url=web.base_url, proxy=web.proxy
        )
        return await downloads.save(source, file)

    async def upload_file(
        self,
        channel_id: ChannelId,
        upload: Upload,
        *,
        thread_ts: str | None = None,
        urgency: Urgency = Urgency.ANSWER,
    ) -> str:
        """Upload a file into a thread and return the file's id.

        Only the last of the three calls shows anything to people; ``maybe_done`` is about that one.
        """
        content = await asyncio.to_thread(self._redaction.redact_file, upload.content)
        place = await self._calls.make(
            Call(method="files.getUploadURLExternal", urgency=urgency),
            lambda: self._web.files_getUploadURLExternal(filename=upload.name, length=len(content)),
        )
        await self._send_bytes(str(place.get("upload_url", "")), content)
        file_id = str(place.get("file_id", ""))
        await self._calls.make(
            Call(method="files.completeUploadExternal", urgency=urgency, repeatable=False),
            lambda: self._web.files_completeUploadExternal(
                files=[{"id": file_id, "title": upload.title or upload.name}],
                channel_id=channel_id,
                thread_ts=thread_ts,
                initial_comment=upload.comment or None,
            ),
        )
        return file_id

    # --------------------------------------------------------------------------------------------

    async def _with_content(
        self, call: Call, content: Content, send: _SendBlocks
    ) -> dict[str, Any]:
        """Send the best variant that Slack takes."""
        variants = content.variants()
        known = [blocks for blocks in variants if not self._is_refused(blocks)]
        variants = known or variants[-1:]
        for blocks in variants[:-1]:
            try:
                return await self._calls.make(call, partial(send, blocks))
            except SlackRefusedError as refused:
                if refused.error != "invalid_blocks":
                    raise
                self._learn(refused, blocks)
            # It was its turn already: a plainer variant does not go back to the end of the line.
            call = replace(call, patience_s=max(call.patience_s, VARIANT_PATIENCE_S))
        return await self._calls.make(call, partial(send, variants[-1]))

    def _is_refused(self, blocks: Sequence[Block]) -> bool:
        now_s = self._clock.monotonic_s()
        return any(self._refused_blocks.get(kind, 0.0) > now_s for kind in block_types(blocks))

    def _learn(self, refused: SlackRefusedError, blocks: Sequence[Block]) -> None:
        """Remember which types this server does not know, as far as it says so."""
        until_s = self._clock.monotonic_s() + REFUSAL_MEMORY_S
        said = " ".join(d for d in refused.details if "unsupported" in d.lower())
        unknown = block_types(blocks) & _OPTIONAL_TYPES & set(re.findall(r"\w+", said))
        self._refused_blocks.update(dict.fromkeys(unknown, until_s))
        facts = {"method": refused.method, "unknown": sorted(unknown)}
        logger.warning("blocks_refused", extra=facts)

    async def _optional(self, call: Call, send: _Send) -> bool:
        """Make the call; False when this Slack does not offer it to us."""
        try:
            await self._calls.make(call, send)
        except SlackRefusedError as refused:
            if refused.error in NOT_OFFERED:
                return False
            raise
        return True

    async def _react(self, method: str, send: _Send) -> None:
        try:
            await self._calls.make(Call(method=method), send)
        except SlackRefusedError as refused:
            if refused.error not in _NO_SUCH_REACTION:
                raise

    async def _send_bytes(self, url: str, content: bytes) -> None:
        """Send a file's bytes to the address Slack gave; shows nothing to people yet."""

        async def send() -> AsyncSlackResponse:
            async with self._session.post(url, data=content) as response:
                said = {"ok": response.ok}
                answer = AsyncSlackResponse(
                    client=self._web,
                    http_verb="POST",
                    api_url=url,
                    req_args={},
                    data=said,
                    headers=dict(response.headers),
                    status_code=response.status,
                )
            if not response.ok:
                raise SlackApiError("The upload was refused.", answer)  # type: ignore[no-untyped-call]  # the SDK's
            return answer

        call = Call(method="files.upload", timeout_s=UPLOAD_TIMEOUT_S)
        await self._calls.make(call, send)


def _quiet_logger() -> logging.Logger:
    """Return the SDK's logger, above its debug level: there it writes whole messages."""
    quiet = logging.getLogger(f"{__name__}.sdk")
    quiet.setLevel(logging.WARNING)
    return quiet


def _dicts(blocks: Sequence[Block]) -> list[dict[str, Any]] | None:
    return [dict(block) for block in blocks] or None


def _page(said: Mapping[str, Any]) -> Page:
    return Page(messages=tuple(_objects(said, "messages")), next_cursor=_cursor(said))


def _objects(said: Mapping[str, Any], name: str) -> list[JsonObject]:
    found = said.get(name)
    return [o for o in found if isinstance(o, dict)] if isinstance(found, list) else []


def _object(said: Mapping[str, Any], name: str) -> JsonObject:
    found = said.get(name)
    return found if isinstance(found, dict) else {}


def _cursor(said: Mapping[str, Any]) -> str | None:
    return str(_object(said, "response_metadata").get("next_cursor") or "") or None
