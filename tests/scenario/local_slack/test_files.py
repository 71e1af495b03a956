"""Files both ways: the SDK's upload in two halves, and downloads with a token."""

import json

from aiohttp import ClientSession
from slack_sdk.web.async_client import AsyncWebClient

from bot.local_slack.config import LocalWorkspaceConfig
from bot.local_slack.default_manifest import DEFAULT_MANIFEST
from bot.local_slack.server import LocalWorkspace
from tests.fakes.images import jpeg, png
from tests.scenario.local_slack.app import client_of, error_of


async def test_the_sdks_upload_posts_a_message_in_the_thread(
    workspace: LocalWorkspace, client: AsyncWebClient
) -> None:
    ts = await workspace.person("ada").post("data", "@treadle the numbers, please")
    answer = await client.files_upload_v2(
        channel=workspace.channel("data").id,
        thread_ts=ts,
        filename="numbers.csv",
        content="a,b\n1,2\n",
        title="The numbers",
        initial_comment="Here you are.",
    )
    message = workspace.thread("data", ts)[1]
    assert message.text == "Here you are."
    assert message.files == [answer["file"]["id"]]
    file = workspace.core.files.find(message.files[0])
    assert (file.content, file.title) == (b"a,b\n1,2\n", "The numbers")


async def test_a_file_is_read_with_a_token_and_hidden_behind_a_login_without(
    workspace: LocalWorkspace, client: AsyncWebClient
) -> None:
    ts = await workspace.person("ada").upload("data", "notes.txt", b"remember the milk")
    replies = await client.conversations_replies(channel=workspace.channel("data").id, ts=ts)
    file = replies["messages"][0]["files"][0]
    headers = {"Authorization": f"Bearer {workspace.bot_token}"}
    async with ClientSession() as session:
        async with session.get(file["url_private_download"], headers=headers) as answer:
            assert await answer.read() == b"remember the milk"
            assert answer.content_type == "text/plain"
        async with session.get(file["url_private"]) as answer:
            assert answer.content_type == "text/html"
            assert b"milk" not in await answer.read()


async def test_a_file_of_a_channel_without_the_bot_stays_hidden(
    workspace: LocalWorkspace, client: AsyncWebClient
) -> None:
    ts = await workspace.person("ada").upload("secret", "plan.txt", b"hush")
    file_id = workspace.thread("secret", ts)[0].files[0]
    assert await error_of(client.files_info(file=file_id)) == "file_not_found"
    url = f"{workspace.url}/files-pri/{workspace.team_id}-{file_id}/plan.txt"
    headers = {"Authorization": f"Bearer {workspace.bot_token}"}
    async with ClientSession() as session, session.get(url, headers=headers) as answer:
        assert b"hush" not in await answer.read()


async def test_both_halves_of_an_upload_are_checked(
    workspace: LocalWorkspace, client: AsyncWebClient
) -> None:
    announced = await client.files_getUploadURLExternal(filename="a.txt", length=3)
    files = [{"id": str(announced["file_id"]), "title": "A"}]
    early = client.files_completeUploadExternal(files=files)
    assert await error_of(early) == "file_not_found"
    async with ClientSession() as session:
        async with session.post(str(announced["upload_url"]), data=b"four") as answer:
            assert answer.status == 400
        async with session.post(str(announced["upload_url"]), data=b"abc") as answer:
            assert (answer.status, answer.content_type) == (200, "text/plain")
    secret = workspace.channel("secret").id
    foreign = client.files_completeUploadExternal(files=files, channel_id=secret)
    assert await error_of(foreign) in {"channel_not_found", "not_in_channel"}
    done = await client.files_completeUploadExternal(files=files)
    assert done["files"][0]["title"] == "A"
    assert await error_of(client.files_getUploadURLExternal(filename="b", length=0))


async def test_a_picture_has_its_size_and_no_smaller_version_that_had_to_be_made(
    workspace: LocalWorkspace, client: AsyncWebClient
) -> None:
    ada = workspace.person("ada")
    large = await ada.upload("data", "large.png", png(4032, 3024))
    small = await ada.upload("data", "small.jpg", jpeg(320, 200))
    liar = await ada.upload("data", "liar.png", b"no picture at all")
    channel = workspace.channel("data").id
    files = {}
    for ts in (large, small, liar):
        replies = await client.conversations_replies(channel=channel, ts=ts)
        [file] = replies["messages"][0]["files"]
        files[ts] = {k: v for k, v in file.items() if k.startswith(("original_", "thumb_"))}
    assert files[large] == {"original_w": 4032, "original_h": 3024}
    address = files[small].pop("thumb_360")
    assert files[small] == {
        "original_w": 320,
        "original_h": 200,
        "thumb_360_w": 320,
        "thumb_360_h": 200,
    }
    assert files[liar] == {}
    headers = {"Authorization": f"Bearer {workspace.bot_token}"}
    async with ClientSession() as session, session.get(address, headers=headers) as answer:
        assert await answer.read() == jpeg(320, 200)


async def test_file_methods_need_their_scope() -> None:
    scopes = {"bot": ["chat:write", "files:read"]}
    manifest = json.loads(json.dumps(DEFAULT_MANIFEST)) | {"oauth_config": {"scopes": scopes}}
    async with LocalWorkspace(LocalWorkspaceConfig(manifest=manifest)) as workspace:
        call = client_of(workspace).files_getUploadURLExternal(filename="a", length=1)
        assert await error_of(call) == "missing_scope"
