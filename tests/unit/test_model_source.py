"""Which models an installation has, whatever is configured and whatever its server says."""

import asyncio
import tomllib

import pytest
from aiohttp import web
from pydantic import SecretStr

from bot.agents_file import AgentsFile
from bot.model_source import OPENAI_URL, ModelSource, find_model
from bot.settings import Settings
from tests.fakes.openai_server import OpenAIServer, direct

NOWHERE = "http://127.0.0.1:9/v1"


@pytest.fixture(autouse=True)
def _no_local_server(monkeypatch):
    async def none():
        return None

    monkeypatch.setattr("bot.model_source.find_local_model", none)


async def found(toml="", keys=None, **environment) -> ModelSource:
    file = AgentsFile.model_validate(tomllib.loads(toml))
    secrets = {name: SecretStr(key) for name, key in (keys or {}).items()}
    settings = Settings.model_validate({**environment, "file": file, "variables": secrets})
    async with asyncio.timeout(5):
        return await find_model(settings)


async def found_on(server, **environment) -> ModelSource:
    async with server.running() as url:
        return await found(OPENAI_BASE_URL=url, **environment)


def listing(*names, status=200):
    """A server that lists models its own way, and the keys that it was asked with."""
    keys = []

    async def models(request):
        keys.append(request.headers.get("Authorization"))
        return web.json_response({"data": list(names)}, status=status)

    server = OpenAIServer(direct)
    server._models = models
    return server, keys


async def test_nothing_configured_and_nothing_found_is_offline():
    source = await found()
    assert source.is_offline
    assert "offline" in source.description


async def test_a_key_alone_means_openais_default_model():
    source = await found(OPENAI_API_KEY="sk-1")
    (place,) = source.places()
    assert (place.model, place.base_url, place.api_key) == ("gpt-5-mini", OPENAI_URL, "sk-1")


async def test_the_only_model_of_a_server_is_taken_without_being_named():
    server = OpenAIServer(direct)
    server.models = ["nomic-embed-text", "all-minilm", "whisper-1", "qwen3:4b"]
    source = await found_on(server)
    assert source.places()[0].model == "qwen3:4b"
    assert "the only chat model that the server lists" in source.description
    assert not source.is_guess


async def test_of_several_models_the_first_is_taken_and_that_is_said():
    server = OpenAIServer(direct)
    server.models = ["llama", "qwen"]
    source = await found_on(server)
    assert source.description.startswith("llama at http://127.0.0.1:")
    assert source.description.endswith("the first of 2 chat models that the server lists")
    assert source.is_guess


async def test_a_named_model_is_not_looked_for():
    server = OpenAIServer(direct)
    server.models = ["llama"]
    source = await found_on(server, TREADLE_MODEL="qwen")
    assert source.places()[0].model == "qwen"


async def test_a_server_that_is_down_is_said_and_never_asked_for_openais_model():
    source = await found(OPENAI_BASE_URL=NOWHERE)
    assert (source.model, source.is_down) == ("", True)
    assert "127.0.0.1:9 cannot be reached" in source.description


async def test_a_named_model_on_a_server_that_is_down_stays_the_model():
    source = await found(OPENAI_BASE_URL=NOWHERE, TREADLE_MODEL="qwen")
    assert (source.model, source.is_down) == ("qwen", True)


async def test_a_server_without_chat_models_is_said():
    server = OpenAIServer(direct)
    server.models = ["bge-m3"]
    source = await found_on(server)
    assert source.model == ""
    assert "lists no chat model" in source.description


async def test_a_refused_key_is_said_without_the_key():
    server, keys = listing(status=401)
    source = await found_on(server, OPENAI_API_KEY="sk-very-secret")
    assert keys == ["Bearer sk-very-secret"]
    assert "refused (HTTP 401)" in source.description
    assert "very-secret" not in source.description + repr(source) + repr(source.places())


async def test_a_login_in_an_address_is_not_shown():
    source = await found(OPENAI_BASE_URL="http://ada:hush@127.0.0.1:9/v1", OPENAI_API_KEY="k")
    assert "hush" not in source.description
    assert "127.0.0.1:9" in source.description


async def test_several_names_are_asked_in_order_on_one_server():
    source = await found(OPENAI_API_KEY="k", TREADLE_MODEL="big, small ,big")
    assert [place.model for place in source.places()] == ["big", "small"]
    assert source.description.startswith("big at https://api.openai.com/v1, then small at")


MODELS = """
[models.fast]
model = "gpt-5-mini"
[models.own]
base_url = "http://gpu.example:8000/v1"
timeout_s = 30
[models.other]
base_url = "https://other.example/v1"
api_key_env = "OTHER_KEY"
"""


async def test_the_files_models_have_their_servers_and_keys():
    source = await found(MODELS, {"OTHER_KEY": "sk-other"}, OPENAI_API_KEY="sk-own")
    fast, own, other = source.places(["fast", "own", "other"])
    assert (fast.name, fast.model, fast.base_url) == ("fast", "gpt-5-mini", OPENAI_URL)
    assert (own.model, own.base_url, own.timeout_s) == ("own", "http://gpu.example:8000/v1", 30)
    assert [p.api_key for p in (fast, own, other)] == ["sk-own", None, "sk-other"]


async def test_the_first_of_the_file_is_the_installations_unless_one_is_named():
    source = await found(MODELS, {"OTHER_KEY": "sk-other"}, OPENAI_API_KEY="sk-own")
    assert source.places()[0].name == "fast"
    named = {"OPENAI_API_KEY": "sk-own", "TREADLE_MODEL": "other, gpt-5"}
    source = await found(MODELS, {"OTHER_KEY": "sk-other"}, **named)
    assert [(p.name, p.api_key) for p in source.places()] == [
        ("other", "sk-other"),
        ("gpt-5", "sk-own"),
    ]


async def test_the_file_alone_is_enough_and_its_first_server_has_other_names_too():
    toml = '[models.a]\nbase_url = "https://a.example/v1"\napi_key_env = "A_KEY"\nsmall = false\n'
    source = await found(toml, {"A_KEY": "sk-a"})
    assert not source.is_offline
    assert [(p.base_url, p.api_key) for p in source.places(["a", "b"])] == [
        ("https://a.example/v1", "sk-a"),
        ("https://a.example/v1", "sk-a"),
    ]


@pytest.mark.parametrize(
    ("name", "small"),
    [("smollm2:135m", True), ("qwen2.5-0.5b-instruct", True), ("llama3.2:1b", False)],
)
async def test_a_models_name_tells_whether_it_is_small(name, small):
    source = await found(OPENAI_BASE_URL=NOWHERE, TREADLE_MODEL=name)
    assert source.places()[0].small is small


@pytest.mark.parametrize(("count", "small"), [(134_515_008, True), (7_000_000_000, False)])
async def test_a_local_server_tells_whether_its_model_is_small(count, small):
    server, _ = listing({"id": "model.gguf", "meta": {"n_params": count}})
    assert (await found_on(server, TREADLE_MODEL="mine")).places()[0].small is small
    assert (await found_on(server)).places()[0].small is small


async def test_the_file_may_say_whether_a_model_is_small():
    source = await found("[models.'x-135m']\nsmall = false\n", OPENAI_API_KEY="k")
    assert source.places()[0].small is False
