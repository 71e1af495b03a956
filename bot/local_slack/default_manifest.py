"""The manifest a local workspace enforces when none is given: generous, for a first try."""

from typing import Any

_COMMANDS = {
    "/solve": ("Give an agent a problem", "[problem]"),
    "/tasks": ("See running and recent tasks", "[all | mine | id]"),
    "/treadle": ("Help, settings and health", "[help | status]"),
    "/agent": ("See or change this channel's agent", "[show | set]"),
    "/memory": ("See what an agent remembers", "[search | forget]"),
    "/collab": ("Let several agents work on one problem", "[problem]"),
}
_SCOPES = [
    "app_mentions:read",
    "assistant:write",
    "bookmarks:read",
    "bookmarks:write",
    "channels:history",
    "channels:join",
    "channels:manage",
    "channels:read",
    "channels:write.invites",
    "channels:write.topic",
    "chat:write",
    "chat:write.customize",
    "commands",
    "emoji:read",
    "files:read",
    "files:write",
    "groups:history",
    "groups:read",
    "groups:write",
    "groups:write.invites",
    "im:history",
    "im:read",
    "im:write",
    "mpim:history",
    "mpim:read",
    "mpim:write",
    "pins:read",
    "pins:write",
    "reactions:read",
    "reactions:write",
    "team:read",
    "users.profile:read",
    "users:read",
    "users:read.email",
]
_EVENTS = [
    "agent_session_stopped",
    "agent_session_title_changed",
    "app_context_changed",
    "app_home_opened",
    "app_mention",
    "app_uninstalled",
    "channel_archive",
    "channel_created",
    "channel_left",
    "channel_rename",
    "channel_unarchive",
    "file_shared",
    "group_archive",
    "group_left",
    "group_rename",
    "group_unarchive",
    "member_joined_channel",
    "member_left_channel",
    "message.channels",
    "message.groups",
    "message.im",
    "message.mpim",
    "reaction_added",
    "reaction_removed",
    "tokens_revoked",
]

DEFAULT_MANIFEST: dict[str, Any] = {
    "_metadata": {"major_version": 2, "minor_version": 1},
    "display_information": {"name": "Treadle"},
    "features": {
        "agent_view": {"agent_description": "Runs agents in channels and threads."},
        "app_home": {
            "home_tab_enabled": True,
            "messages_tab_enabled": True,
            "messages_tab_read_only_enabled": False,
        },
        "bot_user": {"display_name": "treadle", "always_online": True},
        "slash_commands": [
            {"command": name, "description": description, "usage_hint": hint, "should_escape": True}
            for name, (description, hint) in _COMMANDS.items()
        ],
    },
    "oauth_config": {"scopes": {"bot": _SCOPES}},
    "settings": {
        "event_subscriptions": {"bot_events": _EVENTS},
        "interactivity": {"is_enabled": True},
        "socket_mode_enabled": True,
    },
}
