"""Tokens, scopes, membership, limits and shapes of the Web API, called with the real SDK."""

import json
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.local_slack.config import LocalWorkspaceConfig, PersonSeed
from bot.local_slack.default_manifest import DEFAULT_MANIFEST
from bot.local_slack.server import LocalWorkspace
from tests.scenario.local_slack.app import client_of, connected, error_of


async def test_a_token_must_be_known(workspace: LocalWorkspace, client: AsyncWebClient) -> None:
    unknown = client.auth_test(token="xoxb-other")  # noqa: S106 - known to nobody
    assert await error_of(unknown) == "invalid_auth"
    async with ClientSession() as session:
        async with session.post(workspace.api_url + "auth.test") as answer:
            assert (await answer.json())["error"] == "not_authed"
        async with session.post(
            workspace.api_url + "auth.test", data={"token": workspace.bot_token}
        ) as answer:
            assert (await answer.json())["user_id"] == workspace.bot_user_id


async def test_auth_test_names_the_bot_and_its_scopes(
    workspace: LocalWorkspace, client: AsyncWebClient
) -> None:
    answer = await client.auth_test()
    assert answer["team_id"] == workspace.team_id
    assert str(answer["bot_id"]).startswith("B")
    assert "chat:write" in answer.headers["x-oauth-scopes"].split(",")


async def test_a_missing_scope_is_named() -> None:
    manifest = DEFAULT_MANIFEST | {"oauth_config": {"scopes": {"bot": ["chat:write"]}}}
    async with LocalWorkspace(LocalWorkspaceConfig(manifest=manifest)) as workspace:
        client, channel = client_of(workspace), workspace.channel("general").id
        ts = str((await client.chat_postMessage(channel=channel, text="x"))["ts"])
        with pytest.raises(SlackApiError) as refused:
            await client.reactions_add(channel=channel, timestamp=ts, name="eyes")
        answer = refused.value.response
        assert (answer["error"], answer["needed"]) == ("missing_scope", "reactions:write")
        assert answer["provided"] == "chat:write"
        persona = client.chat_postMessage(channel=channel, text="x", username="Data agent")
        assert await error_of(persona) == "missing_scope"
        assert await error_of(client.conversations_history(channel=channel)) == "missing_scope"


async def test_unknown_and_refused_methods_say_unknown_method() -> None:
    config = LocalWorkspaceConfig(unsupported_methods=frozenset({"agents.sessions.*"}))
    async with LocalWorkspace(config) as workspace:
        client = client_of(workspace)
        assert await error_of(client.api_call("chat.nonsense")) == "unknown_method"
        refused = client.agents_sessions_setStatus(channel_id="C1", thread_ts="1", status="active")
        assert await error_of(refused) == "unknown_method"


async def test_arguments_may_come_as_query_form_or_json(workspace: LocalWorkspace) -> None:
    arguments = {"channel": workspace.channel("general").id, "text": "hello"}
    blocks = [{"type": "divider"}]
    headers = {"Authorization": f"Bearer {workspace.bot_token}"}
    url = workspace.api_url + "chat.postMessage"
    ways: list[dict[str, Any]] = [
        {"params": arguments | {"blocks": json.dumps(blocks)}},
        {"data": arguments | {"blocks": json.dumps(blocks)}},
        {"json": arguments | {"blocks": blocks}},
    ]
    async with ClientSession(headers=headers) as session:
        for way in ways:
            async with session.post(url, **way) as answer:
                body = await answer.json()
            assert body["message"]["blocks"][0]["type"] == "divider", body


@pytest.mark.parametrize(
    ("place", "expected"),
    [("secret", "channel_not_found"), ("C0NOSUCHPLACE", "channel_not_found")],
)
async def test_the_bot_cannot_post_where_it_is_not(
    workspace: LocalWorkspace, client: AsyncWebClient, place: str, expected: str
) -> None:
    channel = workspace.channel(place).id if place == "secret" else place
    assert await error_of(client.chat_postMessage(channel=channel, text="x")) == expected


async def test_leaving_and_archiving_stop_posts(
    workspace: LocalWorkspace, client: AsyncWebClient
) -> None:
    ops, data = workspace.channel("ops").id, workspace.channel("data").id
    await client.conversations_leave(channel=ops)
    assert await error_of(client.chat_postMessage(channel=ops, text="x")) == "not_in_channel"
    await workspace.person("ada").archive("data")
    assert await error_of(client.chat_postMessage(channel=data, text="x")) == "is_archived"


