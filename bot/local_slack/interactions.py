"""Commands, buttons and modals: what the app must acknowledge, and what it may answer."""

import time
from dataclasses import dataclass, field
from typing import Any

from bot.local_slack import shapes
from bot.local_slack.block_ids import identified
from bot.local_slack.block_rules import Surface
from bot.local_slack.core import Core
from bot.local_slack.deliveries import DeliveryKind
from bot.local_slack.errors import RefusedError
from bot.local_slack.records import Channel, Json, Message, ResponseUrl, View
from bot.local_slack.responses import ephemeral_draft
from bot.local_slack.rich_text import escape
from bot.local_slack.web_api.views import check_view


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A slash command as somebody typed it."""

    channel: str
    command: str
    text: str = ""
    typed_text: str = ""
    """The text with mentions in wire form, for commands that ask for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """A button, menu or other element that somebody used."""

    action_id: str
    block_id: str
    element: Json
    """`type` and `value`, `selected_option` and so on."""
    channel: str | None = None
    ts: str | None = None
    view_id: str | None = None
    state_values: Json = field(default_factory=dict)


class Interactions:
    """Delivers what people do with the app, and carries out what it acknowledges with."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def slash(self, user: str, command: Command) -> Json:
        """Send a slash command; gives the acknowledgement, shown as an ephemeral message."""
        core, state = self._core, self._core.state
        declared = core.manifest.command(command.command)
        if declared is None:
            raise RefusedError("unknown_command")
        channel = state.visible(user, command.channel)
        text = command.typed_text if declared.should_escape else escape(command.text)
        payload = {
            **self._reply_ways(user, channel, message=None),
            "token": "local-verification-token",
            "team_id": state.team_id,
            "team_domain": state.domain,
            "channel_id": channel.id,
            "channel_name": _channel_name(channel),
            "user_id": user,
            "user_name": state.people[user].name,
            "command": command.command,
            "text": text,
            "api_app_id": state.app_id,
            "is_enterprise_install": "false",
        }
        answer = await core.deliveries.send_interaction(DeliveryKind.COMMAND, payload)
        self._show_acknowledgement(user, channel, answer)
        return answer

    async def press(self, user: str, press: Press) -> Json:
        """Use an element of a message or view."""
        core = self._core
        payload: Json = self._who(user, "block_actions")
        action = {
            "action_id": press.action_id,
            "block_id": press.block_id,
            "action_ts": core.mint.ts(),
            **press.element,
        }
        payload["actions"] = [action]
        if press.channel and press.ts:
            payload |= self._message_place(user, press.channel, press.ts)
            payload["state"] = {"values": press.state_values}
        else:
            payload |= self._view_place(press)
        payload.setdefault("trigger_id", core.modals.new_trigger(user))
        return await core.deliveries.send_interaction(DeliveryKind.INTERACTION, payload)

    async def submit(self, user: str, view_id: str, values: Json) -> Json:
        """Submit a modal; gives the app's response, which has been carried out."""
        view = self._own_view(user, view_id)
        view.values = values
        payload = self._who(user, "view_submission") | {
            "trigger_id": self._core.modals.new_trigger(user),
            "view": shapes.view_json(self._core, view),
            "response_urls": [],
        }
        answer = await self._core.deliveries.send_interaction(DeliveryKind.INTERACTION, payload)
        self._respond(view, answer)
        return answer

    async def close(self, user: str, view_id: str) -> None:
        """Close a modal; the app is told if the view asks for it."""
        view = self._own_view(user, view_id)
        self._core.modals.close(view)
        if not view.payload.get("notify_on_close"):
            return
        payload = self._who(user, "view_closed") | {
            "view": shapes.view_json(self._core, view),
            "is_cleared": False,
        }
        await self._core.deliveries.send_interaction(DeliveryKind.INTERACTION, payload)

    async def shortcut(self, user: str, callback_id: str, place: Message | None) -> Json:
        """Use a global shortcut, or a message shortcut on a message."""
        if place is None:
            payload = self._who(user, "shortcut")
            payload["trigger_id"] = self._core.modals.new_trigger(user)
        else:
            payload = self._who(user, "message_action")
            payload |= self._message_place(user, place.channel, place.ts)
            payload["message_ts"] = place.ts
            del payload["container"]
        payload |= {"callback_id": callback_id, "action_ts": self._core.mint.ts()}
        return await self._core.deliveries.send_interaction(DeliveryKind.INTERACTION, payload)

    async def suggest(self, user: str, press: Press, text: str) -> list[Json]:
        """Type into an external menu; gives the options the app offers."""
        payload: Json = self._who(user, "block_suggestion")
        payload |= {"action_id": press.action_id, "block_id": press.block_id, "value": text}
        if press.channel and press.ts:
            payload |= self._message_place(user, press.channel, press.ts)
            del payload["response_url"], payload["trigger_id"]
        else:
            payload |= self._view_place(press)
        answer = await self._core.deliveries.send_interaction(DeliveryKind.INTERACTION, payload)
        groups = answer.get("option_groups") or []
        return list(answer.get("options") or [o for g in groups for o in g["options"]])

    def _respond(self, view: View, answer: Json) -> None:
        modals = self._core.modals
        match answer.get("response_action"):
            case "errors":
                modals.refuse(view, answer.get("errors", {}))
            case "update":
                modals.update(view, self._checked(answer), expected_hash=None)
            case "push":
                modals.push_for(view.user, self._checked(answer))
            case "clear":
                modals.clear(view.user)
            case _:
                if view.id in modals.views:
                    modals.close(view)

    def _checked(self, answer: Json) -> Json:
        payload: Json = answer.get("view") or {}
        check_view(self._core.config.refuse_block_types, payload, Surface.MODAL)
        return payload | {"blocks": identified(payload["blocks"], self._core.mint)}

    def _own_view(self, user: str, view_id: str) -> View:
        view = self._core.modals.find(view_id=view_id, external_id=None)
        if view.user != user:
            raise RefusedError("not_found")
        return view

    def _who(self, user: str, kind: str) -> Json:
        state = self._core.state
        person = state.people[user]
        team = {"id": state.team_id, "domain": state.domain}
        return {
            "type": kind,
            "user": {
                "id": user,
                "username": person.name,
                "name": person.name,
                "team_id": state.team_id,
            },
            "api_app_id": state.app_id,
            "token": "local-verification-token",
            "team": team,
            "enterprise": None,
            "is_enterprise_install": False,
        }

    def _message_place(self, user: str, channel_id: str, ts: str) -> Json:
        core = self._core
        channel = core.state.visible(user, channel_id)
        message = core.state.ephemerals.get(ts) or core.state.message(channel.id, ts)
        if message.ephemeral_to not in (None, user):
            raise RefusedError("message_not_found")
        is_ephemeral = message.ephemeral_to is not None
        container = {
            "type": "message",
            "message_ts": ts,
            "channel_id": channel.id,
            "is_ephemeral": is_ephemeral,
        }
        if message.thread_ts:
            container["thread_ts"] = message.thread_ts
        place: Json = {
            "container": container,
            "channel": {"id": channel.id, "name": _channel_name(channel)},
            **self._reply_ways(user, channel, message=message),
        }
        if not is_ephemeral:
            place["message"] = shapes.message_json(core, message)
        return place

    def _view_place(self, press: Press) -> Json:
        core = self._core
        views = [*core.modals.views.values(), *core.modals.homes.values()]
        view = next((v for v in views if v.id == press.view_id), None)
        if view is None:
            raise RefusedError("not_found")
        view.values = press.state_values or view.values
        return {
            "container": {"type": "view", "view_id": view.id},
            "view": shapes.view_json(core, view),
        }

    def _reply_ways(self, user: str, channel: Channel, *, message: Message | None) -> Json:
        """Hand out a trigger and a response_url."""
        core = self._core
        key = core.mint.hex(32)
        core.response_urls[key] = ResponseUrl(
            channel=channel.id,
            user=user,
            issued_s=time.monotonic(),
            message_ts=message.ts if message else None,
            thread_ts=message.thread_ts if message else None,
        )
        return {
            "trigger_id": core.modals.new_trigger(user),
            "response_url": f"{core.base_url}/response/{key}",
        }

    def _show_acknowledgement(self, user: str, channel: Channel, answer: Json) -> None:
        """Show what a command was acknowledged with: to its caller, or to all if it says so."""
        if not (answer.get("text") or answer.get("blocks")):
            return
        draft = ephemeral_draft(self._core, channel.id, answer)
        if answer.get("response_type") == "in_channel":
            self._core.state.post(draft)
        else:
            self._core.state.post_ephemeral(draft, to=user)


