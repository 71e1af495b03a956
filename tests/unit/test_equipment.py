import subprocess
import sys
from contextlib import AsyncExitStack

from bot.equipment import ModelSource, Outfitter
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


def test_the_library_of_mcp_servers_is_not_imported_where_there_are_none():
    code = "import sys, bot.app, bot.equipment; print('mcp' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - our own interpreter
    assert done.stdout == "False\n"