async def test_a_message_needs_content_and_fit_blocks(
    workspace: LocalWorkspace, client: AsyncWebClient
) -> None:
    channel = workspace.channel("general").id
    empty = client.api_call("chat.postMessage", json={"channel": channel})
    assert await error_of(empty) == "no_text"
    blocks = [{"type": "divider"}, {"type": "nonsense"}]
    with pytest.raises(SlackApiError) as refused:
        await client.chat_postMessage(channel=channel, text="x", blocks=blocks)
    answer = refused.value.response
    assert answer["error"] == "invalid_blocks"
    assert answer["response_metadata"]["messages"] == [
        "[ERROR] unsupported type: nonsense [json-pointer:/blocks/1/type]"
    ]
    assert workspace.channel("general").roots == []


async def test_refused_block_types_simulate_an_older_slack() -> None:
    config = LocalWorkspaceConfig(refuse_block_types=frozenset({"plan"}))
    async with LocalWorkspace(config) as workspace:
        call = client_of(workspace).chat_postMessage(
            channel=workspace.channel("general").id,
            text="plan",
            blocks=[{"type": "plan", "title": "Plan", "tasks": []}],
        )
        assert await error_of(call) == "invalid_blocks"


async def test_an_update_without_blocks_removes_them(
    workspace: LocalWorkspace, client: AsyncWebClient
) -> None:
    channel, divider = workspace.channel("general").id, [{"type": "divider"}]
    posted = await client.chat_postMessage(channel=channel, text="one", blocks=divider)
    ts = str(posted["ts"])
    by_blocks = await client.chat_update(channel=channel, ts=ts, text="two", blocks=divider)
    assert "edited" not in by_blocks["message"]
    by_text = await client.chat_update(channel=channel, ts=ts, text="three")
    assert "blocks" not in by_text["message"]
    assert by_text["message"]["edited"]
    hers = await workspace.person("ada").post("general", "hers")
    foreign = client.chat_update(channel=channel, ts=hers, text="mine now")
    assert await error_of(foreign) == "cant_update_message"
    long = client.chat_update(channel=channel, ts=ts, text="x" * 4001)
    assert await error_of(long) == "msg_too_long"


async def test_a_user_id_as_channel_means_the_direct_message(
    workspace: LocalWorkspace, client: AsyncWebClient
) -> None:
    posted = await client.chat_postMessage(channel=workspace.person("ada").id, text="hello")
    assert posted["channel"] == workspace.dm("ada").id
    opened = await client.conversations_open(users=workspace.person("ada").id)
    assert opened["channel"]["id"] == posted["channel"]


async def test_metadata_is_kept_and_shown_only_when_asked_for(
    workspace: LocalWorkspace, client: AsyncWebClient
) -> None:
    channel = workspace.channel("general").id
    metadata = {"event_type": "answer", "event_payload": {"key": "run-1"}}
    posted = await client.chat_postMessage(channel=channel, text="x", metadata=metadata)
    ts = str(posted["ts"])
    plain = await client.conversations_replies(channel=channel, ts=ts)
    full = await client.conversations_replies(channel=channel, ts=ts, include_all_metadata=True)
    assert "metadata" not in plain["messages"][0]
    assert full["messages"][0]["metadata"] == metadata
    broken = client.chat_postMessage(channel=channel, text="x", metadata={"event_type": "y"})
    assert await error_of(broken) == "invalid_metadata_format"


async def test_history_is_newest_first_and_threads_are_oldest_first(
    workspace: LocalWorkspace, client: AsyncWebClient
) -> None:
    ada, channel = workspace.person("ada"), workspace.channel("data").id
    roots = [await ada.post("data", f"root {n}") for n in range(3)]
    await ada.post("data", "reply 1", roots[0])
    await ada.post("data", "reply 2", roots[0], also_to_channel=True)
    history = await client.conversations_history(channel=channel, limit=2)
    assert [m["text"] for m in history["messages"]] == ["reply 2", "root 2"]
    assert history["has_more"]
    cursor = history["response_metadata"]["next_cursor"]
    rest = await client.conversations_history(channel=channel, cursor=cursor)
    assert [m["text"] for m in rest["messages"]] == ["root 1", "root 0"]
    replies = await client.conversations_replies(channel=channel, ts=roots[0])
    assert [m["text"] for m in replies["messages"]] == ["root 0", "reply 1", "reply 2"]
    root = replies["messages"][0]
    assert (root["reply_count"], root["latest_reply"]) == (2, replies["messages"][2]["ts"])
    assert replies["messages"][1]["parent_user_id"] == ada.id
    missing = client.conversations_replies(channel=channel, ts="1.000001")
    assert await error_of(missing) == "thread_not_found"


async def test_history_can_be_cut_by_time(
    workspace: LocalWorkspace, client: AsyncWebClient
) -> None:
    ada, channel = workspace.person("ada"), workspace.channel("data").id
    stamps = [await ada.post("data", f"m{n}") for n in range(4)]
    middle = await client.conversations_history(channel=channel, oldest=stamps[0], latest=stamps[3])
    assert [m["ts"] for m in middle["messages"]] == [stamps[2], stamps[1]]
    closed = await client.conversations_history(
        channel=channel, oldest=stamps[0], latest=stamps[1], inclusive=True
    )
    assert [m["ts"] for m in closed["messages"]] == [stamps[1], stamps[0]]


