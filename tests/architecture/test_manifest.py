"""What the app asks Slack for is exactly what its code uses and hears."""

import json
import re
from pathlib import Path

import jsonschema
import pytest

from bot.inbound.listeners.events import EVENTS
from bot.inbound.slash import command_names
from bot.manifest import (
    SCOPE_COSTS,
    ManifestError,
    as_yaml,
    command_list,
    for_public_url,
    load_manifest,
    with_commands,
)
from bot.outbound import personas

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((Path(__file__).parent / "data" / "manifest.schema.json").read_text())

SCOPES_OF_METHODS = {
    "auth_test": set(),
    "chat_postMessage": {"chat:write"},
    "chat_postEphemeral": {"chat:write"},
    "chat_update": {"chat:write"},
    "chat_startStream": {"chat:write"},
    "chat_appendStream": {"chat:write"},
    "chat_stopStream": {"chat:write"},
    "chat_delete": {"chat:write"},
    "chat_getPermalink": set(),
    "files_delete": {"files:write"},
    "agents_sessions_setStatus": {"chat:write"},
    "assistant_threads_setStatus": {"chat:write"},
    "assistant_threads_setSuggestedPrompts": {"assistant:write"},
    "conversations_history": {
        "channels:history",
        "groups:history",
        "im:history",
        "mpim:history",
    },
    "conversations_replies": {
        "channels:history",
        "groups:history",
        "im:history",
        "mpim:history",
    },
    "conversations_info": {"channels:read", "groups:read", "im:read", "mpim:read"},
    "conversations_members": {"channels:read", "groups:read", "im:read", "mpim:read"},
    "users_conversations": {"channels:read", "groups:read", "im:read", "mpim:read"},
    "conversations_open": {"im:write"},
    "files_getUploadURLExternal": {"files:write"},
    "files_completeUploadExternal": {"files:write"},
    "files_info": {"files:read"},
    "reactions_add": {"reactions:write"},
    "reactions_remove": {"reactions:write"},
    "users_info": {"users:read"},
    "views_open": set(),
    "views_update": set(),
    "views_publish": set(),
    "views_push": set(),
}
SCOPES_OF_EVENTS = {
    "app_mention": {"app_mentions:read"},
    "message.channels": {"channels:history"},
    "message.groups": {"groups:history"},
    "message.im": {"im:history"},
    "message.mpim": {"mpim:history"},
    "reaction_added": {"reactions:read"},
    "reaction_removed": {"reactions:read"},
    "channel_archive": {"channels:read"},
    "channel_deleted": {"channels:read"},
    "channel_left": {"channels:read"},
    "channel_rename": {"channels:read"},
    "channel_unarchive": {"channels:read"},
    "group_archive": {"groups:read"},
    "group_deleted": {"groups:read"},
    "group_left": {"groups:read"},
    "group_rename": {"groups:read"},
    "group_unarchive": {"groups:read"},
    "member_joined_channel": {"channels:read", "groups:read"},
    "member_left_channel": {"channels:read", "groups:read"},
    "agent_session_stopped": {"assistant:write"},
    "agent_session_title_changed": {"assistant:write"},
    "app_context_changed": {"assistant:write"},
    "app_home_opened": set(),
    "app_uninstalled": set(),
    "tokens_revoked": set(),
}
SCOPES_OF_FEATURES = {
    "slash commands": {"commands"},
    "files that people attach": {"files:read"},
    "agents under names and icons of their own": {personas.SCOPE},
}


@pytest.fixture(scope="module")
def manifest():
    return load_manifest()


def bot_events(manifest):
    return manifest["settings"]["event_subscriptions"]["bot_events"]


def methods_used():
    text = "".join(path.read_text() for path in (ROOT / "bot" / "outbound").rglob("*.py"))
    return set(re.findall(r"_web\.([a-zA-Z_]+)\(", text))


