"""Every call of the client is one that a Slack-speaking server understands."""

import asyncio

import pytest

from agent_engine.types import ChannelId, UserId
from bot.errors import SlackRefusedError
from bot.outbound.blocks import ids
from bot.outbound.blocks.agent_modal import agent_modal
from bot.outbound.blocks.home import HomeFacts, home_view
from bot.outbound.content import Content
from bot.outbound.pacing import SESSIONS, Urgency
from bot.outbound.slack_values import Pace, SessionStatus, Upload
from tests.fakes.runs import AT, PROFILE
from tests.scenario.outbound.desk import open_desk

WORKING = SessionStatus.PROCESSING
HELLO = Content(text="hello <!channel>")


def general(desk):
    return ChannelId(desk.workspace.channel("general").id)


async def test_it_says_who_we_are():
    async with open_desk() as desk:
        who = await desk.slack.auth_test()
        assert who.workspace_id == desk.workspace.team_id
        assert who.user_id == desk.workspace.bot_user_id
        assert "chat:write" in who.scopes
        assert who.workspace_url.startswith("http")


async def test_a_server_on_this_machine_is_not_sought_behind_a_proxy(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with open_desk() as desk:
        assert (await desk.slack.auth_test()).workspace_id == desk.workspace.team_id


async def test_messages_are_posted_without_previews_and_carry_their_key():
    async with open_desk() as desk:
        ts = await desk.slack.post_message(general(desk), HELLO, key="k1")
        [call] = desk.calls("chat.postMessage")
        assert (call.args["unfurl_links"], call.args["unfurl_media"]) == (False, False)
        assert (call.args["link_names"], call.args["parse"]) == (False, "none")
        page = await desk.slack.replies(general(desk), ts)
        assert [ids.read_metadata(m.get("metadata")) for m in page.messages] == ["k1"]


async def test_messages_are_edited_and_deleted():
    async with open_desk() as desk:
        ts = await desk.slack.post_message(general(desk), HELLO)
        await desk.slack.update_message(general(desk), ts, Content(text="bye"))
        page = await desk.slack.history(general(desk))
        assert page.messages[0]["text"] == "bye"
        await desk.slack.delete_message(general(desk), ts)
        await desk.slack.delete_message(general(desk), ts)


async def test_long_threads_are_read_page_by_page():
    async with open_desk() as desk:
        root = await desk.slack.post_message(general(desk), HELLO)
        for _ in range(5):
            await desk.slack.post_message(general(desk), HELLO, thread_ts=root)
        seen, cursor = [], None
        while True:
            page = await desk.slack.replies(general(desk), root, limit=2, cursor=cursor)
            seen += [message["ts"] for message in page.messages]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert len(set(seen)) == 6


async def test_ephemerals_reach_one_person():
    async with open_desk() as desk:
        ada = desk.workspace.person("ada")
        await desk.slack.post_ephemeral(general(desk), UserId(ada.id), HELLO)
        assert [m.text for m in ada.ephemerals("general")] == [HELLO.text]


async def test_reactions_can_be_set_and_taken_back_twice():
    async with open_desk() as desk:
        ts = await desk.workspace.person("ada").post("general", "hi")
        for _ in range(2):
            await desk.slack.add_reaction(general(desk), ts, "eyes")
        for _ in range(2):
            await desk.slack.remove_reaction(general(desk), ts, "eyes")


async def test_people_channels_and_addresses_are_looked_up():
    async with open_desk() as desk:
        ada = desk.workspace.person("ada")
        assert (await desk.slack.users_info(UserId(ada.id)))["name"] == "ada"
        assert (await desk.slack.conversations_info(general(desk)))["name"] == "general"
        ts = await desk.slack.post_message(general(desk), HELLO)
        assert ts.replace(".", "") in await desk.slack.permalink(general(desk), ts)
        people, _ = await desk.slack.members(general(desk))
        assert ada.id in people
        channels, _ = await desk.slack.member_channels()
        assert "general" in [channel.get("name") for channel in channels]
        dm = await desk.slack.open_dm(UserId(ada.id))
        assert dm == desk.workspace.dm("ada").id


async def test_what_slack_refuses_says_why():
    async with open_desk() as desk:
        with pytest.raises(SlackRefusedError) as caught:
            await desk.slack.users_info(UserId("U404"))
        assert caught.value.error == "user_not_found"


async def test_home_and_prompts_are_shown():
    async with open_desk() as desk:
        ada = desk.workspace.person("ada")
        facts = HomeFacts(workspace_url="https://x.slack.com", now=AT)
        await desk.slack.publish_home(UserId(ada.id), home_view(facts))
        assert ada.home() is not None
        dm = ChannelId(desk.workspace.dm("ada").id)
        prompts = [{"title": "Try", "message": "Compute 6 * 7"}]
        await desk.slack.set_suggested_prompts(dm, prompts, title="What now?")
        assert desk.workspace.core.sessions.prompts[dm]


async def test_a_modal_with_a_spent_trigger_is_refused():
    async with open_desk() as desk:
        view = agent_modal(PROFILE, channel_id=general(desk), tools=["web_search"])
        with pytest.raises(SlackRefusedError, match="trigger"):
            await desk.slack.open_view("1.2.3", view)


async def test_files_are_uploaded_into_a_thread():
    async with open_desk() as desk:
        ts = await desk.slack.post_message(general(desk), HELLO)
        upload = Upload(name="a.bin", content=bytes(range(256)), title="All bytes")
        file_id = await desk.slack.upload_file(general(desk), upload, thread_ts=ts)
        assert desk.workspace.core.files.files[file_id].content == upload.content
        assert desk.workspace.thread(general(desk), ts)[1].files == [file_id]


@pytest.mark.parametrize(
    ("refused", "has_session", "has_line"),
    [
        (frozenset(), True, True),
        (frozenset({"agents.sessions.*"}), False, True),
        (frozenset({"agents.sessions.*", "assistant.threads.*"}), False, False),
    ],
)
async def test_a_status_that_this_slack_does_not_offer_is_no_error(refused, has_session, has_line):
    async with open_desk(unsupported_methods=refused) as desk:
        thread = await desk.ask()
        assert await desk.slack.set_session_status(thread, WORKING) is has_session
        assert await desk.slack.set_status_line(thread, WORKING) is has_line
        assert desk.slack.shows_status is (has_session or has_line)


async def test_a_first_sign_goes_before_the_word_that_others_are_done():
    async with open_desk(factor=5.0) as desk:
        done = [await desk.ask() for _ in range(SESSIONS.burst)]
        begun = await desk.ask()
        later = Pace(urgency=Urgency.BACKGROUND, patience_s=60.0)
        soon = Pace(urgency=Urgency.ANSWER, patience_s=0.0)
        calls = []
        async with asyncio.TaskGroup() as group:
            for thread in done:
                resting = desk.slack.set_session_status(thread, SessionStatus.ACTIVE, pace=later)
                calls.append(group.create_task(resting))
            await desk.workspace.until(
                lambda: len(desk.calls("agents.sessions.setStatus")) >= SESSIONS.burst - 10
            )
            assert await desk.slack.set_session_status(begun, WORKING, pace=soon)
            assert not all(call.done() for call in calls)
            for call in calls:
                call.cancel()
