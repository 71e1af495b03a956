"""A result is used again only where the tool says so, and only in its own scope."""

from dataclasses import replace

import pytest

from agent_engine.errors import StorageError
from agent_engine.ports import ToolTraits
from agent_engine.tools.cache import Caching
from tests.fakes.safeguards import DictCache, guarded
from tests.fakes.tools import FakeTool, returning, tool_context


def tool(result=None, **traits):
    result = {"success": True, "result": "secret"} if result is None else result
    return FakeTool(returning(result), traits=ToolTraits(**traits))


def caller(fake, cache, redact=str):
    return guarded([fake], stages=[Caching(cache, redact)], redact=redact)


async def test_the_same_call_is_answered_from_the_cache(tmp_path):
    fake, cache = tool(cache_ttl_s=60), DictCache()
    calls = caller(fake, cache)
    first = await calls.call("fake", {"q": 1}, tool_context(tmp_path))
    second = await calls.call("fake", {"q": 1.0}, tool_context(tmp_path))
    assert len(fake.given) == 1
    assert second.content == {**first.content, "from_cache": True}


@pytest.mark.parametrize(
    "fake",
    [
        tool(),
        tool({"success": False, "error": "no"}, cache_ttl_s=60),
        tool({"success": True, "files": ["a"]}, cache_ttl_s=60),
        tool({"success": True, "result": "x" * 300_000}, cache_ttl_s=60),
    ],
    ids=["not cacheable", "failure", "made files", "too large"],
)
async def test_some_results_are_never_used_again(fake, tmp_path):
    cache = DictCache()
    await caller(fake, cache).call("fake", {}, tool_context(tmp_path))
    assert cache.kept == {}


async def test_another_channel_does_not_see_it(tmp_path):
    fake, cache = tool(cache_ttl_s=60), DictCache()
    context = tool_context(tmp_path)
    calls = caller(fake, cache)
    await calls.call("fake", {}, context)
    await calls.call("fake", {}, replace(context, scope=replace(context.scope, channel_id="C2")))
    assert len(fake.given) == 2


async def test_secrets_are_taken_out_before_it_is_stored(tmp_path):
    fake, cache = tool(cache_ttl_s=60), DictCache()
    await caller(fake, cache, redact=lambda text: text.replace("secret", "[redacted]")).call(
        "fake", {}, tool_context(tmp_path)
    )
    [kept] = cache.kept.values()
    assert kept["result"] == "[redacted]"


async def test_a_cache_that_is_down_is_not_in_the_way(tmp_path):
    class Down(DictCache):
        async def find(self, *_call):
            raise StorageError

        async def keep(self, *_call, **_options):
            raise StorageError

    observation = await caller(tool(cache_ttl_s=60), Down()).call(
        "fake", {}, tool_context(tmp_path)
    )
    assert observation.success
