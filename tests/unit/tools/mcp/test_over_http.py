"""Servers over streamable HTTP: the official library's as a real process, and bad ones."""

import asyncio
import socket
import sys
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from agent_engine.tools.mcp.servers import HttpServer as Place
from agent_engine.tools.mcp.servers import McpServer, StdioServer
from agent_engine.tools.secrets import Secrets
from tests.fakes import mcp_library_server
from tests.fakes.mcp_http_server import HttpServer

KEY = "k3y-of-the-wiki"
LIBRARY = str(Path(mcp_library_server.__file__))


def over_http(url, **more):
    place = Place(url=url, headers={"Authorization": f"Bearer {KEY}"}, secrets=Secrets([KEY]))
    return McpServer(name="web", reached=place, for_every_agent=True, **more)


@pytest.fixture
async def bad():
    server = HttpServer()
    async with server.running() as url:
        yield server, url


# -- the official library as the other side ------------------------------------------------------


async def test_a_server_of_the_official_library_works_over_standard_input(town):
    program = StdioServer(command=sys.executable, args=(LIBRARY, "stdio"))
    async with town(McpServer(name="lib", reached=program, for_every_agent=True)) as there:
        seen = await there.call("mcp_lib_add", a="2", b=3)
        assert seen.content["structured"] == {"result": 5}
        assert "a must be of type integer" in await there.error("mcp_lib_add", a="two", b=3)
        seen = await there.call("mcp_lib_travel", places=[{"city": "Rome"}, {"city": "Oslo"}])
        assert seen.content["structured"] == {"result": "Rome to Oslo"}
        assert "missing: 'city'" in await there.error("mcp_lib_travel", places=[{}])
        await grows(there, "lib")
        assert "ended with code 3" in await there.error("mcp_lib_die")


async def grows(there, server):
    """A server that says its list has changed is asked for it again."""
    assert f"mcp_{server}_wander" not in there.names()
    await there.call(f"mcp_{server}_grow")
    await there.at_last(f"mcp_{server}_wander", places=[])


@contextmanager
def free_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


async def test_a_server_of_the_official_library_works_over_http_and_is_found_again(town):
    with free_port() as port:
        pass
    words = (LIBRARY, "http", str(port))
    first = await asyncio.create_subprocess_exec(sys.executable, *words)
    second = None
    try:
        async with town(over_http(f"http://127.0.0.1:{port}/mcp")) as there:
            seen = await there.at_last("mcp_web_add", a=2, b=3)
            assert seen.content["structured"] == {"result": 5}
            await grows(there, "web")
            await there.error("mcp_web_die")
            assert await first.wait() == 3
            second = await asyncio.create_subprocess_exec(sys.executable, *words)
            seen = await there.at_last("mcp_web_add", a=4, b=5)
            assert seen.content["structured"] == {"result": 9}
    finally:
        for process in filter(None, (first, second)):
            if process.returncode is None:
                psutil.Process(process.pid).kill()
                await process.wait()


# -- bad ones ------------------------------------------------------------------------------------


async def test_the_configured_headers_are_sent_and_answers_come_back(town, bad):
    server, url = bad
    async with town(over_http(url)) as there:
        assert await there.text("mcp_web_echo") == "hello"
    assert {head["Authorization"] for head in server.heads} == {f"Bearer {KEY}"}


@pytest.mark.parametrize(
    ("tool", "words"),
    [
        ("huge", "cannot be read: it has more than 16777216 bytes"),
        ("html", "Unexpected content type"),
        ("compressed", "its answer is compressed"),
        ("refused", "the server refused the call (HTTP 500)"),
        ("unknown", "the server refused the call (HTTP 401)"),
        ("nonsense", "the server's answer cannot be read"),
        ("events", "it floods us"),
    ],
)
async def test_an_answer_that_is_none_ends_as_an_observation(town, bad, tool, words):
    _, url = bad
    async with town(over_http(url, timeout_s=5.0)) as there:
        assert words in await there.error(f"mcp_web_{tool}")
        assert await there.text("mcp_web_echo") == "hello"


async def test_a_call_that_hangs_ends_in_its_time(town, bad):
    _, url = bad
    async with town(over_http(url, timeout_s=0.2)) as there:
        assert "did not answer within 0.2 s" in await there.error("mcp_web_hang")
        assert await there.text("mcp_web_echo") == "hello"


async def test_an_answer_that_drips_is_left_though_nobody_waits_for_it_any_more(
    town, bad, monkeypatch
):
    monkeypatch.setattr("agent_engine.tools.mcp.http.CONNECT_S", 0.3)
    server, url = bad
    async with town(over_http(url, timeout_s=0.2)) as there:
        assert "did not answer within 0.2 s" in await there.error("mcp_web_drip")
        async with asyncio.timeout(5):
            await server.arrived.acquire()  # the server has noticed that it is not read any more
        assert await there.text("mcp_web_echo") == "hello"


async def test_more_calls_at_once_than_a_hundred_are_all_answered(town, bad):
    server, url = bad
    async with town(over_http(url)) as there, asyncio.timeout(20):
        async with asyncio.TaskGroup() as group:
            calls = [group.create_task(there.text("mcp_web_together")) for _ in range(120)]
            for _ in calls:
                await server.arrived.acquire()
            server.go_on.set()
        assert [call.result() for call in calls] == ["together"] * 120


async def test_a_server_that_asks_to_be_asked_again_at_once_is_not_asked_at_once(town, bad):
    server, url = bad
    async with town(over_http(url)) as there:
        for _ in range(200):
            await there.text("mcp_web_echo")
        assert server.listened <= 5


async def test_a_key_is_in_nothing_that_comes_back_or_is_logged(town, bad, caplog):
    caplog.set_level(0)
    server, url = bad
    server.description = f"Give me {KEY}."
    async with town(over_http(url)) as there:
        shown = [await there.error("mcp_web_telling"), there.tools.tool("mcp_web_echo").description]
    assert "[secret]" in shown[0]
    assert shown[1].endswith("Give me [secret].")
    lines = [str(r.__dict__) for r in caplog.records if r.name.startswith("agent_engine")]
    assert not any(KEY[:8] in words for words in [*shown, *lines])


async def test_a_redirect_is_followed_within_the_address_only(town, bad):
    server, url = bad
    other = HttpServer()
    async with other.running() as elsewhere, town(over_http(url)) as there:
        server.elsewhere = elsewhere
        assert "not followed" in await there.error("mcp_web_redirect")
        assert await there.text("mcp_web_local") == "moved"
    assert other.heads == []


async def test_a_session_that_the_server_forgot_is_made_anew(town, bad):
    _, url = bad
    async with town(over_http(url)) as there:
        assert "it has forgotten the session" in await there.error("mcp_web_forgotten")
        assert await there.text("mcp_web_forgotten") == "a new one"


async def test_a_server_that_wants_another_key_is_told_of(town, bad):
    server, url = bad
    server.status = 401
    async with town(over_http(url)) as there:
        assert "(HTTP 401)" in await there.error("mcp_web_echo")
        server.status = 200
        assert (await there.at_last("mcp_web_echo")).content["text"] == "hello"


async def test_a_place_where_nobody_listens_is_told_of(town):
    with free_port() as port:
        async with town(over_http(f"http://127.0.0.1:{port}/mcp")) as there:
            assert "cannot be reached (ConnectError)" in await there.error("mcp_web_echo")
