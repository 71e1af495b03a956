"""Which events reach the app, and in what shape."""

import asyncio
from typing import Any

import pytest
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.local_slack import streams
from bot.local_slack.config import LocalWorkspaceConfig, PersonSeed
from bot.local_slack.default_manifest import DEFAULT_MANIFEST
from bot.local_slack.server import LocalWorkspace
from tests.scenario.local_slack.app import bodies, client_of, connected, new_app


def collect(app: AsyncApp) -> list[dict[str, Any]]:
    """Register a listener for every event."""
    seen: list[dict[str, Any]] = []

    async def note(event: dict[str, Any]) -> None:
        seen.append(event)

    for name in (
        "message",
        "app_mention",
        "reaction_added",
        "reaction_removed",
        "app_home_opened",
        "member_joined_channel",
        "member_left_channel",
        "agent_session_stopped",
        "channel_archive",
        "channel_rename",
        "channel_created",
        "channel_deleted",
        "group_rename",
        "channel_left",
        "file_shared",
    ):
        app.event(name)(note)
    return seen


async def test_a_mention_arrives_as_message_and_as_app_mention(
    workspace: LocalWorkspace, app: AsyncApp
) -> None:
    seen = collect(app)
    async with connected(workspace, app):
        ts = await workspace.person("ada").post("general", "@treadle count to three")
        await workspace.until(lambda: len(seen) == 2)
    by_type = {event["type"]: event for event in seen}
    assert set(by_type) == {"message", "app_mention"}
    for event in seen:
        assert event["ts"] == event["event_ts"] == ts
        assert event["text"] == f"<@{workspace.bot_user_id}> count to three"
        assert event["channel"] == workspace.channel("general").id
        assert event["team"] == workspace.team_id
        assert event["client_msg_id"]
        assert event["blocks"][0]["type"] == "rich_text"
    assert by_type["message"]["channel_type"] == "channel"
    first, second = bodies(workspace, "message")[0], bodies(workspace, "app_mention")[0]
    assert first["event_id"] != second["event_id"]
    assert first["authorizations"][0]["user_id"] == workspace.bot_user_id


async def test_a_mention_in_a_direct_message_arrives_as_message_only(
    workspace: LocalWorkspace, app: AsyncApp
) -> None:
    seen = collect(app)
    async with connected(workspace, app):
        await workspace.person("ada").post(workspace.dm("ada").id, "@treadle hello")
        await workspace.until(lambda: seen)
        await workspace.person("ada").open_home()
        await workspace.until(lambda: len(seen) == 2)
    assert [event["type"] for event in seen] == ["message", "app_home_opened"]
    assert seen[0]["channel_type"] == "im"


async def test_nothing_arrives_from_a_channel_without_the_bot(
    workspace: LocalWorkspace, app: AsyncApp
) -> None:
    seen = collect(app)
    async with connected(workspace, app):
        ada = workspace.person("ada")
        await ada.post("secret", "@treadle can you hear me?")
        await ada.post("general", "marker")
        await workspace.until(lambda: seen)
        assert [event["text"] for event in seen] == ["marker"]
        await ada.invite("secret", "treadle")
        await ada.post("secret", "and now?")
        await workspace.until(lambda: len(seen) == 3)
    assert [event["type"] for event in seen[1:]] == ["member_joined_channel", "message"]
    assert seen[1]["user"] == workspace.bot_user_id
    assert seen[1]["inviter"] == ada.id
    assert seen[2]["channel_type"] == "group"


async def test_own_posts_edits_deletions_and_reactions_raise_events(
    workspace: LocalWorkspace, app: AsyncApp, client: AsyncWebClient
) -> None:
    seen = collect(app)
    async with connected(workspace, app):
        channel = workspace.channel("general").id
        posted = await client.chat_postMessage(channel=channel, text="one")
        ts = str(posted["ts"])
        await client.chat_update(channel=channel, ts=ts, text="two")
        await client.reactions_add(channel=channel, timestamp=ts, name="eyes")
        await client.reactions_remove(channel=channel, timestamp=ts, name="eyes")
        await client.chat_delete(channel=channel, ts=ts)
        await workspace.until(lambda: len(seen) == 5)
    kinds = [(event["type"], event.get("subtype")) for event in seen]
    assert sorted(map(str, kinds)) == sorted(
        map(
            str,
            [
                ("message", None),
                ("message", "message_changed"),
                ("reaction_added", None),
                ("reaction_removed", None),
                ("message", "message_deleted"),
            ],
        )
    )
    by_subtype = {event.get("subtype"): event for event in seen if event["type"] == "message"}
    own = by_subtype[None]
    assert own["user"] == workspace.bot_user_id
    assert own["bot_id"]
    assert own["app_id"]
    changed = by_subtype["message_changed"]
    assert changed["message"]["text"] == "two"
    assert changed["previous_message"]["text"] == "one"
    assert changed["message"]["bot_id"] == own["bot_id"]
    assert by_subtype["message_deleted"]["deleted_ts"] == ts
    reaction = next(event for event in seen if event["type"] == "reaction_added")
    assert reaction["item"] == {"type": "message", "channel": channel, "ts": ts}
    assert reaction["item_user"] == workspace.bot_user_id