async def test_posting_is_limited_to_one_a_second_per_channel(
    workspace: LocalWorkspace, client: AsyncWebClient
) -> None:
    general, data = workspace.channel("general").id, workspace.channel("data").id
    for _ in range(5):
        await client.chat_postMessage(channel=general, text="burst")
    with pytest.raises(SlackApiError) as refused:
        await client.chat_postMessage(channel=general, text="too much")
    answer = refused.value.response
    assert (answer.status_code, answer["error"]) == (429, "ratelimited")
    assert int(answer.headers["Retry-After"]) == 1
    await client.chat_postMessage(channel=data, text="elsewhere is free")
    workspace.faults.enforce_rate_limits = False
    await client.chat_postMessage(channel=general, text="limits are off")


async def test_reactions_follow_slacks_rules(
    workspace: LocalWorkspace, client: AsyncWebClient
) -> None:
    channel = workspace.channel("general").id
    place = {"channel": channel, "timestamp": await workspace.person("ada").post("general", "x")}
    await client.reactions_add(**place, name="thumbsup")
    assert await error_of(client.reactions_add(**place, name="+1")) == "already_reacted"
    assert await error_of(client.reactions_remove(**place, name="eyes")) == "no_reaction"
    assert await error_of(client.reactions_add(**place, name="no such")) == "invalid_name"
    await workspace.person("grace").react("general", place["timestamp"], "+1")
    got = await client.reactions_get(**place)
    assert got["message"]["reactions"] == [
        {"name": "+1", "count": 2, "users": [workspace.bot_user_id, workspace.person("grace").id]}
    ]
    missing = client.reactions_add(channel=channel, timestamp="1.0", name="eyes")
    assert await error_of(missing) == "message_not_found"


async def test_people_and_places_can_be_looked_up(
    workspace: LocalWorkspace, client: AsyncWebClient
) -> None:
    guest = workspace.add_person(PersonSeed(name="gus", is_restricted=True), channels=("ops",))
    described = (await client.users_info(user=guest.id))["user"]
    assert described["is_restricted"]
    assert await error_of(client.users_info(user="U0")) == "user_not_found"
    names = [m["name"] for m in (await client.users_list())["members"]]
    assert names == ["treadle", "ada", "grace", "linus", "gus"]
    members = await client.conversations_members(channel=workspace.channel("ops").id, limit=2)
    assert len(members["members"]) == 2
    assert members["response_metadata"]["next_cursor"]
    listed = (await client.conversations_list(types="public_channel,private_channel"))["channels"]
    assert [c["name"] for c in listed] == ["general", "data", "ops"]
    email = described["profile"]["email"]
    assert (await client.users_lookupByEmail(email=email))["user"]["id"] == guest.id
    assert (await client.team_info())["team"]["name"] == "Treadle Demo"


async def test_the_bot_can_run_a_channel(workspace: LocalWorkspace, client: AsyncWebClient) -> None:
    created = await client.conversations_create(name="collab-1")
    channel = str(created["channel"]["id"])
    await client.conversations_invite(channel=channel, users=[workspace.person("ada").id])
    await client.conversations_setTopic(channel=channel, topic="One problem")
    await client.conversations_rename(channel=channel, name="collab-one")
    place = workspace.channel("collab-one")
    assert list(place.members) == [workspace.bot_user_id, workspace.person("ada").id]
    assert place.topic == "One problem"
    assert await error_of(client.conversations_create(name="general")) == "name_taken"
    assert await error_of(client.conversations_create(name="No Spaces!")) == "invalid_name_specials"
    await client.conversations_archive(channel=channel)
    assert place.is_archived


async def test_failures_can_be_injected_before_and_after_the_call_took_effect(
    workspace: LocalWorkspace, client: AsyncWebClient
) -> None:
    channel = workspace.channel("general").id
    workspace.faults.fail_api = {
        "chat.postMessage": {"error": "fatal_error", "times": 1, "applied": True},
        "auth.test": {"status": 503, "times": 1},
        "users.info": {"status": "reset"},
        "chat.update": {"status": 429, "retry_after": 7},
    }
    lost = client.chat_postMessage(channel=channel, text="it was posted")
    assert await error_of(lost) == "fatal_error"
    assert len(workspace.channel("general").roots) == 1
    assert await error_of(client.auth_test()) == "internal_error"
    await client.auth_test()
    ts = workspace.channel("general").roots[0]
    assert await error_of(client.chat_update(channel=channel, ts=ts, text="x")) == "ratelimited"
    with pytest.raises(ClientError):
        await client.users_info(user=workspace.bot_user_id)


