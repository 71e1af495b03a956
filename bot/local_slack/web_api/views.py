"""views.*: modals and the Home tab."""

import json

from bot.local_slack import shapes
from bot.local_slack.block_ids import identified
from bot.local_slack.block_rules import Surface, check_blocks
from bot.local_slack.errors import RefusedError
from bot.local_slack.records import Json, View
from bot.local_slack.web_api.call import ApiCall, Method

_MAX_VIEW_BYTES = 250_000
_MAX_TITLE = 24
_MAX_PRIVATE_METADATA = 3_000


def open_modal(call: ApiCall) -> Json:
    """Open a modal with a trigger."""
    payload = _payload(call, Surface.MODAL)
    return _shown(call, call.core.modals.open(_trigger(call), payload))


def push(call: ApiCall) -> Json:
    """Push a modal with a trigger."""
    payload = _payload(call, Surface.MODAL)
    return _shown(call, call.core.modals.push(_trigger(call), payload))


def update(call: ApiCall) -> Json:
    """Replace an open modal."""
    view = call.core.modals.find(
        view_id=call.args.text("view_id"), external_id=call.args.text("external_id")
    )
    payload = _payload(call, Surface.MODAL)
    call.core.modals.update(view, payload, expected_hash=call.args.text("hash"))
    return _shown(call, view)


def publish(call: ApiCall) -> Json:
    """Replace a person's Home tab."""
    user = call.args.need("user_id")
    if user not in call.state.people:
        raise RefusedError("user_not_found")
    payload = _payload(call, Surface.HOME)
    home = call.core.modals.publish_home(user, payload, expected_hash=call.args.text("hash"))
    return _shown(call, home)


def check_view(call_types: frozenset[str], payload: Json, surface: Surface) -> None:
    """Refuse a view that Slack would refuse."""
    if len(json.dumps(payload)) > _MAX_VIEW_BYTES:
        raise RefusedError("view_too_large")
    problems = _view_problems(payload, surface)
    if problems:
        messages = [f"[ERROR] {p}" for p in problems]
        raise RefusedError("invalid_arguments", {"response_metadata": {"messages": messages}})
    check_blocks(payload.get("blocks", []), surface=surface, refused_types=call_types)


def _view_problems(payload: Json, surface: Surface) -> list[str]:
    problems = []
    wanted = "home" if surface is Surface.HOME else "modal"
    if payload.get("type") != wanted:
        problems.append(f"must be {wanted} [json-pointer:/view/type]")
    if not isinstance(payload.get("blocks"), list):
        problems.append("missing required field: blocks [json-pointer:/view]")
    if len(payload.get("private_metadata") or "") > _MAX_PRIVATE_METADATA:
        problems.append("must be less than 3001 characters [json-pointer:/view/private_metadata]")
    if surface is Surface.MODAL:
        problems += _label_problems(payload)
    return problems


def _label_problems(payload: Json) -> list[str]:
    problems = []
    for name in ("title", "submit", "close"):
        label = payload.get(name)
        if label is None and name != "title":
            continue
        if not isinstance(label, dict) or label.get("type") != "plain_text":
            problems.append(f"must be plain_text [json-pointer:/view/{name}]")
        elif not 0 < len(label.get("text", "")) <= _MAX_TITLE:
            problems.append(f"must be 1 to 24 characters [json-pointer:/view/{name}/text]")
    has_input = any(b.get("type") == "input" for b in payload.get("blocks") or [])
    if has_input and not payload.get("submit"):
        problems.append("submit is required with input blocks [json-pointer:/view/submit]")
    return problems


def _payload(call: ApiCall, surface: Surface) -> Json:
    payload = call.args.object("view", error="invalid_arguments")
    if payload is None:
        raise RefusedError("invalid_arguments")
    check_view(call.core.config.refuse_block_types, payload, surface)
    return payload | {"blocks": identified(payload["blocks"], call.core.mint)}


def _trigger(call: ApiCall) -> str | None:
    return call.args.text("trigger_id") or call.args.text("interactivity_pointer")


def _shown(call: ApiCall, view: View) -> Json:
    return {"view": shapes.view_json(call.core, view)}


METHODS = {
    "views.open": Method(run=open_modal),
    "views.publish": Method(run=publish),
    "views.push": Method(run=push),
    "views.update": Method(run=update),
}
