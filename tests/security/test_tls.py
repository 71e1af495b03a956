"""A server whose certificate nobody vouches for is told nothing, and is told of in one sentence."""

import pytest
from aiohttp import web

from agent_engine.clock import SystemClock
from agent_engine.tools.api_call.access import Access, HostSecret
from agent_engine.tools.api_call.tool import api_call
from agent_engine.tools.call import ToolCaller
from agent_engine.tools.http.urls import read_domains
from agent_engine.tools.mcp.servers import HttpServer as Place
from agent_engine.tools.mcp.servers import McpServer
from agent_engine.tools.secrets import Secrets
from agent_engine.tools.web_search.searxng import SearXNG
from agent_engine.tools.web_search.tool import web_search
from tests.fakes.mcp_http_server import HttpServer
from tests.fakes.mcp_town import Town
from tests.fakes.tls import self_signed
from tests.fakes.tools import tool_context
from tests.fakes.web import open_client, serving

NO_TLS = "no secure connection to good.example: its certificate or TLS is not valid"
KEY = "made-up-key-0123"


class Witness:
    """A server that must not be asked anything."""

    def __init__(self):
        self.asked = 0

    async def __call__(self, _request):
        self.asked += 1
        return web.json_response({"results": []})


@pytest.fixture
def tls(tmp_path):
    return self_signed(tmp_path)


async def test_api_call_does_not_speak_to_a_server_nobody_vouches_for(tmp_path, tls):
    witness = Witness()
    async with serving(witness, tls=tls) as port, open_client() as client:
        secret = HostSecret(host="good.example", value=KEY)
        domains = read_domains(["good.example"])
        access = Access(domains=domains, ports=frozenset({port}), secrets=(secret,))
        caller = ToolCaller([api_call(client, access, Secrets([KEY]))], SystemClock())
        arguments = {"url": f"https://good.example:{port}/"}
        seen = await caller.call("api_call", arguments, tool_context(tmp_path))
    assert (seen.success, seen.error) == (False, NO_TLS)
    assert witness.asked == 0


async def test_web_search_does_not_speak_to_a_server_nobody_vouches_for(tmp_path, tls):
    witness = Witness()
    async with serving(witness, tls=tls) as port, open_client() as client:
        provider = SearXNG(base_url=f"https://good.example:{port}")
        caller = ToolCaller([web_search(client, provider)], SystemClock())
        seen = await caller.call("web_search", {"query": "x"}, tool_context(tmp_path))
    assert (seen.success, seen.error) == (False, NO_TLS)
    assert witness.asked == 0


async def test_an_mcp_server_nobody_vouches_for_gets_no_key(tmp_path, tls):
    server = HttpServer(tls)
    async with server.running() as url:
        place = Place(url=url, headers={"Authorization": KEY}, secrets=Secrets([KEY]))
        town = Town(McpServer(name="web", reached=place, for_every_agent=True), folder=tmp_path)
        async with town.tools.running():
            await town.tools.settled(20)
            said = await town.error("mcp_web_echo")
    assert "there is no secure connection to it: its certificate or TLS is not valid" in said
    assert server.heads == []
