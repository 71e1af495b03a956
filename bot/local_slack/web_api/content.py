"""Reading the content of a message out of a call: text, blocks, metadata, with all their limits."""

from dataclasses import dataclass

from bot.local_slack.block_ids import identified
from bot.local_slack.block_rules import Surface, check_blocks
from bot.local_slack.errors import RefusedError
from bot.local_slack.records import Json
from bot.local_slack.web_api.call import ApiCall

MAX_TEXT = 40_000
MAX_MARKDOWN = 12_000
_MAX_ATTACHMENTS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a message says."""

    text: str
    blocks: list[Json] | None
    attachments: list[Json] | None
    metadata: Json | None


def read_content(call: ApiCall) -> Content:
    """Read and check text, markdown_text, blocks, attachments and metadata."""
    args = call.args
    blocks = read_blocks(call, surface=Surface.MESSAGE)
    attachments = args.objects("attachments", error="invalid_attachments")
    if attachments and len(attachments) > _MAX_ATTACHMENTS:
        raise RefusedError("too_many_attachments")
    markdown = args.text("markdown_text")
    if markdown is not None:
        blocks = _markdown_blocks(call, markdown, blocks=blocks)
    text = (args.text("text") or markdown or "")[:MAX_TEXT]
    return Content(text=text, blocks=blocks, attachments=attachments, metadata=read_metadata(call))


def read_blocks(call: ApiCall, *, surface: Surface) -> list[Json] | None:
    """Read and check blocks; None where there are none."""
    blocks = call.args.objects("blocks", error="invalid_blocks_format")
    if not blocks:
        return None
    check_blocks(blocks, surface=surface, refused_types=call.core.config.refuse_block_types)
    return identified(blocks, call.core.mint)


def read_metadata(call: ApiCall) -> Json | None:
    """Read message metadata."""
    metadata = call.args.object("metadata", error="invalid_metadata_format")
    if not metadata:
        return None
    is_named = isinstance(metadata.get("event_type"), str) and metadata["event_type"]
    if not is_named or not isinstance(metadata.get("event_payload"), dict):
        raise RefusedError("invalid_metadata_format")
    return metadata


def require_something(content: Content) -> None:
    """Refuse a message without any content."""
    if not (content.text or content.blocks or content.attachments):
        raise RefusedError("no_text")


def _markdown_blocks(call: ApiCall, markdown: str, *, blocks: list[Json] | None) -> list[Json]:
    if blocks or call.args.text("text"):
        raise RefusedError("markdown_text_conflict")
    if len(markdown) > MAX_MARKDOWN:
        raise RefusedError("msg_too_long")
    return [{"type": "markdown", "text": markdown, "block_id": call.core.mint.hex(5)}]
