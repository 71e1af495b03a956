"""One app in several workspaces behind one address, installed by OAuth."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.web.async_client import AsyncWebClient

from bot.local_slack.config import LocalWorkspaceConfig
from bot.local_slack.server import LocalWorkspace
from tests.scenario.local_slack.app import QUICK, client_of, connected, error_of


@pytest.fixture
async def pair() -> AsyncIterator[tuple[LocalWorkspace, LocalWorkspace]]:
    async with LocalWorkspace(QUICK) as first:
        config = LocalWorkspaceConfig(name="Second", domain="second")
        yield first, first.add_workspace(config)


async def test_a_token_decides_which_workspace_answers(
    pair: tuple[LocalWorkspace, LocalWorkspace],
) -> None:
    for workspace in pair:
        answer = await client_of(workspace).auth_test()
        assert answer["team_id"] == workspace.team_id
        assert answer["user_id"] == workspace.bot_user_id
    first, second = pair
    assert first.team_id != second.team_id
    assert first.core.state.app_id == second.core.state.app_id
    foreign = client_of(first).chat_postMessage(channel=second.channel("general").id, text="x")
    assert await error_of(foreign) == "channel_not_found"


async def test_events_of_both_arrive_over_one_connection_and_are_answered_apart(
    pair: tuple[LocalWorkspace, LocalWorkspace],
) -> None:
    first, second = pair
    tokens = {workspace.team_id: workspace for workspace in pair}

    async def authorize(team_id: str) -> AuthorizeResult:
        workspace = tokens[team_id]
        return AuthorizeResult(
            enterprise_id=None,
            team_id=team_id,
            bot_token=workspace.bot_token,
            bot_user_id=workspace.bot_user_id,
        )

    app = AsyncApp(
        client=AsyncWebClient(base_url=first.api_url),
        authorize=authorize,
        signing_secret=first.signing_secret,
    )

    @app.event("app_mention")
    async def mention(event: dict[str, Any], client: AsyncWebClient, context: Any) -> None:
        await client.chat_postMessage(
            channel=event["channel"], thread_ts=event["ts"], text=f"to {context.team_id}"
        )

    @app.event("message")
    async def message() -> None:
        pass

    @app.command("/solve")
    async def solve(ack: Any, respond: Any) -> None:
        await ack()
        await respond("privately")

    async with connected(first, app):
        for workspace in pair:
            ts = await workspace.person("ada").post("general", "@treadle hello")
            thread = await workspace.until(lambda w=workspace, t=ts: w.thread("general", t)[1:])
            assert thread[0].text == f"to {workspace.team_id}"
        await second.person("ada").slash("general", "/solve")
        shown = await second.until(lambda: second.person("ada").ephemerals())
    assert [m.text for m in shown] == ["privately"]
    assert first.person("ada").ephemerals() == []


# slack_sdk 3.47 still uses what aiohttp 3.14 deprecates.
@pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning")
async def test_an_app_is_installed_in_a_workspace_of_its_choice() -> None:
    async with LocalWorkspace(QUICK) as first:
        second = first.add_workspace(LocalWorkspaceConfig(name="Second", is_installed=False))
        assert await error_of(client_of(second).auth_test()) == "invalid_auth"
        assert second.bot_user_id not in second.channel("general").members
        config = second.core.config
        query = {
            "client_id": config.client_id,
            "scope": "chat:write",
            "team": second.team_id,
            "redirect_uri": "http://127.0.0.1:9/back",
        }
        async with (
            ClientSession() as session,
            session.get(
                first.url + "/oauth/v2/authorize", params=query, allow_redirects=False
            ) as answer,
        ):
            code = answer.headers["Location"].partition("code=")[2].partition("&")[0]
        granted = await AsyncWebClient(base_url=first.api_url).oauth_v2_access(
            client_id=config.client_id, client_secret=config.client_secret, code=code
        )
        assert granted["team"] == {"id": second.team_id, "name": "Second"}
        client = AsyncWebClient(str(granted["access_token"]), base_url=first.api_url)
        assert (await client.auth_test())["team_id"] == second.team_id


async def test_a_file_is_read_only_with_the_token_of_its_workspace(
    pair: tuple[LocalWorkspace, LocalWorkspace],
) -> None:
    first, second = pair
    ts = await second.person("ada").upload("data", "a.txt", b"ours")
    file_id = second.thread("data", ts)[0].files[0]
    url = f"{first.url}/files-pri/{second.team_id}-{file_id}/a.txt"
    async with ClientSession() as session:
        for workspace, expected in ((first, False), (second, True)):
            headers = {"Authorization": f"Bearer {workspace.bot_token}"}
            async with session.get(url, headers=headers) as answer:
                assert (await answer.read() == b"ours") is expected
