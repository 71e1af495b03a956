"""Messages written bit by bit, agent sessions and Slack's Stop."""

import asyncio
from typing import Any

import pytest
from slack_bolt.async_app import AsyncApp
from slack_sdk.models.messages.chunk import MarkdownTextChunk, PlanUpdateChunk, TaskUpdateChunk
from slack_sdk.web.async_client import AsyncWebClient

from bot.local_slack import page_shapes
from bot.local_slack.config import LocalWorkspaceConfig
from bot.local_slack.default_manifest import DEFAULT_MANIFEST
from bot.local_slack.records import SessionStatus
from bot.local_slack.server import LocalWorkspace
from tests.scenario.local_slack.app import client_of, connected, error_of


@pytest.fixture
async def thread(workspace: LocalWorkspace) -> dict[str, str]:
    """A thread of ada's, as the arguments that every stream there needs."""
    ts = await workspace.person("ada").post("general", "@treadle explain")
    return {
        "channel": workspace.channel("general").id,
        "thread_ts": ts,
        "recipient_team_id": workspace.team_id,
        "recipient_user_id": workspace.person("ada").id,
    }


async def test_the_sdks_stream_becomes_one_message(
    workspace: LocalWorkspace, client: AsyncWebClient, thread: dict[str, str]
) -> None:
    stream = await client.chat_stream(**thread, buffer_size=4, task_display_mode="plan")
    await stream.append(chunks=[PlanUpdateChunk(title="Counting")])
    await stream.append(
        chunks=[TaskUpdateChunk(id="1", title="Count", status="in_progress", details="one")]
    )
    await stream.append(
        chunks=[TaskUpdateChunk(id="1", title="Count", status="complete", details=" two")]
    )
    await stream.append(markdown_text="It is ")
    await stream.stop(
        markdown_text="**three**.",
        blocks=[{"type": "divider"}],
        metadata={"event_type": "answer", "event_payload": {"task": "7"}},
    )
    message = workspace.thread("general", thread["thread_ts"])[1]
    assert message.text == "It is **three**."
    assert message.metadata == {"event_type": "answer", "event_payload": {"task": "7"}}
    assert not message.is_streaming
    plan, text, divider = message.blocks or []
    assert plan["title"] == "Counting"
    assert plan["tasks"][0]["status"] == "complete"
    assert plan["tasks"][0]["details"]["elements"][0]["elements"][0]["text"] == "one two"
    assert (text["type"], divider["type"]) == ("markdown", "divider")


async def test_a_stream_can_be_stopped_before_anything_was_written(
    workspace: LocalWorkspace, client: AsyncWebClient, thread: dict[str, str]
) -> None:
    stream = await client.chat_stream(**thread)
    await stream.stop(markdown_text="All at once.")
    assert workspace.thread("general", thread["thread_ts"])[1].text == "All at once."


async def test_a_channel_stream_needs_its_recipient(
    client: AsyncWebClient, thread: dict[str, str]
) -> None:
    without = {k: v for k, v in thread.items() if k != "recipient_user_id"}
    assert await error_of(client.chat_startStream(**without)) == "missing_recipient_user_id"
    without = {k: v for k, v in thread.items() if k != "recipient_team_id"}
    assert await error_of(client.chat_startStream(**without)) == "missing_recipient_team_id"
    wrong = thread | {"recipient_user_id": thread["channel"]}
    assert await error_of(client.chat_startStream(**wrong)) == "user_not_found"


async def test_a_direct_message_stream_needs_no_recipient(
    workspace: LocalWorkspace, client: AsyncWebClient
) -> None:
    channel = workspace.dm("ada").id
    ts = await workspace.person("ada").post(channel, "hello")
    started = await client.chat_startStream(channel=channel, thread_ts=ts)
    assert started["ok"]


