import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_engine.places import ChannelKind
from agent_engine.types import ChannelId, WorkspaceId
from bot.inbound import read_slack
from bot.inbound import slack_events as ev

FIELDS = [
    "type",
    "subtype",
    "user",
    "text",
    "ts",
    "thread_ts",
    "channel",
    "event_ts",
    "channel_type",
    "item",
    "reaction",
    "message",
    "previous_message",
    "edited",
    "deleted_ts",
    "files",
    "id",
    "name",
    "tab",
    "context",
    "entities",
    "value",
    "tokens",
    "bot",
    "metadata",
    "event_type",
    "user_profile",
    "authorizations",
    "team_id",
    "event",
    "event_id",
    "actions",
    "action_id",
    "container",
    "view",
    "state",
    "values",
    "callback_id",
    "command",
    "user_id",
    "channel_id",
    "selected_option",
]
WORDS = ["message_changed", "message_deleted", "tombstone", "message", "C1", "1.0", ""]
LEAF = st.sampled_from([*WORDS, None, True, 0, -1.5, [], {}, [7], [[]], [{}], {"": None}])
FIELD = st.sampled_from(FIELDS)
SHALLOW = st.dictionaries(FIELD, LEAF, max_size=6)
SLACKISH = st.dictionaries(FIELD, LEAF | SHALLOW | st.lists(SHALLOW, max_size=2), max_size=8)


def envelope(event, **more):
    return {"team_id": "T1", "event_id": "Ev1", "type": "event_callback", "event": event, **more}


def message(**more):
    return {"type": "message", "user": "U1", "text": "hi", "ts": "1.1", "channel": "C1", **more}


def test_a_mention_is_a_message_that_says_so():
    event = read_slack.read_event(envelope(message(type="app_mention", text="<@UB> hi", team="T1")))
    assert isinstance(event, ev.MessagePosted)
    assert event.is_mention_event
    assert event.origin == ev.Origin(workspace_id=WorkspaceId("T1"), delivery_id="Ev1")
    assert (event.channel_id, event.ts, event.thread_ts) == ("C1", "1.1", None)
    assert event.author.home_workspace_id == "T1"


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("channel", ChannelKind.PUBLIC),
        ("group", ChannelKind.PRIVATE),
        ("im", ChannelKind.DIRECT),
        ("mpim", ChannelKind.GROUP),
        ("app_home", None),
    ],
)
def test_a_message_knows_its_kind_of_channel(word, kind):
    event = read_slack.read_event(envelope(message(channel_type=word)))
    assert isinstance(event, ev.MessagePosted)
    assert event.kind is kind


def test_a_reply_has_a_thread_and_a_root_has_none():
    reply = read_slack.read_event(envelope(message(thread_ts="1.0")))
    root = read_slack.read_event(envelope(message(thread_ts="1.1")))
    assert isinstance(reply, ev.MessagePosted)
    assert isinstance(root, ev.MessagePosted)
    assert (reply.thread_ts, root.thread_ts) == ("1.0", None)


def test_the_workspace_is_the_installations_in_a_shared_channel():
    body = envelope(message(), authorizations=[{"team_id": "T9"}], is_ext_shared_channel=True)
    event = read_slack.read_event(body)
    assert isinstance(event, ev.MessagePosted)
    assert event.origin.workspace_id == "T9"
    assert event.origin.is_external


def test_an_edit_carries_both_texts_and_the_mark_of_a_person():
    changed = {
        "type": "message",
        "subtype": "message_changed",
        "channel": "C1",
        "event_ts": "5.0",
        "message": message(text="new", edited={"user": "U1", "ts": "4.0"}, thread_ts="1.0"),
        "previous_message": message(text="old"),
    }
    event = read_slack.read_event(envelope(changed))
    assert isinstance(event, ev.MessageEdited)
    assert (event.text, event.previous_text, event.edited_ts) == ("new", "old", "4.0")
    assert event.was_edited_by_person
    assert event.thread_ts == "1.0"


def test_a_link_preview_leaves_no_mark_of_a_person():
    mark = {"user": "U1", "ts": "4.0"}
    for before, after in [({}, {}), ({"edited": mark}, {"edited": mark})]:
        changed = {
            "type": "message",
            "subtype": "message_changed",
            "channel": "C1",
            "message": message(**after),
            "previous_message": message(**before),
        }
        event = read_slack.read_event(envelope(changed))
        assert isinstance(event, ev.MessageEdited)
        assert not event.was_edited_by_person


