from contextlib import AsyncExitStack

from bot.equipment import Outfitter
from bot.model_source import ModelSource
from bot.settings import Settings
from tests.fakes.openai_server import OpenAIServer, direct


async def test_the_configured_model_is_made_and_asked_before_anybody_waits_for_it(tmp_path):
    server = OpenAIServer(direct)
    async with server.running() as url, AsyncExitStack() as stack:
        source = ModelSource(base_url=url, model="small")
        outfitter = Outfitter(Settings(home=tmp_path), source, stack)
        await outfitter.learn()
        assert list(outfitter._models) == ["small"]
        assert len(server.bodies) == 1


async def test_nothing_is_made_where_there_is_no_model(tmp_path):
    source = ModelSource(base_url=None, model="offline")
    async with AsyncExitStack() as stack:
        outfitter = Outfitter(Settings(home=tmp_path), source, stack)
        await outfitter.learn()
        assert not outfitter._models