async def test_an_old_stream_is_finalised_and_can_only_be_updated() -> None:
    async with LocalWorkspace(LocalWorkspaceConfig(stream_lifetime_s=0.1)) as workspace:
        client = client_of(workspace)
        channel = workspace.dm("ada").id
        root = await workspace.person("ada").post(channel, "hello")
        stream = await client.chat_stream(channel=channel, thread_ts=root, buffer_size=1)
        await stream.append(markdown_text="half an ans")
        await workspace.until(lambda: not workspace.thread(channel, root)[1].is_streaming)
        ts = str(stream.ts)
        late = client.chat_appendStream(channel=channel, ts=ts, markdown_text="wer")
        assert await error_of(late) == "message_not_in_streaming_state"
        assert await error_of(stream.stop()) == "message_not_in_streaming_state"
        await client.chat_update(channel=channel, ts=ts, text="half an answer, finished")
        assert workspace.thread(channel, root)[1].text == "half an answer, finished"


async def test_text_and_chunks_do_not_mix(client: AsyncWebClient, thread: dict[str, str]) -> None:
    chunk = MarkdownTextChunk(text="chunk")
    both = client.chat_startStream(**thread, markdown_text="text", chunks=[chunk])
    assert await error_of(both) == "cannot_provide_both_markdown_text_and_chunks"
    started = await client.chat_startStream(**thread, markdown_text="text")
    place: dict[str, Any] = {"channel": thread["channel"], "ts": str(started["ts"])}
    switched = client.chat_appendStream(**place, chunks=[chunk])
    assert await error_of(switched) == "streaming_mode_mismatch"
    long = client.chat_appendStream(**place, markdown_text="x" * 11_500)
    assert await error_of(long) == "msg_too_long"
    while_streaming = client.chat_update(**place, text="edited")
    assert await error_of(while_streaming) == "streaming_state_conflict"


async def test_an_unknown_chunk_is_refused(client: AsyncWebClient, thread: dict[str, str]) -> None:
    for chunk in ({"type": "nonsense"}, {"type": "task_update", "id": "1", "title": "x"}):
        refused = client.api_call("chat.startStream", json=thread | {"chunks": [chunk]})
        assert await error_of(refused) == "invalid_chunks"


async def test_others_see_the_first_chunk_until_the_stream_stops(
    workspace: LocalWorkspace, client: AsyncWebClient, thread: dict[str, str]
) -> None:
    stream = await client.chat_stream(**thread, buffer_size=1)
    await stream.append(markdown_text="first")
    await stream.append(markdown_text=" second")
    message = workspace.thread("general", thread["thread_ts"])[1]

    def seen_by(name: str) -> Any:
        user = workspace.person(name).id
        return page_shapes.message_json(workspace.core, message, user)["text"]

    assert (seen_by("ada"), seen_by("grace")) == ("first second", "first")
    await stream.stop()
    assert seen_by("grace") == "first second"


async def test_a_stream_starts_and_releases_the_session(
    workspace: LocalWorkspace, client: AsyncWebClient, thread: dict[str, str]
) -> None:
    def status() -> SessionStatus | None:
        found = workspace.core.sessions.find(thread["channel"], thread["thread_ts"])
        return found.status if found else None

    stream = await client.chat_stream(**thread, buffer_size=1)
    await stream.append(markdown_text="x")
    assert status() is SessionStatus.PROCESSING
    await stream.stop(session_status="suspended")
    assert status() is SessionStatus.SUSPENDED


async def test_stop_closes_the_stream_tells_the_app_and_leaves_the_status(
    workspace: LocalWorkspace, app: AsyncApp, client: AsyncWebClient, thread: dict[str, str]
) -> None:
    got: list[dict[str, Any]] = []

    @app.event("agent_session_stopped")
    async def stopped(event: dict[str, Any]) -> None:
        got.append(event)

    async with connected(workspace, app):
        stream = await client.chat_stream(**thread, buffer_size=1)
        await stream.append(markdown_text="working")
        await workspace.person("ada").stop_session("general", thread["thread_ts"])
        await workspace.until(lambda: got)
        assert await error_of(stream.stop()) == "message_not_in_streaming_state"
    assert got[0]["thread_ts"] == thread["thread_ts"]
    assert got[0]["streaming_message_ts"] == [stream.ts]
    assert got[0]["user"] == workspace.person("ada").id
    session = workspace.core.sessions.find(thread["channel"], thread["thread_ts"])
    assert session is not None
    assert session.status is SessionStatus.PROCESSING


