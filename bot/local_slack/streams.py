"""Messages written bit by bit: start, append, stop, and the end by age that Slack imposes."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, replace

from bot.local_slack.block_rules import Surface, check_blocks
from bot.local_slack.core import Core
from bot.local_slack.errors import RefusedError
from bot.local_slack.records import Json, Message, SessionStatus, Stream
from bot.local_slack.state import Draft

_MAX_MARKDOWN = 12_000
_MAX_BYTES = 11_000
"""Third-party measurements of the aggregate limit lie between 10.6 and 11.3 KB."""
_MAX_FIELD = 256
_MAX_CHUNK_BLOCKS = 50
_TASK_STATUSES = ("pending", "in_progress", "complete", "error")
_DISPLAY_MODES = ("timeline", "plan", "dense")


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What one call adds to a stream: text or chunks, never both."""

    markdown_text: str | None
    chunks: list[Json] | None

    @property
    def as_chunks(self) -> list[Json]:
        """The content as chunks, whichever way it came."""
        if self.markdown_text is not None:
            return [{"type": "markdown_text", "text": self.markdown_text}]
        return self.chunks or []


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a stream is begun."""

    recipient_user_id: str | None
    recipient_team_id: str | None
    display_mode: str
    needs_recipient: bool
    content: Content


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What is added when a stream stops."""

    blocks: list[Json] | None
    metadata: Json | None
    session_status: SessionStatus


def start(core: Core, draft: Draft, options: Options) -> Message:
    """Post a message that can be appended to, and mark its thread as being worked on."""
    _require_recipient(core, options)
    if options.display_mode not in _DISPLAY_MODES:
        raise RefusedError("invalid_task_display_mode")
    stream = Stream(
        recipient=options.recipient_user_id if options.needs_recipient else None,
        display_mode=options.display_mode,
        started_s=time.monotonic(),
    )
    _check(core, stream, options.content)
    _add(stream, options.content)
    text, blocks = _rendered(stream)
    message = core.state.post(replace(draft, text=text, blocks=blocks, stream=stream))
    _note_first_flush(message, stream)
    if core.manifest.is_agent and message.thread_ts:
        core.sessions.set_status(
            message.channel, message.thread_ts, status=SessionStatus.PROCESSING
        )
    core.background.start(_expire_later(core, message, stream))
    return message


def append(core: Core, message: Message, content: Content) -> None:
    """Add content to an open stream."""
    stream = _require_open(core, message)
    _check(core, stream, content)
    _add(stream, content)
    message.text, message.blocks = _rendered(stream)
    _note_first_flush(message, stream)
    core.state.touch(message)


def stop(core: Core, message: Message, content: Content, ending: Ending) -> None:
    """Close a stream and release the session."""
    stream = _require_open(core, message)
    _check(core, stream, content)
    _add(stream, content)
    message.text, message.blocks = _rendered(stream)
    message.blocks = [*(message.blocks or []), *(ending.blocks or [])] or None
    message.metadata = ending.metadata or message.metadata
    finalise(core, message)
    if core.manifest.is_agent and message.thread_ts:
        core.sessions.set_status(message.channel, message.thread_ts, status=ending.session_status)


def finalise(core: Core, message: Message) -> None:
    """Close a stream with what it holds; safe to repeat."""
    if message.stream is None or not message.stream.is_open:
        return
    previous = replace(message, stream=replace(message.stream))
    message.stream.is_open = False
    message.stream.closed.set()
    if message.ts in core.state.channels[message.channel].messages:
        core.state.announce_edit(message, previous)


def open_streams(core: Core, root: Message) -> list[Message]:
    """Give the streams that are open in a thread."""
    messages = core.state.channels[root.channel].messages
    return [m for ts in (root.ts, *root.replies) if (m := messages[ts]).is_streaming]


def first_flush(message: Message) -> Json | None:
    """Give what people other than the recipient see of an open stream."""
    return message.stream.first_flush if message.stream and message.stream.is_open else None


def _lifetime_s(core: Core) -> float:
    injected = core.faults.stream_expiry_s
    return core.config.stream_lifetime_s if injected is None else injected


async def _expire_later(core: Core, message: Message, stream: Stream) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(_lifetime_s(core)):
            await stream.closed.wait()
    finalise(core, message)


def _require_recipient(core: Core, options: Options) -> None:
    if not options.needs_recipient:
        return
    if options.recipient_user_id is None:
        raise RefusedError("missing_recipient_user_id")
    if options.recipient_team_id is None:
        raise RefusedError("missing_recipient_team_id")
    if options.recipient_user_id not in core.state.people:
        raise RefusedError("user_not_found")


def _require_open(core: Core, message: Message) -> Stream:
    stream = message.stream
    if stream is not None and time.monotonic() - stream.started_s >= _lifetime_s(core):
        finalise(core, message)
    if stream is None or not stream.is_open:
        raise RefusedError("message_not_in_streaming_state")
    return stream


