import asyncio
from contextlib import AsyncExitStack

import pytest
from aiohttp import web

from agent_engine.errors import ModelRefusedError, ModelUnavailableError
from agent_engine.models.detect import (
    LOCAL_SERVERS,
    LocalServer,
    find_local_model,
    is_chat_model,
    list_chat_models,
)
from tests.fakes.openai_server import OpenAIServer, as_json, in_order

NOWHERE = LocalServer(name="nowhere", base_url="http://127.0.0.1:9/v1")


async def server_with(stack, models):
    server = OpenAIServer(in_order(as_json({})))
    server.models = models
    return await stack.enter_async_context(server.running())


async def page_with(stack, handler):
    app = web.Application()
    app.router.add_get("/v1/models", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return f"http://127.0.0.1:{runner.addresses[0][1]}/v1"


async def test_the_first_server_in_order_with_a_chat_model_is_found():
    async with asyncio.timeout(5), AsyncExitStack() as stack:
        embeds = await server_with(stack, ["nomic-embed-text", "bge-Reranker"])
        chats = await server_with(stack, ["text-embed", "llama-8b", "other"])
        later = await server_with(stack, ["later"])
        servers = [NOWHERE, *(LocalServer(name=u, base_url=u) for u in (embeds, chats, later))]
        found = await find_local_model(servers, timeout_s=2.0)
    assert found is not None
    assert (found.server, found.base_url, found.model) == (chats, chats, "llama-8b")


async def test_no_server_is_no_model():
    assert await find_local_model([NOWHERE]) is None


@pytest.mark.parametrize(
    "body", ["<html>a router's login page</html>", "[]", '{"data": 3}', '{"data": [{"id": 5}]}', ""]
)
async def test_what_is_no_list_of_models_is_not_taken_for_one(body):
    async def handler(_request):
        return web.Response(text=body)

    async with AsyncExitStack() as stack:
        url = await page_with(stack, handler)
        assert await find_local_model([LocalServer(name="x", base_url=url)]) is None


async def test_a_server_that_does_not_answer_is_left_alone_in_time():
    release = asyncio.Event()

    async def handler(_request):
        await release.wait()
        return web.Response()

    async with asyncio.timeout(5), AsyncExitStack() as stack:
        url = await page_with(stack, handler)
        assert await find_local_model([LocalServer(name="x", base_url=url)]) is None
        release.set()


async def test_a_proxy_from_the_environment_is_passed_by(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    async with AsyncExitStack() as stack:
        url = await server_with(stack, ["llama"])
        found = await find_local_model([LocalServer(name="x", base_url=url)], timeout_s=2.0)
    assert found is not None


def test_only_loopback_is_asked():
    assert all(server.base_url.startswith("http://127.0.0.1:") for server in LOCAL_SERVERS)


async def test_a_configured_servers_models_are_listed_with_their_size():
    async with asyncio.timeout(5), AsyncExitStack() as stack:
        url = await server_with(stack, ["llama-8b", "mxbai-embed-large", "mystery"])
        models = await list_chat_models(f"{url}/")
    assert [(m.name, m.parameters) for m in models] == [("llama-8b", 8e9), ("mystery", None)]


async def test_a_broken_or_silent_server_is_unavailable_and_an_odd_one_refuses():
    async def broken(_request):
        return web.Response(status=503)

    async def odd(_request):
        return web.Response(text="<html>")

    async with asyncio.timeout(5), AsyncExitStack() as stack:
        with pytest.raises(ModelUnavailableError):
            await list_chat_models(await page_with(stack, broken))
        with pytest.raises(ModelRefusedError, match="lists no chat model"):
            await list_chat_models(await page_with(stack, odd))
        with pytest.raises(ModelUnavailableError, match="cannot be reached"):
            await list_chat_models(NOWHERE.base_url)


@pytest.mark.parametrize(
    ("name", "chats"),
    [
        ("qwen3:0.6b", True), ("gpt-5-mini", True), ("clipper-7b", True), ("e5", False),
        ("bge-m3", False), ("all-minilm:latest", False), ("text-embedding-3-small", False),
        ("whisper-large", False), ("gpt-4o-mini-tts", False), ("omni-moderation-latest", False),
    ],
)  # fmt: skip
def test_a_name_tells_whether_a_model_can_be_talked_to(name, chats):
    assert is_chat_model(name) is chats