async def test_a_session_has_a_status_and_a_title(
    workspace: LocalWorkspace, client: AsyncWebClient, thread: dict[str, str]
) -> None:
    place = {"channel_id": thread["channel"], "thread_ts": thread["thread_ts"]}
    early = client.agents_sessions_rename(**place, title="Too early")
    assert await error_of(early) == "session_not_found"
    answer = await client.agents_sessions_setStatus(**place, status="processing", title="Count")
    assert (answer["status"], answer["title"]) == ("processing", "Count")
    again = await client.agents_sessions_setStatus(**place, status="active", title="Ignored")
    assert again["title"] == "Count"
    await client.agents_sessions_rename(**place, title="Counting")
    session = workspace.core.sessions.find(place["channel_id"], place["thread_ts"])
    assert session is not None
    assert session.title == "Counting"
    wrong = client.agents_sessions_setStatus(**place, status="busy")
    assert await error_of(wrong) == "invalid_status"


async def test_only_an_agent_may_have_sessions() -> None:
    features = {k: v for k, v in DEFAULT_MANIFEST["features"].items() if k != "agent_view"}
    config = LocalWorkspaceConfig(manifest=DEFAULT_MANIFEST | {"features": features})
    async with LocalWorkspace(config) as workspace:
        ts = await workspace.person("ada").post("general", "hello")
        call = client_of(workspace).agents_sessions_setStatus(
            channel_id=workspace.channel("general").id, thread_ts=ts, status="active"
        )
        assert await error_of(call) == "not_authorized"


async def test_a_status_line_goes_with_the_apps_next_message(
    workspace: LocalWorkspace, client: AsyncWebClient, thread: dict[str, str]
) -> None:
    channel, ts = thread["channel"], thread["thread_ts"]
    await client.assistant_threads_setStatus(channel_id=channel, thread_ts=ts, status="thinks")
    session = workspace.core.sessions.find(channel, ts)
    assert session is not None
    assert session.status_text == "thinks"
    await client.chat_postMessage(channel=channel, thread_ts=ts, text="done")
    assert session.status_text == ""


async def test_prompts_are_pinned_in_a_direct_message(
    workspace: LocalWorkspace, client: AsyncWebClient
) -> None:
    channel = workspace.dm("ada").id
    prompts = [{"title": "Start", "message": "Solve this"}]
    await client.assistant_threads_setSuggestedPrompts(
        channel_id=channel, thread_ts=None, prompts=prompts, title="Try"
    )
    assert workspace.core.sessions.prompts[channel]["prompts"] == prompts
    many = client.assistant_threads_setSuggestedPrompts(
        channel_id=channel, thread_ts=None, prompts=prompts * 5
    )
    assert await error_of(many) == "invalid_arguments"


async def test_an_injected_expiry_ends_streams_early(
    workspace: LocalWorkspace, client: AsyncWebClient, thread: dict[str, str]
) -> None:
    workspace.faults.stream_expiry_s = 0.0
    stream = await client.chat_stream(**thread, buffer_size=1)
    await stream.append(markdown_text="x")
    async with asyncio.timeout(5):
        late = stream.append(markdown_text="y")
        assert await error_of(late) == "message_not_in_streaming_state"


async def test_a_person_renames_a_session_and_looks_elsewhere(
    workspace: LocalWorkspace, app: AsyncApp, client: AsyncWebClient, thread: dict[str, str]
) -> None:
    got: list[dict[str, Any]] = []

    async def note(event: dict[str, Any]) -> None:
        got.append(event)

    app.event("agent_session_title_changed")(note)
    app.event("app_context_changed")(note)
    await client.agents_sessions_setStatus(
        channel_id=thread["channel"], thread_ts=thread["thread_ts"], status="active", title="Old"
    )
    ada = workspace.person("ada")
    async with connected(workspace, app):
        await ada.rename_session("general", thread["thread_ts"], "New")
        await ada.look_at("data")
        await workspace.until(lambda: len(got) == 2)
    by_type = {event["type"]: event for event in got}
    renamed = by_type["agent_session_title_changed"]
    assert (renamed["previous_title"], renamed["title"]) == ("Old", "New")
    [entity] = by_type["app_context_changed"]["context"]["entities"]
    assert entity["value"] == workspace.channel("data").id