def is_valid(manifest):
    jsonschema.validate(manifest, SCHEMA)
    return True


def test_the_manifest_is_valid(manifest):
    assert is_valid(manifest)


def test_the_variants_are_valid_too(manifest):
    public = for_public_url(manifest, "https://bot.example.org")
    assert is_valid(public)
    assert is_valid(with_commands(public, prefix="x-", has_short=True))
    assert is_valid(with_commands(public, prefix="", has_short=False))


def test_every_method_used_has_its_scopes_listed_here():
    used = methods_used()
    assert "chat_postMessage" in used
    assert used <= SCOPES_OF_METHODS.keys()


def test_the_scopes_are_those_that_the_code_uses(manifest):
    needed = set().union(*SCOPES_OF_FEATURES.values())
    for method in methods_used():
        needed |= SCOPES_OF_METHODS[method]
    for event in bot_events(manifest):
        needed |= SCOPES_OF_EVENTS[event]
    assert sorted(manifest["oauth_config"]["scopes"]["bot"]) == sorted(needed)


def test_every_event_subscribed_to_has_a_listener_and_the_other_way_round(manifest):
    heard = {"message" if e.startswith("message.") else e for e in bot_events(manifest)}
    assert heard == set(EVENTS)


def test_lists_are_sorted_and_have_no_doubles(manifest):
    for names in (bot_events(manifest), manifest["oauth_config"]["scopes"]["bot"]):
        assert names == sorted(set(names))


def test_it_is_an_agent_with_a_stop_button_and_no_assistant(manifest):
    assert "agent_view" in manifest["features"]
    assert "assistant_view" not in manifest["features"]
    assert "agent_session_stopped" in bot_events(manifest)
    assert "assistant:write" in manifest["oauth_config"]["scopes"]["bot"]


def test_the_messages_tab_can_be_written_in(manifest):
    home = manifest["features"]["app_home"]
    assert home["messages_tab_enabled"]
    assert not home["messages_tab_read_only_enabled"]


def test_the_commands_are_those_that_the_code_answers(manifest):
    names = {name.split(" ")[0] for name in command_names().values()}
    assert set(command_list(manifest)) == names
    renamed = with_commands(manifest, prefix="x-", has_short=True)
    names = {name.split(" ")[0] for name in command_names(prefix="x-").values()}
    assert set(command_list(renamed)) == names
    alone = with_commands(manifest, prefix="", has_short=False)
    assert command_list(alone) == ["/treadle"]


def test_commands_escape_what_people_type(manifest):
    assert all(c["should_escape"] for c in manifest["features"]["slash_commands"])


def test_socket_mode_needs_no_address_and_http_has_one_everywhere(manifest):
    assert manifest["settings"]["socket_mode_enabled"]
    assert "url" not in as_yaml(manifest)
    public = for_public_url(manifest, "https://bot.example.org/")
    assert not public["settings"]["socket_mode_enabled"]
    wanted = "https://bot.example.org/slack/events"
    assert public["settings"]["event_subscriptions"]["request_url"] == wanted
    assert public["settings"]["interactivity"]["request_url"] == wanted
    assert {c["url"] for c in public["features"]["slash_commands"]} == {wanted}
    assert manifest["settings"]["socket_mode_enabled"], "the original is left alone"


@pytest.mark.parametrize("url", ["http://bot.example.org", "bot.example.org", "https://"])
def test_an_address_slack_cannot_reach_is_refused(manifest, url):
    with pytest.raises(ManifestError):
        for_public_url(manifest, url)


def test_a_missing_file_is_one_sentence(tmp_path):
    with pytest.raises(ManifestError, match="is missing"):
        load_manifest(tmp_path / "manifest.yml")


def test_the_cost_of_every_scope_is_known() -> None:
    wanted = load_manifest()["oauth_config"]["scopes"]["bot"]
    assert sorted(SCOPE_COSTS) == sorted(wanted)
