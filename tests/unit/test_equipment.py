import asyncio
import socket
import subprocess
import sys
import tomllib
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from agent_engine.errors import ModelUnavailableError
from agent_engine.planners.judge import Judge
from agent_engine.planners.small import SmallModelPlanner
from agent_engine.planners.stepwise import StepwisePlanner
from agent_engine.ports import Price
from agent_engine.types import AgentId, AgentProfile, PlannerKind, WorkspaceId
from bot.agents_file import AgentsFile
from bot.equipment import equip
from bot.model_source import ModelSource
from bot.models import Models, open_models
from bot.settings import Settings
from bot.toolbox import Records, Toolbox
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
    monkeypatch.setattr("bot.models.FIND_AGAIN_S", (0.01,))


@asynccontextmanager
async def models_of(home, source):
    """The models of a source that is known, without asking whether a server runs here."""
    async with AsyncExitStack() as closing:
        yield Models(Settings(home=home), source, closing)


def equipped(models, said, **fields):
    return equip(profile(**fields), models=models, toolbox=Toolbox(said, Records()))


async def test_the_configured_model_is_made_and_asked_before_anybody_waits_for_it(tmp_path):
    server = OpenAIServer(direct)
    async with (
        server.running() as url,
        models_of(tmp_path, ModelSource(base_url=url, model="small")) as models,
    ):
        await models.learn()
        assert [place.model for place in models._clients] == ["small"]
        assert len(server.bodies) == 1


async def test_nothing_is_made_where_there_is_no_model(tmp_path):
    async with models_of(tmp_path, ModelSource(base_url=None, model="offline")) as models:
        await models.learn()
        assert not models._clients


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
    ):
        toml = f"[models.a]\nbase_url = '{first}'\n[models.b]\nbase_url = '{second}'\nmodel = 'm'"
        said = settings(tmp_path, toml)
        async with open_models(said) as models:
            model = equipped(models, said, model="a, b").model
            assert model.name == "a"
            assert (await model.complete(request())).text == "hello"
            assert model.name == "b"
            assert works.bodies[0]["model"] == "m"
            alone = equipped(models, said).model
            with pytest.raises(ModelUnavailableError):
                await alone.complete(request())


async def test_runs_do_not_share_which_model_answered_last(tmp_path):
    source = ModelSource(base_url="http://127.0.0.1:9/v1", model="a", further=("b",))
    async with models_of(tmp_path, source) as models:
        one, other = models.of(profile()), models.of(profile())
        assert one is not other
        assert one._models == other._models


async def test_a_model_has_the_price_of_its_name_in_the_file(tmp_path):
    toml = "[models.a]\nmodel = 'm'\nprice = { prompt_usd = 1, completion_usd = 2 }\n"
    said = settings(tmp_path, toml, OPENAI_API_KEY="k")
    async with open_models(said) as models:
        equipment = equipped(models, said)
        assert equipment.prices[equipment.model.name] == Price(prompt_usd=1, completion_usd=2)


@pytest.mark.usefixtures("_hurried")
async def test_a_server_that_is_started_after_the_bot_is_used_from_then_on(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    said = settings(tmp_path, OPENAI_BASE_URL=f"http://127.0.0.1:{port}/v1")
    server = OpenAIServer(in_order(Says(text="hello")))
    async with asyncio.timeout(20), open_models(said) as models:
        early = models.of(profile())
        with pytest.raises(ModelUnavailableError, match=f"127.0.0.1:{port} cannot be reached"):
            await early.complete(request())
        async with asyncio.TaskGroup() as group, server.running(port):
            group.create_task(models.learn())
            assert (await early.complete(request())).text == "hello"
            assert early.name == "fake-model"
        assert models.of(profile()).name == "fake-model"
        assert "fake-model" in models.source.description


async def test_a_very_small_model_gets_its_planner_and_no_judge(tmp_path):
    source, said = (
        ModelSource(base_url="http://127.0.0.1:9/v1", model="smollm2:135m"),
        settings(tmp_path),
    )
    async with models_of(tmp_path, source) as models:
        small = equipped(models, said)
        assert (small.planner, small.planner_name) == (SmallModelPlanner, "small")
        assert small.judge is None
        assert "small" in small.label
        chosen = equipped(models, said, planner=PlannerKind.STEPWISE)
        assert (chosen.planner, chosen.judge) == (StepwisePlanner, Judge)
        assert equipped(models, said, model="qwen2.5:7b").planner_name == "llm"


async def test_an_agent_has_the_tools_of_all_and_tells_its_model_no_secrets(tmp_path):
    said = settings(tmp_path, OPENAI_API_KEY="my-made-up-key")
    server = OpenAIServer(in_order(Says(text="hello")))
    async with (
        asyncio.timeout(20),
        server.running() as url,
        models_of(tmp_path, ModelSource(base_url=url, model="m")) as models,
    ):
        equipment = equipped(models, said)
        assert {"calculate", "file_operations"} <= {
            spec.name for spec in equipment.tools.specs(None)
        }
        await equipment.model.complete(request("it is my-made-up-key"))
        assert "made-up" not in str(server.bodies)