async def test_bolt_drops_own_events_by_default(
    workspace: LocalWorkspace, client: AsyncWebClient
) -> None:
    app = AsyncApp(client=client, signing_secret=workspace.signing_secret)
    seen = collect(app)
    async with connected(workspace, app):
        await client.chat_postMessage(channel=workspace.channel("general").id, text="own")
        await workspace.person("ada").post("general", "hers")
        await workspace.until(lambda: seen)
        await workspace.until(lambda: len(bodies(workspace, "message")) == 2)
    assert [event["text"] for event in seen] == ["hers"]


async def test_a_deleted_root_with_replies_leaves_a_tombstone(
    workspace: LocalWorkspace, app: AsyncApp, client: AsyncWebClient
) -> None:
    seen = collect(app)
    ada = workspace.person("ada")
    async with connected(workspace, app):
        ts = await ada.post("general", "question")
        await client.chat_postMessage(
            channel=workspace.channel("general").id, text="answer", thread_ts=ts
        )
        await ada.delete("general", ts)
        await workspace.until(lambda: any(e.get("subtype") == "message_changed" for e in seen))
    changed = next(event for event in seen if event.get("subtype") == "message_changed")
    assert changed["message"]["subtype"] == "tombstone"
    assert [m.text for m in workspace.thread("general", ts)][1:] == ["answer"]


async def test_an_unfurled_link_changes_the_message_but_not_its_text(
    workspace: LocalWorkspace, app: AsyncApp
) -> None:
    seen = collect(app)
    async with connected(workspace, app):
        ts = await workspace.person("ada").post("general", "see https://example.org/report.")
        workspace.unfurl("general", ts)
        await workspace.until(lambda: len(seen) == 2)
    changed = next(event for event in seen if event.get("subtype") == "message_changed")
    assert changed["message"]["text"] == changed["previous_message"]["text"]
    assert changed["message"]["text"] == "see <https://example.org/report>."
    assert "edited" not in changed["message"]


async def test_another_bots_mention_is_delivered_with_its_bot_id(
    workspace: LocalWorkspace, app: AsyncApp
) -> None:
    seen = collect(app)
    other = workspace.add_person(PersonSeed(name="deploybot", is_bot=True), channels=("ops",))
    async with connected(workspace, app):
        await other.post("ops", "@treadle deployed")
        await workspace.until(lambda: any(e["type"] == "app_mention" for e in seen))
    mention = next(event for event in seen if event["type"] == "app_mention")
    assert mention["bot_id"]
    assert mention["user"] == other.id
    assert "client_msg_id" not in mention


async def test_a_channel_with_a_stranger_is_marked_as_shared(
    workspace: LocalWorkspace, app: AsyncApp
) -> None:
    seen = collect(app)
    stranger = workspace.add_person(PersonSeed(name="eve", is_stranger=True), channels=("ops",))
    async with connected(workspace, app):
        await stranger.post("ops", "hello from outside")
        await workspace.until(lambda: seen)
        await workspace.person("ada").post("general", "inside")
        await workspace.until(lambda: len(seen) >= 2)
    shared = {
        body["event"].get("text"): body["is_ext_shared_channel"]
        for body in bodies(workspace, "message")
    }
    assert shared == {"hello from outside": True, "inside": False}


async def test_only_subscribed_events_are_delivered() -> None:
    settings = {"event_subscriptions": {"bot_events": ["app_mention"]}}
    config = LocalWorkspaceConfig(manifest=DEFAULT_MANIFEST | {"settings": settings})
    async with LocalWorkspace(config) as workspace:
        app = new_app(workspace)
        seen = collect(app)
        async with connected(workspace, app):
            await workspace.person("ada").post("general", "plain")
            await workspace.person("ada").post("general", "@treadle mentioned")
            await workspace.until(lambda: seen)
        assert {e.name for e in workspace.traffic if e.direction == "event"} == {"app_mention"}