def test_a_deleted_root_that_leaves_a_tombstone_is_deleted():
    changed = {
        "type": "message",
        "subtype": "message_changed",
        "channel": "C1",
        "message": message(subtype="tombstone", ts="1.0", thread_ts="1.0"),
    }
    event = read_slack.read_event(envelope(changed))
    assert isinstance(event, ev.MessageDeleted)
    assert event.ts == "1.0"


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("+1", "+1"),
        ("thumbsup", "+1"),
        ("+1::skin-tone-6", "+1"),
        ("thumbsdown::skin-tone-2", "-1"),
        (":x:", "x"),
        ("one", "one"),
    ],
)
def test_reactions_lose_skin_tone_and_alias(raw, name):
    event = read_slack.read_event(
        envelope(
            {
                "type": "reaction_added",
                "user": "U1",
                "reaction": raw,
                "item": {"type": "message", "channel": "C1", "ts": "1.0"},
            }
        )
    )
    assert isinstance(event, ev.ReactionAdded)
    assert event.name == name


def test_a_reaction_on_a_file_is_unreadable():
    raw = {"type": "reaction_added", "user": "U1", "reaction": "x", "item": {"type": "file"}}
    assert isinstance(read_slack.read_event(envelope(raw)), ev.Unreadable)


def test_files_without_an_id_are_left_out():
    files = [{"id": "F1", "name": "a.csv", "size": 3, "url_private": "u"}, {"name": "b"}, 7]
    event = read_slack.read_event(envelope(message(files=files)))
    assert isinstance(event, ev.MessagePosted)
    assert event.files == (ev.SlackFile(id="F1", name="a.csv", size=3, url="u"),)


def test_a_button_knows_where_it_was_pressed():
    event = read_slack.read_button(
        {
            "type": "block_actions",
            "team": {"id": "T1"},
            "user": {"id": "U1"},
            "container": {"type": "message", "message_ts": "2.0", "channel_id": "C1"},
            "message": {"ts": "2.0", "thread_ts": "1.0"},
            "actions": [{"action_id": "stop", "value": "r1", "block_id": "b"}],
            "trigger_id": "t",
        }
    )
    assert isinstance(event, ev.ButtonPressed)
    assert (event.channel_id, event.message_ts, event.thread_ts) == ("C1", "2.0", "1.0")
    assert (event.action_id, event.value) == ("stop", "r1")


def test_the_value_of_a_menu_is_the_chosen_options():
    action = {"action_id": "a", "selected_option": {"value": "v"}}
    event = read_slack.read_button({"user": {"id": "U1"}, "actions": [action]})
    assert isinstance(event, ev.ButtonPressed)
    assert event.value == "v"


def test_a_title_change_and_a_stop_name_their_thread():
    base = {"channel": "C1", "user": "U1", "thread_ts": "1.0"}
    stop = read_slack.read_event(envelope({"type": "agent_session_stopped", **base}))
    named = read_slack.read_event(
        envelope({"type": "agent_session_title_changed", "title": "x", **base})
    )
    assert isinstance(stop, ev.SessionStopped)
    assert isinstance(named, ev.SessionRenamed)
    assert stop.thread_ts == named.thread_ts == "1.0"


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({}, "unknown event type ''"),
        ({"type": "team_join"}, "unknown event type 'team_join'"),
        ({"type": "app_mention", "channel": "C1"}, "app_mention without ts"),
        ({"type": "message", "ts": "1.0", "channel": 7}, "message without channel"),
    ],
)
def test_what_cannot_be_read_says_why(event, reason):
    assert read_slack.read_event(envelope(event)) == ev.Unreadable(reason=reason)


@given(st.dictionaries(FIELD, LEAF | SLACKISH, max_size=8))
def test_no_json_makes_the_readers_raise(body):
    read_slack.read_command(body)
    read_slack.read_button(body)
    read_slack.read_view(body)
    for kind in read_slack.READABLE_EVENTS:
        event = body.get("event")
        inner = {**event, "type": kind} if isinstance(event, dict) else {**body, "type": kind}
        read_slack.read_event({**body, "event": inner})
    read_slack.read_event(body)
    where = {"workspace_id": WorkspaceId("T"), "channel_id": ChannelId("C"), "kind": None}
    read_slack.read_history(body, **where)