def pressed(element: Json, value: Any = None) -> Json:  # noqa: ANN401 - any of Slack's values
    """Give the action fields of an element that was used, as Slack would send them.

    `value` is what was chosen: an option's value, a date, or for feedback_buttons
    "positive" or "negative"; None takes a button's own value.
    """
    kind = element.get("type", "button")
    if kind == "feedback_buttons":
        side = element.get(f"{value or 'positive'}_button") or {"value": value}
        return {"type": kind, "value": side.get("value"), "text": side.get("text")}
    if kind in ("static_select", "radio_buttons", "overflow"):
        return {"type": kind, "selected_option": _option(element, value)}
    if kind in ("multi_static_select", "checkboxes"):
        return {"type": kind, "selected_options": [_option(element, v) for v in value or []]}
    if kind in _SELECTED_FIELDS:
        return {"type": kind, _SELECTED_FIELDS[kind]: value}
    given = element.get("value") if value is None else value
    fields: Json = {"type": kind, "value": given}
    return fields | ({"text": element["text"]} if "text" in element else {})


_SELECTED_FIELDS = {
    "users_select": "selected_user",
    "conversations_select": "selected_conversation",
    "channels_select": "selected_channel",
    "datepicker": "selected_date",
    "timepicker": "selected_time",
    "datetimepicker": "selected_date_time",
    "multi_users_select": "selected_users",
    "multi_channels_select": "selected_channels",
    "multi_conversations_select": "selected_conversations",
}


def _option(element: Json, value: Any) -> Json:  # noqa: ANN401 - any of Slack's values
    groups = element.get("option_groups", [])
    options = element.get("options") or [o for g in groups for o in g["options"]]
    for option in options:
        if option.get("value") == value:
            return dict(option)
    return {"text": {"type": "plain_text", "text": str(value)}, "value": value}


def _channel_name(channel: Channel) -> str:
    return "directmessage" if channel.is_direct else channel.name