async def test_a_file_of_a_person_arrives_as_file_share(
    workspace: LocalWorkspace, app: AsyncApp
) -> None:
    seen = collect(app)
    async with connected(workspace, app):
        await workspace.person("ada").upload(
            "data", "numbers.csv", b"a,b\n1,2\n", comment="@treadle sum it"
        )
        await workspace.until(lambda: len(seen) == 3)
    kinds = {event["type"]: event for event in seen}
    assert kinds["message"]["subtype"] == "file_share"
    assert kinds["message"]["files"][0]["name"] == "numbers.csv"
    assert kinds["app_mention"]["files"][0]["mimetype"] == "text/csv"
    assert kinds["file_shared"]["file_id"] == kinds["message"]["files"][0]["id"]


async def test_until_says_what_happened_when_it_gives_up(workspace: LocalWorkspace) -> None:
    await workspace.person("ada").post("general", "hello")
    with pytest.raises(TimeoutError, match=r"not within 0.01 s; latest: "):
        await workspace.until(lambda: False, timeout=0.01)
    async with asyncio.timeout(1):
        assert await workspace.until(lambda: workspace.channel("general").roots)


async def test_channels_tell_what_becomes_of_them(workspace: LocalWorkspace, app: AsyncApp) -> None:
    seen = collect(app)
    ada = workspace.person("ada")
    async with connected(workspace, app):
        channel = await ada.create_channel("ideas")
        await ada.rename("ideas", "better-ideas")
        await ada.archive("better-ideas")
        await ada.delete_channel("better-ideas")
        private = await ada.create_channel("quiet", is_private=True)
        await ada.invite("quiet", "treadle")
        await ada.rename("quiet", "quieter")
        await workspace.until(lambda: len(seen) == 6)
        await ada.post(private, "@treadle bye")
        await ada.leave("quieter")
        await workspace.until(lambda: len(seen) == 9)
    kinds = [event["type"] for event in seen]
    assert sorted(kinds[:4]) == [
        "channel_archive",
        "channel_created",
        "channel_deleted",
        "channel_rename",
    ]
    renamed = next(event for event in seen if event["type"] == "channel_rename")
    assert (renamed["channel"]["id"], renamed["channel"]["name"]) == (channel, "better-ideas")
    assert {"group_rename", "member_joined_channel", "member_left_channel"} <= set(kinds)


async def test_a_deleted_stream_ends_in_silence(
    workspace: LocalWorkspace, app: AsyncApp, client: AsyncWebClient
) -> None:
    seen = collect(app)
    channel = workspace.dm("ada").id
    async with connected(workspace, app):
        root = await workspace.person("ada").post(channel, "hello")
        started = await client.chat_startStream(channel=channel, thread_ts=root, markdown_text="x")
        message = workspace.thread(channel, root)[1]
        await client.chat_delete(channel=channel, ts=str(started["ts"]))
        streams.finalise(workspace.core, message)
        await workspace.person("ada").post(channel, "marker")
        await workspace.until(lambda: any(e.get("text") == "marker" for e in seen))
    assert not message.is_streaming
    assert [e.get("subtype") for e in seen if e.get("subtype")] == ["message_deleted"]


async def test_two_runs_of_the_same_conversation_have_equal_snapshots(
    workspace: LocalWorkspace,
) -> None:
    async def talk(place: LocalWorkspace) -> list[dict[str, Any]]:
        channel = place.channel("general").id
        ts = await place.person("ada").post("general", "@treadle how many?")
        posted = await client_of(place).chat_postMessage(
            channel=channel, thread_ts=ts, text="3", blocks=[{"type": "divider"}]
        )
        await place.person("grace").react("general", str(posted["ts"]), "+1")
        return place.snapshot_thread("general", ts)

    async with LocalWorkspace() as other:
        first, second = await talk(workspace), await talk(other)
    assert first == second
    assert first[0]["text"] == "<@treadle> how many?"
    assert first[1] == {
        "user": "treadle",
        "text": "3",
        "blocks": [{"type": "divider"}],
        "reactions": {"+1": ["grace"]},
        "files": [],
        "is_streaming": False,
    }