async def test_a_token_is_never_recorded(workspace: LocalWorkspace, client: AsyncWebClient) -> None:
    async with ClientSession() as session:
        form = {"token": workspace.bot_token}
        async with session.post(workspace.api_url + "auth.test", data=form) as answer:
            assert answer.status == 200
    await client.apps_connections_open(app_token=workspace.app_token)
    await client.chat_postMessage(channel=workspace.channel("ops").id, text=workspace.bot_token)
    recorded = json.dumps([e.as_json() for e in workspace.traffic])
    assert workspace.bot_token not in recorded
    assert workspace.app_token not in recorded


async def test_the_lesser_methods_answer(workspace: LocalWorkspace, client: AsyncWebClient) -> None:
    channel = workspace.channel("general").id
    ts = await workspace.person("ada").post("general", "pin me")
    await client.pins_add(channel=channel, timestamp=ts)
    pins = await client.pins_list(channel=channel)
    assert pins["items"][0]["message"]["text"] == "pin me"
    again = client.pins_add(channel=channel, timestamp=ts)
    assert await error_of(again) == "already_pinned"
    await client.bookmarks_add(
        channel_id=channel, title="Plan", type="link", link="https://x.example"
    )
    bookmarks = await client.bookmarks_list(channel_id=channel)
    assert bookmarks["bookmarks"][0]["title"] == "Plan"
    bot = workspace.core.state.bot
    assert (await client.bots_info(bot=str(bot.bot_id)))["bot"]["user_id"] == bot.id
    assert (await client.emoji_list())["emoji"] == {}
    mine = await client.users_conversations(types="public_channel")
    assert [c["name"] for c in mine["channels"]] == ["general", "data", "ops"]
    valid = await client.blocks_validate(blocks=[{"type": "divider"}])
    assert valid["ok"]
    invalid = client.blocks_validate(blocks=[{"type": "nonsense"}])
    assert await error_of(invalid) == "invalid_blocks"


async def test_a_permalink_leads_to_the_thread_on_the_page(
    workspace: LocalWorkspace, client: AsyncWebClient
) -> None:
    channel, ada = workspace.channel("general").id, workspace.person("ada")
    root = await ada.post("general", "question")
    reply = await ada.post("general", "more", root)
    link = await client.chat_getPermalink(channel=channel, message_ts=reply)
    async with (
        ClientSession() as session,
        session.get(str(link["permalink"]), allow_redirects=False) as answer,
    ):
        assert answer.headers["Location"] == f"/#/{channel}/{root}"


# slack_sdk 3.47 still uses what aiohttp 3.14 deprecates.
@pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning")
async def test_oauth_hands_out_a_token_for_a_code(workspace: LocalWorkspace) -> None:
    config = workspace.core.config
    query = {
        "client_id": config.client_id,
        "scope": "chat:write,commands",
        "state": "s1",
        "redirect_uri": "http://127.0.0.1:9/slack/oauth_redirect",
    }
    async with (
        ClientSession() as session,
        session.get(
            workspace.url + "/oauth/v2/authorize", params=query, allow_redirects=False
        ) as answer,
    ):
        target = answer.headers["Location"]
    assert target.startswith("http://127.0.0.1:9/slack/oauth_redirect?code=")
    assert target.endswith("&state=s1")
    code = target.partition("code=")[2].partition("&")[0]
    client = AsyncWebClient(base_url=workspace.api_url)
    credentials = {"client_id": config.client_id, "client_secret": config.client_secret}
    granted = await client.oauth_v2_access(**credentials, code=code)
    assert granted["scope"] == "chat:write,commands"
    assert granted["bot_user_id"] == workspace.bot_user_id
    installed = AsyncWebClient(str(granted["access_token"]), base_url=workspace.api_url)
    assert (await installed.auth_test())["team_id"] == workspace.team_id
    assert await error_of(installed.users_list()) == "missing_scope"
    assert await error_of(client.oauth_v2_access(**credentials, code=code)) == "invalid_code"


async def test_an_uninstalled_app_is_told_and_locked_out(
    workspace: LocalWorkspace, client: AsyncWebClient, app: AsyncApp
) -> None:
    told: list[str] = []

    async def note(event: dict[str, Any]) -> None:
        told.append(event["type"])

    app.event("tokens_revoked")(note)
    app.event("app_uninstalled")(note)
    async with connected(workspace, app):
        await workspace.person("ada").post("general", "wakes Bolt's authorisation cache")
        await workspace.until(lambda: workspace.traffic.calls("auth.test"))
        await workspace.uninstall()
        await workspace.until(lambda: len(told) == 2)
    assert await error_of(client.auth_test()) == "invalid_auth"
