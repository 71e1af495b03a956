import asyncio
import socket
import subprocess
import sys
import tomllib
from contextlib import AsyncExitStack

import pytest

from agent_engine.errors import ModelUnavailableError
from agent_engine.planners.judge import Judge
from agent_engine.planners.small import SmallModelPlanner
from agent_engine.planners.stepwise import StepwisePlanner
from agent_engine.ports import Price
from agent_engine.types import AgentId, AgentProfile, PlannerKind, WorkspaceId
from bot.agents_file import AgentsFile
from bot.equipment import Outfitter
from bot.model_source import ModelSource, find_model
from bot.settings import Settings
from tests.fakes.models import request
from tests.fakes.openai_server import Drops, OpenAIServer, Says, direct, in_order
from tests.scenario.whole.models import HurriedModel


def profile(**fields):
    return AgentProfile(id=AgentId("a"), workspace_id=WorkspaceId("T1"), name="A", **fields)


def settings(home, toml="", **environment):
    file = AgentsFile.model_validate(tomllib.loads(toml))
    return Settings.model_validate({"TREADLE_HOME": home, "file": file, **environment})


@pytest.fixture
def _hurried(monkeypatch):
    monkeypatch.setattr("agent_engine.models.retry.RetryingModel", HurriedModel)
    monkeypatch.setattr("bot.equipment.FIND_AGAIN_S", (0.01,))


async def test_the_configured_model_is_made_and_asked_before_anybody_waits_for_it(tmp_path):
    server = OpenAIServer(direct)
    async with server.running() as url, AsyncExitStack() as stack:
        source = ModelSource(base_url=url, model="small")
        outfitter = Outfitter(Settings(home=tmp_path), source, stack)
        await outfitter.learn()
        assert [place.model for place in outfitter._models] == ["small"]
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


@pytest.mark.usefixtures("_hurried")
async def test_an_agents_models_stand_in_for_each_other_in_order(tmp_path):
    broken, works = OpenAIServer(in_order(Drops())), OpenAIServer(in_order(Says(text="hello")))
    async with (
        asyncio.timeout(20),
        broken.running() as first,
        works.running() as second,
        AsyncExitStack() as stack,
    ):
        toml = f"[models.a]\nbase_url = '{first}'\n[models.b]\nbase_url = '{second}'\nmodel = 'm'"
        said = settings(tmp_path, toml)
        outfitter = Outfitter(said, await find_model(said), stack)
        model = outfitter.equip(profile(model="a, b")).model
        assert model.name == "a"
        assert (await model.complete(request())).text == "hello"
        assert model.name == "b"
        assert works.bodies[0]["model"] == "m"
        alone = outfitter.equip(profile()).model
        with pytest.raises(ModelUnavailableError):
            await alone.complete(request())


async def test_runs_do_not_share_which_model_answered_last(tmp_path):
    async with AsyncExitStack() as stack:
        source = ModelSource(base_url="http://127.0.0.1:9/v1", model="a", further=("b",))
        outfitter = Outfitter(settings(tmp_path), source, stack)
        one, other = outfitter.equip(profile()).model, outfitter.equip(profile()).model
        assert one is not other
        assert one._model._models == other._model._models


async def test_a_model_has_the_price_of_its_name_in_the_file(tmp_path):
    toml = "[models.a]\nmodel = 'm'\nprice = { prompt_usd = 1, completion_usd = 2 }\n"
    async with AsyncExitStack() as stack:
        said = settings(tmp_path, toml, OPENAI_API_KEY="k")
        equipment = Outfitter(said, await find_model(said), stack).equip(profile())
        assert equipment.prices[equipment.model.name] == Price(prompt_usd=1, completion_usd=2)


@pytest.mark.usefixtures("_hurried")
async def test_a_server_that_is_started_after_the_bot_is_used_from_then_on(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    said = settings(tmp_path, OPENAI_BASE_URL=f"http://127.0.0.1:{port}/v1")
    server = OpenAIServer(in_order(Says(text="hello")))
    async with asyncio.timeout(20), AsyncExitStack() as stack:
        outfitter = Outfitter(said, await find_model(said), stack)
        early = outfitter.equip(profile()).model
        with pytest.raises(ModelUnavailableError, match=f"127.0.0.1:{port} cannot be reached"):
            await early.complete(request())
        async with asyncio.TaskGroup() as group, server.running(port):
            group.create_task(outfitter.learn())
            assert (await early.complete(request())).text == "hello"
            assert early.name == "fake-model"
        assert outfitter.equip(profile()).model.name == "fake-model"


async def test_a_very_small_model_gets_its_planner_and_no_judge(tmp_path):
    async with AsyncExitStack() as stack:
        source = ModelSource(base_url="http://127.0.0.1:9/v1", model="smollm2:135m")
        outfitter = Outfitter(settings(tmp_path), source, stack)
        small = outfitter.equip(profile())
        assert (small.planner, small.planner_name) == (SmallModelPlanner, "small")
        assert small.judge is None
        assert "small" in small.label
        chosen = outfitter.equip(profile(planner=PlannerKind.STEPWISE))
        assert (chosen.planner, chosen.judge) == (StepwisePlanner, Judge)
        assert outfitter.equip(profile(model="qwen2.5:7b")).planner_name == "llm"
