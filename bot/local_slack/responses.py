"""response_url: answering an interaction without a token, a few times and for a while."""

import json
import time
from http import HTTPStatus

from aiohttp import web

from bot.local_slack.block_ids import identified
from bot.local_slack.block_rules import Surface, check_blocks
from bot.local_slack.core import Core
from bot.local_slack.errors import RefusedError
from bot.local_slack.records import Json, Message, ResponseUrl
from bot.local_slack.state import Draft, Edit
from bot.local_slack.traffic import Direction, Observed


async def answer_response_url(core: Core, request: web.Request) -> web.Response:
    """Serve one POST to a response_url."""
    body: Json = {}
    try:
        body = _body(await request.text())
        _use(core, request.match_info["key"], body)
        answer: Json = {"ok": True}
    except RefusedError as error:
        answer = {"ok": False, "error": error.code} | error.facts
    status = HTTPStatus.OK if answer["ok"] else _status(str(answer["error"]))
    observed = Observed(
        direction=Direction.RESPONSE_URL,
        name="response_url",
        status=str(answer.get("error", "ok")),
        request=body,
        response=answer,
    )
    core.traffic.record(observed)
    return web.json_response(answer, status=status)


def ephemeral_draft(core: Core, channel: str, content: Json) -> Draft:
    """Make a message of the app out of an acknowledgement or a response."""
    blocks = content.get("blocks")
    if isinstance(blocks, str):
        blocks = json.loads(blocks)
    if blocks:
        check_blocks(blocks, surface=Surface.MESSAGE, refused_types=core.config.refuse_block_types)
    bot = core.state.bot
    return Draft(
        channel=channel,
        user=bot.id,
        bot_id=bot.bot_id,
        app_id=bot.app_id,
        text=str(content.get("text") or ""),
        blocks=identified(blocks, core.mint) if blocks else None,
        attachments=content.get("attachments"),
        thread_ts=content.get("thread_ts"),
        metadata=content.get("metadata"),
    )


def _use(core: Core, key: str, body: Json) -> None:
    url = core.response_urls.get(key)
    if url is None:
        raise RefusedError("invalid_url")
    if time.monotonic() - url.issued_s > core.config.response_url_lifetime_s:
        raise RefusedError("expired_url")
    if url.uses >= core.config.response_url_uses:
        raise RefusedError("used_url")
    url.uses += 1
    if body.get("delete_original"):
        _delete(core, _original(core, url))
    elif body.get("replace_original"):
        _replace(core, _original(core, url), body)
    else:
        _post(core, url, body)


def _post(core: Core, url: ResponseUrl, body: Json) -> None:
    draft = ephemeral_draft(core, url.channel, body)
    if not (draft.text or draft.blocks or draft.attachments):
        raise RefusedError("no_text")
    if body.get("response_type") == "in_channel":
        core.state.post(draft)
    else:
        core.state.post_ephemeral(draft, to=url.user)


def _original(core: Core, url: ResponseUrl) -> Message:
    ts = url.message_ts
    if ts is None:
        raise RefusedError("message_not_found")
    return core.state.ephemerals.get(ts) or core.state.message(url.channel, ts)


def _replace(core: Core, message: Message, body: Json) -> None:
    draft = ephemeral_draft(core, message.channel, body)
    if message.ephemeral_to is None:
        edit = Edit(
            text=draft.text,
            blocks=draft.blocks,
            attachments=draft.attachments,
            marks_edited=False,
        )
        core.state.edit(message, edit)
        return
    core.state.remove_ephemeral(message)
    core.state.post_ephemeral(draft, to=message.ephemeral_to)


def _delete(core: Core, message: Message) -> None:
    if message.ephemeral_to is None:
        core.state.delete(message)
    else:
        core.state.remove_ephemeral(message)


def _body(text: str) -> Json:
    try:
        parsed = json.loads(text)
    except ValueError as error:
        raise RefusedError("invalid_payload") from error
    if not isinstance(parsed, dict):
        raise RefusedError("invalid_payload")
    return parsed


def _status(error: str) -> HTTPStatus:
    gone = ("expired_url", "used_url", "invalid_url")
    return HTTPStatus.NOT_FOUND if error in gone else HTTPStatus.BAD_REQUEST
