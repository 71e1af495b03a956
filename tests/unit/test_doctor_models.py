"""What ``treadle doctor`` says of language models."""

import tomllib

import pytest

from bot.agents_file import AgentsFile
from bot.doctor import Level, _models
from bot.settings import Settings
from tests.fakes.openai_server import Drops, OpenAIServer, Says, in_order
from tests.scenario.whole.models import HurriedModel

NOWHERE = "http://127.0.0.1:9/v1"


@pytest.fixture(autouse=True)
def _hurried(monkeypatch):
    monkeypatch.setattr("agent_engine.models.retry.RetryingModel", HurriedModel)


async def findings(toml="", **environment):
    file = AgentsFile.model_validate(tomllib.loads(toml))
    return await _models(Settings.model_validate({**environment, "file": file}))


async def test_every_model_is_asked_and_shown_with_its_server():
    first, second = (OpenAIServer(in_order(Says(text="ready"))) for _ in range(2))
    async with first.running() as a, second.running() as b:
        toml = f"[models.a]\nbase_url = '{a}'\n[models.b]\nbase_url = '{b}'\nmodel = 'x-270m'\n"
        one, two, three = await findings(f"{toml}[agents.z]\nmodels = ['b', 'c']\n")
    assert [f.level for f in (one, two, three)] == [Level.GOOD] * 3
    assert one.said.startswith(f"a at {a}; answered in ")
    assert two.said.startswith(f"x-270m (called b) at {b}; answered in ")
    assert "it is small" in two.said
    assert three.said.startswith(f"c at {a}; ")


async def test_a_model_that_is_down_is_bad_only_when_none_of_the_installations_answers():
    works, broken = OpenAIServer(in_order(Says(text="ready"))), OpenAIServer(in_order(Drops()))
    async with works.running() as up, broken.running() as down:
        toml = f"[models.a]\nbase_url = '{down}'\n[models.b]\nbase_url = '{up}'\n"
        both = await findings(toml, TREADLE_MODEL="a, b")
        alone = await findings(toml, TREADLE_MODEL="a")
    assert [f.level for f in both] == [Level.DEGRADED, Level.GOOD]
    assert [f.level for f in alone] == [Level.BAD, Level.GOOD]
    assert "check the key" in alone[0].fix


async def test_a_guessed_model_is_said_with_how_to_name_another():
    server = OpenAIServer(in_order(Says(text="ready")))
    server.models = ["llama", "qwen"]
    async with server.running() as url:
        guess, answer = await findings(OPENAI_BASE_URL=url)
    assert guess.level is Level.DEGRADED
    assert guess.said == "llama is the first of 2 chat models that the server lists"
    assert "TREADLE_MODEL" in guess.fix
    assert answer.level is Level.GOOD


async def test_a_server_that_is_down_is_said_with_what_to_do():
    (finding,) = await findings(OPENAI_BASE_URL=NOWHERE)
    assert finding.is_bad
    assert "127.0.0.1:9 cannot be reached" in finding.said
    assert "start the server" in finding.fix
