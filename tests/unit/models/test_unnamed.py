import asyncio

import pytest

from agent_engine.errors import ModelRefusedError, ModelUnavailableError
from agent_engine.models.scripted import ScriptedModel
from agent_engine.models.unnamed import UnnamedModel
from tests.fakes.models import request


class Server:
    """Tells a name, or the error that stands in its place, one for each time it is asked."""

    def __init__(self, *names):
        self.names = list(names)

    async def ask_name(self):
        name = self.names.pop(0)
        if isinstance(name, Exception):
            raise name
        return name


async def test_the_name_is_asked_once_for_all_calls():
    server, made = Server("qwen"), []

    def make(name):
        made.append(ScriptedModel("one", "two", name=name))
        return made[-1]

    model = UnnamedModel(server.ask_name, make)
    assert model.name == ""
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        replies = [group.create_task(model.complete(request())) for _ in range(2)]
    assert sorted(reply.result().text for reply in replies) == ["one", "two"]
    assert len(made) == 1
    assert (model.name, model.dialect) == ("qwen", made[0].dialect)


async def test_a_server_that_is_down_is_asked_again_by_the_next_call():
    server = Server(ModelUnavailableError("down"), "qwen")
    model = UnnamedModel(server.ask_name, lambda name: ScriptedModel("hello", name=name))
    with pytest.raises(ModelUnavailableError, match="down"):
        await model.complete(request())
    assert (await model.complete(request())).text == "hello"


async def test_a_model_that_is_gone_is_looked_for_again():
    server = Server("old", "new")
    replies = {"old": ModelRefusedError("no such model", status=404), "new": "hello"}
    model = UnnamedModel(server.ask_name, lambda name: ScriptedModel(replies[name], name=name))
    with pytest.raises(ModelRefusedError):
        await model.complete(request())
    assert (await model.complete(request())).text == "hello"
    assert model.name == "new"