def _check(core: Core, stream: Stream, content: Content) -> None:
    if content.markdown_text is not None and content.chunks:
        raise RefusedError("cannot_provide_both_markdown_text_and_chunks")
    mode = _mode(content)
    if mode and stream.mode and mode != stream.mode:
        raise RefusedError("streaming_mode_mismatch")
    size = stream.size
    for chunk in content.as_chunks:
        _check_chunk(core, chunk)
        size += _weight(chunk)
    if size > _MAX_BYTES:
        raise RefusedError("msg_too_long")


def _mode(content: Content) -> str | None:
    if content.markdown_text is not None:
        return "text"
    return "chunks" if content.chunks else None


def _check_chunk(core: Core, chunk: Json) -> None:
    match chunk:
        case {"type": "markdown_text", "text": str(text)}:
            is_fit = len(text) <= _MAX_MARKDOWN
        case {"type": "plan_update", "title": str(title)}:
            is_fit = 0 < len(title) <= _MAX_FIELD
        case {"type": "task_update", "id": str(), "title": str(), "status": str(status)}:
            fields = ("id", "title", "details", "output")
            is_short = all(len(str(chunk.get(f) or "")) <= _MAX_FIELD for f in fields)
            is_fit = status in _TASK_STATUSES and is_short
        case {"type": "blocks", "blocks": list(blocks)} if len(blocks) <= _MAX_CHUNK_BLOCKS:
            refused = core.config.refuse_block_types
            check_blocks(blocks, surface=Surface.MESSAGE, refused_types=refused)
            is_fit = True
        case _:
            is_fit = False
    if not is_fit:
        is_long = chunk.get("type") == "markdown_text" and "text" in chunk
        raise RefusedError("msg_too_long" if is_long else "invalid_chunks")


def _weight(chunk: Json) -> int:
    once = (chunk.get("text"), chunk.get("title"), chunk.get("id"))
    twice = (chunk.get("details"), chunk.get("output"))
    size = sum(len(str(v or "").encode()) for v in once)
    size += 2 * sum(len(str(v or "").encode()) for v in twice)
    return size + (len(str(chunk["blocks"]).encode()) if "blocks" in chunk else 0)


def _add(stream: Stream, content: Content) -> None:
    stream.mode = stream.mode or _mode(content)
    for chunk in content.as_chunks:
        stream.size += _weight(chunk)
        match chunk["type"]:
            case "markdown_text":
                _add_text(stream, chunk["text"])
            case "plan_update":
                stream.plan_title = chunk["title"]
            case "task_update":
                _add_task(stream, chunk)
            case _:
                stream.parts.append(chunk)


def _add_text(stream: Stream, text: str) -> None:
    if stream.parts and stream.parts[-1]["type"] == "markdown_text":
        stream.parts[-1]["text"] += text
    else:
        stream.parts.append({"type": "markdown_text", "text": text})


def _add_task(stream: Stream, chunk: Json) -> None:
    """Update a known task or add it; details and output grow, as Slack shows them."""
    for part in stream.parts:
        if part["type"] == "task_update" and part["id"] == chunk["id"]:
            part |= {"title": chunk["title"], "status": chunk["status"]}
            for name in ("details", "output"):
                part[name] = (part.get(name) or "") + (chunk.get(name) or "")
            part["sources"] = chunk.get("sources") or part.get("sources")
            return
    stream.parts.append(dict(chunk))


def _rendered(stream: Stream) -> tuple[str, list[Json] | None]:
    text = "".join(p["text"] for p in stream.parts if p["type"] == "markdown_text")
    tasks = [_task_card(p) for p in stream.parts if p["type"] == "task_update"]
    as_plan = stream.display_mode == "plan" or stream.plan_title is not None
    blocks: list[Json] = []
    if as_plan and tasks:
        title = stream.plan_title or "Plan"
        blocks.append({"type": "plan", "block_id": "plan", "title": title, "tasks": tasks})
    for number, part in enumerate(stream.parts):
        match part["type"]:
            case "markdown_text" if part["text"]:
                blocks.append(
                    {"type": "markdown", "block_id": f"text{number}", "text": part["text"]}
                )
            case "task_update" if not as_plan:
                blocks.append(_task_card(part))
            case "blocks":
                blocks.extend(part["blocks"])
            case _:
                pass  # An empty text, or a task that the plan already shows.
    return text, blocks or None


def _task_card(part: Json) -> Json:
    card: Json = {
        "type": "task_card",
        "block_id": f"task-{part['id']}",
        "task_id": part["id"],
        "title": part["title"],
        "status": part["status"],
    }
    for name in ("details", "output"):
        if part.get(name):
            card[name] = _rich_text(part[name])
    if part.get("sources"):
        card["sources"] = part["sources"]
    return card


def _rich_text(text: str) -> Json:
    section = {"type": "rich_text_section", "elements": [{"type": "text", "text": text}]}
    return {"type": "rich_text", "elements": [section]}


def _note_first_flush(message: Message, stream: Stream) -> None:
    if stream.first_flush is None and stream.parts:
        stream.first_flush = {"text": message.text, "blocks": message.blocks}
