"""What Slack demands of the elements inside blocks: buttons, menus, inputs, rich text. Tables only.

Limits are those of Slack's reference, section 6 of the project's platform notes.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from bot.local_slack.shape_rules import (
    Rule,
    any_text,
    anything,
    at,
    both,
    by_type,
    fields,
    flag,
    items,
    number,
    one_of,
    plain,
    string,
)

ACTION_ID = string(255)
URL = string(3000, least=1)
_VALUE = string(2000)
_BUTTON_TEXT = plain(75)
_STYLE = one_of("primary", "danger")
_TYPE = {"type": anything}

CONFIRM = fields(
    required={"title": plain(100), "text": any_text(300)},
    optional={"confirm": plain(30), "deny": plain(30), "style": _STYLE},
)
OPTION = fields(
    required={"text": any_text(75), "value": string(150)},
    optional={"description": any_text(75), "url": URL},
)
_OPTION_GROUP = fields(
    required={"label": plain(75), "options": items(OPTION, most=100)}, optional={}
)
_FILTER = fields(
    required={},
    optional={
        "include": anything,
        "exclude_external_shared_channels": flag,
        "exclude_bot_users": flag,
    },
)
SLACK_FILE = fields(required={}, optional={"id": string(255), "url": URL})


def _element(*, required: Mapping[str, Rule], optional: Mapping[str, Rule]) -> Rule:
    shared = {"action_id": ACTION_ID, "confirm": CONFIRM, "focus_on_load": flag, **_TYPE}
    return fields(required=required, optional={**shared, **optional})


def _menu(**special: Rule) -> Rule:
    return _element(
        required={}, optional={"placeholder": plain(150), "max_selected_items": number, **special}
    )


def _typed_in(**special: Rule) -> Rule:
    shared = {"placeholder": plain(150), "dispatch_action_config": anything}
    return _element(required={}, optional={**shared, **special})


def _has_options(rule: Rule) -> Rule:
    """A static menu needs options or groups of them."""

    def needs(value: Any, pointer: str) -> Iterator[str]:  # noqa: ANN401 - any JSON
        if "options" not in value and "option_groups" not in value:
            yield at("missing required field: options", pointer)

    return both(rule, needs)


def has_picture(rule: Rule) -> Rule:
    """An image needs an address or a Slack file."""

    def needs(value: Any, pointer: str) -> Iterator[str]:  # noqa: ANN401 - any JSON
        if not value.get("image_url") and not value.get("slack_file"):
            yield at("missing required field: image_url", pointer)

    return both(rule, needs)


IMAGE = has_picture(
    fields(
        required={"alt_text": string(2000)},
        optional={"image_url": URL, "slack_file": SLACK_FILE, **_TYPE},
    )
)
_OPTIONS = items(OPTION, most=100)
_GROUPS = items(_OPTION_GROUP, most=100)
_FEW_OPTIONS = items(OPTION, most=10)
_IDS = items(string(255), most=100, least=0)
_STATIC = {"options": _OPTIONS, "option_groups": _GROUPS}
_FEEDBACK_SIDE = fields(
    required={"text": _BUTTON_TEXT, "value": _VALUE},
    optional={"accessibility_label": string(75)},
)

BUTTON = _element(
    required={"text": _BUTTON_TEXT},
    optional={
        "value": _VALUE,
        "url": URL,
        "style": _STYLE,
        "accessibility_label": string(75),
    },
)
MENUS: dict[str, Rule] = {
    "static_select": _has_options(_menu(initial_option=OPTION, **_STATIC)),
    "multi_static_select": _has_options(_menu(initial_options=_OPTIONS, **_STATIC)),
    "external_select": _menu(initial_option=OPTION, min_query_length=number),
    "multi_external_select": _menu(initial_options=_OPTIONS, min_query_length=number),
    "users_select": _menu(initial_user=string(255)),
    "multi_users_select": _menu(initial_users=_IDS),
    "channels_select": _menu(initial_channel=string(255), response_url_enabled=flag),
    "multi_channels_select": _menu(initial_channels=_IDS),
    "conversations_select": _menu(
        initial_conversation=string(255),
        default_to_current_conversation=flag,
        response_url_enabled=flag,
        filter=_FILTER,
    ),
    "multi_conversations_select": _menu(
        initial_conversations=_IDS, default_to_current_conversation=flag, filter=_FILTER
    ),
    "datepicker": _menu(initial_date=string(10)),
    "timepicker": _menu(initial_time=string(5), timezone=string(255)),
    "datetimepicker": _menu(initial_date_time=number),
    "checkboxes": _element(
        required={"options": _FEW_OPTIONS}, optional={"initial_options": _FEW_OPTIONS}
    ),
    "radio_buttons": _element(
        required={"options": _FEW_OPTIONS}, optional={"initial_option": OPTION}
    ),
}
ACTIONS: dict[str, Rule] = {
    "button": BUTTON,
    "overflow": _element(required={"options": items(OPTION, most=5)}, optional={}),
    "workflow_button": _element(
        required={"text": _BUTTON_TEXT, "workflow": anything},
        optional={"style": _STYLE, "accessibility_label": string(75)},
    ),
    **MENUS,
}
ACCESSORIES: dict[str, Rule] = {"image": IMAGE, **ACTIONS}
INPUTS: dict[str, Rule] = {
    "plain_text_input": _typed_in(
        initial_value=string(3000), multiline=flag, min_length=number, max_length=number
    ),
    "email_text_input": _typed_in(initial_value=string(3000)),
    "url_text_input": _typed_in(initial_value=string(3000)),
    "number_input": _typed_in(
        is_decimal_allowed=flag, initial_value=number, min_value=number, max_value=number
    ),
    "rich_text_input": _typed_in(initial_value=anything),
    "file_input": _element(required={}, optional={"filetypes": anything, "max_files": number}),
    **MENUS,
}
CONTEXT: dict[str, Rule] = {
    "image": IMAGE,
    "plain_text": plain(3000),
    "mrkdwn": any_text(3000),
}
CONTEXT_ACTIONS: dict[str, Rule] = {
    "feedback_buttons": fields(
        required={"positive_button": _FEEDBACK_SIDE, "negative_button": _FEEDBACK_SIDE},
        optional={"action_id": ACTION_ID, **_TYPE},
    ),
    "icon_button": _element(
        required={"icon": one_of("trash"), "text": _BUTTON_TEXT},
        optional={
            "value": _VALUE,
            "accessibility_label": string(75),
            "visible_to_user_ids": items(string(255), most=10, least=0),
        },
    ),
}
SOURCE = fields(required={"url": URL, "text": string(256, least=1)}, optional=_TYPE)

_STYLES = (
    "bold",
    "italic",
    "strike",
    "code",
    "underline",
    "highlight",
    "client_highlight",
    "unlink",
)
_RICH_STYLE = fields(
    required={},
    optional=dict.fromkeys(_STYLES, flag),
)


def _rich(*, required: Mapping[str, Rule], optional: Mapping[str, Rule] | None = None) -> Rule:
    return fields(required=required, optional={"style": _RICH_STYLE, **_TYPE, **(optional or {})})


_RICH_LEAF = by_type(
    {
        "text": _rich(required={"text": string(40_000, least=1)}),
        "link": _rich(required={"url": URL}, optional={"text": string(40_000), "unsafe": flag}),
        "user": _rich(required={"user_id": string(255)}),
        "usergroup": _rich(required={"usergroup_id": string(255)}),
        "channel": _rich(required={"channel_id": string(255)}),
        "team": _rich(required={"team_id": string(255)}),
        "broadcast": _rich(required={"range": one_of("here", "channel", "everyone")}),
        "emoji": _rich(
            required={"name": string(255)},
            optional={"unicode": anything, "skin_tone": number, "url": URL},
        ),
        "color": _rich(required={"value": string(255)}),
        "date": _rich(
            required={"timestamp": number, "format": string(255)},
            optional={"url": URL, "fallback": string(255)},
        ),
    }
)
_RICH_LEAVES = items(_RICH_LEAF, most=10_000, least=0)
_RICH_SECTION = fields(required={"elements": _RICH_LEAVES}, optional=_TYPE)
RICH_TEXT_PARTS: dict[str, Rule] = {
    "rich_text_section": _RICH_SECTION,
    "rich_text_quote": fields(
        required={"elements": _RICH_LEAVES}, optional={"border": number, **_TYPE}
    ),
    "rich_text_preformatted": fields(
        required={"elements": _RICH_LEAVES},
        optional={"border": number, "language": string(255), **_TYPE},
    ),
    "rich_text_list": fields(
        required={
            "style": one_of("bullet", "ordered"),
            "elements": items(by_type({"rich_text_section": _RICH_SECTION}), most=10_000, least=0),
        },
        optional={"indent": number, "offset": number, "border": number, **_TYPE},
    ),
}
